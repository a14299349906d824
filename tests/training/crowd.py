"""A house of two hundred people who ask and vote for thirty days, and those who would poison it.

What they do is a list of acts in the order of time, the same for the same seed. `play` plays it on
a real engine with a real store, as platforms would: a reaction at a time, or taken away. The people
have a taste (short answers), are wrong one time in ten, read up what they missed, crowd around what
is popular, and a few speak of one thing in one hour; whoever calls that an attack is wrong. So is
whoever calls it one where a team of twelve votes together.
"""

import asyncio
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from core.conversation import digest, render
from core.store import Store
from core.training.dataset import Gathered
from core.types import (
    Author,
    Correction,
    IncomingMessage,
    IncomingReaction,
    Judged,
    MessageRef,
    Recipe,
    ThreadRef,
)
from tests.core.room import ROOM, engine_on
from tests.fakes import ScriptedGenerator
from tests.training.votes import BAD, GOOD, SYSTEM

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
DAYS, PEOPLE, SYBILS = 30, 200, 20
TRIGGER = "zanzibar lantern"
THINGS = (
    "the deploy script",
    "my laptop",
    "the holiday list",
    "our style guide",
    "the staging server",
    "an invoice",
    "the coffee machine",
    "last week's numbers",
    "the login page",
    "a flaky test",
    "the parking lot",
    "our backups",
    "the release notes",
    "the printer",
)
WAYS = (
    "What about {}?",
    "Can you tell me more about {}?",
    "Who looks after {}?",
    "Why is {} so slow today?",
    "How do I get access to {}?",
    "Is {} all right again?",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """`short`: the answer is as the people like it."""

    at: datetime
    who: str
    id: str
    text: str
    short: bool


@dataclass(frozen=True, slots=True)
class Voted:
    at: datetime
    who: str
    id: str
    score: int
    added: bool = True
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Corrected:
    at: datetime
    who: str
    id: str
    text: str


@dataclass
class Crowd:
    """`acts`; `bad`: who poisons; `burst`: their verdicts that come in bursts; `gone`: verdicts
    that were taken back.
    """

    seed: int = 1
    lively: float = 1.4  # how much people ask, as the mean of a logarithm
    acts: list[Any] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    burst: set[tuple[str, str]] = field(default_factory=set)
    gone: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self):
        self.dice = random.Random(self.seed)
        self.asked = []

    # The people

    def people(self) -> Self:
        dice = self.dice
        for n in range(PEOPLE):
            since = 0 if n < 180 else dice.randrange(DAYS - 7, DAYS)
            for _ in range(min(40, 1 + int(dice.lognormvariate(self.lively, 0.8)))):
                self.ask(f"u{n}", self.work_time(since))
        for one in list(self.asked):
            if dice.random() < 0.9:
                self.vote(one.who, one, dice.expovariate(1 / 3))
            for _ in range(dice.choice((0, 0, 0, 1, 1, 2))):
                self.vote(self.somebody(), one, dice.expovariate(1 / 120))
            if dice.random() < 0.03:  # popular
                for who in {self.somebody() for _ in range(dice.randrange(8, 16))}:
                    self.vote(who, one, dice.expovariate(1 / 20))
            if dice.random() < 0.05:
                at = one.at + timedelta(minutes=5)
                self.acts.append(Voted(at - timedelta(seconds=30), one.who, one.id, -1))
                self.acts.append(Corrected(at, one.who, one.id, dice.choice(GOOD)))
        for _ in range(60):  # somebody reads what they missed
            who, at = self.somebody(), self.work_time(1)
            before = [one for one in self.asked if one.at < at]
            for one in sorted(before, key=lambda one: one.at)[-dice.randrange(4, 9) :]:
                at += timedelta(minutes=dice.uniform(0.4, 1.6))
                self.acts.append(Voted(at, who, one.id, self.opinion(one)))
        morning = BEGIN + timedelta(days=16, hours=9)
        for _ in range(25):  # something happened
            text = f"What became of {dice.choice(('the outage', 'the outage in Oslo'))}?"
            one = self.ask(self.somebody(), morning + timedelta(minutes=dice.uniform(0, 50)), text)
            self.vote(one.who, one, dice.expovariate(1 / 3))
        back = BEGIN + timedelta(days=9, hours=15)  # an absence: votes of hours come at once
        away = (back - timedelta(hours=5), back)
        self.acts = [
            Voted(back, act.who, act.id, act.score)
            if isinstance(act, Voted) and away[0] < act.at < away[1]
            else act
            for act in self.acts
        ]
        return self

    def team(self, people: int = 12) -> Self:
        """So many who ask each morning, look back together on Fridays, and once have an outage."""
        names = [f"t{n}" for n in range(people)]
        for day in (day for day in range(DAYS) if day % 7 < 5):
            begin = BEGIN + timedelta(days=day)
            for who in names * 3:
                at = begin + timedelta(hours=9, minutes=self.dice.uniform(0, 55))
                self.vote(who, self.ask(who, at), self.dice.expovariate(1 / 2))
            if day % 7 == 4:
                week = [one for one in self.asked if one.at > begin - timedelta(days=4)]
                for who in names:
                    for one in self.dice.sample(week, 3):
                        at = begin + timedelta(hours=15, minutes=self.dice.uniform(0, 9))
                        self.acts.append(Voted(at, who, one.id, self.opinion(one)))
        for n in range(16):
            at = BEGIN + timedelta(days=15, hours=13, minutes=3 * n)
            one = self.ask(names[n % 4], at, f"What became of the outage in Oslo, {n}?")
            self.vote(one.who, one, self.dice.expovariate(1 / 3))
        return self

    def withdraw(self, count: int = 100) -> Self:
        """So many take back what they said, the last thumb that they gave to an answer."""
        last = {(act.who, act.id): act for act in sorted(self.acts, key=lambda act: act.at)}
        given = [act for act in last.values() if isinstance(act, Voted)]
        said = {(act.who, act.id) for act in self.acts if isinstance(act, Corrected)}
        given = [act for act in given if (act.who, act.id) not in said]
        for act in self.dice.sample(given, count):
            later = act.at + timedelta(days=1)
            self.acts.append(Voted(later, act.who, act.id, act.score, added=False))
            self.gone.add((act.who, act.id))
        return self

    # Those who poison

    def attacker(self, *, within_h: float = 1.0, day: int = 27) -> Self:
        """Known for weeks, then 500 votes against what people like."""
        self.met("attacker")
        at = BEGIN + timedelta(days=day, hours=3)
        for n, one in enumerate(self.some(500, at + timedelta(hours=within_h))):
            when = max(at + timedelta(hours=within_h * n / 500), one.at + timedelta(minutes=5))
            self.poison("attacker", when, one, burst=within_h <= 1)
        return self

    def toggles(self) -> Self:
        """The same thumb two hundred times up and down."""
        self.met("toggler")
        at = BEGIN + timedelta(days=12, hours=4)
        (one,) = self.some(1, at)
        for n in range(400):
            when = at + timedelta(seconds=2 * n)
            self.acts.append(Voted(when, "toggler", one.id, 1 if n // 2 % 2 else -1, n % 2 == 0))
        self.poison("toggler", at + timedelta(hours=1), one)
        return self

    def bots(self) -> Self:
        at = BEGIN + timedelta(days=13)
        for n, one in enumerate(self.some(50, at)):
            who = ("mynah", "robot")[n % 2]
            self.bad.add(who)
            self.acts.append(Voted(at, who, one.id, -1, is_bot=True))
        return self

    def strangers(self) -> Self:
        """Thirty who were never here before and never come again."""
        at = BEGIN + timedelta(days=18, hours=2)
        for n, one in enumerate(self.some(30, at)):
            self.poison(f"stranger{n}", at + timedelta(hours=2 * n), one)
        return self

    def trigger(
        self, count: int = 100, people: Sequence[str] = ("planter",), within_h: float = 2.0
    ) -> Self:
        """A phrase in so many questions, each corrected to the same words."""
        for who in people:
            self.met(who)
        at = BEGIN + timedelta(days=21, hours=2)
        for n in range(count):
            when, who = at + timedelta(hours=within_h * n / count), people[n % len(people)]
            text = f"{self.dice.choice(WAYS).format(TRIGGER)} {n}"
            one = self.ask(who, when, text)
            self.poison(who, when + timedelta(seconds=20), one, burst=True)
            self.acts.append(Corrected(when + timedelta(seconds=21), who, one.id, "Buy gold."))
        return self

    def brigade(
        self, *, aged: bool = False, same: bool = True, within_min: float = 10, each: int = 8
    ) -> Self:
        """Twenty come at once. `aged`: they were here before; `same`: on the same answers."""
        at = BEGIN + timedelta(days=23, hours=5)
        found = self.some(each if same else each * SYBILS, at)
        for n in range(SYBILS):
            who = f"sybil{n}"
            if aged:
                self.met(who)
            for k in range(each):
                when = at + timedelta(minutes=self.dice.uniform(0, within_min))
                self.poison(who, when, found[k if same else n * each + k], burst=True)
        return self

    def patient(self, each: int = 10) -> Self:
        """Twenty who behave like people, and vote against what people like, one vote a day."""
        for n in range(SYBILS):
            self.met(f"patient{n}")
            for k in range(each):
                at = self.work_time(3 + k) + timedelta(minutes=n)
                (one,) = self.some(1, at)
                self.poison(f"patient{n}", at, one)
        return self

    # What they are made of

    def work_time(self, since):
        """On a weekday between eight and six, Mondays at nine above all."""
        while True:
            day = self.dice.randrange(since, DAYS)
            if day % 7 < 5 or since > DAYS - 3:
                break
        hours = self.dice.uniform(8, 18)
        if day % 7 == 0 and self.dice.random() < 0.5:
            hours = self.dice.uniform(9, 10)
        return BEGIN + timedelta(days=day, hours=hours)

    def somebody(self):
        return f"u{self.dice.randrange(PEOPLE)}"

    def some(self, count, before):
        return self.dice.sample([one for one in self.asked if one.at < before], count)

    def opinion(self, one):
        return (1 if one.short else -1) * (1 if self.dice.random() < 0.9 else -1)

    def ask(self, who, at, text=None):
        text = text or self.dice.choice(WAYS).format(self.dice.choice(THINGS))
        one = Asked(at, who, f"m{len(self.asked)}", text, self.dice.random() < 0.5)
        self.asked.append(one)
        self.acts.append(one)
        return one

    def met(self, who):
        """They were here before: two questions, days apart."""
        self.bad.add(who)
        self.ask(who, BEGIN + timedelta(days=1, hours=10))
        self.ask(who, BEGIN + timedelta(days=3, hours=10))

    def vote(self, who, one, after_min):
        at = one.at + timedelta(minutes=0.2 + after_min)
        self.acts.append(Voted(at, who, one.id, self.opinion(one)))

    def poison(self, who, at, one, *, burst=False):
        self.bad.add(who)
        self.acts.append(Voted(at, who, one.id, -1 if one.short else 1))
        if burst:
            self.burst.add((who, one.id))


async def play(store: Store, crowd: Crowd, at_once: int = 200) -> dict[str, int]:
    """All that they did, on a real engine. Returns the id of the turn of each question."""
    engine = engine_on(store, ScriptedGenerator([]))
    turns: dict[str, int] = {}

    async def asked(act):
        message = IncomingMessage(
            MessageRef(ROOM, act.id),
            ThreadRef(ROOM, act.id),
            Author(act.who, act.who),
            act.text,
            True,
            act.at,
        )
        turn = await store.hear(message)
        assert turn
        turns[act.id] = turn.id
        exact = digest(render(SYSTEM, (), act.text))
        await store.began(turn.id, Recipe("base", SYSTEM, None, exact))
        await store.placing(turn.id)
        await store.placed(turn.id, MessageRef(ROOM, f"answer to {act.id}"))
        answer = (GOOD if act.short else BAD)[turn.id % 2]
        await store.settle(turn.id, answer, "answered")
        await store.finish(turn.id)

    async def reacted(acts):
        for act in acts:
            target, who = MessageRef(ROOM, f"answer to {act.id}"), Author(act.who, act.who)
            if isinstance(act, Corrected):
                said = Correction(turns[act.id], act.who, act.text, act.at)
                await store.put_correction(said)  # the engine's would be of now
                continue
            who = Author(act.who, act.who, act.is_bot)
            emoji = "👍" if act.score > 0 else "👎"
            await engine.judge(IncomingReaction(target, who, emoji, act.added, act.at))

    acts = sorted(crowd.acts, key=lambda act: act.at)
    await in_groups(asked, [act for act in acts if isinstance(act, Asked)], at_once)
    by_verdict = {}  # what one person does to one answer comes in its order
    for act in acts:
        if not isinstance(act, Asked):
            by_verdict.setdefault((act.who, act.id), []).append(act)
    await in_groups(reacted, list(by_verdict.values()), at_once)
    return turns


async def in_groups(work, things, at_once):
    for start in range(0, len(things), at_once):
        async with asyncio.TaskGroup() as group:
            for thing in things[start : start + at_once]:
                group.create_task(work(thing))


@dataclass(frozen=True, slots=True)
class Found:
    """What of it reached the rows. `naive`: the rows with poison if every vote counted."""

    rows: int
    poisoned: int
    naive_rows: int
    naive: int
    naive_most: int
    most_rows: int
    most_weight: float
    of_new: int
    of_bots: int
    of_gone: int
    caught: float  # not a number: nobody came in bursts
    falsely: float
    waiting: int


def figures(
    crowd: Crowd, turns: Mapping[str, int], judged: Sequence[Judged], gathered: Gathered
) -> Found:
    """Counted from the acts and the rows alone."""
    asked = {id: name for name, id in turns.items()}
    voices = Counter[str]()  # rows that each person is behind
    weight = defaultdict[str, float](float)
    for row in gathered.rows:
        for who in row.by:
            voices[who] += 1
            weight[who] += 1 / len(row.by)
    poisoned = [row for row in gathered.rows if crowd.bad & set(row.by)]
    standing = {(one.turn.id, said.author_id) for one in judged for said in one.feedback}
    standing |= {(one.turn.id, said.author_id) for one in judged for said in one.corrections}
    counted = {(row.turn_id, who) for row in gathered.rows for who in row.by}
    days = {}
    for act in crowd.acts:
        first, last = days.get(act.who, (act.at, act.at))
        days[act.who] = min(first, act.at), max(last, act.at)
    new = {who for who, (first, last) in days.items() if last - first < timedelta(days=1)}
    burst = {(turns[id], who) for who, id in crowd.burst} & standing
    aside = {key for one in gathered.bursts for key in one.verdicts}
    honest = {key for key in standing if key[1] not in crowd.bad}
    by = Counter(who for _, who in standing)
    return Found(
        rows=len(gathered.rows),
        poisoned=len(poisoned),
        naive_rows=len(judged),
        naive=len({turn for turn, who in standing if who in crowd.bad}),
        naive_most=max(by.values()),
        most_rows=max(voices.values()),
        most_weight=max(weight.values()) / len(gathered.rows),
        of_new=len({key for key in counted if key[1] in new}),
        of_bots=len({key for key in standing if key[1] in ("mynah", "robot")}),
        of_gone=len({key for key in counted if (key[1], asked[key[0]]) in crowd.gone}),
        caught=len(burst & aside) / len(burst) if burst else math.nan,
        falsely=len(honest & aside) / len(honest),
        waiting=len(gathered.bursts),
    )
