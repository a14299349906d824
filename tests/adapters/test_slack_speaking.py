"""How answers are shown on Slack: streams, edits, one post, and what goes wrong with each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.slack_text import harmless, safe_to_append
from core.answer import Answer
from core.errors import Refused
from tests.adapters.slack_served import (
    DIRECT,
    ROOM,
    House,
    checked_slack,
    methods,
    moved_in,
    said,
    wait_s,
)
from tests.fake_slack import FakeSlack
from tests.fakes import until


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeSlack]:
    async with checked_slack(monkeypatch) as slack:
        yield slack


@pytest.fixture
async def house(slack: FakeSlack) -> AsyncIterator[House]:
    async with moved_in(slack) as house:
        yield house


# Speaking


async def test_an_answer_in_a_thread_is_a_native_stream_put_right_at_its_end(house):
    to = await house.asked()
    first, second = house.sees("Hello "), house.sees("Hello wide ")
    answer = await house.answer(to, "Hello ", first, "wide ", second, "world.")
    assert methods(house.slack) == [
        "chat.startStream",
        "chat.appendStream",
        "chat.stopStream",
        "chat.update",
    ]
    assert house.slack.visible(ROOM, to.thread.thread) == ["Hello wide world."]
    (message,) = house.slack.bots()
    assert answer.refs[0].id == message["ts"]
    assert message["metadata"]["event_payload"] == {"to": to.ref.id, "part": 0}
    assert house.slack.channels[ROOM].shown[message["ts"]] == [
        "Hello ",
        "Hello wide ",
        "Hello wide world.",
    ]


async def test_the_place_of_a_stream_is_kept_as_soon_as_it_exists(house):
    to = await house.asked()
    answer = Answer(said(["Hello", lambda: until(lambda: answer.refs)]))
    async with answer:
        await house.adapter.reply(to, answer)
    assert answer.refs[0].id == house.slack.bots()[0]["ts"]


async def test_a_direct_message_is_answered_beside_it_and_edited(house):
    to = await house.asked(channel=DIRECT)
    first, second = house.sees("Hello ", DIRECT), house.sees("Hello wide ", DIRECT)
    await house.answer(to, "Hello ", first, "wide ", second, "world.")
    assert methods(house.slack)[0] == "chat.postMessage"
    assert set(methods(house.slack)[1:]) == {"chat.update"}
    assert house.slack.visible(DIRECT, "") == ["Hello wide world."]
    assert len(house.slack.channels[DIRECT].shown[house.slack.bots(DIRECT)[0]["ts"]]) == 3


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


async def test_a_person_stops_an_answer_with_slacks_own_button(slack):
    """Also one that is no stream, or that nobody sees yet: the event names the thread."""
    for native in (True, False):
        slack.native = native
        async with moved_in(slack) as house:
            to, beside = await house.asked(), await house.asked("beside")
            never, end = asyncio.Event(), asyncio.Event()
            answer, other = Answer(said(["one ", never.wait])), Answer(said(["all", end.wait]))
            async with answer, other:
                replying = asyncio.create_task(house.adapter.reply(to, answer))
                going_on = asyncio.create_task(house.adapter.reply(beside, other))
                await slack.until(lambda: len(slack.bots()) == 2)
                slack.stops(to.ref.id)
                await asyncio.wait_for(replying, 5)
                end.set()
                await going_on
            assert (answer.outcome, other.outcome) == ("stopped", "answered")
            assert slack.visible(ROOM, to.ref.id)[0].startswith("one ")
        for ts in [message["ts"] for message in slack.bots()]:
            del slack.channels[ROOM].messages[ts]


async def test_a_late_word_of_a_stop_does_not_end_the_next_answer(house):
    first = await house.asked()
    pressed = house.slack.tick()
    to, end = await house.asked("more", thread=first.ref.id, mention=True), asyncio.Event()
    answer = Answer(said(["one ", end.wait, "two"]))
    async with answer:
        replying = asyncio.create_task(house.adapter.reply(to, answer))
        await house.slack.until(house.slack.bots)
        house.slack.stops(first.ref.id, at=pressed)
        await house.slack.until(lambda: not house.slack.unacknowledged)
        end.set()
        await replying
    assert answer.outcome == "answered"


async def test_a_stopped_stream_that_no_event_told_of_stops_at_the_next_append(house):
    to, never = await house.asked(), asyncio.Event()
    answer = Answer(said(["one ", wait_s(0.4), "two ", never.wait]))
    async with answer:
        replying = asyncio.create_task(house.adapter.reply(to, answer))
        await house.slack.until(house.slack.bots)
        house.slack._streams[house.slack.bots()[0]["ts"]].stopped = True
        await asyncio.wait_for(replying, 5)
    assert answer.outcome == "stopped"


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


async def test_a_long_answer_goes_on_in_further_messages_and_keeps_its_code(house):
    to = await house.asked()
    code = "\n".join(f"    print({n})  # 👩‍👩‍👧 <tag> & more" for n in range(700))
    text = f"Look:\n\n- so\n\n  ````py\n{code}\n  ````\n\nDone."
    answer = await house.answer(to, text[:500], wait_s(0.1), *text[500:].splitlines(True))
    shown = house.slack.visible()
    assert len(answer.refs) == len(shown) > 2
    assert all(page.count("````") == 2 for page in shown[:-1])
    kept = "\n".join(shown).replace("  ````py\n", "").replace("  ````", "")
    assert [line for line in kept.splitlines() if line.strip()] == [
        line for line in text.splitlines() if line.strip() and "````" not in line
    ]
    payloads = [m["metadata"]["event_payload"] for m in house.slack.bots()]
    assert payloads == [{"to": to.ref.id, "part": part} for part in range(len(shown))]


async def test_the_rest_of_a_very_long_answer_is_a_file_in_the_thread(house):
    to = await house.asked()
    words = " ".join(f"word{n}" for n in range(9_000))
    answer = await house.answer(to, words)
    (file,) = house.slack.uploads.values()
    shown = house.slack.visible(ROOM, to.ref.id)
    assert len(answer.refs) == 6
    assert (file["name"], file["shares"]["public"][ROOM][0]["ts"]) == (
        "answer.md",
        answer.refs[-1].id,
    )
    assert f"{' '.join(shown)} {file['content'].decode()}".split() == words.split()


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_a_file_is_not_posted_twice_when_a_call_fails(house, method):
    house.slack.fail(method, "reset", after=True)
    to = await house.asked(channel=DIRECT)
    await house.answer(to, " ".join(f"word{n}" for n in range(9_000)))
    assert sum(bool(message.get("files")) for message in house.slack.bots(DIRECT)) == 1


async def test_a_stream_whose_message_is_full_ends_when_the_next_one_begins(house):
    to, words = await house.asked(), [f"word{n} " for n in range(2_000)]
    half = "".join(words[:1_000])
    two = lambda: house.slack.until(lambda: len(house.slack.bots()) == 2)  # noqa: E731
    ended = lambda: house.slack.until(lambda: not house.slack._streams)  # noqa: E731
    await house.answer(to, half, house.sees(half), *words[1_000:], two, ended, "The end.")
    assert " ".join(house.slack.visible()).split() == [*"".join(words).split(), "The", "end."]


async def test_a_link_in_one_post_is_not_unfurled(house):
    await house.answer(await house.asked(channel=DIRECT), "See https://example.org/page.")
    assert methods(house.slack) == ["chat.postMessage"]


@pytest.mark.parametrize("direct", [False, True])
async def test_nobody_is_called_and_nothing_unfurled(house, direct):
    to = await house.asked(channel=DIRECT if direct else ROOM, mention=not direct)
    text = (
        "<!channel> <!here|here> <!everyone> <!subteam^S012> <@U0BEN> <@W0X|x> `<!channel>`"
        " <!DOCTYPE html> <!-- not a call --> https://example.org/page @channel"
    )
    grown = house.sees("See <!channel> ", to.ref.channel.id)  # though half of it was held back
    await house.answer(to, "See <!chan", wait_s(0.2), "nel> ", grown, text)
    assert house.shown(channel=to.ref.channel.id) == f"See <!channel> {text}"
    for message in house.slack.bots(to.ref.channel.id):
        assert "<!DOCTYPE html> <!-- not" in message["blocks"][0]["text"]


async def test_code_that_looks_like_a_call_is_sent_sign_by_sign(house):
    code = "```java\nList<@NonNull String> all; Map<@Nullable K, V> b;\n#include <#C.h>\n```"
    for channel in (ROOM, DIRECT):
        to = await house.asked(channel=channel, mention=channel == ROOM)
        await house.answer(to, code[:20], wait_s(0.2), code[20:], wait_s(0.2), "\nDone.")
        (message,) = house.slack.bots(channel)
        assert message["blocks"][0]["text"] == f"{code}\nDone."


async def test_no_half_of_a_call_is_appended_to_a_stream():
    text = "a <@U0BEN> b <@U0BEN|ben with a name> c <!here> <!subteam^S1|x> <@NonNull T> d < e"
    whole = harmless(text)
    for end in range(len(text) + 1):
        assert whole.startswith(safe_to_append(text[:end])), text[:end]


async def test_a_fence_that_is_open_for_now_is_not_closed_in_the_stream(house):
    to = await house.asked()
    await house.answer(to, "```py\na = 1\n", wait_s(0.2), "b = 2\n", wait_s(0.2), "```\nDone.")
    appended = "".join(
        call.arguments.get("markdown_text", "")
        for call in house.slack.calls
        if "Stream" in call.method
    )
    assert appended == "```py\na = 1\nb = 2\n```\nDone."


async def test_thinking_is_shown_while_nothing_else_is_and_costs_no_waiting(house):
    to = await house.asked()
    house.slack.fail("assistant.threads.setStatus", "hang")
    await house.answer(to, wait_s(0.7), "At last.")
    assert house.slack.count("assistant.threads.setStatus") == 1
    await house.answer(await house.asked(), "At once.")
    assert house.slack.count("assistant.threads.setStatus") == 1


async def test_no_message_carries_the_answer_of_a_conversation_beside_it(house):
    one, two = await house.asked("one"), await house.asked("two")
    await asyncio.gather(
        house.answer(one, "1 ", wait_s(0.2), "one"), house.answer(two, "2 ", wait_s(0.2), "two")
    )
    assert house.slack.visible(ROOM, one.ref.id) == ["1 one"]
    assert house.slack.visible(ROOM, two.ref.id) == ["2 two"]


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


async def test_a_hundred_answers_at_once_are_shown_whole_under_slacks_limits():
    """The way is chosen for each: streams first, then edits, then one post."""
    async with FakeSlack(limits=True) as slack, moved_in(slack) as house:
        ways = [
            house.adapter._api.way(message, Answer(said([])))
            for message in [await house.asked()]
            for _ in range(100)
        ]
        assert (ways.count("stream"), ways.count("edits"), ways.count("post")) == (15, 30, 55)


async def test_an_answer_in_one_post_carries_its_buttons(house):
    for _ in range(45):
        house.adapter._api.way(await house.asked() if _ == 0 else house.once()[0], Answer(said([])))
    await house.answer(house.once()[0], "Hello ", wait_s(0.2), "world.")
    assert methods(house.slack) == ["chat.postMessage"]
    assert house.slack.bots()[0]["blocks"][-1]["type"] == "context_actions"


@pytest.mark.parametrize("kind", ["ratelimited", "429"])
async def test_where_slack_said_not_before_no_stream_is_tried_until_then(house, kind):
    house.slack.fail("chat.startStream", kind, retry_after_s=30)
    for _ in range(2):
        await house.answer(await house.asked(), "Hello ", wait_s(0.1), "world.")
    assert house.slack.visible() == ["Hello world."] * 2
    assert house.slack.count("chat.startStream") == 1
