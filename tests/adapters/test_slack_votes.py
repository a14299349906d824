"""Votes and corrections on Slack."""

from __future__ import annotations

import asyncio

import pytest

from core.answer import Answer
from core.types import Noted, Outcome
from tests.adapters.slack_served import (
    DIRECT,
    House,
    moved_in,
    said,
)
from tests.fakes import ListInbox, until


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
        await until(lambda: not (answer and answer.unsure))
        return Noted(1 if reaction.target in refs else None)


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_vote_on_what_people_see_before_we_know_its_place_counts(slack, is_late):
    """`is_late`: its place is unknown for longer than a vote waits; Slack delivers it again."""
    inbox = OnceItIsPlaced()
    async with moved_in(slack, inbox) as house:
        to, slack.retries_s = await house.asked(channel=DIRECT), (0.3,) * 50 if is_late else (9.0,)
        if is_late:
            slack.fail("chat.postMessage", "slow", after=True, retry_after_s=2)
        else:
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
    assert inbox.waited == is_late


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


async def test_a_bot_that_reacts_is_no_voter(house):
    slack = house.slack
    slack.users["U0POLL"] = "Poll"
    slack.robots.add("U0POLL")
    answer = await voted(house)
    slack.reacts(answer.refs[0].id, by="U0GONE")  # of whom Slack tells nothing
    await until(lambda: house.inbox.reactions)
    house.inbox.reactions.clear()
    for by in ("U0POLL", "U0ANN", "U0POLL"):
        slack.reacts(answer.refs[0].id, by=by)
    slack.reacts(answer.refs[0].id, by="U0POLL", added=False)
    await slack.until(lambda: not slack.unacknowledged)
    assert [one.author.id for one in house.inbox.reactions] == ["U0ANN"]
    assert slack.count("users.info") == 3  # each is asked about once


async def test_who_votes_is_a_person_where_slack_does_not_say(house):
    answer = await voted(house)
    house.slack.fail("users.info", "500", times=9)
    house.slack.reacts(answer.refs[0].id)
    await until(lambda: house.inbox.reactions)


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


async def test_a_reaction_that_takes_long_holds_up_no_press(slack):
    inbox = Slow()
    inbox.let = asyncio.Event()
    async with moved_in(slack, inbox) as house:
        answer = await voted(house, 1)
        slack.reacts(answer.refs[0].id, by="U0BEN")
        await until(lambda: inbox.reactions)
        slack.presses(answer.refs[0].id, "positive")
        await until(lambda: len(inbox.reactions) == 2)
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
