"""Votes and corrections on Discord."""

import asyncio
from typing import Any

import pytest

from core.answer import Answer
from core.types import Noted
from tests.adapters.discord_served import Served, saying, served
from tests.fakes import ListInbox, until

QUESTION = "What should I have said?"
TAKE_BACK = "Take it back"


async def pressed(here: Served, message, button: str, by=None):
    press = await here.fake.presses(by or here.ada, message, button)
    await until(lambda: press.response)
    return press


async def test_a_reaction_names_the_message_and_what_was_added_or_taken_back(here: Served):
    answer = await here.answered()
    await here.fake.reacts(here.bob, answer, "👍🏽")
    await here.fake.reacts(here.bob, answer, "👍🏽", added=False)
    await until(lambda: len(here.inbox.reactions) == 2)
    added, taken = here.inbox.reactions
    assert (added.target.id, added.emoji, added.added) == (answer.id, "👍🏽", True)
    assert (added.author.id, added.author.name) == (here.bob.id, "Bob")
    assert (taken.target, taken.emoji, taken.added) == (added.target, "👍🏽", False)
    assert taken.author.id == here.bob.id


async def test_reactions_of_the_bot_and_on_what_others_say_are_none(here: Served):
    answer = await here.answered()
    await here.fake.reacts(here.fake.me, answer, "👍")
    said = await here.fake.says(here.ada, here.fake.general, "x")
    await here.fake.reacts(here.bob, said, "👍")
    await here.nothing_more()
    assert here.inbox.reactions == []


async def test_reactions_come_in_their_order_though_the_store_is_slow(discord):
    class Slow(ListInbox):
        async def reaction(self, reaction):
            await asyncio.sleep(0.01 if reaction.added else 0)
            return await super().reaction(reaction)

    async with served(discord, Slow()) as here:
        answer = await here.answered()
        for _ in range(5):
            await discord.reacts(here.ada, answer, "👍")
            await discord.reacts(here.ada, answer, "👍", added=False)
        await until(lambda: len(here.inbox.reactions) == 10)
        assert [one.added for one in here.inbox.reactions] == [True, False] * 5


async def test_buttons_are_under_the_last_part_only_and_when_the_answer_is_whole(here: Served):
    heard = await here.asked("tell me")

    def shown():
        return here.fake.by_me(here.fake.general)

    async def pieces():
        yield "word " * 500
        await until(lambda: len(shown()) == 2)
        assert not any(message.buttons for message in shown())
        yield "."

    async with Answer(pieces()) as answer:
        await here.adapter.reply(heard, answer)
    assert [bool(message.buttons) for message in shown()] == [False, True]


@pytest.mark.parametrize("outcome", ["command", "refused", "failed"])
async def test_what_the_model_did_not_say_cannot_be_voted_on(here: Served, outcome):
    heard = await here.asked("help")
    answer = await here.answers(heard, "I understand...", outcome=outcome)
    assert here.fake.general.messages[answer.refs[0].id].buttons == {}


async def test_a_press_is_a_vote_and_only_the_voter_sees_what_stands(here: Served):
    here.inbox.noted = Noted(1, "This trains me.")
    answer = await here.answered()
    press = await pressed(here, answer, "👍", by=here.bob)
    vote = here.inbox.reactions[0]
    assert (vote.target.id, vote.emoji, vote.added) == (answer.id, "👍", True)
    assert vote.author.name == "Bob"
    assert press.is_ephemeral
    assert press.shown.content == "Your vote: 👍\nThis trains me."
    assert list(press.shown.buttons) == [TAKE_BACK]  # nothing to correct


async def test_a_vote_is_taken_back_where_it_was_told_and_twice_is_once(discord):
    inbox = ListInbox(noted=Noted(-1))
    async with served(discord, inbox) as here:
        press = await pressed(here, await here.answered(), "👎")
        assert list(press.shown.buttons) == [QUESTION, TAKE_BACK]
    async with served(discord, inbox) as here:  # also after a restart
        inbox.noted, discord.delivers_twice = Noted(None), True
        back = await pressed(here, press.shown, TAKE_BACK)
        await until(lambda: len(inbox.reactions) == 3)
        discord.delivers_twice = False
    vote, *taken = inbox.reactions
    for one in taken:
        assert (one.target, one.author.id, one.emoji) == (vote.target, vote.author.id, "👎")
        assert not one.added
    assert back.shown is press.shown
    assert (press.shown.content, press.shown.buttons) == ("Your vote is taken back.", {})


async def test_what_was_voted_since_stands_when_an_older_vote_is_taken_back(here: Served):
    here.inbox.noted = Noted(1)
    press = await pressed(here, await here.answered(), "👍")
    here.inbox.noted = Noted(-1)
    back = await pressed(here, press.shown, TAKE_BACK)
    assert here.inbox.reactions[-1].emoji == "👍"
    assert back.shown.content == "Your vote: 👎"


async def test_a_vote_by_reaction_is_taken_back_by_reaction(here: Served):
    here.inbox.noted = Noted(-1)
    answer = await here.answered(channel=here.fake.direct(here.ada))
    await here.fake.reacts(here.ada, answer, "👎")
    await until(lambda: len(here.fake.by_me(answer.channel)) == 2)
    assert list(here.fake.by_me(answer.channel)[-1].buttons) == [QUESTION]


@pytest.mark.parametrize(
    ("how", "seconds", "found"),
    [
        ("reaction", 0.4, [True]),
        ("press", 0.4, [True]),
        ("reaction", 2.5, [False, True]),
        ("press", 2.5, [False]),  # Discord waits no longer: the person is told to press again
    ],
)
async def test_a_vote_that_is_faster_than_the_answer_to_our_call_finds_the_answer(
    discord, how, seconds, found
):
    """People see the message before we are told its id; the library waits at rate limits."""
    known: list[bool] = []
    pressed: Any = None

    class Watching(ListInbox):
        async def reaction(self, reaction):
            known.append(reaction.target in answer.refs)
            return await super().reaction(reaction)

    async def votes():
        await until(lambda: discord.by_me(discord.general))
        message = discord.by_me(discord.general)[0]
        if how == "press":
            nonlocal pressed
            pressed = await discord.presses(here.bob, message, "👍")
        else:
            await discord.reacts(here.bob, message, "👍")

    async with served(discord, Watching()) as here:
        heard = await here.asked("tell me")
        discord.fail("POST", "/messages$", "slow", seconds=seconds)
        async with Answer(saying(["Yes."])) as answer, asyncio.TaskGroup() as group:
            group.create_task(here.adapter.reply(heard, answer))
            group.create_task(votes())
        await until(lambda: len(known) == len(found))
        if how == "press":
            await until(lambda: pressed.shown)
            assert ("try it again" in pressed.shown.content) == (found == [False])
    assert known == found


async def test_what_a_person_does_keeps_its_order_though_the_answers_place_comes_late(discord):
    pressed: Any = None

    async def votes():
        nonlocal pressed
        await until(lambda: discord.by_me(discord.general))
        message = discord.by_me(discord.general)[0]
        await discord.reacts(here.bob, message, "👍")
        await until(lambda: here.inbox.reactions)  # nobody knew whether it was ours
        await discord.reacts(here.bob, message, "👍", added=False)
        pressed = await discord.presses(here.bob, message, "👎")
        await until(lambda: pressed.shown)
        assert len(here.inbox.reactions) == 1

    async with served(discord) as here:
        heard = await here.asked("tell me")
        discord.fail("POST", "/messages$", "slow", seconds=4.0)
        async with Answer(saying(["Yes."])) as answer, asyncio.TaskGroup() as group:
            group.create_task(here.adapter.reply(heard, answer))
            group.create_task(votes())
        await until(lambda: len(here.inbox.reactions) == 3)
    assert "try it again" in pressed.shown.content
    assert [one.added for one in here.inbox.reactions] == [True, True, False]
    first, again, taken_back = (one.at for one in here.inbox.reactions)
    assert first == again < taken_back


async def test_a_press_in_a_thread_names_the_same_message_as_the_reply(here: Served):
    thread = await here.fake.open_thread("birds")
    heard = await here.asked("which?", thread)
    answer = await here.answers(heard, "This.")
    await pressed(here, thread.messages[answer.refs[0].id], "👍")
    await here.fake.reacts(here.ada, thread.messages[answer.refs[0].id], "👎")
    await until(lambda: len(here.inbox.reactions) == 2)
    assert {one.target for one in here.inbox.reactions} == {answer.refs[0]}


async def test_after_a_thumb_down_the_right_words_are_asked_for_in_a_form(here: Served):
    here.inbox.noted = Noted(-1)
    answer = await here.answered()
    press = await pressed(here, answer, "👎")
    assert press.is_ephemeral
    opened = await pressed(here, press.shown, QUESTION)
    assert "show them to people here" in str(opened.response)
    sent = await here.fake.fills_in(opened, "A mynah is a bird.")
    await until(lambda: sent.response)
    target, author, text = here.inbox.corrections[0]
    assert (target.id, author.id, text) == (answer.id, here.ada.id, "A mynah is a bird.")
    assert target.channel.id == here.fake.general.id
    assert "kept" in press.shown.content
    assert press.shown.buttons == {}


async def test_right_words_without_a_vote_are_not_thanked_for(here: Served):
    here.inbox.noted, here.inbox.strangers = Noted(-1), {here.ada.id}
    press = await pressed(here, await here.answered(), "👎")
    opened = await pressed(here, press.shown, QUESTION)
    sent = await here.fake.fills_in(opened, "A mynah is a bird.")
    await until(lambda: sent.response)
    assert press.shown.content.startswith("Not kept: no vote")


async def test_buttons_and_forms_work_after_a_restart(discord):
    inbox = ListInbox(noted=Noted(-1))
    async with served(discord, inbox) as here:
        answer = await here.answered()
    async with served(discord, inbox) as here:
        press = await pressed(here, answer, "👎")
    async with served(discord, inbox) as here:
        opened = await pressed(here, press.shown, QUESTION)
    async with served(discord, inbox) as here:
        sent = await discord.fills_in(opened, "Better.")
        await until(lambda: sent.response)
    assert inbox.reactions[0].target.id == inbox.corrections[0][0].id == answer.id


async def test_a_press_is_not_held_up_by_what_is_being_read(here: Served):
    answer = await here.answered()
    here.fake.file_delay_s = 1.5
    files = [("notes.txt", "text/plain", b"words")]
    said = await here.fake.says(here.bob, here.fake.general, here.fake.mention, files=files)
    await pressed(here, answer, "👍")
    assert said.id not in [one.ref.id for one in here.inbox.messages]
    await here.heard(said)


async def test_a_press_is_answered_when_it_is_stored_and_not_before(here: Served):
    answer = await here.answered()
    here.inbox.full = True
    press = await here.fake.presses(here.ada, answer, "👍")
    await here.fake.says(here.ada, here.fake.general, "x")
    assert press.response is None
    here.inbox.full = False
    await until(lambda: press.response)
    assert here.inbox.reactions


@pytest.mark.parametrize("words", ["", "What trains me..."])
async def test_a_thumb_down_by_reaction_in_a_direct_message_is_asked_about_there(
    here: Served, words
):
    here.inbox.noted = Noted(-1, words)
    direct = here.fake.direct(here.ada)
    answer = await here.answered(channel=direct)
    await here.fake.reacts(here.ada, answer, "👎")
    await until(lambda: len(here.fake.by_me(direct)) == 2)
    note = here.fake.by_me(direct)[-1]
    assert note.content == f"Your vote: 👎\n{words}".strip()
    assert note.reference == answer.id
    opened = await pressed(here, note, QUESTION)
    sent = await here.fake.fills_in(opened, "Better.")
    await until(lambda: sent.response)
    assert here.inbox.corrections[0][0] == here.inbox.reactions[0].target


@pytest.mark.parametrize("score", [1, -1])
async def test_what_a_reaction_in_a_channel_is_answered_with_the_voter_alone_is_told(
    here: Served, score
):
    """The first vote in a private place, say: how to switch training on is explained once."""
    here.inbox.noted = Noted(score, "This may train me.")
    thread = await here.fake.open_thread("birds")
    answer = await here.answered(channel=thread)
    await here.fake.reacts(here.ada, answer, "👍" if score == 1 else "👎")
    direct = here.fake.direct(here.ada)
    await until(lambda: here.fake.by_me(direct))
    [note] = here.fake.by_me(direct)
    link, vote, words = note.content.split("\n")
    assert link.endswith(f"/channels/{here.fake.guild_id}/{thread.id}/{answer.id}")
    assert (vote, words) == (f"Your vote: {'👍' if score == 1 else '👎'}", "This may train me.")
    assert not note.unfurls
    assert note.flags & 1 << 12  # it makes no sound
    assert here.fake.by_me(thread) == [answer]
    if score == -1:
        opened = await pressed(here, note, QUESTION)
        sent = await here.fake.fills_in(opened, "Better.")
        await until(lambda: sent.response)
        assert here.inbox.corrections[0][0] == here.inbox.reactions[0].target
    else:
        assert note.buttons == {}


async def test_a_voter_who_takes_no_direct_messages_votes_all_the_same(here: Served):
    here.inbox.noted = Noted(-1)
    here.fake.direct(here.ada).forbidden = True
    answer = await here.answered()
    await here.fake.reacts(here.ada, answer, "👎")
    await until(lambda: here.fake.rest.sent("POST", "/messages$")[-1].status == 403)
    assert [one.emoji for one in here.inbox.reactions] == ["👎"]
    await here.asked("still there?")


async def test_a_thumb_up_by_reaction_is_not_talked_about(here: Served):
    here.inbox.noted = Noted(1)
    direct = here.fake.direct(here.ada)
    answer = await here.answered(channel=direct)
    await here.fake.reacts(here.ada, answer, "👍")
    here.inbox.noted = Noted(None)
    await here.fake.reacts(here.ada, answer, "👍", added=False)
    await here.nothing_more()
    assert len(here.inbox.reactions) == 2
    assert len(here.fake.by_me(direct)) == 1


@pytest.mark.parametrize(
    ("votes", "buttons", "reactions"),
    [("both", 2, 1), ("buttons", 2, 0), ("reactions", 0, 1), ("none", 0, 0)],
)
async def test_a_setting_says_how_people_vote(discord, votes, buttons, reactions):
    async with served(discord, votes=votes) as here:
        answer = await here.answered()
        assert len(answer.buttons) == buttons
        await discord.reacts(here.ada, answer, "👍")
        await here.nothing_more()
        assert len(here.inbox.reactions) == reactions


async def test_a_button_from_before_the_setting_changed_says_that_it_is_off(discord):
    async with served(discord) as here:
        answer = await here.answered()
    async with served(discord, votes="reactions") as here:
        press = await pressed(here, answer, "👍")
        assert "switched off" in press.shown.content
        assert here.inbox.reactions == []
