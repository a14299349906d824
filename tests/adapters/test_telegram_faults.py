"""What goes wrong while an answer is shown on Telegram, and what people see of it."""

import asyncio
import logging

import pytest

from core.answer import Answer
from core.errors import Refused
from core.types import MessageRef, Noted
from tests.adapters.telegram_served import POSTS, served, words
from tests.contract import saying
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import Complaint
from tests.fakes import until

UNPARSED = Complaint(400, "Bad Request: can't parse entities: unsupported start")


@pytest.fixture
async def rig():
    """In which some calls are refused, as they must be."""
    async with served() as rig:
        yield rig


@pytest.mark.parametrize("method", ["sendMessage", "editMessageText", "sendDocument"])
async def test_a_token_that_is_revoked_meanwhile_ends_no_answer(rig, method):
    message = await rig.asked()
    rig.telegram.fail(method, Complaint(401, "Unauthorized"))
    shown = await rig.answered(message, "word " * (7_500 if method == "sendDocument" else 1))
    assert shown.texts[-1] == "word" or shown.document


async def test_an_edit_that_is_told_to_wait_waits_and_the_end_is_shown(rig):
    message = await rig.asked()

    async def pieces():
        yield "the beginning "
        await until(rig.visible)
        rig.telegram.flooded("editMessageText", 1)
        async for word in words(20, every_s=0.02):
            yield word

    async with Answer(pieces()) as answer:
        await rig.adapter.reply(message, answer)
    assert rig.visible()[0].endswith("word19")
    posts = rig.telegram.called(*POSTS)
    refused = next(n for n, post in enumerate(posts) if post.status == 429)
    assert posts[refused + 1].at - posts[refused].at >= 1


async def test_a_chat_that_is_told_to_wait_holds_up_no_other(rig):
    busy, calm = await rig.asked(room="public"), await rig.asked()
    rig.telegram.flooded("sendMessage", 3)
    async with asyncio.TaskGroup() as tasks:
        waits = tasks.create_task(rig.answered(busy, "later"))
        await until(lambda: rig.telegram.refused)
        async with asyncio.timeout(2):
            await rig.answered(calm, "now")
        assert not waits.done()
    assert rig.visible() == ["now", "later"]


async def test_when_several_chats_are_told_to_wait_for_the_same_moment_all_do(rig):
    bob = rig.who("bob")
    third = await rig.heard(rig.telegram.says(rig.telegram.private(bob), bob, "hello"))
    first, second = await rig.asked(room="public"), await rig.asked()
    rig.telegram.flooded("sendMessage", 2, times=2)
    async with asyncio.TaskGroup() as tasks:
        for message in (first, second):
            tasks.create_task(rig.answered(message))
        await until(lambda: rig.telegram.refused == 2)
        tasks.create_task(rig.answered(third))
    posts = rig.telegram.called(*POSTS)
    assert [post.status for post in posts[:3]] == [429, 429, 200]
    assert posts[2].at - posts[1].at >= 1.9


async def test_an_edit_that_was_made_all_the_same_is_a_success(rig):
    rig.telegram.fail("editMessageText", "lost")
    shown = await rig.answered(await rig.asked(), "once")
    assert shown.text == "once"
    assert [call.status for call in rig.telegram.called("editMessageText")][-1] == 400
    assert len(rig.visible()) == 1


async def test_what_telegram_cannot_parse_is_shown_as_plain_text(rig):
    rig.telegram.fail("editMessageText", UNPARSED)
    shown = await rig.answered(await rig.asked(), "this is **bold**")
    assert (shown.text, shown.entities) == ("this is bold", [])


async def test_a_message_that_is_too_old_to_be_deleted_says_nothing(rig):
    message = await rig.asked()
    async with Answer(saying(["word "] * 1_000)) as before:
        await rig.adapter.reply(message, before)
    assert len(before.refs) == 2
    too_old = Complaint(400, "Bad Request: message can't be deleted for everyone")
    rig.telegram.fail("deleteMessage", too_old)
    await rig.answered(message, "In short: no.", refs=before.refs)
    assert rig.visible() == ["In short: no.", "…"]


async def test_an_answer_deleted_meanwhile_ends_quietly(rig, caplog):
    caplog.set_level(logging.WARNING)
    message = await rig.asked()

    async def pieces():
        yield "nobody wants "
        await until(rig.visible)
        rig.telegram.deletes(rig.telegram.by_bot()[0])
        yield "this"

    async with Answer(pieces()) as answer:
        await rig.adapter.reply(message, answer)
    assert rig.visible() == []
    assert caplog.text == ""


async def test_a_group_that_became_a_supergroup_gets_its_answer_there(rig):
    group = rig.telegram.group("Old", kind="group", bot_is_admin=True)
    said = rig.telegram.says(group, rig.people[""], "@mynah_bot hello")
    message = await rig.heard(said)
    await rig.stop()
    new = rig.telegram.migrates(group)  # we are not told of it before we answer
    shown = await rig.answered(message, "Here I am.")
    await rig.start()
    assert (shown.chat, shown.text) == (new, "Here I am.")
    assert shown.reply_to is None  # there, the question's number is another message's
    await rig.settled()
    assert len(rig.inbox.messages) == 1  # that it moved is no message
    rig.telegram.mistakes.clear()


async def test_that_a_group_moved_is_heard_and_costs_no_answer_a_refusal(rig):
    group = rig.telegram.group("Old", kind="group", bot_is_admin=True)
    message = await rig.heard(rig.telegram.says(group, rig.people[""], "@mynah_bot hello"))
    new = rig.telegram.migrates(group)
    await rig.settled()
    assert (await rig.answered(message)).chat is new
    assert rig.mistakes == []


async def test_what_was_answered_before_a_group_moved_is_voted_on_and_corrected_after_it(rig):
    """The bot was not there when it moved, and knows of it by Telegram's answer only."""
    group = rig.telegram.group("Old", kind="group", bot_is_admin=True)
    message = await rig.heard(rig.telegram.says(group, rig.people[""], "@mynah_bot hello"))
    shown = await rig.answered(message)
    rig.inbox.noted = Noted(-1)
    new = rig.telegram.group("New")
    group.migrated_to = new.id
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)
    [offer] = rig.offers()
    assert (offer.chat, offer.reply_to) == (new, None)
    rig.telegram.says(new, rig.people[""], "better", reply_to=offer)
    await until(lambda: rig.inbox.corrections)
    voted, (corrected, _, _) = rig.inbox.reactions[0].target, rig.inbox.corrections[0]
    assert voted == corrected == MessageRef(message.ref.channel, str(shown.id))
    rig.telegram.mistakes.clear()


async def test_an_answer_under_way_moves_with_its_group(rig):
    group = rig.telegram.group("Old", kind="group", bot_is_admin=True)
    message = await rig.heard(rig.telegram.says(group, rig.people[""], "@mynah_bot hello"))
    moved = asyncio.Event()

    async def pieces():
        yield "the beginning"
        await moved.wait()
        yield " and the end"

    async with Answer(pieces()) as answer, asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.adapter.reply(message, answer))
        await until(lambda: rig.visible() == ["the beginning"])
        new = rig.telegram.migrates(group)
        moved.set()
    [shown] = rig.telegram.by_bot(new)
    assert shown.text == "the beginning and the end"
    assert [(ref.channel.id, ref.id) for ref in answer.refs] == [(str(new.id), str(shown.id))]


@pytest.mark.parametrize(
    "gone",
    [
        Complaint(403, "Forbidden: bot was kicked from the supergroup chat"),
        Complaint(400, "Bad Request: TOPIC_CLOSED"),
        Complaint(400, "Bad Request: not enough rights to send text messages to the chat"),
    ],
)
async def test_a_place_that_takes_no_answers_is_refused_for_good(rig, gone):
    message = await rig.asked()
    rig.telegram.fail("sendMessage", gone)
    with pytest.raises(Refused):
        await rig.answered(message, "hello?")
    assert len(rig.telegram.called("sendMessage")) == 1


async def test_what_a_crash_leaves_behind_is_never_an_answer(rig):
    """Killed between the post and the moment when its place is kept; then another try."""
    message = await rig.asked()

    class Killed(Exception):
        pass

    class DyingRecord:
        async def placing(self):
            pass

        async def placed(self, ref: MessageRef):
            raise Killed

        async def settle(self, text, outcome):
            pass

    with pytest.raises((Killed, ExceptionGroup)):
        async with Answer(saying(["half an ans"]), record=DyingRecord()) as answer:
            await rig.adapter.reply(message, answer)
    await rig.stop()
    await rig.start()
    await rig.answered(message, "an answer", placing=True)
    assert rig.visible() == ["…", "an answer"]


async def test_replies_may_outlast_the_run(rig):
    message = await rig.asked()
    await rig.stop()
    await rig.answered(message, "still here")
    assert rig.visible() == ["still here"]
    await rig.start()


async def test_a_bad_day_loses_nothing_and_cuts_nothing():
    """Any call may be refused, cut off or done without a word; people talk in five chats."""
    async with FakeTelegram(seed=7) as telegram, served(telegram) as rig:
        telegram.trouble = {"429": 0.01, "502": 0.05, "reset": 0.05, "lost": 0.05, "double": 0.3}
        asked = []
        for n in range(25):
            person = rig.who(f"person {n % 5}")
            asked.append(telegram.says(telegram.private(person), person, f"question {n}"))
        await until(lambda: {one.text for one in rig.inbox.messages} >= {s.text for s in asked})
        async with asyncio.TaskGroup() as tasks:
            for said in asked:
                message = await rig.heard(said)
                tasks.create_task(rig.answered(message, "to ", f"**{said.text}**", " this"))
        telegram.heals()
        shown = [text for text in rig.visible() if text != "…"]
        assert sorted(shown) == sorted(f"to {said.text} this" for said in asked)
        assert telegram.mistakes == []
