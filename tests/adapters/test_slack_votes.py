"""Votes, corrections and commands on Slack."""

from __future__ import annotations

import asyncio

import pytest

from adapters.slack_whisper import Whisper
from core.answer import Answer
from core.errors import AdapterError
from core.streaming import show
from core.types import Noted, Outcome
from tests.adapters.slack_served import (
    CLUB,
    DIRECT,
    ROOM,
    House,
    moved_in,
    said,
    wait_s,
)
from tests.fakes import ListInbox, until

# Votes and corrections


async def voted(house: House, score: int | None = -1, words: str = "") -> Answer:
    """An answer on which the next vote is noted so."""
    house.inbox.noted = Noted(score, words)  # type: ignore[arg-type]
    return await house.answer(await house.asked(), "like it?")


async def test_a_button_is_a_vote_and_only_the_voter_is_told(house):
    answer = await voted(house, 1, "Votes train here.")
    house.slack.presses(answer.refs[0].id, "positive", by="U0BEN")
    await house.slack.until(house.slack.ephemerals.__len__)
    (reaction,) = house.inbox.reactions
    assert (reaction.emoji, reaction.added, reaction.author.id) == ("👍", True, "U0BEN")
    assert reaction.target == answer.refs[0]
    (told,) = house.slack.ephemerals
    assert (told.user, told.thread_ts) == ("U0BEN", answer.refs[0].id and house.once()[0].ref.id)
    assert told.text == "Your vote: 👍 Votes train here."
    assert house.slack.visible() == ["like it?"]


async def test_a_thumb_down_by_button_opens_a_modal_whose_words_are_kept(house):
    answer = await voted(house, -1, "Votes train here.")
    house.slack.presses(answer.refs[0].id, "negative")
    await house.slack.until(lambda: house.slack.views)
    assert house.slack.ephemerals == []
    assert "Votes train here." in str(house.slack.views[0]["blocks"])
    assert "show them to people here" in str(house.slack.views[0]["blocks"])
    house.slack.submits("A <better> answer")
    await house.slack.until(house.slack.ephemerals.__len__)
    ((target, author, text),) = house.inbox.corrections
    assert (target, author.id, text) == (answer.refs[0], "U0ANN", "A <better> answer")
    assert house.slack.told() == ["Thank you: your correction is kept with your vote."]


async def test_a_correction_without_a_vote_is_not_thanked_for(house):
    answer = await voted(house, -1)
    house.inbox.strangers = {"U0ANN"}
    house.slack.presses(answer.refs[0].id, "negative")
    await house.slack.until(lambda: house.slack.views)
    house.slack.submits("A better answer")
    await house.slack.until(lambda: "Not kept: no vote" in str(house.slack.acknowledged))
    assert house.inbox.corrections
    assert house.slack.ephemerals == []


async def test_a_thumb_down_by_reaction_offers_a_button_that_opens_the_modal(house):
    answer = await voted(house)
    house.slack.reacts(answer.refs[0].id, "-1", by="U0BEN")
    await house.slack.until(house.slack.ephemerals.__len__)
    (offer,) = house.slack.ephemerals
    assert (offer.user, offer.thread_ts) == ("U0BEN", house.once()[0].ref.id)
    house.slack.presses_ephemeral(offer)
    await house.slack.until(lambda: house.slack.views)
    house.slack.submits("Better.")
    await until(lambda: house.inbox.corrections)
    ((target, author, text),) = house.inbox.corrections
    assert (target, author.id, text) == (answer.refs[0], "U0BEN", "Better.")


@pytest.mark.parametrize("error", ["expired_trigger_id", "500", "reset"])
async def test_where_the_modal_does_not_open_the_offer_is_a_message(house, error):
    answer = await voted(house)
    house.slack.fail("views.open", error)
    house.slack.presses(answer.refs[0].id, "negative")
    await house.slack.until(house.slack.ephemerals.__len__)
    house.slack.presses_ephemeral(house.slack.ephemerals[0])
    await house.slack.until(lambda: house.slack.views)


async def test_a_thumb_that_is_taken_back_offers_nothing_though_another_stands(house):
    answer = await voted(house)
    house.slack.reacts(answer.refs[0].id, "+1", added=False)
    await house.slack.until(house.slack.ephemerals.__len__)
    (told,) = house.slack.ephemerals
    assert told.text == "Your vote: 👎"
    assert [block["type"] for block in told.message["blocks"]] == ["markdown"]


async def test_what_could_not_be_kept_is_said(house):
    answer = await voted(house)
    house.slack.presses(answer.refs[0].id, "negative")
    await house.slack.until(lambda: house.slack.views)
    house.inbox.full = True
    house.slack.submits("Better.")
    await house.slack.until(
        lambda: any(
            frame.get("payload", {}).get("response_action") == "errors"
            for frame in house.slack.acknowledged
        )
    )
    house.slack.presses(answer.refs[0].id, "positive")
    await house.slack.until(house.slack.ephemerals.__len__)
    assert "try it again" in house.slack.told()[0]


async def test_a_command_that_could_not_be_kept_is_answered_at_once(house):
    house.inbox.full = True
    house.slack.commands("/mynah", "tunes")
    await house.slack.until(lambda: house.slack.acknowledged)
    (frame,) = house.slack.acknowledged
    assert frame["payload"]["response_type"] == "ephemeral"
    assert "try it again" in frame["payload"]["text"]


async def test_a_reaction_that_is_not_stored_comes_again(house):
    answer = await voted(house)
    house.inbox.full = True
    house.slack.reacts(answer.refs[0].id)
    await asyncio.sleep(0.25)
    house.inbox.full = False
    await until(lambda: house.inbox.reactions)


class OnceItIsPlaced(ListInbox):
    """Knows an answer's message when its place is kept, as the store does; a place that is kept
    while it looks is missed.
    """

    answer: Answer | None = None
    waited: bool = False  # its place was unknown for longer than anybody waited

    async def reaction(self, reaction):
        await super().reaction(reaction)
        answer = self.answer
        refs = [*answer.refs] if answer else []
        self.waited |= bool(answer and answer.unsure)
        if not self.waited:
            await until(lambda: not (answer and answer.unsure))
        return Noted(1 if reaction.target in refs else None)


async def test_a_vote_on_what_people_see_before_we_know_its_place_counts(slack):
    inbox = OnceItIsPlaced()
    async with moved_in(slack, inbox) as house:
        to, slack.retries_s = await house.asked(channel=DIRECT), (9.0,)
        slack.fail("chat.postMessage", "reset", after=True)
        slack.fail("conversations.history", "500", times=2)
        inbox.answer = Answer(said(["like it?"]))
        async with inbox.answer:
            replying = asyncio.create_task(house.adapter.reply(to, inbox.answer))
            await slack.until(lambda: slack.bots(DIRECT))
            slack.reacts(slack.bots(DIRECT)[0]["ts"], channel=DIRECT)
            await slack.until(slack.told)
            await replying
    assert slack.told() == ["Your vote: 👍"]


async def test_a_vote_whose_place_stays_unknown_counts_when_it_comes_again(slack, monkeypatch):
    monkeypatch.setattr("adapters.slack_votes.PLACED_WITHIN_S", 0.05)
    inbox = OnceItIsPlaced()
    async with moved_in(slack, inbox) as house:
        to, slack.retries_s = await house.asked(channel=DIRECT), (0.1,) * 50
        slack.fail("chat.postMessage", "reset", after=True)
        slack.fail("conversations.history", "500", times=2)
        inbox.answer = Answer(said(["like it?"]))
        async with inbox.answer:
            replying = asyncio.create_task(house.adapter.reply(to, inbox.answer))
            await slack.until(lambda: slack.bots(DIRECT))
            slack.reacts(slack.bots(DIRECT)[0]["ts"], channel=DIRECT)
            await until(lambda: inbox.waited)
            await slack.until(slack.told)
            await replying
    assert slack.told() == ["Your vote: 👍"]


async def test_a_vote_on_somebody_elses_message_waits_for_nothing(house):
    before = house.slack.says("not for you")
    to, end = await house.asked(), asyncio.Event()
    answer = Answer(said(["Hello ", end.wait]))
    async with answer:
        replying = asyncio.create_task(house.adapter.reply(to, answer))
        await house.slack.until(house.slack.bots)
        await until(lambda: answer.refs)
        for ts in (before, house.slack.says("nor this")):
            house.slack.reacts(ts)
        await house.slack.until(lambda: not house.slack.unacknowledged)
        end.set()
        await replying
    assert len(house.inbox.reactions) == 2


async def test_every_thumb_is_known_by_every_name_and_others_are_none(house):
    ts = house.slack.tick()
    for name in ("+1", "thumbsup", "+1::skin-tone-2", "-1::skin-tone-6", "thumbsdown", "tada"):
        house.slack.reacts(ts, name)
    house.slack.reacts(ts, "+1", added=False)
    await until(lambda: len(house.inbox.reactions) == 6)
    emoji = sorted(reaction.emoji for reaction in house.inbox.reactions)
    assert emoji == sorted(["👍", "👍", "👍🏻", "👎🏿", "👎", "👍"])
    assert [reaction.added for reaction in house.inbox.reactions].count(False) == 1


async def test_a_vote_that_is_not_about_us_or_taken_back_tells_nobody(house):
    house.slack.reacts(house.slack.tick())
    await until(lambda: house.inbox.reactions)
    await house.slack.until(lambda: not house.slack.unacknowledged)
    assert house.slack.ephemerals == []


@pytest.mark.parametrize("votes", ["both", "reactions", "buttons", "none"])
async def test_reactions_and_buttons_are_a_setting(slack, votes):
    async with moved_in(slack, votes=votes) as house:
        answer = await voted(house, 1)
        kinds = [block["type"] for block in slack.bots()[0]["blocks"]]
        assert ("context_actions" in kinds) == (votes in ("both", "buttons"))
        slack.reacts(answer.refs[0].id)
        await slack.until(lambda: not slack.unacknowledged)
        assert len(house.inbox.reactions) == (votes in ("both", "reactions"))


@pytest.mark.parametrize("votes", ["reactions", "none"])
async def test_an_older_answers_buttons_count_no_more_where_they_are_switched_off(slack, votes):
    async with moved_in(slack) as house:
        answer = await voted(house, 1)
    async with moved_in(slack, votes=votes) as house:
        slack.presses(answer.refs[0].id, "positive")
        await slack.until(slack.told)
        assert slack.told() == ["Voting by button is switched off here."]
        assert house.inbox.reactions == []


class Slow(ListInbox):
    """Keeps a vote only when it is let."""

    let: asyncio.Event

    async def reaction(self, reaction):
        await super().reaction(reaction)
        await self.let.wait()
        return Noted(1)


async def test_a_press_that_takes_long_holds_up_no_command(slack):
    inbox = Slow()
    inbox.let = asyncio.Event()
    async with moved_in(slack, inbox) as house:
        answer = await voted(house, 1)
        slack.presses(answer.refs[0].id, "positive")
        await until(lambda: inbox.reactions)
        slack.commands("/mynah", "help")
        await until(lambda: inbox.messages[-1].text == "/help")
        inbox.let.set()
        await slack.until(slack.told)


@pytest.mark.parametrize("outcome", ["command", "refused"])
async def test_what_is_no_answer_of_the_model_has_no_buttons(house, outcome: Outcome):
    await house.answer(await house.asked(), "Only admins.", outcome=outcome)
    assert [block["type"] for block in house.slack.bots()[0]["blocks"]] == ["markdown"]


async def test_a_person_who_is_not_told_in_a_channel_is_told_directly(house):
    answer = await voted(house, 1)
    house.slack.fail("chat.postEphemeral", "user_not_in_channel")
    house.slack.reacts(answer.refs[0].id)
    await house.slack.until(lambda: house.slack.visible(DIRECT))
    assert house.slack.visible(DIRECT) == ["Your vote: 👍"]


# Commands


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
