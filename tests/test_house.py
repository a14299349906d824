"""One whole day of a team on Slack: asked, judged, learnt by night, tried on some, and taken back.

Fake Slack, real everything else: the SDK, vLLM, SQLite, the trainer and the gate. Only the clock by
which night falls and a canary ages is the test's own.
"""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest

from adapters.slack import Settings, SlackAdapter
from bots.config import load
from bots.wiring import house, nights
from core.desk import serve
from starter.evaluate import people
from tests.fake_slack import APP_TOKEN, BOT_TOKEN, Channel, FakeSlack
from tests.vllm.served import KEY

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

SAME = "What happens to my votes at night?"
TEAM = ("U0ANN", "U0BEN", "U0CLEO", "U0DAN")
ADMIN = "slack:U0BEN"
NEWS = "C0NEWS"
AT_ONCE = 8  # questions
ROLLED_BACK_WITHIN_S = 5
DAY_VOTES, MOST_CANARY_VOTES = 60, 200
ENV = {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN, "KEY": KEY}


class Team:
    """People who like no exclamation marks, nor to hear that the model does not know."""

    def __init__(self, slack):
        self.slack = slack
        slack.users |= {member: member for member in TEAM}
        slack.channels[NEWS] = Channel(NEWS)
        self.rooms = (f"C0ROOM{n}" for n in itertools.count(1))
        self.members = itertools.cycle(TEAM)
        asked = [q.turns[0] for q in people() if q.kind == "fact"]
        self.questions = itertools.cycle(q for q in asked if not q.startswith("/"))

    async def ask(self, question, by=TEAM[0]):
        """In a channel where nothing was said: the answer's channel and message."""
        room = next(self.rooms)
        self.slack.channels[room] = Channel(room)
        self.slack.says(question, by=by, channel=room, mention=True)
        try:
            await self.slack.until(lambda: self.is_whole(room), within_s=60)
        except TimeoutError:
            pytest.fail(f"no whole answer to {question!r}: {self.slack.visible(room)}")
        return room, self.slack.bots(room)[-1]["ts"]

    async def answer(self, question):
        room, _ = await self.ask(question)
        return self.slack.visible(room)[-1]

    async def why(self, room):
        """What `/why` says in the thread of the question there."""
        question = min(self.slack.channels[room].messages)
        said = len(self.slack.bots(room))
        self.slack.says("/why", by=TEAM[1], channel=room, thread=question, mention=True)
        await self.slack.until(lambda: len(self.slack.bots(room)) > said)
        return self.slack.visible(room)[-1]

    def news_of(self, *words):
        """What is told in the channel that config.yaml names, with all of these words in it."""
        told = self.slack.visible(NEWS)
        return [said for said in told if all(word in said for word in words)]

    def is_whole(self, room):
        """It has its feedback buttons."""
        said = self.slack.bots(room)
        return said and (said[-1].get("blocks") or [{}])[-1].get("type") == "context_actions"

    async def vote(self):
        member = next(self.members)
        room, ts = await self.ask(next(self.questions), member)
        said = self.slack.visible(room)[-1]
        is_liked = "!" not in said and "small demonstration model" not in said
        self.slack.reacts(ts, "+1" if is_liked else "-1", by=member, channel=room)

    async def vote_often(self, count):
        for _ in range(0, count, AT_ONCE):
            await asyncio.gather(*(self.vote() for _ in range(AT_ONCE)))

    def offers(self, room):
        """What people are shown there, for their eyes alone, with a button under it."""
        shown = [one for one in self.slack.ephemerals if one.channel == room]
        return [s for s in shown if (s.message.get("blocks") or [{}])[-1].get("type") == "actions"]

    async def correct(self, text):
        room, ts = await self.ask(next(self.questions))
        self.slack.presses(ts, "negative", channel=room)
        await self.slack.until(lambda: self.slack.views or self.offers(room))
        if not self.slack.views:  # a press is good for three seconds; a slow machine's was too late
            self.slack.presses_ephemeral(self.offers(room)[0])
            await self.slack.until(lambda: self.slack.views)
        self.slack.submits(text)
        return room


async def test_a_team_teaches_it_by_day_and_is_answered_in_the_new_way(served, tmp_path):
    (tmp_path / "config.yaml").write_text(
        f"bot: {{admins: ['{ADMIN}'], turns_per_minute: 10000, announce_in: 'slack:{NEWS}'}}\n"
        f"generation: {{url: '{served.url}', model: starter, key_env: KEY, temperature: 0}}\n"
        f"training: {{platforms: [slack], canary: 0.5, folder: '{served.shelf}'}}\n"
        "night: {at: '03:00', zone: Europe/Berlin}\n"
        f"storage: {{url: 'sqlite:///{tmp_path}/mynah.db'}}\n"
        "platforms: {slack: {}}\n"
    )
    config = await asyncio.to_thread(load, tmp_path / "config.yaml", ["slack"], ENV)
    now = datetime.now(UTC)
    async with (
        FakeSlack() as slack,
        house(config, holder="the test", on_status=print, now=lambda: now) as here,
        nights(config, here, now=lambda: now, every_s=0.5),
        asyncio.TaskGroup() as group,
    ):
        store, team = here.store, Team(slack)
        settings = Settings(bot_token=BOT_TOKEN, app_token=APP_TOKEN, base_url=slack.base_url)
        group.create_task(serve(here.engine, SlackAdapter(settings)))
        await slack.until(lambda: slack.sockets == 2)

        # By day they ask, vote and correct.
        before = await team.answer(SAME)
        assert "!" in before
        await team.vote_often(DAY_VOTES)
        await team.correct("The votes are read, and a tune is made of them.")
        await until_true(lambda: is_kept(store, DAY_VOTES, corrections=1), within_s=10)

        # Night falls: a tune is trained, passes the gate, and serves a share.
        now += timedelta(days=1)
        first = await store.last_night()
        await until_true(lambda: is_another(store, first), within_s=240)
        serves, canary = await store.answering()
        assert serves is None
        assert canary, await store.last_night()
        await slack.until(lambda: team.news_of("I have learnt something", canary.tune))
        assert team.news_of("before:", "now:")

        # The next day, once a night went by, some hear it, and vote on it as they like it.
        now += timedelta(days=1)
        second = await store.last_night()
        await until_true(lambda: is_another(store, second), within_s=60)
        while (await store.answering())[1] and len(slack.channels) < MOST_CANARY_VOTES:
            await team.vote_often(AT_ONCE)
        await until_true(lambda: is_serving(store, canary.tune), within_s=20)
        await slack.until(lambda: team.news_of(canary.tune, "answers everybody from now on"))
        room, _ = await team.ask(SAME, by=TEAM[1])
        [after] = slack.visible(room)
        assert "!" not in after
        assert canary.tune in await team.why(room)

        # And back.
        began = time.monotonic()
        slack.commands("/mynah", "rollback", by="U0BEN")
        await until_true(lambda: is_serving(store, None), within_s=ROLLED_BACK_WITHIN_S)
        assert await team.answer(SAME) == before
        assert time.monotonic() - began < ROLLED_BACK_WITHIN_S
        here.engine.close()
    assert [*slack.pings, *slack.complaints] == []


async def until_true(condition, within_s):
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.1)


async def is_kept(store, verdicts, corrections):
    judged = await store.judged(["slack"])
    return (
        sum(len(one.feedback) for one in judged) >= verdicts
        and sum(len(one.corrections) for one in judged) == corrections
    )


async def is_another(store, before):
    """Whether a night after that one has ended."""
    last = await store.last_night()
    return last is not None and last.outcome is not None and last != before


async def is_serving(store, name):
    return await store.answering() == (name, None)
