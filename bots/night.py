"""The night: once per local date, at its time, the bot learns by itself.

APScheduler ticks, and that is all it does: each tick asks whether a night is due that nobody has
begun, and the row of its local date in the store decides who begins it. So a restart, several
processes, a clock that is set, and hours that come twice or not at all need no care. (A cron
trigger at 02:30 fires twice when the clocks go back, not at all when they go forward, and hours
late after the machine slept.)

A night that was broken off is not begun again: what broke it might do so each minute. The next one
learns from the same votes, since each run takes all of them. A bot that ends in order is no such
breach: it gives its night back, and whoever starts next makes up for it.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, field_validator

from bots.telling import Told
from core.engine import utc_now
from core.errors import BotError, ConfigError, StoreDamaged, StoreError
from core.store_learning import Nights

logger = logging.getLogger(__name__)

TICK_EVERY_S = 60.0  # the first one comes so long after the start: what waits is answered first
CATCH_UP = timedelta(hours=24)  # a night that is older is not made up for
SLACK = timedelta(minutes=30)  # of a run beyond its limit: a server is waited for, too

FIRST = "Nothing yet: the bot has just come, and begins with its next night."
BROKEN_OFF = (
    "It was broken off: the bot ended in the middle of it, or could not write. `/tunes` shows"
    " whether a tune came of it. It is not begun again; else the next night learns from the same"
    " votes, and so does `/retrain`."
)


class Settings(BaseModel):
    """The section `night` of config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: str | None = "03:00"  # None: never
    zone: str | None = None  # None: the machine's

    @field_validator("at", mode="before")
    @classmethod
    def _is_a_time(cls, at: object) -> object:
        # YAML reads 22:30 without quotes as a number, of seconds or minutes.
        if at is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", str(at)):
            raise ValueError('must be a time in quotes, such as "03:00", or null')
        return at

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        try:
            if name is not None:
                ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            known = available_timezones()
            if not known:
                raise ValueError(
                    "cannot be looked up: this machine knows no time zones. Install its package"
                    " `tzdata`, or take the key away for the machine's own time"
                ) from error
            near = difflib.get_close_matches(name or "", known, n=1) or ["Europe/Berlin"]
            raise ValueError(f"must be a time zone such as {near[0]}") from error
        return name

    def clock(self) -> tuple[time, tzinfo] | None:
        """When nights begin, and where; None: never. Raises ConfigError."""
        if self.at is None:
            return None
        at = time.fromisoformat(self.at)
        if self.zone is not None:
            return at, ZoneInfo(self.zone)
        from tzlocal import get_localzone

        try:
            return at, get_localzone()
        except (KeyError, ValueError, OSError) as error:
            raise ConfigError(
                "night.zone: which time zone this machine is in cannot be told. Write its name,"
                " such as `zone: Europe/Berlin`, under `night` in config.yaml."
            ) from error


class Nightly:
    """`async with` it: begins the nights, until the end of the block, which breaks off a run.

    `learn`: a run, told line by line; what begins with "- " is progress. `tell`: hears each line of
    outcome, but for one that says the same as the night before (once more after each start, for
    perhaps nobody heard it), or that everybody was told of (`Told`). `longest`: that a run may
    take. `is_ending`: then none begins. The next start makes up for it, and for a run that the end
    of the block broke off.
    """

    def __init__(
        self,
        nights: Nights,
        learn: Callable[[], AsyncGenerator[str]],
        tell: Callable[[str], Awaitable[None]],
        *,
        at: time,
        zone: tzinfo,
        longest: timedelta,
        now: Callable[[], datetime] = utc_now,
        every_s: float = TICK_EVERY_S,
        watching_for_damage: Callable[[], AbstractContextManager[None]] = nullcontext,
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._nights, self._learn, self._tell = nights, learn, tell
        self._at, self._zone, self._longest, self._now = at, zone, longest + SLACK, now
        self._every_s = every_s
        self._watching_for_damage, self._is_ending = watching_for_damage, is_ending
        self._unkept: tuple[date, str, datetime] | None = None  # an outcome that is not stored yet
        self._said: str | None = None  # of the night before

    async def __aenter__(self) -> Self:
        ticked = asyncio.Event()

        async def tick() -> None:  # a plain function would be called in a thread
            ticked.set()

        self._scheduler = await asyncio.to_thread(ticking, tick, self._every_s)
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self._watch(ticked), name="the nights")
        self._scheduler.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._scheduler.shutdown()
        self._task.cancel()
        await self._group.__aexit__(None, None, None)

    async def _watch(self, ticked: asyncio.Event) -> None:
        while True:
            await ticked.wait()
            ticked.clear()
            try:
                with self._watching_for_damage():
                    await self.look()
            except StoreDamaged:
                return
            except BotError as error:
                logger.warning("whether a night is due could not be told: %s", error)

    async def look(self) -> None:
        """Begin the night that is due, if nobody has, and see it through. Raises StoreError."""
        await self._keep()
        now = self._now()
        last = await self._nights.last_night()
        if last and last.outcome is None and now - last.began > self._longest:
            await self._end(last.day, BROKEN_OFF)
        day = due(now, self._at, self._zone)
        if day is None or (last and last.day == day) or self._is_ending():
            return
        is_ours = await self._nights.begin_night(day, now)
        if is_ours and last is None:  # it was due before we came
            self._unkept = day, FIRST, now
            await self._keep()
        elif is_ours:
            logger.info("the night of %s begins", day)
            try:
                outcome, is_told = await self._run()
            except asyncio.CancelledError:
                with suppress(StoreError):  # then it counts as broken off
                    await self._nights.give_back_night(day)
                raise
            await self._end(day, outcome, is_told=is_told or outcome == self._said)

    async def _run(self) -> tuple[str, bool]:
        """Learn; one line of what came of it, and whether everybody was told of it."""
        said, is_told = "", False
        async with aclosing(self._learn()) as lines:
            async for line in lines:
                is_told |= isinstance(line, Told)
                if not line.startswith("- "):
                    said += line
        return " ".join(said.split()), is_told

    async def _end(self, day: date, outcome: str, *, is_told: bool = False) -> None:
        logger.info("the night of %s: %s", day, outcome)
        self._unkept, self._said = (day, outcome, self._now()), outcome
        try:
            if not is_told:
                await self._tell(f"The night of {day:%Y-%m-%d}: {outcome}")
        finally:  # also where the end cuts that off: what came of it is known
            await self._keep()

    async def _keep(self) -> None:
        """Store the outcome that is not stored yet. Raises StoreError: each look tries it again."""
        if self._unkept:
            await self._nights.end_night(*self._unkept)
            self._unkept = None


def ticking(tick: Callable[[], Awaitable[None]], every_s: float) -> Any:
    """A scheduler that is not started yet."""
    # Here, not above: not every bot has nights, and this takes memory and a tenth of a second.
    from apscheduler.schedulers.asyncio import AsyncIOScheduler
    from apscheduler.triggers.interval import IntervalTrigger

    scheduler = AsyncIOScheduler(timezone=UTC)
    # After a sleep of the machine one tick is enough, and none is too late.
    every = IntervalTrigger(seconds=every_s, timezone=UTC)
    scheduler.add_job(tick, every, coalesce=True, misfire_grace_time=None)
    return scheduler


def due(now: datetime, at: time, zone: tzinfo) -> date | None:
    """The local date of the newest night that should have begun by now, if it is not too old.

    Where the clocks leave its time out, it begins as long after midnight as ever; where they show
    it twice, at the first time (PEP 495, fold=0).
    """
    today = now.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        began = datetime.combine(day, at, zone).astimezone(UTC)
        if began <= now:
            return day if now - began <= CATCH_UP else None
    return None
