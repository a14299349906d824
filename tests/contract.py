"""What every chat platform must do. An adapter passes this by a `Rig`, and by no test of its own.

    class TestSlack(AdapterContract):
        @pytest.fixture
        async def rig(self): ...  # started, and stopped at the end

A rig is a fake platform with the adapter's own `run` connected to it. On one side it speaks the
platform's language; the clauses here speak only the core's. It keeps its own rulers: it imports
nothing from the adapter but the adapter and its settings.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

import pytest

from core.answer import Answer
from core.errors import Broken, Refused
from core.ports import Adapter
from core.types import IncomingMessage, MessageRef, Noted, Outcome, Seen
from tests.fakes import ListInbox, until

Room = Literal["direct", "public", "private", "thread"]
"""Where people speak: alone with the bot; in a channel that all can read; in one that few can; in a
thread of the first one, which people began."""

Ability = Literal[
    "again",  # what could not be stored is tried again, by the platform or the adapter
    "acknowledgements",  # the platform is told "received", and delivers again until it is
    "backfill",  # what was said while the adapter was not running can be had
    "bots",  # other bots are heard at all
    "buttons",
    "connection",  # there is one that can be cut
    "corrections",
    "cosmetics",  # "is typing", a status
    "credentials",
    "deletions",  # the platform says that a person deleted a message
    "doubts",  # the platform can be asked whether a message was posted
    "edits",  # the platform says that a person edited a message
    "faults",
    "files",
    "limits",  # of a message's length
    "lines",  # a message can have several
    "mentions",
    "messages",  # an answer stands in messages that can be edited; a terminal has lines
    "pings",
    "rates",
    "reactions",
    "removals",  # somebody can delete an answer
    "rooms",  # public and private ones
    "threads",
    "uploads",  # the bot can send a file
    "whispers",  # something that one person alone can see; slash commands answer so
]


class Rig(Protocol):
    """A platform with one bot and some people. What `lacks` an ability is not called for it."""

    adapter: Adapter
    inbox: ListInbox
    lacks: Mapping[Ability, str]  # why: the clauses that need it are skipped, and say so
    person_id: str
    bot_id: str
    secrets: Sequence[str]  # that the adapter was given, and must never log
    limit: int  # the longest text of one message, as the vendor says it
    every_s: float  # how often edits go out, as the adapter was made; be quick: 0.05
    calls: int  # posts and edits so far, refused ones too
    acknowledged: int  # events for which the platform was told "received"
    mistakes: list[str]  # calls that the platform refused, or that its description does not know

    # The adapter

    async def start(self) -> None:
        """Run the adapter again; return when it hears."""
        ...

    async def stop(self) -> None:
        """Cancel its `run` and return when it has ended."""
        ...

    async def run_with_wrong_token(self) -> None:
        """Run another adapter, whose bot token the platform does not know, to its end."""
        ...

    # What people do; each returns when it is on its way. `by`: "" is the person, "bob" somebody
    # else, "a bot" another bot, `bot_id` ourselves, where the platform echoes what we post.

    async def say(
        self,
        text: str,
        *,
        room: Room = "direct",
        mention: bool = False,
        by: str = "",
        files: Mapping[str, bytes] | None = None,
    ) -> str:
        """The new message's id, as in MessageRef. `mention`: of the bot, at the beginning."""
        ...

    async def command(self, text: str) -> None:
        """A slash command, "/retrain dry", typed in the public room."""
        ...

    async def edit(self, message_id: str, text: str) -> None: ...

    async def delete(self, message_id: str) -> None:
        """A person's own message; or an answer of the bot, by an admin."""
        ...

    async def react(
        self, message_id: str, emoji: str = "👍", *, added: bool = True, by: str = ""
    ) -> None: ...

    async def press(self, message_id: str, emoji: str = "👍", *, by: str = "") -> None:
        """The voting button under this message of the bot."""
        ...

    async def correct(self, message_id: str, text: str) -> None:
        """Vote it down, take the offer "What should I have said?", and send `text`."""
        ...

    # What there is to see

    def visible(self) -> list[str]:
        """The bot's messages that others see too, as a person sees them now, oldest first."""
        ...

    def whispered(self) -> list[str]:
        """What the person alone was shown: replies, notes and toasts, oldest first."""
        ...

    def with_buttons(self) -> list[str]:
        """The ids of the messages that show voting buttons."""
        ...

    def sent_files(self) -> list[str]:
        """The texts of files that the bot sent."""
        ...

    def pinged(self) -> list[str]:
        """Who was notified by what the bot wrote, "everyone" included."""
        ...

    def thread_of(self, message_id: str) -> str:
        """Where a message stands; "": in no thread."""
        ...

    # What goes wrong

    def refuse_next(self, *, retry_after_s: float, times: int = 1) -> None:
        """So many posts and edits are told to come again later."""
        ...

    def fail_next(self, times: int = 1, *, done: bool = False) -> None:
        """So many posts and edits fail as on a bad day: 5xx, or a connection that is cut.

        `done`: the platform does them, and only its answer is lost.
        """
        ...

    def stall_cosmetics(self) -> None:
        """Calls that show "is typing" and the like are never answered."""
        ...

    def shut_out(self) -> None:
        """From now on the bot may not write to the person: blocked, removed, not a member."""
        ...

    async def drop(self) -> None:
        """Cut the connection, as a network does."""
        ...

    async def redeliver(self) -> None:
        """Deliver the last event again, as the platform does after a lost acknowledgement."""
        ...

    async def nonsense(self) -> None:
        """Events of unknown types, with missing, null and surprising fields."""
        ...


async def saying(words: Iterable[str]) -> AsyncGenerator[str]:
    for word in words:
        await asyncio.sleep(0)
        yield word


def need(rig: Rig, *abilities: Ability) -> None:
    for ability in abilities:
        if ability in rig.lacks:
            pytest.skip(f"{rig.adapter.name}: {rig.lacks[ability]}")


def plain(texts: Iterable[str]) -> list[str]:
    """Words without what cutting and rendering may change: whitespace and fences."""
    return " ".join(texts).replace("```", " ").split()


class AdapterContract:
    @pytest.fixture(autouse=True)
    def no_mistakes(self, rig: Rig):
        """Whatever a clause does, the platform refuses nothing as malformed, and knows it all."""
        yield
        assert rig.mistakes == []

    async def asked(self, rig: Rig, text: str = "hello", **how) -> IncomingMessage:
        before = len(rig.inbox.messages)
        await rig.say(text, **how)
        await until(lambda: len(rig.inbox.messages) > before)
        return rig.inbox.messages[-1]

    async def shown(self, rig: Rig, *words: str, **how) -> Answer:
        return await self.replied(rig, await self.asked(rig, **how), *words)

    async def replied(self, rig: Rig, to: IncomingMessage, *words: str, **known) -> Answer:
        async with Answer(saying(words), **known) as answer:
            await rig.adapter.reply(to, answer)
        return answer

    # Hearing

    async def test_a_direct_message_is_addressed_and_dated(self, rig: Rig):
        message = await self.asked(rig, "hello <there> & you_ok")
        assert message.text == "hello <there> & you_ok"
        assert message.addressed
        assert message.place == "direct" or "rooms" in rig.lacks
        assert not message.private
        assert abs(datetime.now(UTC) - message.at) < timedelta(minutes=5)
        assert message.author.id == rig.person_id
        assert message.author.name
        assert not message.author.is_bot
        assert message.ref.channel == message.thread.channel
        assert message.ref.channel.platform == rig.adapter.name
        assert message.ref.channel.account in rig.inbox.accounts

    async def test_a_mention_is_addressed_and_cut_off(self, rig: Rig):
        need(rig, "mentions")
        message = await self.asked(rig, "what is love?", room="public", mention=True)
        assert message.text == "what is love?"
        assert message.addressed
        assert message.place == "public"

    async def test_a_private_room_is_told_from_a_public_one(self, rig: Rig):
        need(rig, "rooms", "mentions")
        message = await self.asked(rig, "a secret", room="private", mention=True)
        assert message.place == "private"

    async def test_a_message_is_named_by_its_id_and_no_two_share_one(self, rig: Rig):
        first, second = await self.asked(rig, "same"), await self.asked(rig, "same")
        assert first.ref != second.ref
        third = await rig.say("same")
        await until(lambda: len(rig.inbox.messages) == 3)
        assert rig.inbox.messages[-1].ref == MessageRef(first.ref.channel, third)

    async def test_talk_between_people_is_not_addressed(self, rig: Rig):
        need(rig, "mentions")
        await rig.say("lunch?", room="public")
        await self.asked(rig)
        assert all(not heard.addressed for heard in rig.inbox.messages if heard.text == "lunch?")

    async def test_a_follow_up_in_a_thread_needs_no_mention(self, rig: Rig):
        need(rig, "threads", "mentions")
        first = await self.asked(rig, "first", room="thread", mention=True)
        await self.replied(rig, first, "answer")
        second = await self.asked(rig, "and then?", room="thread")
        assert second.text == "and then?"
        assert second.follows
        assert not second.addressed
        assert second.thread == first.thread

    async def test_own_messages_are_not_heard(self, rig: Rig):
        answer = await self.shown(rig, "it is ", "me")
        assert answer.refs
        await rig.say("it is me", by=rig.bot_id)
        await self.asked(rig)
        assert all(heard.author.is_bot for heard in rig.inbox.messages if heard.text == "it is me")
        assert rig.inbox.changes == []

    async def test_other_bots_are_marked_as_such(self, rig: Rig):
        need(rig, "bots")
        await rig.say("I am a bot", by="a bot", room="public", mention=True)
        await self.asked(rig)
        others = [heard for heard in rig.inbox.messages if heard.text == "I am a bot"]
        assert all(heard.author.is_bot for heard in others)

    async def test_an_event_is_acknowledged_when_stored_and_not_before(self, rig: Rig):
        need(rig, "acknowledgements")
        before = rig.acknowledged
        await self.asked(rig)
        await until(lambda: rig.acknowledged == before + 1)
        rig.inbox.full = True
        await rig.say("do not lose me")
        await asyncio.sleep(0.2)
        assert rig.acknowledged == before + 1

    async def test_what_could_not_be_stored_comes_again(self, rig: Rig):
        need(rig, "again")
        await self.asked(rig)
        rig.inbox.full = True
        await rig.say("do not lose me")
        await asyncio.sleep(0.2)
        rig.inbox.full = False
        if "acknowledgements" not in rig.lacks:
            await rig.redeliver()
        await until(lambda: rig.inbox.messages[-1].text == "do not lose me", within_s=10)

    async def test_a_message_delivered_twice_has_one_name(self, rig: Rig):
        need(rig, "acknowledgements")
        first = await self.asked(rig, "once")
        await rig.redeliver()
        await self.asked(rig, "next")
        assert {heard.ref for heard in rig.inbox.messages if heard.text == "once"} == {first.ref}

    async def test_edits_and_deletions_of_people_are_told(self, rig: Rig):
        need(rig, "edits")
        message = await self.asked(rig, "helo")
        await rig.edit(message.ref.id, "hello")
        await until(lambda: (message.ref, "hello") in rig.inbox.changes)
        if "deletions" not in rig.lacks:
            await rig.delete(message.ref.id)
            await until(lambda: (message.ref, None) in rig.inbox.changes)
        await self.asked(rig, "next")
        assert [heard.text for heard in rig.inbox.messages] == ["helo", "next"]  # none ran again

    async def test_text_files_are_read_and_others_are_named(self, rig: Rig):
        need(rig, "files")
        message = await self.asked(
            rig,
            "what is this?",
            files={"notes.md": b"one\n```\ncode\n```", "cat.png": b"\x89PNG\r\n\x1a\n\0"},
        )
        assert message.text.startswith("what is this?\n\nnotes.md:\n````")
        assert "one\n```\ncode\n```" in message.text
        assert message.unread == ("cat.png",)

    async def test_too_large_a_file_is_named_and_the_message_is_heard(self, rig: Rig):
        need(rig, "files")
        message = await self.asked(rig, "read it", files={"war.txt": b"peace " * 20_000})
        assert message.text == "read it"
        assert message.unread == ("war.txt",)

    async def test_strange_texts_arrive_as_they_are(self, rig: Rig):
        for text in [
            "שלום \u202eabc\u202c",
            "a\u200bb\u2060c",
            "👩‍👩‍👧 𝕏 😀",
            "```py\nx = 1\n```",
            "x" * 1_900,
        ]:
            if "\n" not in text or "lines" not in rig.lacks:
                assert (await self.asked(rig, text)).text == text

    async def test_only_a_mention_does_no_harm(self, rig: Rig):
        need(rig, "mentions")
        await rig.say("", room="public", mention=True)
        assert (await self.asked(rig, "after it")).text == "after it"
        assert rig.inbox.messages[0].text in ("", "after it")

    async def test_nonsense_does_no_harm_and_is_not_quoted_in_the_log(self, rig: Rig, caplog):
        caplog.set_level(logging.INFO)
        await rig.nonsense()
        answer = await self.shown(rig, "my words", text="your words")
        assert answer.refs
        assert [heard.text for heard in rig.inbox.messages if heard.addressed] == ["your words"]
        for secret in ["my words", "your words", *rig.secrets]:
            assert secret not in caplog.text

    async def test_a_slash_command_is_a_message_for_the_eyes_of_one(self, rig: Rig):
        need(rig, "whispers")
        await rig.command("/retrain dry")
        await rig.command("/retrain dry")
        await until(lambda: len(rig.inbox.messages) == 2)
        first, second = rig.inbox.messages
        assert (first.text, first.private, first.addressed) == ("/retrain dry", True, True)
        assert first.ref != second.ref
        await self.replied(rig, first, "I would ", "use 12 votes.")
        assert rig.visible() == []
        assert rig.whispered()[-1] == "I would use 12 votes."

    async def test_the_thread_so_far_can_be_had(self, rig: Rig):
        need(rig, "threads", "mentions")
        await rig.say("the deploy is red", room="thread")
        await rig.say("since noon", room="thread", by="bob")
        message = await self.asked(rig, "why?", room="thread", mention=True)
        before = [said for said in await rig.adapter.earlier(message) if said.text]
        assert [said.text for said in before][-2:] == ["the deploy is red", "since noon"]
        assert before[-2].author.id == rig.person_id
        assert before[-1].author.name
        assert before[-1].author.id != rig.person_id
        assert [said.at for said in before] == sorted(said.at for said in before)
        assert message.ref not in [said.ref for said in before]

    async def test_our_own_words_are_quoted_as_ours(self, rig: Rig):
        need(rig, "threads", "mentions")
        first = await self.asked(rig, "first", room="thread", mention=True)
        await self.replied(rig, first, "an answer")
        second = await self.asked(rig, "again", room="thread", mention=True)
        ours = [said for said in await rig.adapter.earlier(second) if said.author.is_bot]
        assert [said.text for said in ours] == ["an answer"]

    async def test_where_the_channel_is_the_conversation_nothing_is_quoted(self, rig: Rig):
        await rig.say("before")
        message = await self.asked(rig, "hello")
        if not message.thread.thread:
            assert list(await rig.adapter.earlier(message)) == []

    # Votes

    async def test_a_reaction_names_the_message_that_carries_the_answer(self, rig: Rig):
        need(rig, "reactions")
        answer = await self.shown(rig, "like it?")
        await rig.react(answer.refs[0].id)
        await until(lambda: len(rig.inbox.reactions) == 1)
        await rig.react(answer.refs[0].id, added=False)
        await until(lambda: len(rig.inbox.reactions) == 2)
        assert [reaction.added for reaction in rig.inbox.reactions] == [True, False]
        assert {reaction.target for reaction in rig.inbox.reactions} == {answer.refs[0]}
        assert {reaction.emoji[0] for reaction in rig.inbox.reactions} == {"👍"}
        assert {reaction.author.id for reaction in rig.inbox.reactions} == {rig.person_id}

    @pytest.mark.parametrize("emoji", ["👎", "👍🏽", "👎🏿", "🎉"])
    async def test_every_emoji_is_reported_as_what_it_is(self, rig: Rig, emoji):
        need(rig, "reactions")
        answer = await self.shown(rig, "like it?")
        await rig.react(answer.refs[0].id, emoji)
        await rig.react(answer.refs[0].id, "👍", by="bob")
        await until(lambda: any(one.author.id != rig.person_id for one in rig.inbox.reactions))
        mine = [one.emoji for one in rig.inbox.reactions if one.author.id == rig.person_id]
        assert [one[0] for one in mine] == [emoji[0]] or (emoji == "🎉" and mine == [])

    async def test_a_vote_may_come_while_the_answer_is_written(self, rig: Rig):
        need(rig, "reactions")
        message, voted = await self.asked(rig), asyncio.Event()

        async def pieces() -> AsyncGenerator[str]:
            yield "so far "
            await voted.wait()
            yield "so good"

        async with Answer(pieces()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(lambda: answer.refs)
            await rig.react(answer.refs[0].id)
            await until(lambda: rig.inbox.reactions)
            voted.set()
        assert rig.inbox.reactions[0].target == answer.refs[0]

    async def test_every_part_of_a_long_answer_can_be_voted_on(self, rig: Rig):
        need(rig, "reactions", "limits")
        answer = await self.shown(rig, *[f"word{n} " for n in range(rig.limit // 3)])
        for ref in (answer.refs[0], answer.refs[-1]):
            await rig.react(ref.id)
        await until(lambda: len(rig.inbox.reactions) == 2)
        assert [one.target for one in rig.inbox.reactions] == [answer.refs[0], answer.refs[-1]]

    async def test_buttons_stand_under_the_end_of_a_whole_answer_only(self, rig: Rig):
        need(rig, "buttons", "limits")
        message, go_on, early = await self.asked(rig), asyncio.Event(), list[str]()

        async def pieces() -> AsyncGenerator[str]:
            yield "so far "
            await go_on.wait()
            for n in range(rig.limit // 3):
                yield f"word{n} "

        async with Answer(pieces()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(rig.visible)
            early.extend(rig.with_buttons())
            go_on.set()
        assert early == []
        assert rig.with_buttons() == [answer.refs[-1].id]

    async def test_a_press_is_a_vote_and_the_voter_alone_is_told(self, rig: Rig):
        need(rig, "buttons")
        answer = await self.shown(rig, "like it?")
        rig.inbox.noted = Noted(1, "Votes here do not train.")
        before = rig.visible()
        await rig.press(answer.refs[-1].id, "👍")
        await until(lambda: rig.inbox.reactions)
        [press] = rig.inbox.reactions
        assert (press.emoji, press.added, press.target) == ("👍", True, answer.refs[-1])
        assert press.author.id == rig.person_id
        if "whispers" not in rig.lacks:
            await until(lambda: any("Votes here do not train." in one for one in rig.whispered()))
        assert rig.visible() == before

    async def test_buttons_work_after_a_restart(self, rig: Rig):
        need(rig, "buttons")
        answer = await self.shown(rig, "like it?")
        await rig.stop()
        await rig.start()
        rig.inbox.noted = Noted(-1)
        await rig.press(answer.refs[-1].id, "👎")
        await until(lambda: rig.inbox.reactions)
        assert rig.inbox.reactions[-1].target == answer.refs[-1]

    async def test_after_a_thumb_down_a_person_can_say_what_was_right(self, rig: Rig):
        need(rig, "corrections")
        answer = await self.shown(rig, "2 + 2 = 5")
        rig.inbox.noted = Noted(-1)
        await rig.correct(answer.refs[-1].id, "2 + 2 = 4")
        await until(lambda: rig.inbox.corrections)
        [(target, author, text)] = rig.inbox.corrections
        assert target in answer.refs
        assert (author.id, text) == (rig.person_id, "2 + 2 = 4")
        assert [one.emoji for one in rig.inbox.reactions] == ["👎"]
        assert all(heard.text != "2 + 2 = 4" for heard in rig.inbox.messages)

    # Speaking

    async def test_the_whole_answer_is_shown_once(self, rig: Rig):
        answer = await self.shown(rig, "Hello", ", ", "world.")
        assert rig.visible() == ["Hello, world."]
        assert len(answer.refs) == 1
        assert answer.outcome == "answered"

    async def test_the_first_words_are_shown_before_the_end(self, rig: Rig):
        message, seen = await self.asked(rig), asyncio.Event()

        async def pieces() -> AsyncGenerator[str]:
            yield "first words"
            await seen.wait()
            yield " and the rest"

        async with Answer(pieces()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(lambda: "first words" in " ".join(rig.visible()))
            seen.set()
        assert rig.visible() == ["first words and the rest"]

    async def test_an_empty_answer_shows_nothing(self, rig: Rig):
        need(rig, "messages")
        assert (await self.shown(rig)).refs == []
        assert (await self.shown(rig, " ", "\n")).refs == []
        assert rig.visible() == []

    async def test_a_thousand_pieces_cost_few_calls(self, rig: Rig):
        need(rig, "messages")
        before, started = rig.calls, asyncio.get_running_loop().time()
        await self.shown(rig, *["a "] * 1_000)
        took_s = asyncio.get_running_loop().time() - started
        assert rig.calls - before <= 3 + len(rig.visible()) + took_s / rig.every_s

    async def test_a_long_answer_goes_on_in_further_messages(self, rig: Rig):
        need(rig, "limits")
        words = [f"word{n} " for n in range(rig.limit // 3)]
        answer = await self.shown(rig, *words)
        assert len(answer.refs) == len(rig.visible()) > 1
        assert "\n".join(rig.visible()).split() == "".join(words).split()  # cut between words

    async def test_the_limit_is_measured_as_the_platform_measures(self, rig: Rig):
        need(rig, "limits")
        await self.shown(rig, "<&😀\n" * (rig.limit // 4))
        assert "".join("".join(rig.visible()).split()) == "<&😀" * (rig.limit // 4)

    async def test_long_code_is_code_on_every_page(self, rig: Rig):
        need(rig, "limits")
        lines = [f"x{n} = {n}\n" for n in range(rig.limit // 6)]
        await self.shown(rig, "Like so:\n\n```py\n", *lines, "```\n\nThat is **it**.")
        pages = rig.visible()
        assert len(pages) > 1
        assert all(page.count("```") % 2 == 0 for page in pages)
        shown = plain(page.replace("```py", "") for page in pages)
        assert [word for word in shown if word not in ("**it**.", "it.")] == plain(
            ["Like so:", *lines, "That is"]
        )

    async def test_a_long_table_has_its_head_on_every_page(self, rig: Rig):
        need(rig, "limits")
        rows = [f"| town{n} | {n} |\n" for n in range(rig.limit // 12)]
        await self.shown(rig, "Towns:\n\n| Town | Souls |\n|---|--:|\n", *rows, "\nThat is all.")
        pages = rig.visible()
        assert len(pages) > 1
        towns = [re.findall(r"town(\d+)", page) for page in pages]
        assert [int(n) for page in towns for n in page] == [*range(len(rows))]
        for page, there in zip(pages, towns, strict=True):
            assert page.count("Town ") == page.count("Souls") == bool(there)

    async def test_the_rest_of_a_very_long_answer_is_a_file(self, rig: Rig):
        need(rig, "uploads", "limits")
        words = [f"word{n}" for n in range(rig.limit * 2)]
        answer = await self.shown(rig, " ".join(words))
        [rest] = rig.sent_files()
        assert re.findall(r"word\d+", " ".join([*rig.visible(), rest])) == words
        assert len(answer.refs) > 1

    async def test_specials_arrive_as_they_are(self, rig: Rig):
        text = "1 < 2 & 3 > 2; snake_case * 2 = [x] ~ #1! @ $ ^ 100%"
        await self.shown(rig, text)
        assert rig.visible() == [text]

    async def test_code_arrives_as_it_is(self, rig: Rig):
        code = "if a < b && c > d: print('&lt;b&gt; <!channel> *x* _y_ \\\\n')"
        await self.shown(rig, f"```\n{code}\n```")
        assert code in rig.visible()[0]

    async def test_what_is_not_closed_yet_is_accepted(self, rig: Rig):
        need(rig, "messages")
        message = await self.asked(rig)
        halves = [
            "**bold",
            "** `code",
            "` [a link](http",
            "://x.y) \n\n```py\nx",
            " = 1\n``",
            "`\n\n| a",
        ]

        async def pieces() -> AsyncGenerator[str]:
            for piece in halves:
                before = rig.calls
                yield piece
                await until(lambda before=before: rig.calls > before)  # type: ignore[misc]

        async with Answer(pieces()) as answer:
            await rig.adapter.reply(message, answer)
        assert len(answer.refs) == 1
        assert "x = 1" in rig.visible()[0]

    async def test_two_answers_at_once_stay_apart(self, rig: Rig):
        need(rig, "messages")
        first, second = await self.asked(rig, "one?"), await self.asked(rig, "two?")
        async with asyncio.TaskGroup() as group:
            ones = group.create_task(self.replied(rig, first, *["one "] * 20))
            twos = group.create_task(self.replied(rig, second, *["two "] * 20))
        assert sorted(" ".join(text.split()) for text in rig.visible()) == [
            " ".join(["one"] * 20),
            " ".join(["two"] * 20),
        ]
        assert not set(ones.result().refs) & set(twos.result().refs)

    async def test_a_stopped_answer_keeps_what_was_said_and_says_so(self, rig: Rig):
        message = await self.asked(rig)

        async def endless() -> AsyncGenerator[str]:
            yield "so far"
            await asyncio.Event().wait()

        async with Answer(endless()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(lambda: "so far" in " ".join(rig.visible()))
            answer.stop()
        [text] = rig.visible()
        assert text.startswith("so far")
        assert "Stopped" in text
        assert answer.outcome == "stopped"

    async def test_a_model_that_fails_ends_in_a_sentence_in_the_same_message(self, rig: Rig):
        message = await self.asked(rig)

        async def broken() -> AsyncGenerator[str]:
            yield "so far"
            await until(lambda: "so far" in " ".join(rig.visible()))
            raise Broken("the stream ended")

        async with Answer(broken()) as answer:
            await rig.adapter.reply(message, answer)
        [text] = rig.visible()
        assert text.startswith("so far")
        assert "interrupted" in text
        assert "the stream ended" not in text

    async def test_a_question_that_is_gone_is_answered_all_the_same(self, rig: Rig):
        need(rig, "removals")
        message = await self.asked(rig)
        await rig.delete(message.ref.id)
        await self.replied(rig, message, "too late")
        assert rig.visible() == ["too late"]

    async def test_an_answer_stays_in_its_thread(self, rig: Rig):
        need(rig, "threads", "mentions")
        message = await self.asked(rig, room="thread", mention=True)
        answer = await self.replied(rig, message, *[f"word{n} " for n in range(rig.limit // 3)])
        there = rig.thread_of(message.ref.id)
        assert there
        assert {rig.thread_of(ref.id) for ref in answer.refs} == {there}

    async def test_an_answer_notifies_nobody(self, rig: Rig):
        need(rig, "pings")
        words = (
            f"@everyone @here <!channel> <!here> <@{rig.person_id}> <@&1> <!subteam^S1> @channel"
        )
        message = await self.asked(rig, room="public", mention=True)
        await self.replied(rig, message, words, " ", words)
        assert len(rig.visible()) == 1
        assert rig.pinged() == []

    async def test_nothing_cosmetic_is_waited_for(self, rig: Rig):
        need(rig, "cosmetics")
        message = await self.asked(rig)
        rig.stall_cosmetics()
        async with asyncio.timeout(5):
            await self.replied(rig, message, "no matter")
        assert rig.visible() == ["no matter"]

    # Trouble

    async def test_a_refused_call_is_repeated_when_it_may(self, rig: Rig):
        need(rig, "rates")
        message = await self.asked(rig)
        rig.refuse_next(retry_after_s=1, times=2)
        started = asyncio.get_running_loop().time()
        await self.replied(rig, message, "patience")
        assert rig.visible() == ["patience"]
        assert asyncio.get_running_loop().time() - started >= 1

    async def test_the_end_of_an_answer_outlives_a_bad_day(self, rig: Rig):
        need(rig, "faults")
        message = await self.asked(rig)

        async def pieces() -> AsyncGenerator[str]:
            yield "the beginning "
            await until(rig.visible)
            rig.fail_next(2)
            yield "and the end"

        async with Answer(pieces()) as answer:
            await rig.adapter.reply(message, answer)
        assert rig.visible() == ["the beginning and the end"]

    async def test_a_call_that_was_done_all_the_same_is_not_done_twice(self, rig: Rig):
        need(rig, "faults")
        message = await self.asked(rig)
        rig.fail_next(done=True)
        await self.replied(rig, message, "once")
        strays = 1 if "doubts" in rig.lacks else 0
        assert [text for text in rig.visible() if text != "…"] == ["once"]
        assert len(rig.visible()) <= 1 + strays

    async def test_a_second_try_goes_on_in_the_same_message(self, rig: Rig):
        need(rig, "messages")
        message = await self.asked(rig)
        first = await self.replied(rig, message, "I thi")
        await rig.stop()
        await rig.start()
        await self.replied(rig, message, "I think so.", refs=first.refs)
        assert rig.visible() == ["I think so."]

    async def test_a_second_try_finds_the_message_of_which_nobody_knows(self, rig: Rig):
        need(rig, "doubts")
        message = await self.asked(rig)
        first = await self.replied(rig, message, "I thi")
        await rig.stop()
        await rig.start()
        again = await self.replied(rig, message, "I think so.", placing=True)
        assert rig.visible() == ["I think so."]
        assert again.refs == first.refs

    async def test_a_second_try_that_is_shorter_leaves_nothing_of_the_first(self, rig: Rig):
        need(rig, "removals", "limits")
        message = await self.asked(rig)
        first = await self.replied(rig, message, "word " * (rig.limit // 3))
        assert len(rig.visible()) > 1
        await rig.stop()
        await rig.start()
        again = await self.replied(rig, message, "In short: no.", refs=first.refs)
        assert rig.visible() == ["In short: no."]
        assert again.refs[0] == first.refs[0]

    async def test_a_second_try_that_finds_nothing_posts(self, rig: Rig):
        need(rig, "messages")
        message = await self.asked(rig)
        other = await self.asked(rig)
        await self.replied(rig, other, "to another question")
        async with asyncio.timeout(15):
            answer = await self.replied(rig, message, "I think so.", placing=True)
        assert rig.visible() == ["to another question", "I think so."]
        assert len(answer.refs) == 1

    async def test_the_store_knows_of_a_message_before_it_is_posted(self, rig: Rig):
        """Else nobody would look for it after a crash between the two, and post it again."""
        need(rig, "messages")
        shown_before: list[int] = []

        class Watching:
            async def placing(self) -> None:
                shown_before.append(len(rig.visible()))

            async def placed(self, ref: MessageRef) -> None:
                assert len(rig.visible()) == len(shown_before)

            async def settle(self, text: str, outcome: Outcome) -> None: ...

        message = await self.asked(rig)
        await self.replied(rig, message, "word " * (rig.limit // 3), record=Watching())
        assert len(shown_before) > 1
        assert shown_before == [*range(len(shown_before))]

    async def test_what_was_read_stays_visible_when_cancelled(self, rig: Rig):
        message, read = await self.asked(rig), asyncio.Event()

        async def endless() -> AsyncGenerator[str]:
            yield "so far"
            read.set()
            await asyncio.Event().wait()

        async with Answer(endless()) as answer:
            task = asyncio.create_task(rig.adapter.reply(message, answer))
            await read.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert rig.visible() == ["so far"]

    async def test_an_answer_that_somebody_deletes_meanwhile_ends_quietly(self, rig: Rig):
        need(rig, "removals")
        message, gone = await self.asked(rig), asyncio.Event()

        async def pieces() -> AsyncGenerator[str]:
            yield "nobody wants "
            await gone.wait()
            yield "this"

        async with Answer(pieces()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(lambda: answer.refs)
            await rig.delete(answer.refs[0].id)
            rig.mistakes.clear()
            gone.set()
        assert rig.visible() == []
        rig.mistakes.clear()  # that the platform does not know the message any more is no mistake

    async def test_where_we_may_not_write_we_are_refused_for_good(self, rig: Rig):
        need(rig, "credentials")
        message = await self.asked(rig)
        rig.shut_out()
        with pytest.raises(Refused):
            await self.replied(rig, message, "hello?")
        rig.mistakes.clear()

    async def test_a_wrong_token_is_refused_and_the_setting_is_named(self, rig: Rig):
        need(rig, "credentials")
        with pytest.raises((Refused, ExceptionGroup)) as caught:
            async with asyncio.timeout(10):
                await rig.run_with_wrong_token()
        error: BaseException = caught.value
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, Refused)
        assert "bot_token" in str(error)
        assert not any(secret in str(error) for secret in rig.secrets)
        rig.mistakes.clear()

    # Connections

    async def test_a_dropped_connection_comes_back_and_nothing_is_lost(self, rig: Rig):
        need(rig, "connection")
        await self.asked(rig, "before")
        await rig.drop()
        await rig.say("meanwhile")
        await until(lambda: any(one.text == "meanwhile" for one in rig.inbox.messages), within_s=15)
        await self.shown(rig, "here I am", text="after")
        assert rig.visible() == ["here I am"]

    async def test_what_was_said_while_nobody_listened_is_heard(self, rig: Rig):
        need(rig, "backfill")
        message = await self.asked(rig, "before")
        await rig.stop()
        await rig.say("meanwhile")
        rig.inbox.seen = [Seen(message.thread, message.ref.id, message.at)]
        await rig.start()
        await until(lambda: any(one.text == "meanwhile" for one in rig.inbox.messages), within_s=10)
        heard = next(one for one in rig.inbox.messages if one.text == "meanwhile")
        assert heard.addressed
        assert heard.author.id == rig.person_id

    async def test_nothing_of_it_is_left_when_it_ends(self, rig: Rig):
        await self.shown(rig, "goodbye")
        async with asyncio.timeout(2):
            await rig.stop()
        ours = ("/adapters/", "/core/", "/slack_", "/discord/", "/telegram/")
        left = [
            task
            for task in asyncio.all_tasks()
            if (code := getattr(task.get_coro(), "cr_code", None))
            and "/tests/" not in code.co_filename
            and any(place in code.co_filename for place in ours)
        ]
        assert left == []
        await rig.start()  # for the fixture, which stops it
