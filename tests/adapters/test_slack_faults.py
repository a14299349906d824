"""Answers on Slack where calls fail, where something is missing, and after a crash."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import Refused
from tests.adapters.slack_served import (
    DIRECT,
    ROOM,
    checked_slack,
    moved_in,
    wait_s,
)


async def test_a_workspace_without_streams_is_asked_once(slack):
    slack.native = False
    async with moved_in(slack) as house:
        for _ in range(2):
            await house.answer(await house.asked(), "Hello ", wait_s(0.1), "world.")
        assert slack.visible() == ["Hello world."] * 2
        assert slack.count("chat.startStream") == 1


@pytest.mark.parametrize(
    "error", ["missing_recipient_user_id", "channel_type_not_supported", "restricted_action"]
)
async def test_a_stream_that_does_not_start_becomes_a_message(house, error):
    house.slack.fail("chat.startStream", error)
    for _ in range(2):
        await house.answer(await house.asked(), "Hello ", wait_s(0.1), "world.")
    assert house.slack.visible() == ["Hello world."] * 2
    assert house.slack.count("chat.startStream") == 2


async def test_a_stream_that_slack_has_ended_goes_on_as_edits(slack):
    slack.stream_s = 0.5
    async with moved_in(slack) as house:
        to = await house.asked()
        third = house.sees("one two three ")
        await house.answer(
            to, "one ", house.sees("one "), "two ", wait_s(0.5), "three ", third, "four"
        )
        assert slack.visible() == ["one two three four"]
        assert any(c.result == "message_not_in_streaming_state" for c in slack.calls)
        assert slack.bots()[0]["metadata"]["event_payload"]["to"] == to.ref.id


FAILING = [("ratelimited", False), ("500", False), ("500", True), ("reset", False), ("reset", True)]


@pytest.mark.parametrize(
    ("channel", "methods"),
    [
        (ROOM, ["chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update"]),
        (DIRECT, ["chat.postMessage", "chat.update"]),
    ],
)
async def test_an_answer_survives_any_call_that_fails(monkeypatch, channel, methods):
    """Whether Slack did what it was asked or not; all cases side by side."""

    async def survived(method: str, kind: str, after: bool) -> None:
        async with checked_slack(monkeypatch) as slack, moved_in(slack) as house:
            slack.fail(method, kind, after=after)
            to = await house.asked(channel=channel, mention=channel == ROOM)
            first = house.sees("Hello ", channel)
            answer = await house.answer(to, "Hello ", first, "wide ", wait_s(0.3), "world.")
            case = (method, kind, after)
            assert (*case, slack.visible(channel)) == (*case, ["Hello wide world."])
            assert [ref.id for ref in answer.refs] == [m["ts"] for m in slack.bots(channel)], case
            assert slack._streams == {}, case
            for states in slack.channels[channel].shown.values():  # nothing was ever doubled
                assert all("Hello wide world.".startswith(state) for state in states), case

    await asyncio.gather(*(survived(method, *how) for method in methods for how in FAILING))


async def test_after_a_crash_our_own_message_is_found_and_not_posted_again(house):
    to = await house.asked(channel=DIRECT)
    first = await house.answer(to, "Hello world.")
    again = await house.answer(to, "Hello world, again.", placing=True)
    assert again.refs == first.refs
    assert house.slack.visible(DIRECT) == ["Hello world, again."]


async def test_after_a_crash_an_open_stream_is_found_ended_and_put_right(house):
    to = await house.asked()
    await house.slack.until(lambda: True)
    sent = await house.adapter._api.call(
        "chat_startStream",
        channel=ROOM,
        thread_ts=to.ref.id,
        markdown_text="Hel",
        recipient_team_id="T01",
        recipient_user_id="U0ANN",
    )
    answer = await house.answer(to, "Hello world.", placing=True)
    assert [ref.id for ref in answer.refs] == [sent["ts"]]
    assert house.slack.visible() == ["Hello world."]
    assert house.slack.bots()[0]["ts"] not in house.slack._streams


async def test_after_a_crash_another_answers_message_is_not_taken_for_ours(house):
    first = await house.asked()
    to = await house.asked("more", thread=first.ref.id, mention=True)
    await house.answer(first, "The first answer.")  # it stands behind the second question
    await house.answer(to, "The second answer.", placing=True)
    assert house.slack.visible() == ["The first answer.", "The second answer."]


async def test_after_a_crash_what_somebody_said_meanwhile_is_not_taken_for_ours(house):
    to = await house.asked()
    house.slack.says("and quickly, please", thread=to.ref.id)
    await house.answer(to, "Here it is.", placing=True)
    assert house.slack.visible() == ["Here it is."]


async def test_what_slack_lists_late_is_waited_for(slack):
    async with moved_in(slack) as house:
        house.adapter._settle_s = 0.5
        to = await house.asked(channel=DIRECT)
        first = await house.answer(to, "Hello.")
        late = slack.channels[DIRECT].messages.pop(first.refs[0].id)
        asyncio.get_running_loop().call_later(
            0.2, slack.channels[DIRECT].messages.__setitem__, late["ts"], late
        )
        again = await house.answer(to, "Hello again.", placing=True)
        assert again.refs == first.refs


async def test_a_second_try_goes_on_in_the_same_message(house):
    to = await house.asked()
    first = await house.answer(to, "I thi")
    await house.answer(to, "I think so.", refs=first.refs)
    assert house.slack.visible() == ["I think so."]


async def test_an_answer_whose_message_was_deleted_ends_quietly(house):
    for channel in (ROOM, DIRECT):
        to = await house.asked(channel=channel, mention=channel == ROOM)
        gone = lambda place=channel: house.slack.deletes(  # noqa: E731
            house.slack.bots(place)[0]["ts"], channel=place
        )
        seen = house.sees("Hello ", channel)
        await house.answer(to, "Hello ", seen, gone, "wide ", wait_s(0.3), "world.")
        assert house.slack.visible(channel) == []


@pytest.mark.parametrize("error", ["is_archived", "not_in_channel", "channel_not_found"])
async def test_a_place_that_is_gone_is_refused(house, error):
    to = await house.asked(channel=DIRECT)
    house.slack.fail("chat.postMessage", error, times=9)
    with pytest.raises(Refused, match=error):
        await house.answer(to, "Hello.")


@pytest.mark.parametrize(
    ("error", "left"),
    [("cant_delete_message", ["Hello.", "…"]), ("message_not_found", ["Hello.", "from before"])],
)
async def test_a_message_that_cannot_go_says_nothing(house, error, left):
    to = await house.asked()
    before = await house.answer(to, *(f"word{n} " for n in range(2_000)))
    assert len(before.refs) == 2
    house.slack.channels[ROOM].messages[before.refs[1].id]["markdown_text"] = "from before"
    house.slack.channels[ROOM].messages[before.refs[1].id]["blocks"] = None
    house.slack.fail("chat.delete", error)
    await house.answer(to, "Hello.", refs=before.refs)
    assert house.slack.visible() == left


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_a_file_is_not_posted_twice_when_a_call_fails(house, method):
    house.slack.fail(method, "reset", after=True)
    to = await house.asked(channel=DIRECT)
    await house.answer(to, " ".join(f"word{n}" for n in range(9_000)))
    assert sum(bool(message.get("files")) for message in house.slack.bots(DIRECT)) == 1


async def test_a_workspace_without_the_voting_buttons_still_gets_its_answers(house):
    shown = 0
    for number in range(5):
        house.slack.fail("chat.update", "invalid_blocks", times=number < 3)
        to = await house.asked(channel=DIRECT)
        await house.answer(to, "Hello ", house.sees("Hello ", DIRECT), str(number))
        shown += "blocks" in house.slack.calls[-1].arguments
    assert house.slack.visible(DIRECT) == [f"Hello {number}" for number in range(5)]
    assert shown == 0


async def test_a_text_that_slack_takes_in_no_block_costs_the_next_answers_no_buttons(house):
    for number in range(5):
        house.slack.fail("chat.update", "invalid_blocks", times=number % 2)
        to = await house.asked(channel=DIRECT)
        await house.answer(to, "Hello ", house.sees("Hello ", DIRECT), str(number))
    assert house.slack.visible(DIRECT) == [f"Hello {number}" for number in range(5)]
    kinds = [[b["type"] for b in m.get("blocks") or []] for m in house.slack.bots(DIRECT)]
    assert ["context_actions" in kind for kind in kinds] == [True, False, True, False, True]


async def test_a_workspace_that_takes_no_blocks_gets_its_answers_as_text(house):
    house.slack.blocks = False
    for number in range(5):
        await house.answer(await house.asked(channel=DIRECT), "Hello ", wait_s(0.1), str(number))
    assert house.slack.visible(DIRECT) == [f"Hello {number}" for number in range(5)]
    assert [call.result for call in house.slack.calls].count("invalid_blocks") == 3


@pytest.mark.parametrize("kind", ["ratelimited", "429"])
async def test_where_slack_said_not_before_no_stream_is_tried_until_then(house, kind):
    house.slack.fail("chat.startStream", kind, retry_after_s=30)
    for _ in range(2):
        await house.answer(await house.asked(), "Hello ", wait_s(0.1), "world.")
    assert house.slack.visible() == ["Hello world."] * 2
    assert house.slack.count("chat.startStream") == 1
