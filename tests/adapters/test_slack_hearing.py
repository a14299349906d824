"""What is heard on Slack: events, texts, files. What every platform must do is in the contract."""

from __future__ import annotations

import asyncio

import pytest

from adapters import slack_twins
from tests import slack_rules, specs
from tests.adapters.slack_served import (
    CLUB,
    DIRECT,
    ROOM,
)
from tests.fake_slack import BOT, FakeSlack
from tests.fakes import until


def test_every_call_is_held_against_the_vendors_descriptions():
    if not slack_rules.METHODS.exists():
        pytest.skip(specs.missing(slack_rules.METHODS))
    assert slack_rules.complaints("chat.postMessage", {"text": "hello"}, is_json=True)
    assert slack_rules.complaints("chat.noSuchMethod", {}, is_json=True)


# Hearing


async def test_a_mention_comes_as_two_events_and_means_one_message(house):
    ts = house.slack.says("hello", mention=True)
    await house.heard()
    await house.slack.until(lambda: not house.slack.unacknowledged)
    assert len(house.slack.acknowledged) == 2
    (message,) = house.inbox.messages
    assert (message.text, message.addressed, message.follows) == ("hello", True, False)
    assert (message.ref.id, message.thread.thread) == (ts, ts)


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


async def test_a_reply_that_is_sent_to_the_channel_too_follows(house):
    root = house.slack.says("who knows birds?", mention=True)
    event = {"type": "message", "subtype": "thread_broadcast", "user": "U0BEN", "channel": ROOM}
    about = {"ts": house.slack.tick(), "thread_ts": root, "text": "and mynahs?"}
    house.slack.event({**event, **about, "channel_type": "channel"})
    message = (await house.heard(2))[-1]
    assert (message.text, message.thread.thread, message.follows) == ("and mynahs?", root, True)


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


async def test_a_mention_that_comes_alone_is_placed_by_asking_slack(house, monkeypatch):
    monkeypatch.setattr(slack_twins, "TWIN_S", 0.05)
    for channel in (ROOM, CLUB, CLUB):
        ts = house.slack.tick()
        event = {"type": "app_mention", "user": "U0ANN", "channel": channel, "ts": ts}
        house.slack.event({**event, "text": f"<@{BOT}> hi"})
    messages = await house.heard(3)
    assert [message.place for message in messages] == ["public", "private", "private"]
    assert house.slack.count("conversations.info") <= 3


async def test_where_slack_does_not_say_who_can_read_it_is_taken_for_private(house, monkeypatch):
    monkeypatch.setattr(slack_twins, "TWIN_S", 0.05)
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
        "&lt;b&gt;",
        "<not a token",
    ],
)
async def test_odd_texts_arrive_as_they_are(house, text):
    message = await house.asked(text, channel=DIRECT)
    assert message.text == text.strip()


async def test_a_mention_with_a_name_in_it_is_cut_off_too(house):
    message = await house.asked(f"<@{BOT}|mynah> hello", raw=True)
    assert (message.text, message.addressed) == ("hello", True)


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


async def test_an_edit_keeps_the_text_that_came_with_the_message(house):
    files = (("notes.txt", b"words", "text/plain"),)
    message = await house.asked("loko", channel=DIRECT, files=files)
    house.slack.edits(message.ref.id, "look", channel=DIRECT)
    await until(lambda: house.inbox.changes)
    assert house.inbox.changes == [(message.ref, message.text.replace("loko", "look"))]


def forward(slack, **more):
    """A message with another one in it, as Slack's Forward makes it."""
    shared = {"is_share": True, "is_msg_unfurl": True, "author_name": "Ben", "channel_id": ROOM}
    shared |= {"text": f"One &amp; two,\nsays <@{BOT}>.", "fallback": "[July 1st] ben: One"}
    about = {"type": "message", "user": "U0ANN", "ts": slack.tick(), "text": "sum this up"}
    return {**about, "attachments": [{**shared, **more}]}


async def test_what_somebody_forwards_is_quoted_behind_their_words(house):
    preview = {"title": "A page", "text": "that a link leads to", "from_url": "https://a.b"}
    event = forward(house.slack) | {"channel": DIRECT, "channel_type": "im"}
    event["attachments"].append(preview)
    house.slack._keep(DIRECT, {**event})
    house.slack.event(event)
    (message,) = await house.heard()
    quote = "Ben wrote:\n> One & two,\n> says @mynah."
    assert message.text == f"sum this up\n\n{quote}"
    house.slack.edits(event["ts"], "sum it up", channel=DIRECT)
    await until(lambda: house.inbox.changes)
    assert house.inbox.changes == [(message.ref, f"sum it up\n\n{quote}")]


async def test_a_mention_in_what_is_forwarded_is_no_mention(house):
    house.slack.event(forward(house.slack) | {"channel": ROOM, "channel_type": "channel"})
    await house.asked("hello", channel=DIRECT)
    assert [message.text for message in house.once()] == ["hello"]


async def test_a_picture_in_what_is_forwarded_goes_by_name(house):
    picture = house.slack._file("photo.png", b"\x89PNG", "image/png")
    event = forward(house.slack, files=[picture], text="", fallback="")
    house.slack.event(event | {"text": "", "channel": DIRECT, "channel_type": "im"})
    (message,) = await house.heard()
    assert (message.text, message.unread) == ("", ("photo.png",))


async def test_our_own_edits_and_unfurls_are_no_changes(house):
    to = await house.asked()
    answer = await house.answer(to, "one ", house.sees("one "), "two")
    assert house.slack.channels[ROOM].shown[answer.refs[0].id] == ["one ", "one two"]
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


async def test_a_file_that_is_too_large_is_not_fetched_and_one_that_lies_is_not_read(house):
    message = await house.asked(
        "look", channel=DIRECT, files=(("long.txt", b"x" * 100_001, "text/plain"),)
    )
    assert message.unread == ("long.txt",)
    assert house.slack.count("download") == 0
    (about,) = house.slack.channels[DIRECT].messages[message.ref.id]["files"]
    event = {"type": "message", "user": "U0ANN", "channel": DIRECT, "channel_type": "im"}
    lie = {"ts": house.slack.tick(), "text": "see", "files": [{**about, "size": 3}]}
    house.slack.event({**event, **lie})
    assert (await house.heard(2))[-1].unread == ("long.txt",)
    assert house.slack.count("download") == 1


async def test_a_file_that_does_not_come_holds_up_nothing(house):
    house.slack.retries_s = (9.0,)
    house.slack.fail("download", "hang")
    message = await house.asked(
        "slow", channel=DIRECT, files=(("a.txt", b"a", "text/plain"), ("b.txt", b"b", "text/plain"))
    )
    assert len(message.unread) == 1
    await house.slack.until(lambda: not house.slack.unacknowledged)
    assert all(frame for frame in house.slack.acknowledged)


async def test_what_waits_for_a_file_keeps_its_place_before_what_came_later(house):
    house.slack.retries_s = (9.0,)
    house.slack.slow_s = 0.3
    house.slack.says("first", channel=DIRECT, files=(("a.txt", b"a", "text/plain"),))
    house.slack.says("second", channel=DIRECT)
    house.slack.says("elsewhere", channel=CLUB, mention=True)
    await house.heard(3)
    assert [m.text[:6] for m in house.once()] == ["elsewh", "first\n", "second"]


async def test_slacks_page_for_signing_in_is_not_read_as_the_file(house):
    page = house.slack._file("notes.txt", b"<html>sign in</html>", "text/html")
    event = {"type": "message", "user": "U0ANN", "channel": DIRECT, "channel_type": "im"}
    about = {"ts": house.slack.tick(), "text": "see", "files": [{**page, "mimetype": "text/plain"}]}
    house.slack.event({**event, **about})
    (message,) = await house.heard()
    assert (message.text, message.unread) == ("see", ("notes.txt",))


async def test_the_token_is_shown_to_slack_alone(house):
    async with FakeSlack() as stranger:
        about = stranger._file("theirs.txt", b"trap", "text/plain")
        event = {"type": "message", "user": "U0ANN", "channel": DIRECT, "channel_type": "im"}
        house.slack.event({**event, "ts": house.slack.tick(), "text": "see", "files": [about]})
        (message,) = await house.heard()
        assert message.unread == ("theirs.txt",)
        assert stranger.calls == []
