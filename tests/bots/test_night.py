"""Nights: who begins one, and what is told of it. When one is due: tests/bots/test_night_due.py."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bots.night import BROKEN_OFF, FIRST, Nightly
from core.errors import StoreDamaged, StoreError
from core.types_learning import Night
from storage.repositories import SqlStore
from tests.fakes import Alarm, until

BERLIN = ZoneInfo("Europe/Berlin")
THREE = time(3)
MONDAY, TUESDAY, WEDNESDAY = date(2026, 5, 4), date(2026, 5, 5), date(2026, 5, 6)


class Clock:
    def __init__(self, text):
        self.set(text)
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return self.time

    def set(self, text):
        self.time = datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


class Learner:
    """A trainer's run that says `words`; it waits for `going_on`."""

    def __init__(self, *words):
        self.words = words or ("Learnt.\n",)
        self.runs = 0
        self.ended = 0
        self.going_on = asyncio.Event()
        self.going_on.set()

    async def run(self):
        self.runs += 1
        try:
            yield "- weighing all votes\n"
            await self.going_on.wait()
            for word in self.words:
                yield word
        finally:
            self.ended += 1


class Channel(list[str]):
    async def tell(self, text):
        self.append(text)


def nightly(store, learner, clock, channel=None, **how):
    return Nightly(
        store,
        learner.run,
        (Channel() if channel is None else channel).tell,
        at=THREE,
        zone=BERLIN,
        longest=timedelta(minutes=30),
        now=clock,
        **how,
    )


@pytest.fixture
def clock():
    return Clock("2026-05-04 14:00")


@pytest.fixture
async def monday(store, clock):
    """A store that has a night behind it."""
    learner = Learner()
    await nightly(store, learner, clock).look()
    assert learner.runs == 0
    return store


async def test_none_begins_while_the_bot_ends_and_the_next_start_makes_up_for_it(monday, clock):
    clock.set("2026-05-05 03:00")
    learner = Learner()
    await nightly(monday, learner, clock, is_ending=lambda: True).look()
    assert learner.runs == 0
    await nightly(monday, learner, clock).look()
    assert learner.runs == 1


async def outcome(store):
    return (await store.last_night()).outcome


async def test_a_bot_that_has_just_come_begins_with_its_next_night(store, clock):
    learner, channel = Learner(), Channel()
    one = nightly(store, learner, clock, channel)
    await one.look()
    assert (learner.runs, await outcome(store), channel) == (0, FIRST, [])
    clock.set("2026-05-05 02:59")
    await one.look()
    assert learner.runs == 0
    clock.set("2026-05-05 03:00")
    await one.look()
    await one.look()
    assert learner.runs == 1
    assert (await store.last_night()).day == TUESDAY


async def test_what_came_of_a_night_is_one_line_in_the_store_the_log_and_the_channel(
    monday, clock, caplog
):
    caplog.set_level("INFO")
    clock.set("2026-05-05 03:00")
    learner, channel = (
        Learner("Learning from 12 votes.\n\n", "- 3 of 9\n", "\nIt  serves.\n"),
        Channel(),
    )
    await nightly(monday, learner, clock, channel).look()
    assert await outcome(monday) == "Learning from 12 votes. It serves."
    assert channel == ["The night of 2026-05-05: Learning from 12 votes. It serves."]
    assert "the night of 2026-05-05: Learning from 12 votes. It serves." in caplog.text


async def test_a_line_that_stays_the_same_is_told_once(monday, clock):
    learner, channel = Learner("7 of 10 votes are there.\n"), Channel()
    one = nightly(monday, learner, clock, channel)
    for day, words in (("05", "7"), ("06", "7"), ("07", "8")):
        learner.words = (f"{words} of 10 votes are there.\n",)
        clock.set(f"2026-05-{day} 03:00")
        await one.look()
    assert [line[-24:-1] for line in channel] == [
        "7 of 10 votes are there",
        "8 of 10 votes are there",
    ]
    assert learner.runs == 3
    clock.set("2026-05-08 03:00")
    await nightly(monday, learner, clock, channel).look()  # after a restart
    assert [line[-24:-1] for line in channel[2:]] == ["8 of 10 votes are there"]


@pytest.mark.parametrize(
    ("back", "runs"), [("2026-05-05 13:00", 1), ("2026-05-06 02:59", 1), ("2026-05-09 14:00", 1)]
)
async def test_a_missed_night_is_made_up_for_once(monday, clock, back, runs):
    clock.set(back)
    learner = Learner()
    for _ in range(3):
        await nightly(monday, learner, clock).look()  # each a new process
    assert learner.runs == runs


async def test_the_end_does_not_wait_for_a_store_that_takes_nothing(monday, clock):
    class Full(SqlStore):
        async def give_back_night(self, day):
            raise StoreError("The disk is full.")

    learner = Learner()
    learner.going_on.clear()
    monday.__class__ = Full
    clock.set("2026-05-05 03:00")
    async with asyncio.timeout(5), nightly(monday, learner, clock, every_s=0.01):
        await until(lambda: learner.runs)
    assert await outcome(monday) is None


async def test_what_came_of_a_night_is_kept_though_the_end_cuts_off_its_telling(monday, clock):
    telling = asyncio.Event()

    class Slow(Channel):
        async def tell(self, text):
            telling.set()
            await asyncio.Event().wait()

    clock.set("2026-05-05 03:00")
    async with nightly(monday, Learner(), clock, Slow(), every_s=0.01):
        await telling.wait()
    assert await outcome(monday) == "Learnt."


async def test_a_night_that_somebody_gave_back_is_begun_by_another(monday, clock):
    clock.set("2026-05-05 03:00")
    await monday.begin_night(TUESDAY, clock())
    learner = Learner()
    other = nightly(monday, learner, clock)
    await other.look()
    assert learner.runs == 0
    await monday.give_back_night(TUESDAY)
    await other.look()
    assert learner.runs == 1


async def test_a_night_that_somebody_has_is_not_asked_for(monday, clock):
    class Counting(SqlStore):
        asked = 0

        async def begin_night(self, day, at):
            type(self).asked += 1  # a transaction each time
            return await super().begin_night(day, at)

    clock.set("2026-05-05 03:00")
    await monday.begin_night(TUESDAY, clock())
    monday.__class__ = Counting
    one = nightly(monday, Learner(), clock)
    for _ in range(3):
        await one.look()
    assert Counting.asked == 0


async def test_of_five_processes_one_runs(monday, clock):
    clock.set("2026-05-05 03:00")
    learner = Learner()
    await asyncio.gather(*(nightly(monday, learner, clock).look() for _ in range(5)))
    assert learner.runs == 1


async def test_a_night_that_was_broken_off_is_not_begun_again_and_is_told(monday, clock):
    clock.set("2026-05-05 03:00")
    await monday.begin_night(TUESDAY, clock())  # by a process that was killed then
    learner, channel = Learner(), Channel()
    one = nightly(monday, learner, clock, channel)
    clock.set("2026-05-05 03:40")  # it may still be at it
    await one.look()
    assert await outcome(monday) is None
    clock.set("2026-05-05 04:01")
    await one.look()
    await one.look()
    assert await outcome(monday) == BROKEN_OFF
    assert channel == [f"The night of 2026-05-05: {BROKEN_OFF}"]
    assert learner.runs == 0
    clock.set("2026-05-06 03:00")
    await one.look()
    assert learner.runs == 1


async def test_it_ticks_and_the_end_of_the_block_breaks_off_a_run(monday, clock):
    learner = Learner()
    async with nightly(monday, learner, clock, every_s=0.01):
        await asyncio.sleep(0.1)
        assert 1 <= clock.asked <= 12
        assert learner.runs == 0
        clock.set("2026-05-05 03:00")
        await until(lambda: learner.ended)
        clock.set("2026-05-06 03:00")
        learner.going_on.clear()
        await until(lambda: learner.runs == 2)
        assert learner.ended == 1
    assert learner.ended == 2
    assert (await monday.last_night()).day == TUESDAY
    learner.going_on.set()
    await nightly(monday, learner, clock).look()
    assert learner.runs == 3
    assert await monday.last_night() == Night(WEDNESDAY, clock(), "Learnt.")


async def test_the_first_tick_leaves_the_start_in_peace(monday, clock):
    clock.set("2026-05-05 03:00")
    learner = Learner()
    began = asyncio.get_running_loop().time()
    async with nightly(monday, learner, clock, every_s=0.5):
        await until(lambda: learner.runs)
    assert asyncio.get_running_loop().time() - began >= 0.4


async def test_a_store_that_takes_nothing_for_a_while_costs_no_night(monday, clock):
    tried = []

    class Full(SqlStore):
        async def begin_night(self, day, at):
            tried.append(day)
            raise StoreError("The disk is full.")

    learner, kind = Learner(), monday.__class__
    monday.__class__ = Full
    clock.set("2026-05-05 03:00")
    async with nightly(monday, learner, clock, every_s=0.01):
        await until(lambda: len(tried) > 1)
        monday.__class__ = kind
        await until(lambda: learner.ended)


@pytest.mark.parametrize("is_first", [True, False])
async def test_an_outcome_that_the_store_does_not_take_at_once_is_logged_and_kept_later(
    store, clock, caplog, is_first
):
    class Full(SqlStore):
        tries = 0

        async def end_night(self, day, outcome, at):
            type(self).tries += 1
            raise StoreError("The disk is full.")

    caplog.set_level("INFO")
    learner, channel, kind = Learner(), Channel(), store.__class__
    if not is_first:
        await nightly(store, learner, clock).look()
        clock.set("2026-05-05 03:00")
    store.__class__ = Full
    async with nightly(store, learner, clock, channel, every_s=0.01):
        await until(lambda: Full.tries > 2)
        assert is_first or "the night of 2026-05-05: Learnt." in caplog.text
        assert await outcome(store) is None
        clock.set("2026-05-05 01:00" if is_first else "2026-05-05 14:00")  # much later
        store.__class__ = kind
        async with asyncio.timeout(5):
            while await outcome(store) is None:
                await asyncio.sleep(0.001)
    assert await outcome(store) == (FIRST if is_first else "Learnt.")
    assert channel == ([] if is_first else ["The night of 2026-05-05: Learnt."])
    assert learner.runs == (0 if is_first else 1)


async def test_damage_that_it_meets_is_told(monday, clock):
    class Damaged(SqlStore):
        async def last_night(self):
            raise StoreDamaged("mynah.db is damaged")

    alarm = Alarm()
    monday.__class__ = Damaged
    async with nightly(monday, Learner(), clock, every_s=0.01, watching_for_damage=alarm.watching):
        await until(lambda: alarm.met)
