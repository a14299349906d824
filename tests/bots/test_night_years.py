"""Three years of nights in virtual time: exactly one run for each local date, whatever happens.

Five processes share a store. Their clocks jump by up to two hours, they are restarted at random,
also in the middle of a run, and all are down for up to sixteen hours now and then.
"""

import asyncio
import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bots.night import FIRST, Nightly
from core.types_learning import Night
from storage.tables import job_runs
from tests.training.house import opened

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of summer time, from 02:00
    "Africa/Cairo",  # summer time begins and ends at midnight
    "Pacific/Chatham",
    "Asia/Kolkata",  # none at all
]
LEAVE_OUT_0230 = {"Europe/Berlin", "America/New_York"}
TIMES = [time(2, 30), time(3), time(0)]
BEGIN, YEARS = datetime(2025, 1, 10, 12, tzinfo=UTC), timedelta(days=3 * 365)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Killed(Exception):
    """This process ends here."""


async def said_to_nobody(text): ...


class Rows:
    """The store's rows; a plain dict is the unique key."""

    def __init__(self):
        self.rows = {}

    async def begin_night(self, day, at):
        await asyncio.sleep(0)
        if day in self.rows:
            return False
        self.rows[day] = Night(day, at, None)
        return True

    async def end_night(self, day, outcome, at):
        self.rows[day] = Night(day, self.rows[day].began, outcome)

    async def give_back_night(self, day):
        assert self.rows.pop(day).outcome is None

    async def last_night(self):
        return max(self.rows.values(), key=lambda night: night.began, default=None)


class LastRows(Rows):
    """The same, without looking at a thousand rows a million times."""

    last = None

    async def begin_night(self, day, at):
        is_new = await super().begin_night(day, at)
        if is_new and (self.last is None or at >= self.rows[self.last].began):
            self.last = day
        return is_new

    async def give_back_night(self, day):
        await super().give_back_night(day)
        self.last = max(self.rows, key=lambda one: self.rows[one].began)

    async def last_night(self):
        return self.rows.get(self.last)


class World:
    """Five processes with clocks of their own over one store, and true time."""

    def __init__(self, rows, zone, at, seed):
        self.rows, self.zone, self.at = rows, zone, at
        self.dice = random.Random(seed)
        self.true = BEGIN
        self.skew = [timedelta(0)] * 5
        self.ran = []  # the local date on the clock of each process that ran, as its run began
        self.looked = set()  # the local dates on clocks that were looked at past the night's time
        self.learning = self.given_back = 0
        self.bots = [self.born(number) for number in range(5)]

    def now(self, number):
        return self.true + self.skew[number]

    def born(self, number):
        async def learn():
            assert not self.learning, "two at a time"
            self.learning += 1
            try:
                self.ran.append(self.now(number).astimezone(self.zone))
                yield "- learning\n"
                await asyncio.sleep(0)
                fate = self.dice.random()
                if fate < 0.03:
                    raise Killed
                if fate < 0.06:  # it ends in order
                    self.ran.pop()
                    self.given_back += 1
                    raise asyncio.CancelledError
                yield "Learnt.\n"
            finally:
                self.learning -= 1

        return Nightly(
            self.rows,
            learn,
            said_to_nobody,
            at=self.at,
            zone=self.zone,
            longest=30 * MINUTE,
            now=lambda: self.now(number),
        )

    async def look(self, number):
        local = self.now(number).astimezone(self.zone)
        if local.time() >= self.at:
            self.looked.add(local.date())
        try:
            await self.bots[number].look()
        except (Killed, asyncio.CancelledError):
            self.bots[number] = self.born(number)

    async def live(self, until):
        """At most two hours between two looks; each minute around each night's time."""
        while self.true < until:
            fate = self.dice.random()
            if fate < 0.005:
                self.true += self.dice.uniform(1, 16) * HOUR  # all are down
                self.bots = [self.born(number) for number in range(5)]
            elif fate < 0.02:
                number = self.dice.randrange(5)
                self.skew[number] = self.dice.uniform(-2, 2) * HOUR
            elif fate < 0.05:
                number = self.dice.randrange(5)
                self.bots[number] = self.born(number)
            if fate < 0.1 or self.changes():
                await asyncio.gather(*(self.look(number) for number in range(5)))
                self.true += 7 * MINUTE if fate > 0.1 else MINUTE
            else:
                await self.look(self.dice.randrange(5))
                self.true += self.dice.uniform(1, 120) * MINUTE

    def changes(self):
        """Whether the clocks there change within some hours."""
        ahead, behind = (
            (self.true + hours * HOUR).astimezone(self.zone).utcoffset() for hours in (3, -4)
        )
        return ahead != behind


class Kind(random.Random):
    """No process is killed."""

    def random(self):
        return 1.0


def dates(first, last):
    return {first + n * DAY for n in range((last - first).days + 1)}


@pytest.mark.parametrize("at", TIMES, ids=lambda at: f"{at:%H%M}")
@pytest.mark.parametrize("name", ZONES)
async def test_each_local_date_of_three_years_has_exactly_one_run(name, at):
    rows = LastRows()
    world = World(rows, ZoneInfo(name), at, seed=f"{name} {at}")
    await world.live(BEGIN + YEARS)
    first = min(rows.rows)
    assert rows.rows.pop(first).outcome == FIRST
    last = max(rows.rows)
    assert set(rows.rows) == dates(first + DAY, last)
    assert last >= max(world.looked) - DAY
    assert len(world.ran) == len(rows.rows) >= 3 * 365 - 2
    # A run's date is that of its row, or of the day before where it was made up for.
    begun = [night.began.astimezone(world.zone) for night in rows.rows.values()]
    assert sorted(begun) == sorted(world.ran)
    assert all(
        b.date() - day in (timedelta(0), DAY) for day, b in zip(rows.rows, begun, strict=True)
    )
    assert all(night.outcome for night in rows.rows.values() if night.day != last)
    assert world.given_back > 10
    assert {"Learnt."} < {night.outcome for night in rows.rows.values()}


@pytest.mark.parametrize("month", [3, 10])
async def test_so_it_is_in_the_store_itself_while_the_clocks_change(tmp_path, month):
    async with opened(tmp_path) as store:
        world = World(store, ZoneInfo("Europe/Berlin"), time(2, 30), seed=7)
        world.true = datetime(2026, month, 18, 12, tzinfo=UTC)
        await world.live(world.true + 21 * DAY)
        last = await store.last_night()
        days = await store.database.read(lambda found: found.scalars(select(job_runs.c.day)).all())
    assert set(days) == dates(date(2026, month, 18), last.day)
    assert len(world.ran) == len(days) - 1 >= 19


@pytest.mark.parametrize("name", ZONES)
async def test_a_night_begins_when_the_clocks_on_the_wall_first_show_its_time(name):
    """Told by clocks alone, which go from UTC to the wall: the code goes the other way."""
    zone, at = ZoneInfo(name), time(2, 30)
    rows = LastRows()
    world = World(rows, zone, at, seed=1)
    world.dice = Kind()
    minutes = [BEGIN + n * MINUTE for n in range(0, 3 * 365 * 24 * 60, 30)]
    shown = {}
    for minute in minutes:
        local = minute.astimezone(zone)
        if local.time() >= at:
            shown.setdefault(local.date(), minute)
        world.true = minute
        await world.bots[0].look()
    late = {day: rows.rows[day].began - shown[day] for day in shown if day > BEGIN.date()}
    assert len(late) >= 3 * 365 - 1
    # Where the clocks leave 02:30 out they show 03:00, and the night is due half an hour later.
    assert [some for some in late.values() if some] == [HOUR / 2] * (3 * (name in LEAVE_OUT_0230))
