"""What only Slack has, against tests/fake_slack.py; what every platform must do is in the contract.

Each call that the adapter makes is held against the vendor's description of the method.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from adapters.slack import Settings, SlackAdapter
from core.answer import Answer
from core.errors import Refused
from core.types import IncomingMessage
from tests.fake_slack import APP_TOKEN, BOT, BOT_TOKEN, FakeSlack
from tests.fakes import ListInbox, until
from tests.slack_rules import METHODS

ROOM, CLUB, DIRECT = "C0ROOM", "G0CLUB", "D0ANN"


@dataclass
class House:
    """The adapter, at work on a Slack of its own."""

    slack: FakeSlack
    inbox: ListInbox
    adapter: SlackAdapter
    running: asyncio.Task[None]

    async def heard(self, count: int = 1) -> list[IncomingMessage]:
        """The messages that came in, each once: Slack tells of a mention twice."""
        await self.slack.until(lambda: len(self.once()) >= count)
        return self.once()

    def once(self) -> list[IncomingMessage]:
        return list({message.ref: message for message in self.inbox.messages}.values())

    async def asked(self, text: str = "hello", **how) -> IncomingMessage:
        before = len(self.once())
        self.slack.says(text, **(how or {"mention": True}))
        return (await self.heard(before + 1))[-1]

    async def answer(
        self, to: IncomingMessage, *pieces: str | Callable[[], object], **how
    ) -> Answer:
        """Reply with pieces; a callable among them is awaited or called in its place."""
        async with Answer(said(pieces), **how) as answer:
            await self.adapter.reply(to, answer)
        return answer

    def shown(self, *, channel: str = ROOM) -> str:
        return "".join(self.slack.visible(channel))


async def said(pieces) -> AsyncGenerator[str]:
    for piece in pieces:
        await asyncio.sleep(0)
        if isinstance(piece, str):
            yield piece
            continue
        done = piece()
        if asyncio.iscoroutine(done):
            await done


@asynccontextmanager
async def moved_in(
    slack: FakeSlack, inbox: ListInbox | None = None, *, lines: int = 2, **settings
) -> AsyncIterator[House]:
    inbox = inbox or ListInbox()
    tokens = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN}
    adapter = SlackAdapter(
        Settings(**tokens, base_url=slack.base_url, **settings), every_s=0.2, settle_s=0.05
    )
    running = asyncio.create_task(adapter.run(inbox))
    try:
        await slack.until(lambda: slack.sockets >= lines or running.done())
        if running.done():
            running.result()
        yield House(slack, inbox, adapter, running)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as slack:
        yield slack
        assert slack.pings == []
        assert slack.unfurled == []
        assert slack.complaints == []


@pytest.fixture
async def house(slack: FakeSlack) -> AsyncIterator[House]:
    async with moved_in(slack) as house:
        yield house


async def ten_words() -> AsyncGenerator[str]:
    for n in range(10):
        await asyncio.sleep(0.08)
        yield f"word{n} "


def test_every_call_is_held_against_the_vendors_descriptions():
    if not METHODS.exists():
        pytest.skip("the vendors' descriptions are not beside this repository")
    assert (METHODS / "chat.postMessage.json").exists()


# Hearing


async def test_a_mention_comes_as_two_events_and_means_one_message(house):
    house.slack.says("hello", mention=True)
    await until(lambda: len(house.inbox.messages) == 2)
    first, second = house.inbox.messages
    assert first.ref == second.ref
    assert (first.text, first.addressed, first.follows) == ("hello", True, False)
    assert first.thread.thread == first.ref.id


async def test_an_event_that_comes_twice_names_the_same_message(house):
    ts = house.slack.says("hi", channel=DIRECT)
    message = house.slack.channels[DIRECT].messages[ts]
    house.slack.event({**message, "channel": DIRECT, "channel_type": "im"}, event_id="Ev1")
    await until(lambda: len(house.inbox.messages) == 2)
    assert len(house.once()) == 1


async def test_what_is_not_stored_is_not_acknowledged_and_comes_again(house):
    house.inbox.full = True
    house.slack.says("do not lose me", channel=DIRECT)
    await asyncio.sleep(0.25)
    assert house.slack.acknowledged == []
    house.inbox.full = False
    await house.heard()
    await house.slack.until(lambda: not house.slack.unacknowledged)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "member_joined_channel", "user": "U0BEN", "channel": ROOM},
        {"type": "message", "subtype": "channel_join", "user": "U0BEN", "channel": ROOM, "ts": "1"},
        {"type": "message", "subtype": "bot_message", "bot_id": "B9", "channel": ROOM, "ts": "1.1"},
        {"type": "message", "channel": ROOM},
        {"type": "message", "channel": ROOM, "user": None, "ts": None, "text": None},
        {"type": "message", "channel": ROOM, "user": "U0ANN", "ts": "not a time", "text": "hi"},
        {"type": "reaction_added", "user": "U0ANN", "reaction": "+1", "item": {"type": "file"}},
        {"type": "reaction_added", "item": None},
        {"type": "something_new_in_2027", "what": {"ever": [1, 2]}},
        {},
    ],
)
async def test_what_is_unknown_or_malformed_is_acknowledged_and_changes_nothing(house, event):
    house.slack.event(event)
    await house.slack.until(lambda: not house.slack.unacknowledged)
    await house.asked("still there?", channel=DIRECT)
    assert [message.text for message in house.once()] == ["still there?"]


@pytest.mark.parametrize("kind", ["events_api", "interactive", "slash_commands"])
async def test_an_envelope_of_unknown_content_is_acknowledged(house, kind):
    house.slack.envelope(kind, {"type": "unheard_of", "actions": []})
    await house.slack.until(lambda: not house.slack.unacknowledged)


async def test_an_outage_of_auth_test_loses_no_event(house):
    house.slack.fail("auth.test", "500", times=50)
    await house.asked("hello", channel=DIRECT)
    await house.slack.until(lambda: not house.slack.unacknowledged)


async def test_what_is_said_in_a_thread_without_a_mention_follows(house):
    root = house.slack.says("who knows birds?", mention=True)
    await house.heard()
    house.slack.says("and mynahs?", thread=root, by="U0BEN")
    message = (await house.heard(2))[-1]
    assert (message.addressed, message.follows) == (False, True)
    assert message.thread.thread == root


async def test_a_follow_up_that_calls_somebody_else_is_theirs(house):
    root = house.slack.says("who knows birds?", mention=True)
    house.slack.says("<@U0BEN> do you?", thread=root, raw=True)
    house.slack.says("lunch?")
    await house.asked("hello", channel=DIRECT)
    assert [message.text for message in house.once()] == ["who knows birds?", "hello"]


async def test_direct_messages_are_one_conversation_but_for_their_threads(house):
    first = await house.asked("one", channel=DIRECT)
    await house.asked("two", channel=DIRECT, thread=first.ref.id)
    assert [message.thread.thread for message in house.once()] == ["", first.ref.id]
    assert all(message.addressed for message in house.once())


@pytest.mark.parametrize(
    ("channel", "place"), [(ROOM, "public"), (CLUB, "private"), (DIRECT, "direct")]
)
async def test_who_can_read_it_is_known(house, channel, place):
    message = await house.asked("hello", channel=channel, mention=channel != DIRECT)
    assert message.place == place


async def test_a_mention_that_comes_alone_is_placed_by_asking_slack(house):
    for channel in (ROOM, CLUB, CLUB):
        ts = house.slack.tick()
        event = {"type": "app_mention", "user": "U0ANN", "channel": channel, "ts": ts}
        house.slack.event({**event, "text": f"<@{BOT}> hi"})
    messages = await house.heard(3)
    assert [message.place for message in messages] == ["public", "private", "private"]
    assert house.slack.count("conversations.info") <= 3


async def test_where_slack_does_not_say_who_can_read_it_is_taken_for_private(house):
    house.slack.fail("conversations.info", "500")
    event = {"type": "app_mention", "user": "U0ANN", "channel": ROOM, "ts": house.slack.tick()}
    house.slack.event({**event, "text": f"<@{BOT}> hi"})
    assert [message.place for message in await house.heard()] == ["private"]


async def test_words_are_read_as_people_see_them(house):
    message = await house.asked(
        f"<@{BOT}> is 1 &lt; 2 &amp; <https://a.b/c?d=1&amp;e=2|this page> <https://x.y> by"
        " <@U0BEN> <@U0ANN|ann> in <#C0ROOM|room> <!here> <!subteam^S1|@team>"
        " <mailto:a@b.c|a@b.c>?",
        raw=True,
        by="U0BEN",
    )
    assert message.text == (
        "is 1 < 2 & this page (https://a.b/c?d=1&e=2) https://x.y by @U0BEN @ann in #room @here"
        " @team a@b.c?"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 39_000,
        "שלום עולם",
        "\u200b\u200d\u2060",
        "👩‍👩‍👧‍👦 𝔘𝔫𝔦",
        "&amp;lt;",
        "<not a token",
    ],
)
async def test_odd_texts_arrive_as_they_are(house, text):
    message = await house.asked(text, channel=DIRECT)
    assert message.text == text.strip()


async def test_bots_are_heard_as_bots_and_we_are_not_heard_at_all(house):
    await house.asked("ping", bot_id="B9", mention=True)
    house.slack.says("it is me", by=BOT, channel=DIRECT)
    await house.asked("hello", channel=DIRECT)
    assert [message.author.is_bot for message in house.once()] == [True, False]


async def test_edits_and_deletions_are_told(house):
    ts = house.slack.says("helo", mention=True)
    await house.heard()
    house.slack.edits(ts, "hello")
    await until(lambda: house.inbox.changes)
    house.slack.deletes(ts)
    await until(lambda: len(house.inbox.changes) == 2)
    grave = house.slack.says("with replies", channel=DIRECT)
    house.slack.deletes(grave, channel=DIRECT, tombstone=True)
    await until(lambda: len(house.inbox.changes) == 3)
    assert [(ref.id, text) for ref, text in house.inbox.changes] == [
        (ts, "hello"),
        (ts, None),
        (grave, None),
    ]


async def test_our_own_edits_and_unfurls_are_no_changes(house):
    to = await house.asked()
    await house.answer(to, "one ", "two")
    message = house.slack.channels[ROOM].messages[to.ref.id]
    house.slack._changed_event(ROOM, {**message, "attachments": [{}]}, message)
    await house.slack.until(lambda: not house.slack.unacknowledged)
    assert house.inbox.changes == []


# Files


async def test_text_files_are_read_and_others_go_by_name(house):
    message = await house.asked(
        "look",
        channel=DIRECT,
        files=(
            ("notes.txt", "Bird ```x``` 🐦".encode(), "text/plain"),
            ("photo.png", b"\x89PNG", "image/png"),
            ("long.txt", b"x" * 100_001, "text/plain"),
            ("data.JSON", b'{"a": 1}', "application/octet-stream"),
            ("odd.txt", b"\xff\xfe\x00", "text/plain"),
        ),
    )
    assert message.text == (
        'look\n\nnotes.txt:\n````\nBird ```x``` 🐦\n````\n\ndata.JSON:\n```\n{"a": 1}\n```'
    )
    assert message.unread == ("photo.png", "long.txt", "odd.txt")


async def test_at_most_five_files_are_read(house):
    files = tuple((f"{n}.txt", b"words", "text/plain") for n in range(7))
    message = await house.asked("all of them", channel=DIRECT, files=files)
    assert message.unread == ("5.txt", "6.txt")
    assert message.text.count("words") == 5


async def test_a_file_that_does_not_come_holds_up_nothing(house):
    house.slack.retries_s = (9.0,)
    house.slack.fail("download", "hang")
    message = await house.asked(
        "slow", channel=DIRECT, files=(("a.txt", b"a", "text/plain"), ("b.txt", b"b", "text/plain"))
    )
    assert len(message.unread) == 1
    await house.slack.until(lambda: not house.slack.unacknowledged)
    assert all(frame for frame in house.slack.acknowledged)


async def test_the_token_is_shown_to_slack_alone(house):
    async with FakeSlack() as stranger:
        about = stranger._file("theirs.txt", b"trap", "text/plain")
        message = await house.asked("look", channel=DIRECT, subtype="file_share", files=())
        event = {"type": "message", "user": "U0ANN", "channel": DIRECT, "channel_type": "im"}
        house.slack.event({**event, "ts": house.slack.tick(), "text": "see", "files": [about]})
        message = (await house.heard(2))[-1]
        assert message.unread == ("theirs.txt",)
        assert stranger.calls == []


# Speaking


def methods(slack: FakeSlack) -> list[str]:
    """The calls that show answers, in order."""
    return [call.method for call in slack.calls if call.method.startswith("chat.")]


def wait_s(seconds: float) -> Callable[[], object]:
    return lambda: asyncio.sleep(seconds)


async def test_an_answer_in_a_thread_is_a_native_stream_put_right_at_its_end(house):
    to = await house.asked()
    answer = await house.answer(to, "Hello ", wait_s(0.3), "wide ", wait_s(0.3), "world.")
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
    await house.answer(to, "Hello ", wait_s(0.4), "wide ", wait_s(0.4), "world.")
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
    "error", ["ratelimited", "missing_recipient_user_id", "channel_type_not_supported"]
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
        await house.answer(
            to, "one ", wait_s(0.3), "two ", wait_s(0.4), "three ", wait_s(0.4), "four"
        )
        assert slack.visible() == ["one two three four"]
        assert any(c.result == "message_not_in_streaming_state" for c in slack.calls)
        assert slack.bots()[0]["metadata"]["event_payload"]["to"] == to.ref.id


async def test_a_person_stops_a_stream_with_slacks_own_button(house):
    to, never = await house.asked(), asyncio.Event()
    answer = Answer(said(["one ", "two ", never.wait]))
    async with answer:
        replying = asyncio.create_task(house.adapter.reply(to, answer))
        await house.slack.until(house.slack.bots)
        house.slack.stops(house.slack.bots()[0]["ts"])
        await asyncio.wait_for(replying, 5)
    assert answer.outcome == "stopped"
    assert house.shown().startswith("one two ")


async def test_a_stopped_stream_that_no_event_told_of_stops_at_the_next_append(house):
    to, never = await house.asked(), asyncio.Event()
    answer = Answer(said(["one ", wait_s(0.4), "two ", never.wait]))
    async with answer:
        replying = asyncio.create_task(house.adapter.reply(to, answer))
        await house.slack.until(house.slack.bots)
        house.slack._streams[house.slack.bots()[0]["ts"]].stopped = True
        await asyncio.wait_for(replying, 5)
    assert answer.outcome == "stopped"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["ratelimited", "500", "reset"])
@pytest.mark.parametrize(
    "method", ["chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update"]
)
async def test_a_stream_survives_any_call_that_fails(house, method, kind, after):
    if kind == "ratelimited" and after:
        return
    house.slack.fail(method, kind, after=after)
    to = await house.asked()
    await house.answer(to, "Hello ", wait_s(0.3), "wide ", wait_s(0.3), "world.")
    assert house.slack.visible() == ["Hello wide world."]
    assert house.slack.bots()[0]["ts"] not in house.slack._streams


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["ratelimited", "500", "reset"])
@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_a_message_survives_any_call_that_fails(house, method, kind, after):
    if kind == "ratelimited" and after:
        return
    house.slack.fail(method, kind, after=after)
    to = await house.asked(channel=DIRECT)
    answer = await house.answer(to, "Hello ", wait_s(0.1), "world.")
    assert house.slack.visible(DIRECT) == ["Hello world."]
    assert [ref.id for ref in answer.refs] == [m["ts"] for m in house.slack.bots(DIRECT)]


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


async def test_what_slack_lists_late_is_waited_for(slack):
    async with moved_in(slack) as house:
        house.adapter._settle_s = 1.0
        to = await house.asked(channel=DIRECT)
        first = await house.answer(to, "Hello.")
        late = slack.channels[DIRECT].messages.pop(first.refs[0].id)
        asyncio.get_running_loop().call_later(
            0.3, slack.channels[DIRECT].messages.__setitem__, late["ts"], late
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
        await house.answer(to, "Hello ", wait_s(0.4), gone, "wide ", wait_s(0.4), "world.")
        assert house.slack.visible(channel) == []


@pytest.mark.parametrize("error", ["is_archived", "not_in_channel", "channel_not_found"])
async def test_a_place_that_is_gone_is_refused(house, error):
    to = await house.asked(channel=DIRECT)
    house.slack.fail("chat.postMessage", error, times=9)
    with pytest.raises(Refused, match=error):
        await house.answer(to, "Hello.")


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


@pytest.mark.parametrize("direct", [False, True])
async def test_nobody_is_called_and_nothing_unfurled(house, direct):
    to = await house.asked(channel=DIRECT if direct else ROOM, mention=not direct)
    text = (
        "<!channel> <!here|here> <!everyone> <!subteam^S012> <@U0BEN> <@W0X|x> `<!channel>`"
        " <!DOCTYPE html> <!-- not a call --> https://example.org/page @channel"
    )
    await house.answer(to, "<!chan", wait_s(0.3), "nel>", wait_s(0.3), " ", text)
    assert house.shown(channel=to.ref.channel.id) == f"<!channel> {text}"
    for message in house.slack.bots(to.ref.channel.id):
        assert "<!DOCTYPE html> <!-- not" in message["blocks"][0]["text"]


async def test_a_fence_that_is_open_for_now_is_not_closed_in_the_stream(house):
    to = await house.asked()
    await house.answer(to, "```py\na = 1\n", wait_s(0.3), "b = 2\n", wait_s(0.3), "```\nDone.")
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
        house.answer(one, "1 ", wait_s(0.3), "one"), house.answer(two, "2 ", wait_s(0.3), "two")
    )
    assert house.slack.visible(ROOM, one.ref.id) == ["1 one"]
    assert house.slack.visible(ROOM, two.ref.id) == ["2 two"]


async def test_a_workspace_without_the_voting_buttons_still_gets_its_answers(house):
    house.slack.fail("chat.update", "invalid_blocks")
    await house.answer(await house.asked(channel=DIRECT), "Hello ", wait_s(0.1), "world.")
    await house.answer(await house.asked(channel=DIRECT), "Hello ", wait_s(0.1), "again.")
    assert house.slack.visible(DIRECT) == ["Hello world.", "Hello again."]


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
