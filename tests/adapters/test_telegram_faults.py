"""What goes wrong between the adapter and Telegram, and what people see of it."""

import asyncio
import logging

import pytest

from core.answer import Answer
from core.errors import Closing, Refused
from core.types import MessageRef, Noted
from tests.adapters.telegram_served import POSTS, quick, served
from tests.contract import saying
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import Complaint
from tests.fakes import ListInbox, until

UNPARSED = Complaint(400, "Bad Request: can't parse entities: unsupported start")


@pytest.fixture
async def rig():
    async with served() as rig:
        yield rig


async def test_an_update_that_comes_twice_is_heard_once(rig):
    await rig.asked("once")
    await until(lambda: rig.acknowledged == 1)
    rig.telegram.redeliver()
    await rig.settled()
    assert [one.text for one in rig.inbox.messages] == ["once"]


async def test_what_was_fetched_and_not_stored_before_a_crash_is_heard_after_it():
    stored = asyncio.Event()

    class SlowInbox(ListInbox):
        async def message(self, message):
            stored.set()
            await asyncio.Event().wait()

    async with FakeTelegram() as telegram:
        ann = telegram.person("Ann")
        telegram.says(telegram.private(ann), ann, "do not lose me")
        crashing = asyncio.create_task(quick(telegram).run(SlowInbox()))
        await stored.wait()
        crashing.cancel()
        await asyncio.wait({crashing})
        assert telegram.acknowledged == 0
        async with served(telegram) as rig:
            await until(lambda: [one.text for one in rig.inbox.messages] == ["do not lose me"])
            await until(lambda: telegram.acknowledged == 1)


async def test_nothing_is_acknowledged_that_came_after_the_end_of_intake(rig):
    class ClosedInbox(ListInbox):
        async def message(self, message):
            raise Closing("at the next start")

    await rig.stop()
    before = rig.acknowledged
    rig.telegram.says(rig.chats["direct"], rig.people[""], "next start")
    await asyncio.wait_for(rig.adapter.run(ClosedInbox()), 5)
    assert rig.acknowledged == before
    await rig.start()
    await until(lambda: [one.text for one in rig.inbox.messages] == ["next start"])


async def test_all_of_a_batch_is_stored_before_any_of_it_is_acknowledged(rig):
    class HalfFull(ListInbox):
        async def message(self, message):
            self.full = message.text == "no room"
            await super().message(message)

    inbox = HalfFull()
    await rig.stop()
    before = rig.acknowledged
    for chat, text in (("direct", "room"), ("direct", "no room"), ("direct", "never reached")):
        rig.telegram.says(rig.chats[chat], rig.people[""], text)
    running = asyncio.create_task(rig.adapter.run(inbox))
    await until(lambda: sum(one.text == "room" for one in inbox.messages) >= 2)  # it came again
    running.cancel()
    await asyncio.wait({running})
    assert rig.acknowledged == before
    assert {one.text for one in inbox.messages} == {"room"}
    await rig.start()


async def test_one_update_that_we_stumble_over_holds_up_no_other(rig, caplog):
    class Stumbling(ListInbox):
        async def message(self, message):
            if message.text == "my odd words":
                raise RuntimeError(message.text)
            await super().message(message)

    inbox = Stumbling()
    await rig.stop()
    before = rig.acknowledged
    for text in ("my odd words", "hello"):
        rig.telegram.says(rig.chats["direct"], rig.people[""], text)
    running = asyncio.create_task(rig.adapter.run(inbox))
    await until(lambda: rig.acknowledged == before + 2)
    assert [one.text for one in inbox.messages] == ["hello"]
    assert "RuntimeError" in caplog.text
    assert "odd words" not in caplog.text
    running.cancel()
    await asyncio.wait({running})
    await rig.start()


async def test_chats_are_heard_side_by_side(rig):
    class Meeting(ListInbox):
        async def message(self, message):
            await super().message(message)
            await until(lambda: len(self.messages) == 2)  # each waits for the other

    inbox = Meeting()
    await rig.stop()
    for room in ("public", "direct"):
        rig.telegram.says(rig.chats[room], rig.people[""], "@mynah_bot hello")
    running = asyncio.create_task(rig.adapter.run(inbox))
    await until(lambda: rig.acknowledged == 2)
    running.cancel()
    await asyncio.wait({running})
    await rig.start()


async def test_another_program_with_the_same_token_is_named_and_outlasted(rig, caplog):
    conflict = Complaint(409, "Conflict: terminated by other getUpdates request")
    rig.telegram.fail("getUpdates", conflict, 2)
    await rig.asked("ends the poll that waits")
    await rig.asked("heard after two more")
    assert "another program" in caplog.text
    assert "token of its own" in caplog.text


async def test_a_webhook_of_former_days_is_removed_and_what_waited_is_heard():
    async with FakeTelegram() as telegram:
        telegram.webhook = "https://old.example"
        ann = telegram.person("Ann")
        telegram.says(telegram.private(ann), ann, "hello?")
        async with served(telegram) as rig:
            await until(lambda: rig.inbox.messages)
        assert telegram.webhook == ""


async def test_a_token_that_is_revoked_meanwhile_ends_the_platform(rig):
    rig.telegram.fail("getUpdates", Complaint(401, "Unauthorized"), 1)
    rig.telegram.says(rig.chats["direct"], rig.people[""], "hello?")
    with pytest.raises(Refused, match="bot_token_env"):
        await asyncio.wait_for(rig.running, 5)
    await rig.start()


@pytest.mark.parametrize("method", ["sendMessage", "editMessageText", "sendDocument"])
async def test_a_token_that_is_revoked_meanwhile_ends_no_answer(rig, method):
    message = await rig.asked()
    rig.telegram.fail(method, Complaint(401, "Unauthorized"))
    shown = await rig.answered(message, "word " * (7_500 if method == "sendDocument" else 1))
    assert shown.texts[-1] == "word" or shown.document


@pytest.mark.parametrize("how", ["hang", "reset", "lost", Complaint(502, "Bad Gateway")])
async def test_polling_goes_on_after_a_fault(rig, how):
    rig.telegram.fail("getUpdates", how)
    await rig.asked("ends the poll that waits")
    await rig.asked("are you there?")
    texts = [one.text for one in rig.inbox.messages]
    assert texts == ["ends the poll that waits", "are you there?"]


async def test_polling_waits_as_long_as_telegram_says(rig):
    rig.telegram.flooded("getUpdates", 1)
    await rig.asked("ends the poll that waits")
    await rig.asked("hello")
    polls = rig.telegram.called("getUpdates")
    refused = next(n for n, poll in enumerate(polls) if poll.status == 429)
    assert polls[refused + 1].at - polls[refused].at >= 1


async def test_connections_on_which_nothing_works_any_more_are_made_anew(caplog):
    async with served(stalled_after_s=0.5) as rig:
        rig.telegram.fail("getUpdates", "sick")
        await rig.asked("ends the poll that waits")
        await rig.asked("are you there?")
        assert "connecting anew" in caplog.text
        await rig.answered(rig.inbox.messages[-1], "I am.")
        assert rig.visible() == ["I am."]


async def test_one_fault_after_a_quiet_while_breaks_no_connection(caplog):
    async with served(stalled_after_s=1.2) as rig:
        await until(lambda: len(rig.telegram.called("getUpdates")) >= 3)  # two were empty
        rig.telegram.fail("getUpdates", Complaint(502, "Bad Gateway"))
        await rig.asked("ends the poll that waits")
        await rig.asked("heard after the fault")
        assert "connecting anew" not in caplog.text


async def test_after_a_silent_week_telegram_may_count_from_anywhere(rig):
    await rig.asked("before")
    await until(lambda: rig.acknowledged == 1)
    await until(lambda: len(rig.telegram.called("getUpdates")) >= 3)  # one of them was empty
    rig.telegram.counts_from(7)
    await rig.asked("after")


async def test_an_edit_that_is_told_to_wait_waits_and_the_end_is_shown(rig):
    message = await rig.asked()

    async def pieces():
        yield "the beginning"
        await until(rig.visible)
        rig.telegram.flooded("editMessageText", 1)
        for n in range(20):
            await asyncio.sleep(0.02)
            yield f" word{n}"

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
