"""A mention on Slack, which tells of it twice: whichever comes, in whichever order."""

from __future__ import annotations

import pytest

from adapters import slack, slack_twins
from tests.adapters.slack_served import CLUB, DIRECT, ROOM, moved_in

NOTES = (("notes.txt", b"words", "text/plain"),)
WITH_NOTES = "look\n\nnotes.txt:\n```\nwords\n```"
FOR_EVER_S = 60.0  # longer than a test


@pytest.fixture(autouse=True)
def no_haste(monkeypatch):
    """One connection, so that events come in their order; and what is waited for must come."""
    monkeypatch.setattr(slack, "LINES", 1)
    monkeypatch.setattr(slack_twins, "TWIN_S", FOR_EVER_S)


@pytest.fixture
async def house(slack):
    async with moved_in(slack, lines=1) as house:
        yield house


def alone(slack, text="look", *, channel=ROOM, files=(), **more) -> str:
    """A message of which the `app_mention` comes and nothing else."""
    ts = slack.says(text, channel=channel, mention=True, files=files, away=True)
    slack.mentions({**slack.channels[channel].messages[ts], **more}, channel)
    return str(ts)


async def all_heard(house) -> list[str]:
    await house.slack.until(lambda: not house.slack.unacknowledged)
    return [message.text for message in house.inbox.messages]


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("has_files", [False, True])
@pytest.mark.parametrize("is_first", [False, True])
async def test_a_file_beside_a_mention_is_read_whichever_event_is_first(
    slack, house, is_first, has_files, in_thread
):
    slack.mention_first, slack.mention_has_files = is_first, has_files
    root = slack.says("before", away=True)
    ts = slack.says("look", mention=True, files=NOTES, thread=root if in_thread else "")
    await house.heard()
    assert set(await all_heard(house)) == {WITH_NOTES}
    assert {message.ref.id for message in house.inbox.messages} == {ts}
    assert slack.count("conversations.history", "conversations.replies") == 0


@pytest.mark.parametrize("is_first", [False, True])
async def test_an_ordinary_mention_is_heard_once_and_costs_no_call(slack, house, is_first):
    slack.mention_first, slack.mention_has_files = is_first, False
    slack.calls.clear()
    slack.says("hello", mention=True)
    slack.says("more", mention=True)
    await house.heard(2)
    assert await all_heard(house) == ["hello", "more"]
    assert [message.place for message in house.inbox.messages] == ["public"] * 2
    assert slack.calls == []


async def test_what_the_disk_refuses_is_heard_with_its_file_when_it_comes_again(slack, house):
    slack.mention_first, slack.mention_has_files = True, False
    slack.retries_s = (0.05,) * 50
    house.inbox.full = True
    slack.says("look", mention=True, files=NOTES)
    await slack.until(lambda: slack.acknowledged)
    house.inbox.full = False
    await house.heard()
    assert set(await all_heard(house)) == {WITH_NOTES}


@pytest.mark.parametrize("thread", [False, True])
async def test_of_a_mention_whose_message_is_lost_slack_is_asked_for_the_file(
    slack, house, monkeypatch, thread
):
    monkeypatch.setattr(slack_twins, "TWIN_S", 0.05)
    slack.mention_has_files = False
    root = slack.says("before", away=True) if thread else ""
    ts = slack.says("look", mention=True, files=NOTES, thread=root, away=True)
    slack.mentions(slack.channels[ROOM].messages[ts], ROOM)
    slack.says("something else", files=NOTES, thread=root, away=True)
    await house.heard()
    assert await all_heard(house) == [WITH_NOTES]
    slack.tells(slack.channels[ROOM].messages[ts], ROOM)  # it was late, and is no other question
    await all_heard(house)
    assert {message.ref.id for message in house.inbox.messages} == {ts}


async def test_where_slack_does_not_say_a_mention_is_heard_without_its_file(
    slack, house, monkeypatch
):
    monkeypatch.setattr(slack_twins, "TWIN_S", 0.05)
    slack.mention_has_files = False
    slack.fail("conversations.replies", "500")
    alone(slack, files=NOTES)
    await house.heard()
    assert await all_heard(house) == ["look"]


async def test_where_mentions_come_alone_that_is_waited_for_once_and_costs_no_call(
    slack, house, monkeypatch
):
    slack.mention_has_files = False
    for channel in (ROOM, CLUB):
        monkeypatch.setattr(slack_twins, "TWIN_S", 0.05)
        alone(slack, "one", channel=channel)
        await house.slack.until(lambda: not house.slack.unacknowledged)
        monkeypatch.setattr(slack_twins, "TWIN_S", FOR_EVER_S)
        alone(slack, "two", channel=channel)
        await house.slack.until(lambda: not house.slack.unacknowledged)
    assert await all_heard(house) == ["one", "two"] * 2
    assert slack.count("conversations.replies", "conversations.history") == 0
    alone(slack, files=NOTES)
    assert (await all_heard(house))[-1] == WITH_NOTES


@pytest.mark.parametrize("is_early", [False, True])
async def test_one_lost_message_changes_nothing_for_the_next_mention(
    slack, house, monkeypatch, is_early
):
    """Whether somebody else had said something there or not."""
    slack.mention_first, slack.mention_has_files = True, False
    if is_early:
        slack.says("lunch?")
    monkeypatch.setattr(slack_twins, "TWIN_S", 0.05)
    alone(slack, "lost")
    await all_heard(house)
    monkeypatch.setattr(slack_twins, "TWIN_S", FOR_EVER_S)
    if not is_early:
        slack.says("lunch?")
    slack.says("look", mention=True, files=NOTES)
    assert await all_heard(house) == ["lost", WITH_NOTES]


async def test_a_message_that_does_not_show_its_mention_stands_for_none(slack, house, monkeypatch):
    monkeypatch.setattr(slack_twins, "TWIN_S", 0.05)
    root = slack.says("lunch?")
    ts = slack.says("who is there?", thread=root)
    slack.mentions(slack.channels[ROOM].messages[ts], ROOM)  # it stands in a block
    await all_heard(house)
    assert [message.addressed for message in house.inbox.messages] == [False, True]


async def test_neither_a_bots_mention_nor_an_edited_one_waits_for_a_message(slack, house):
    slack.mention_has_files = False
    slack.says("lunch?")
    alone(slack, "beep", bot_id="B9")
    alone(slack, "now for you", edited={"user": "U0ANN", "ts": slack.tick()})
    alone(slack, files=NOTES, edited={"user": "U0ANN", "ts": slack.tick()})
    assert await all_heard(house) == ["beep", "now for you", WITH_NOTES]


async def test_what_is_said_after_a_mention_keeps_its_place_behind_it(slack, house, monkeypatch):
    monkeypatch.setattr(slack_twins, "TWIN_S", 0.2)
    root = alone(slack, "first")
    slack.says("second", thread=root)
    slack.says("elsewhere", channel=DIRECT)
    await house.heard(3)
    assert await all_heard(house) == ["elsewhere", "first", "second"]
