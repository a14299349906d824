"""What people say, edit and delete arrives as it was said; "received" is said once it is stored."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from core.types import MessageRef
from tests.contract.rig import Rig, need
from tests.contract.talk import asked, replied, shown
from tests.fakes import until


class Hearing:
    async def test_a_direct_message_is_addressed_and_dated(self, rig: Rig):
        message = await asked(rig, "hello <there> & you_ok")
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
        message = await asked(rig, "what is love?", room="public", mention=True)
        assert message.text == "what is love?"
        assert message.addressed
        assert message.place == "public"

    async def test_a_private_room_is_told_from_a_public_one(self, rig: Rig):
        need(rig, "rooms", "mentions")
        message = await asked(rig, "a secret", room="private", mention=True)
        assert message.place == "private"

    async def test_a_message_is_named_by_its_id_and_no_two_share_one(self, rig: Rig):
        first, second = await asked(rig, "same"), await asked(rig, "same")
        assert first.ref != second.ref
        third = await rig.say("same")
        await until(lambda: len(rig.inbox.messages) == 3)
        assert rig.inbox.messages[-1].ref == MessageRef(first.ref.channel, third)

    async def test_talk_between_people_is_not_addressed(self, rig: Rig):
        need(rig, "mentions")
        await rig.say("lunch?", room="public")
        await asked(rig)
        assert all(not heard.addressed for heard in rig.inbox.messages if heard.text == "lunch?")

    async def test_a_follow_up_in_a_thread_needs_no_mention(self, rig: Rig):
        need(rig, "threads", "mentions")
        first = await asked(rig, "first", room="thread", mention=True)
        await replied(rig, first, "answer")
        second = await asked(rig, "and then?", room="thread")
        assert second.text == "and then?"
        assert second.follows
        assert not second.addressed
        assert second.thread == first.thread

    async def test_what_a_question_replies_to_comes_with_it(self, rig: Rig):
        need(rig, "replies", "mentions")
        said = await rig.say("the pump is broken", room="public", by="bob")
        message = await asked(rig, "what about this?", room="public", mention=True, to=said)
        assert message.text == "what about this?"
        quote = message.replies_to
        assert quote
        assert quote.ref == MessageRef(message.ref.channel, said)
        assert quote.text == "the pump is broken"
        assert quote.author.name
        assert quote.author.id != rig.person_id
        assert quote.at <= message.at
        await rig.edit(said, "the pump is fine")
        await until(lambda: (quote.ref, "the pump is fine") in rig.inbox.changes)
        if "deletions" not in rig.lacks:
            await rig.delete(said)
            await until(lambda: (quote.ref, None) in rig.inbox.changes)

    async def test_our_own_answer_does_not_come_with_a_reply_to_it(self, rig: Rig):
        need(rig, "replies", "mentions")
        answer = await shown(rig, "an answer", room="public", mention=True)
        to = answer.refs[0].id
        message = await asked(rig, "are you sure?", room="public", mention=True, to=to)
        assert message.replies_to is None

    async def test_own_messages_are_not_heard(self, rig: Rig):
        answer = await shown(rig, "it is ", "me")
        assert answer.refs
        await rig.say("it is me", by=rig.bot_id)
        await asked(rig)
        assert all(heard.author.is_bot for heard in rig.inbox.messages if heard.text == "it is me")
        assert rig.inbox.changes == []

    async def test_other_bots_are_marked_as_such(self, rig: Rig):
        need(rig, "bots")
        await rig.say("I am a bot", by="a bot", room="public", mention=True)
        await asked(rig)
        others = [heard for heard in rig.inbox.messages if heard.text == "I am a bot"]
        assert all(heard.author.is_bot for heard in others)

    async def test_an_event_is_acknowledged_when_stored_and_not_before(self, rig: Rig):
        need(rig, "acknowledgements")
        before = rig.acknowledged
        await asked(rig)
        await until(lambda: rig.acknowledged == before + 1)
        rig.inbox.full = True
        await rig.say("do not lose me")
        await asyncio.sleep(0.2)
        assert rig.acknowledged == before + 1

    async def test_what_could_not_be_stored_comes_again(self, rig: Rig):
        need(rig, "again")
        await asked(rig)
        rig.inbox.full = True
        await rig.say("do not lose me")
        await asyncio.sleep(0.2)
        rig.inbox.full = False
        if "acknowledgements" not in rig.lacks:
            await rig.redeliver()
        await until(lambda: rig.inbox.messages[-1].text == "do not lose me", within_s=10)

    async def test_a_message_delivered_twice_has_one_name(self, rig: Rig):
        need(rig, "acknowledgements")
        first = await asked(rig, "once")
        await rig.redeliver()
        await asked(rig, "next")
        assert {heard.ref for heard in rig.inbox.messages if heard.text == "once"} == {first.ref}

    async def test_edits_and_deletions_of_people_are_told(self, rig: Rig):
        need(rig, "edits")
        message = await asked(rig, "helo")
        await rig.edit(message.ref.id, "hello")
        await until(lambda: (message.ref, "hello") in rig.inbox.changes)
        if "deletions" not in rig.lacks:
            await rig.delete(message.ref.id)
            await until(lambda: (message.ref, None) in rig.inbox.changes)
        await asked(rig, "next")
        assert [heard.text for heard in rig.inbox.messages] == ["helo", "next"]  # none ran again

    async def test_text_files_are_read_and_others_are_named(self, rig: Rig):
        need(rig, "files")
        message = await asked(
            rig,
            "what is this?",
            files={"notes.md": b"one\n```\ncode\n```", "cat.png": b"\x89PNG\r\n\x1a\n\0"},
        )
        assert message.text.startswith("what is this?\n\nnotes.md:\n````")
        assert "one\n```\ncode\n```" in message.text
        assert message.unread == ("cat.png",)

    async def test_too_large_a_file_is_named_and_the_message_is_heard(self, rig: Rig):
        need(rig, "files")
        message = await asked(rig, "read it", files={"war.txt": b"peace " * 20_000})
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
                assert (await asked(rig, text)).text == text

    async def test_only_a_mention_does_no_harm(self, rig: Rig):
        need(rig, "mentions")
        await rig.say("", room="public", mention=True)
        assert (await asked(rig, "after it")).text == "after it"
        assert rig.inbox.messages[0].text in ("", "after it")

    async def test_nonsense_does_no_harm_and_is_not_quoted_in_the_log(self, rig: Rig, caplog):
        caplog.set_level(logging.INFO)
        await rig.nonsense()
        answer = await shown(rig, "my words", text="your words")
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
        await replied(rig, first, "I would ", "use 12 votes.")
        assert rig.visible() == []
        assert rig.whispered()[-1] == "I would use 12 votes."

    async def test_the_thread_so_far_can_be_had(self, rig: Rig):
        need(rig, "threads", "mentions")
        await rig.say("the deploy is red", room="thread")
        await rig.say("since noon", room="thread", by="bob")
        message = await asked(rig, "why?", room="thread", mention=True)
        before = [said for said in await rig.adapter.earlier(message) if said.text]
        assert [said.text for said in before][-2:] == ["the deploy is red", "since noon"]
        assert before[-2].author.id == rig.person_id
        assert before[-1].author.name
        assert before[-1].author.id != rig.person_id
        assert [said.at for said in before] == sorted(said.at for said in before)
        assert message.ref not in [said.ref for said in before]

    async def test_our_own_words_are_quoted_as_ours(self, rig: Rig):
        need(rig, "threads", "mentions")
        first = await asked(rig, "first", room="thread", mention=True)
        await replied(rig, first, "an answer")
        second = await asked(rig, "again", room="thread", mention=True)
        ours = [said for said in await rig.adapter.earlier(second) if said.author.is_bot]
        assert [said.text for said in ours] == ["an answer"]

    async def test_where_the_channel_is_the_conversation_nothing_is_quoted(self, rig: Rig):
        await rig.say("before")
        message = await asked(rig, "hello")
        if not message.thread.thread:
            assert list(await rig.adapter.earlier(message)) == []
