"""Slash commands on Slack, and their answers for one person alone."""

from __future__ import annotations

import pytest

from adapters.slack_whisper import Whisper
from core.answer import Answer
from core.errors import AdapterError
from core.streaming import show
from tests.adapters.slack_served import (
    CLUB,
    DIRECT,
    ROOM,
    moved_in,
    said,
    wait_s,
)


@pytest.mark.parametrize(
    ("command", "words", "text"),
    [
        ("/retrain", "dry", "/retrain dry"),
        ("/retrain", "", "/retrain"),
        ("/mynah", "forget me", "/forget me"),
        ("/mynah", "", "/help"),
    ],
)
@pytest.mark.parametrize(
    ("channel", "place"), [(ROOM, "public"), (CLUB, "private"), (DIRECT, "direct")]
)
async def test_slash_commands_come_as_private_messages(house, command, words, text, channel, place):
    house.slack.commands(command, words, by="U0BEN", channel=channel)
    (message,) = await house.heard()
    assert (message.text, message.private, message.addressed) == (text, True, True)
    assert (message.author.id, message.place) == ("U0BEN", place)
    await house.slack.until(lambda: not house.slack.unacknowledged)


async def test_two_uses_of_a_command_are_two_messages(house):
    house.slack.commands("/mynah", "help")
    house.slack.commands("/mynah", "help")
    await house.heard(2)


async def test_a_commands_answer_grows_for_the_invoker_alone_within_five_uses(house):
    house.slack.commands("/retrain", by="U0BEN")
    (message,) = await house.heard()
    lines = [line for n in range(12) for line in (f"Line {n}.\n", wait_s(0.12))]
    await house.answer(message, *lines, outcome="command")
    assert house.slack.visible() == []
    (shown,) = house.slack.ephemerals
    assert (shown.user, shown.channel) == ("U0BEN", ROOM)
    assert shown.text == "".join(f"Line {n}.\n" for n in range(12))
    assert 2 <= house.slack.count("response_url") <= 5
    assert all(call.result == "ok" for call in house.slack.calls)


async def test_the_last_use_of_a_response_url_is_kept_for_the_end(house):
    use = house.slack.commands("/retrain")
    (message,) = await house.heard()
    url = f"{house.slack.address}/response/{use}"
    lines = [line for n in range(12) for line in (f"Line {n}.\n", wait_s(0.03))]
    async with Answer(said(lines)) as answer:
        api = house.adapter._api
        whisper = Whisper(api, message, answer, url, pauses_s=(0.0, 0.0, 0.0, 0.0))
        await show(answer, whisper, api.tempo, ["answer:1"], every_s=0.01)
    assert house.slack.told() == ["".join(f"Line {n}.\n" for n in range(12))]
    assert house.slack.count("response_url") == 5


async def test_a_commands_further_messages_do_not_grow_one_by_one(house):
    """Nobody can edit them: each state would stand beside the one before."""
    use = house.slack.commands("/retrain")
    (message,) = await house.heard()
    url = f"{house.slack.address}/response/{use}"
    lines = [line for n in range(12) for line in (f"Line {n}.\n", wait_s(0.03))]
    async with Answer(said(lines)) as answer:
        api = house.adapter._api
        whisper = Whisper(api, message, answer, url, limit=30, pauses_s=(0.0,) * 4)
        await show(answer, whisper, api.tempo, ["answer:1"], every_s=0.01)
    assert all(text.count("Line ") <= 3 for text in house.slack.told())
    assert len(house.slack.told()) <= 2 * 4  # of four messages, each begun and whole
    assert "Line 11.\n" in house.slack.told()[-1]


async def test_a_commands_answer_that_is_there_at_once_takes_one_use(house):
    house.slack.commands("/mynah", "tunes")
    (message,) = await house.heard()
    await house.answer(message, "The base answers.", outcome="command")
    assert house.slack.count("response_url", "chat.postEphemeral") == 1


async def test_a_commands_answer_outlives_its_response_url(house):
    use = house.slack.commands("/retrain", by="U0BEN")
    (message,) = await house.heard()
    house.slack._responses.pop(use)
    await house.answer(message, "All done.", outcome="command")
    assert house.slack.told("U0BEN") == ["All done."]


async def test_what_is_told_when_the_connection_has_ended_is_left_to_the_next_try(house):
    house.slack.commands("/mynah", "tunes")
    (message,) = await house.heard()
    await house.adapter._api.session.close()
    with pytest.raises(AdapterError, match="the connection has ended"):
        await house.answer(message, "The base answers.", outcome="command")


async def test_after_a_restart_a_commands_answer_comes_without_its_response_url(slack):
    async with moved_in(slack) as house:
        slack.commands("/retrain", by="U0BEN")
        (message,) = await house.heard()
    async with moved_in(slack) as house:
        await house.answer(message, "All done.", outcome="command")
        assert slack.told("U0BEN") == ["All done."]


@pytest.mark.parametrize("kind", ["500", "reset"])
async def test_a_whisper_that_fails_is_repeated(house, kind):
    house.slack.commands("/mynah", "help", by="U0BEN")
    (message,) = await house.heard()
    house.adapter._urls.take(message.ref.id)
    house.slack.fail("chat.postEphemeral", kind)
    await house.answer(message, "Ask me anything.", outcome="command")
    assert house.slack.told("U0BEN")[-1] == "Ask me anything."


async def test_a_very_long_whisper_is_whole(house):
    house.slack.commands("/mynah", "tunes")
    (message,) = await house.heard()
    words = " ".join(f"word{n}" for n in range(4_000))
    await house.answer(message, words, outcome="command")
    assert " ".join(house.slack.told()).split() == words.split()


async def test_a_command_that_could_not_be_kept_is_answered_at_once(house):
    house.inbox.full = True
    house.slack.commands("/mynah", "tunes")
    await house.slack.until(lambda: house.slack.acknowledged)
    (frame,) = house.slack.acknowledged
    assert frame["payload"]["response_type"] == "ephemeral"
    assert "try it again" in frame["payload"]["text"]
