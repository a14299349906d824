"""How answers are shown on Slack: streams, edits, one post.

What goes wrong with each is in test_slack_faults.py.
"""

from __future__ import annotations

import asyncio

import pytest

from adapters import slack_status
from adapters.slack_text import harmless, safe_to_append
from core.answer import Answer
from core.errors import Unasked
from core.types import Aside
from tests.adapters.slack_served import (
    DIRECT,
    ROOM,
    methods,
    moved_in,
    said,
    wait_s,
)
from tests.fake_slack import FakeSlack
from tests.fakes import until


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


WAIT = Aside("_Questions ahead of yours: 7._\n\n")


async def test_whoever_waits_in_a_thread_is_told_in_the_status_and_the_answer_is_a_stream(house):
    to = await house.asked()
    told = house.slack.statuses
    await house.answer(
        to,
        WAIT,
        lambda: house.slack.until(lambda: told),
        Aside("_Questions ahead of yours: 3._"),
        lambda: house.slack.until(lambda: len(told) == 2),
        "Hello ",
        house.sees("Hello "),
        "world.",
    )
    assert told == [f"is busy. Questions ahead of yours: {ahead}." for ahead in (7, 3)]
    assert methods(house.slack) == ["chat.startStream", "chat.stopStream", "chat.update"]
    assert house.slack.visible(ROOM, to.thread.thread) == ["Hello world."]


def statuses(slack, thread: str) -> list[str]:
    calls = [call for call in slack.calls if call.method == "assistant.threads.setStatus"]
    return [c.arguments["status"] for c in calls if c.arguments["thread_ts"] == thread]


async def test_thinking_is_shown_again_before_slack_takes_it_away_until_a_message_stands(
    slack, house, monkeypatch
):
    monkeypatch.setattr(slack_status, "AGAIN_S", 0.05)
    slack.fail("assistant.threads.setStatus", "500")
    one, two = await house.asked("one"), await house.asked("two")
    shown: list[str] = []

    async def thought(to):
        await slack.until(lambda: len(statuses(slack, to.ref.id)) > 3)

    async def meanwhile():
        shown.extend(statuses(slack, one.ref.id))
        await house.answer(two, lambda: thought(two), "Two.")

    await house.answer(one, lambda: thought(one), "One ", house.sees("One "), meanwhile, "one.")
    assert set(shown) == {"is thinking…"}
    assert statuses(slack, one.ref.id) == shown
    assert slack.visible(ROOM) == ["One one.", "Two."]


async def test_the_sign_of_thinking_ends_with_an_answer_that_is_broken_off(
    slack, house, monkeypatch
):
    monkeypatch.setattr(slack_status, "AGAIN_S", 0.05)
    one, two = await house.asked("one"), await house.asked("two")

    async def thought(to):
        await slack.until(lambda: len(statuses(slack, to.ref.id)) > 3)

    answering = asyncio.create_task(house.answer(one, asyncio.Event().wait))
    await thought(one)
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    told = statuses(slack, one.ref.id)
    await house.answer(two, lambda: thought(two), "Two.")
    assert statuses(slack, one.ref.id) == told


async def test_whoever_waits_long_is_told_again(slack, house, monkeypatch):
    monkeypatch.setattr(slack_status, "AGAIN_S", 0.05)
    monkeypatch.setattr(slack_status, "THINKING_S", 0.0)
    to, told = await house.asked(), slack.statuses
    await house.answer(
        to,
        lambda: slack.until(lambda: told),
        WAIT,
        lambda: slack.until(lambda: "7." in told[-1]),
        lambda: told.clear(),
        lambda: slack.until(lambda: len(told) > 2),
        "Hello.",
    )
    assert set(told) == {"is busy. Questions ahead of yours: 7."}


async def test_whoever_waits_beside_a_thread_is_told_in_the_message_and_the_answer_replaces_it(
    house,
):
    to = await house.asked(channel=DIRECT)
    await house.answer(to, WAIT, house.sees(WAIT, DIRECT), "Hello ", "world.")
    assert house.slack.visible(DIRECT, "") == ["Hello world."]
    assert house.slack.statuses == []


@pytest.mark.parametrize("channel", [ROOM, DIRECT])
async def test_a_question_that_is_deleted_in_the_line_leaves_nothing_behind(house, channel):
    to = await house.asked(**({"channel": DIRECT} if channel == DIRECT else {}))

    async def withdrawn():
        yield WAIT
        await house.slack.until(lambda: house.slack.statuses or house.slack.bots(channel))
        raise Unasked("expired")

    async with Answer(withdrawn()) as answer:
        await house.adapter.reply(to, answer)
    assert house.slack.bots(channel) == []
    if channel == ROOM:
        await house.slack.until(lambda: house.slack.statuses[-1] == "")


async def test_no_message_carries_the_answer_of_a_conversation_beside_it(house):
    one, two = await house.asked("one"), await house.asked("two")
    await asyncio.gather(
        house.answer(one, "1 ", wait_s(0.2), "one"), house.answer(two, "2 ", wait_s(0.2), "two")
    )
    assert house.slack.visible(ROOM, one.ref.id) == ["1 one"]
    assert house.slack.visible(ROOM, two.ref.id) == ["2 two"]


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
