"""Telegram's updates: what is stored is acknowledged, and polling outlasts what goes wrong."""

import asyncio

import pytest

from core.errors import Closing, Refused
from tests.adapters.telegram_served import quick, served
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import Complaint
from tests.fakes import ListInbox, until


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
