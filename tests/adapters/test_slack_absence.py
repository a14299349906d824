"""What was said on Slack before we were asked, or while we were away."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import AdapterError
from core.types import ChannelRef, IncomingMessage, MessageRef, Noted, Seen, ThreadRef
from tests.adapters.slack_served import DIRECT, ROOM, moved_in
from tests.fake_slack import BOT, FakeSlack
from tests.fakes import ListInbox, until

# What was said before, and while we were away


async def test_the_thread_so_far_is_quoted_with_names(house):
    root = house.slack.says("The build is red.", by="U0BEN")
    house.slack.says("Since when?", thread=root)
    house.slack.says("<@U0ANN> since &lt;noon&gt;", thread=root, by="U0BEN", raw=True)
    to = await house.asked("why?", thread=root, mention=True)
    house.slack.says("later", thread=root)
    said = await house.adapter.earlier(to)
    assert [(quoted.author.name, quoted.text) for quoted in said] == [
        ("Ben", "The build is red."),
        ("Ann", "Since when?"),
        ("Ben", "@Ann since <noon>"),
    ]
    assert said[0].ref == MessageRef(to.ref.channel, root)
    assert house.slack.count("users.info") == 2


async def test_only_the_newest_fifty_are_quoted(house):
    root = house.slack.says("message 0", by="U0BEN")
    for n in range(1, 460):
        house.slack.says(f"message {n}", thread=root, away=True)
    to = await house.asked("so?", thread=root, mention=True)
    said = await house.adapter.earlier(to)
    assert [quoted.text for quoted in said] == [f"message {n}" for n in range(410, 460)]


YEAR_S = 365 * 86_400.0


async def test_of_a_very_long_thread_the_newest_fifty_are_quoted_however_old(slack, house):
    begun = float(slack.tick()) - 2 * YEAR_S
    root = f"{begun:.6f}"
    about = {"type": "message", "user": "U0BEN", "thread_ts": root}
    for n in range(4_200):
        ts = f"{begun + n:.6f}"
        slack._keep(ROOM, {**about, "ts": ts, "text": f"message {n}"})
    for n in range(3):
        slack._keep(ROOM, {**about, "ts": f"{begun + YEAR_S + n:.6f}", "text": f"late {n}"})
    to = await house.asked("so?", thread=root, mention=True)
    slack.says("later", thread=root, away=True)
    said = [quoted.text for quoted in await house.adapter.earlier(to)]
    assert said == [*(f"message {n}" for n in range(4_153, 4_200)), "late 0", "late 1", "late 2"]
    assert slack.count("conversations.replies") == 5


async def test_of_an_ordinary_thread_one_page_is_read(slack, house):
    root = slack.says("message 0")
    for n in range(1, 150):
        slack.says(f"message {n}", thread=root, away=True)
    to = await house.asked("so?", thread=root, mention=True)
    assert len(await house.adapter.earlier(to)) == 50
    assert slack.count("conversations.replies") == 1


async def test_a_thread_that_cannot_be_read_is_an_error_and_a_name_that_cannot_an_id(house):
    root = house.slack.says("The build is red.", by="U0BEN")
    to = await house.asked("why?", thread=root, mention=True)
    house.slack.fail("users.info", "500")
    assert [quoted.author.name for quoted in await house.adapter.earlier(to)] == ["U0BEN"]
    house.slack.fail("conversations.replies", "500")
    with pytest.raises(AdapterError):
        await house.adapter.earlier(to)
    assert await house.adapter.earlier(await house.asked(channel=DIRECT)) == ()


def seen(*messages: IncomingMessage) -> list[Seen]:
    return [Seen(message.thread, message.ref.id, message.at) for message in messages]


async def test_what_was_said_while_we_were_away_is_heard_in_order_before_what_is_new(slack):
    async with moved_in(slack) as house:
        thread = await house.asked("the first")
        direct = await house.asked("hello", channel=DIRECT)
        await house.answer(thread, "an answer")
    old = slack.says("an old thread", away=True)
    slack.says("not for us", away=True)
    slack.says("one", thread=thread.ref.id, away=True)
    slack.says("two", mention=True, away=True)
    slack.says("three", thread=thread.ref.id, away=True, by="U0BEN")
    slack.says("four", thread=old, mention=True, away=True)
    slack.says("five", channel=DIRECT, away=True)
    slack.says("it is me", channel=DIRECT, by=BOT, away=True)
    inbox = ListInbox(seen=seen(thread, direct))
    async with moved_in(slack, inbox) as house:
        slack.says("six", mention=True)
        await house.slack.until(lambda: any(m.text == "six" for m in inbox.messages))
    room = [m for m in house.once() if m.ref.channel.id == ROOM and m.ref != thread.ref]
    assert [(m.text, m.addressed) for m in room] == [
        ("one", False),
        ("two", True),
        ("three", False),
        ("four", True),
        ("six", True),
    ]
    assert [m.text for m in house.once() if m.ref.channel.id == DIRECT and m != direct] == ["five"]
    assert inbox.messages[-1].text == "six"
    assert thread.ref not in [message.ref for message in inbox.messages]  # it was heard before


async def test_an_old_thread_is_asked_without_reading_its_channel_since(slack):
    root = f"{slack._clock or 1_500_000_000:.6f}"
    for n in range(3):
        slack._keep(ROOM, {"type": "message", "user": "U0BEN", "ts": f"150000000{n}.000000"})
        slack.channels[ROOM].messages[f"150000000{n}.000000"]["text"] = "long ago"
    root = "1500000000.000000"
    last = slack.says("yesterday", thread=root, away=True)
    slack.says("today", thread=root, mention=True, away=True)
    channel = ChannelRef("slack", "T01/U0BOT", ROOM)
    at = datetime.fromtimestamp(float(last), UTC)
    inbox = ListInbox(seen=[Seen(ThreadRef(channel, root), last, at)])
    async with moved_in(slack, inbox) as house:
        await house.heard()
    assert [message.text for message in house.once()] == ["today"]
    (history,) = [call for call in slack.calls if call.method == "conversations.history"]
    week_ago = datetime.now(UTC) - timedelta(days=7, minutes=1)
    assert float(history.arguments["oldest"]) > week_ago.timestamp()


async def test_a_conversation_that_was_only_a_command_is_caught_up_from_its_time(slack):
    channel = ChannelRef("slack", "T01/U0BOT", DIRECT)
    slack.says("before", channel=DIRECT, away=True)
    at = datetime.fromtimestamp(float(slack.tick()), UTC)
    slack.says("after", channel=DIRECT, away=True)
    inbox = ListInbox(seen=[Seen(ThreadRef(channel), "12.T01", at)])
    async with moved_in(slack, inbox) as house:
        await house.heard()
    assert [message.text for message in house.once()] == ["after"]


async def test_a_channel_that_cannot_be_read_does_not_keep_the_others_waiting(slack, caplog):
    async with moved_in(slack) as house:
        one, two = await house.asked("one"), await house.asked("two", channel=DIRECT)
    slack.says("meanwhile", channel=DIRECT, away=True)
    slack.fail("conversations.history", "not_in_channel")
    inbox = ListInbox(seen=seen(one, two))
    async with moved_in(slack, inbox) as house:
        await house.heard()
    assert [message.text for message in house.once()] == ["meanwhile"]


def ago(**how: float) -> str:
    return f"{(datetime.now(UTC) - timedelta(**how)).timestamp():.6f}"


def said_long_ago(slack: FakeSlack, ts: str, text: str, *, thread="", by="U0BEN") -> str:
    message = {"type": "message", "user": by, "text": text, "ts": ts}
    slack._keep(ROOM, message | ({"thread_ts": thread} if thread else {}))
    return ts


def seen_at(*talks: tuple[str, str], channel: str = ROOM) -> ListInbox:
    """An inbox that heard something, the newest at that time, in each of these conversations."""
    ref = ChannelRef("slack", f"T01/{BOT}", channel)
    return ListInbox(
        seen=[
            Seen(ThreadRef(ref, root), last, datetime.fromtimestamp(float(last), UTC))
            for root, last in talks
        ]
    )


async def test_a_week_of_threads_is_not_read_again_at_each_start(slack):
    """Each is a call, of fifty in a minute, and all of the channel waits for the last of them."""
    talks = []
    for number in range(120):
        root = said_long_ago(slack, ago(days=5, seconds=number), "a thread")
        reply = ago(days=4, seconds=number)
        by = BOT if number % 2 else "U0ANN"
        said_long_ago(slack, reply, "an answer", thread=root, by=by)
        if by == BOT:
            talks.append((root, root))
    fresh = said_long_ago(slack, ago(minutes=3), f"<@{BOT}> hello")
    said_long_ago(slack, ago(minutes=2), f"<@{BOT}> and?", thread=fresh)
    inbox = seen_at(*talks, (fresh, fresh))
    async with moved_in(slack, inbox) as house:
        await house.heard()
    assert [message.text for message in house.once()] == ["and?"]
    assert slack.count("conversations.replies") == 1


async def test_a_mention_in_a_thread_that_is_older_than_all_of_ours_is_heard(slack):
    root = said_long_ago(slack, ago(hours=20), "The build is red.")
    ours = said_long_ago(slack, ago(hours=1), f"<@{BOT}> hello")
    said_long_ago(slack, ago(minutes=5), f"<@{BOT}> why?", thread=root)
    async with moved_in(slack, seen_at((ours, ours))) as house:
        await house.heard()
    assert [message.text for message in house.once()] == ["why?"]


async def test_what_was_edited_or_deleted_while_we_were_away_is_told(slack):
    edited = said_long_ago(slack, ago(minutes=50), f"<@{BOT}> helo")
    reply = said_long_ago(slack, ago(minutes=40), "in a thraed", thread=edited)
    said_long_ago(slack, ago(minutes=39), "an answer", thread=edited, by=BOT)
    grave = said_long_ago(slack, ago(minutes=35), f"<@{BOT}> with replies")
    alone = said_long_ago(slack, ago(minutes=30), f"<@{BOT}> nobody answered this")
    other = said_long_ago(slack, ago(minutes=25), f"<@{BOT}> hello")
    last = said_long_ago(slack, ago(minutes=20), "and more", thread=other)
    begun = said_long_ago(slack, ago(minutes=15), f"<@{BOT}> hello")
    middle = said_long_ago(slack, ago(minutes=10), "and more", thread=begun)
    said_long_ago(slack, ago(minutes=9), "an answer", thread=begun, by=BOT)
    slack.edits(edited, "hello", away=True)
    slack.edits(reply, "in a thread", away=True)
    slack.deletes(grave, away=True, tombstone=True)
    slack.deletes(alone, away=True)
    for ts in (last, middle):
        slack.deletes(ts, away=True)
    talks = [(edited, reply), (grave, grave), (alone, alone), (other, last), (begun, middle)]
    inbox = seen_at(*talks)
    async with moved_in(slack, inbox):
        await until(lambda: len(inbox.changes) == 6)
    assert {ref.id: text for ref, text in inbox.changes} == {
        edited: "hello",
        reply: "in a thread",
        grave: None,
        alone: None,
        last: None,
        middle: None,
    }
    assert inbox.messages == []


@pytest.mark.parametrize("age_s", [5, 1_800])
async def test_nothing_is_taken_for_deleted_that_slack_only_does_not_list(slack, age_s):
    """It may list late what was said just now, and whatever is older is asked for once more."""
    lost = ago(seconds=age_s)
    if age_s > 60:
        slack.fail("conversations.replies", "no_permission")
    inbox = seen_at((lost, lost))
    async with moved_in(slack, inbox) as house:
        await house.asked("still there?", channel=DIRECT)
    assert inbox.changes == []
    assert slack.count("conversations.replies") == (age_s > 60)


async def test_thumbs_that_came_while_we_were_away_count_as_old_as_the_answer(slack):
    beside = said_long_ago(slack, ago(minutes=40), f"<@{BOT}> hello")
    older = said_long_ago(slack, ago(minutes=29), "an answer", thread=beside, by=BOT)
    root = said_long_ago(slack, ago(minutes=30), f"<@{BOT}> hello")
    last = said_long_ago(slack, ago(minutes=20), "and more?", thread=root)
    answer = said_long_ago(slack, ago(minutes=19), "an answer", thread=root, by=BOT)
    slack.users["U0POLL"] = "Poll"
    slack.robots.add("U0POLL")
    for by, name in (
        *(("U0ANN", "-1::skin-tone-2"), ("U0BEN", "+1"), ("U0BEN", "-1")),
        *((BOT, "+1"), ("U0POLL", "+1")),
    ):
        slack.reacts(answer, name, by=by, away=True)
    slack.reacts(answer, "tada", by="U0CAT", away=True)
    slack.reacts(older, "+1", away=True)  # perhaps of somebody whose votes we forgot since
    inbox = seen_at((beside, beside), (root, last))
    async with moved_in(slack, inbox) as house:
        await until(lambda: inbox.reactions)
        await house.asked("hello", channel=DIRECT)
    (reaction,) = inbox.reactions
    assert (reaction.target.id, reaction.author.id, reaction.emoji) == (answer, "U0ANN", "👎")
    assert (reaction.added, reaction.at) == (True, datetime.fromtimestamp(float(answer), UTC))
    assert slack.ephemerals == []


async def test_who_voted_meanwhile_is_told_what_is_said_only_once(slack):
    """How votes train here is said to the first voter of a place."""
    root = said_long_ago(slack, ago(minutes=30), f"<@{BOT}> hello")
    answer = said_long_ago(slack, ago(minutes=29), "an answer", thread=root, by=BOT)
    slack.reacts(answer, away=True)
    inbox = seen_at((root, root))
    inbox.noted = Noted(1, "Votes train here.")
    async with moved_in(slack, inbox):
        await slack.until(slack.told)
    assert slack.told() == ["Your vote: 👍 Votes train here."]
    assert slack.ephemerals[0].thread_ts == root


async def test_a_command_is_something_heard_so_that_older_votes_stay_forgotten(slack):
    """As after /forget me, when the line was lost and came back."""
    async with moved_in(slack) as house:
        to = await house.asked()
        answer = await house.answer(to, "an answer")
        slack.reacts(answer.refs[0].id, away=True)
        slack.commands("/mynah", "forget me")
        await house.heard(2)
        slack.disconnect()
        slack.says("meanwhile", thread=to.ref.id, away=True)
        await house.slack.until(lambda: len(house.once()) == 3, within_s=9)
        await house.asked("hello", channel=DIRECT)
    assert house.inbox.reactions == []


async def test_a_thumb_that_was_given_anew_while_we_were_away_is_found(slack):
    async with moved_in(slack) as house:
        to = await house.asked()
        answer = (await house.answer(to, "an answer")).refs[0].id
        slack.reacts(answer)
        slack.reacts(answer, added=False)
        await until(lambda: len(house.inbox.reactions) == 2)
        slack.disconnect()
        slack.reacts(answer, away=True)
        await slack.until(lambda: len(house.inbox.reactions) == 3, within_s=9)
    assert [(one.added, one.found) for one in house.inbox.reactions] == [
        (True, False),
        (False, False),
        (True, True),
    ]


async def test_a_thumb_that_is_taken_back_while_we_look_for_thumbs_is_gone(slack):
    async with moved_in(slack) as house:
        to = await house.asked()
        answer = (await house.answer(to, "an answer")).refs[0].id
        slack.disconnect()
        slack.reacts(answer, away=True)
        slack.fail("conversations.replies", "slow", after=True, retry_after_s=1)
        await slack.until(lambda: slack.count("conversations.replies") > 0, within_s=9)
        slack.reacts(answer, added=False)
        await until(lambda: house.inbox.reactions)
        await house.asked("hello", channel=DIRECT)
        slack.says("more?", thread=to.ref.id)
        await until(lambda: len(house.once()) == 3)  # behind what is caught up with
    assert [one.added for one in house.inbox.reactions] == [False]


async def test_history_of_many_pages_is_read_to_its_end(slack):
    async with moved_in(slack) as house:
        first = await house.asked("one", channel=DIRECT)
    for n in range(450):
        slack.says(f"message {n}", channel=DIRECT, away=True)
    inbox = ListInbox(seen=seen(first))
    async with moved_in(slack, inbox) as house:
        await house.heard(450)
    assert [message.text for message in inbox.messages] == [f"message {n}" for n in range(450)]


async def test_after_a_lost_connection_what_was_said_is_read(house, caplog):
    caplog.set_level(logging.INFO)
    await house.asked("before", channel=DIRECT)
    house.slack.disconnect()
    house.slack.says("meanwhile", channel=DIRECT, away=True)
    await house.slack.until(lambda: len(house.once()) == 2, within_s=9)
    assert house.once()[-1].text == "meanwhile"
    assert "connection lost" in caplog.text
    assert "connected again" in caplog.text


async def test_a_lost_line_costs_no_call_for_each_thread_of_the_day(slack):
    root = said_long_ago(slack, ago(hours=3), f"<@{BOT}> hello")
    said_long_ago(slack, ago(hours=2), "an answer", thread=root, by=BOT)
    async with moved_in(slack, seen_at((root, root))) as house:
        to = await house.asked()
        before = slack.count("conversations.replies")
        slack.disconnect()
        slack.says("meanwhile", thread=to.ref.id, away=True)
        await house.slack.until(lambda: len(house.once()) == 2, within_s=9)
    assert (before, slack.count("conversations.replies")) == (1, 2)


async def test_an_answer_of_slacks_that_makes_no_sense_ends_nothing(slack):
    odd = ago(minutes=5)
    slack.channels[ROOM].messages[odd] = {"ts": odd, "user": "U0ANN", "latest_reply": 7}
    ours = said_long_ago(slack, ago(minutes=10), f"<@{BOT}> hello")
    async with moved_in(slack, seen_at((ours, ours))) as house:
        await house.asked("still there?", channel=DIRECT)
