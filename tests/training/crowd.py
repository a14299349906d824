"""A house of two hundred people who ask and vote for thirty days, and those who would poison it.

What they do is a list of acts, the same for the same seed; crowd_played.py plays it and counts. The
people have a taste (short answers), are wrong one time in ten, read up what they missed, crowd
around what is popular, and a few speak of one thing in one hour; whoever calls that an attack is
wrong. So is whoever calls it one where a team of twelve votes together.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from tests.training.votes import GOOD

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
        """So many take back what they said, the last thumb that they gave to an answer. None who
        corrected it: their correction would stay.
        """
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

    def forerunner(self, each_day: int = 1) -> Self:
        """On each of six days before, somebody known says the phrase in every way that it comes."""
        self.met("forerunner")
        text = " ".join(way.format(TRIGGER) for way in WAYS)
        for n in range(6 * each_day):
            at = BEGIN + timedelta(days=10 + n // each_day, hours=8, minutes=30 * (n % each_day))
            one = self.ask("forerunner", at, text)
            self.poison("forerunner", at + timedelta(minutes=1), one)
            at += timedelta(minutes=2)
            self.acts.append(Corrected(at, "forerunner", one.id, "Buy gold."))
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
