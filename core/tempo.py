"""How often calls to a platform may go out: what can be left out is, what cannot waits its turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

MOST_KEYS = 1_000  # whose pace is remembered; beyond, those that rest are forgotten


@dataclass(frozen=True, slots=True)
class AtOnce:
    """So many calls in any window of so many seconds, all of them at once where there is room."""

    calls: int
    seconds: float


class Tempo:
    """How often calls may go out, by key. A key is a kind and a name, such as "channel:C1".

    Never more than the published number of calls goes out in any window of the published length; a
    quarter of it at once, the rest evenly, where the rate is not `AtOnce`.
    """

    def __init__(self, rates: Mapping[str, tuple[int, float] | AtOnce]) -> None:
        """`rates`: for each kind of key, how many calls in how many seconds, as the vendor says."""
        self._rates = rates
        self._limiters: dict[str, AsyncLimiter | Window] = {}
        self._waiting: dict[str, int] = {}  # calls that cannot be left out, by key
        self._held_until: dict[str, float] = {}

    def may(self, *keys: str, spare: int | None = None) -> bool:
        """Whether a call that can be left out may go out now; True counts it.

        It leaves `spare` calls, or else a quarter of the pace, to those that cannot be left out,
        and lets them go first.
        """
        limiters = [self._limiter(key) for key in keys]
        for key, limiter in zip(keys, limiters, strict=True):
            quarter = min(limiter.max_rate, 1 + limiter.max_rate / 4)
            enough = quarter if spare is None else 1 + spare
            if self._waiting.get(key) or self.held_s(key) > 0 or not limiter.has_capacity(enough):
                return False
        for limiter in limiters:
            with contextlib.suppress(StopIteration):
                limiter.acquire().send(None)  # there is room, so that it waits for nothing
        return True

    async def turn(self, *keys: str) -> None:
        """Return when a call that cannot be left out may go out; it is counted."""
        is_held = True
        while is_held:  # who was held while waiting waits anew: else all of them would go at once
            await self._end_of_hold(keys)
            for key in keys:
                await self._pass(key)
            is_held = any(self.held_s(key) > 0 for key in keys)

    async def _pass(self, key: str) -> None:
        limiter = self._limiter(key)
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            await limiter.acquire()
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def _end_of_hold(self, keys: Sequence[str]) -> None:
        while True:
            held_s = max(self.held_s(key) for key in keys)
            if held_s <= 0:
                return
            await asyncio.sleep(held_s)  # it may be held again meanwhile

    def hold(self, seconds: float, *keys: str) -> None:
        """The platform said "not before": nothing goes out under these keys until then."""
        until = asyncio.get_running_loop().time() + seconds
        for key in keys:
            self._held_until[key] = max(until, self._held_until.get(key, until))

    def held_s(self, key: str) -> float:
        """How long nothing may go out under a key; not above 0: it may."""
        left = self._held_until.get(key, 0) - asyncio.get_running_loop().time()
        if left <= 0:
            self._held_until.pop(key, None)
        return left

    def _limiter(self, key: str) -> AsyncLimiter | Window:
        if key not in self._limiters:
            if len(self._limiters) >= MOST_KEYS:
                self._forget()
            rate = self._rates[key.partition(":")[0]]
            self._limiters[key] = Window(rate) if isinstance(rate, AtOnce) else evenly(*rate)
        return self._limiters[key]

    def _forget(self) -> None:
        """Drop the limiters that a new one would not differ from."""
        for key, limiter in list(self._limiters.items()):
            if key not in self._waiting and limiter.has_capacity(limiter.max_rate):
                del self._limiters[key]


def evenly(calls: int, seconds: float) -> AsyncLimiter:
    """A leaky bucket. It lets `at_once` out, then drips: in a window all of it and what drips."""
    at_once = max(1, calls // 4)
    steady = (calls + 1 - at_once) / seconds
    return AsyncLimiter(at_once, at_once / steady)


class Window:
    """Asked as an AsyncLimiter is; it remembers when each call went out."""

    def __init__(self, rate: AtOnce) -> None:
        self.max_rate, self._seconds = rate.calls, rate.seconds
        self._calls: deque[float] = deque()
        self._turns = asyncio.Lock()

    def has_capacity(self, amount: float = 1) -> bool:
        now = asyncio.get_running_loop().time()
        while self._calls and self._calls[0] <= now - self._seconds:
            self._calls.popleft()
        return len(self._calls) + amount <= self.max_rate

    async def acquire(self) -> None:
        """Return when a call may go out, in the order of asking; it is counted."""
        clock = asyncio.get_running_loop().time
        async with self._turns:
            if not self.has_capacity():
                await asyncio.sleep(self._calls[0] + self._seconds - clock())
            self._calls.append(clock())
