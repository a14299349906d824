"""What bench.platforms measures on: each platform's fake with conversations, and what they saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from bench.platform_bots import ANSWER, PIECES
from tests import slack_rules
from tests.fake_discord import TOKEN as DISCORD_TOKEN
from tests.fake_discord import FakeDiscord
from tests.fake_discord_rest import Call
from tests.fake_slack import APP_TOKEN, BOT_TOKEN, Channel, FakeSlack
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import TOKEN as TELEGRAM_TOKEN
from tests.fake_telegram_chats import Message

QUESTION = "what does a thumb up do?"
FIRST = PIECES[0].strip()


class House:
    """`async with` it: the platform serves, and notes when its people saw what."""

    settings: dict[str, str]

    def __init__(self, count: int, *, limits: bool) -> None:
        self.seen: dict[str, list[tuple[float, str, str]]] = {}  # by place: when, which, what
        self.places: list[str] = []
        self.warm_up = ""
        self.refused = 0
        self._newest = time.monotonic()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> House:
        raise NotImplementedError

    async def __aexit__(self, *exc: object) -> None:
        raise NotImplementedError

    @property
    def calls(self) -> int:
        """Of the platform, so far, but for asking what is new."""
        raise NotImplementedError

    def is_connected(self) -> bool:
        raise NotImplementedError

    async def say(self, place: str) -> None:
        raise NotImplementedError

    # What they saw.

    def saw(self, place: str, message: str, text: str) -> None:
        self._newest = time.monotonic()
        self.seen.setdefault(place, []).append((self._newest, message, text))
        self._changed.set()

    def first(self, place: str) -> float | None:
        """When the model's first word was there: a greeting ahead of it counts for nothing."""
        return next((at for at, _, text in self.seen.get(place, []) if FIRST in text), None)

    def last(self, place: str) -> float | None:
        return next((at for at, _, text in self.seen.get(place, []) if ANSWER in text), None)

    def is_whole(self, place: str) -> bool:
        return self.last(place) is not None

    def are_whole(self) -> bool:
        return all(self.is_whole(place) for place in self.places)

    def texts(self, place: str) -> str:
        """What its messages say in the end."""
        return "\n".join({message: text for _, message, text in self.seen.get(place, [])}.values())

    # Waiting.

    async def until(self, condition: Callable[[], object], within_s: float, still_s: float) -> None:
        """Return when it is so, when the time is over, or when nothing was new for `still_s`."""
        ends, self._newest = time.monotonic() + within_s, time.monotonic()
        while not condition() and time.monotonic() < min(ends, self._newest + still_s):
            self._changed.clear()
            try:
                async with asyncio.timeout(0.25):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def rests(self, quiet_s: float) -> None:
        """Return when no call came for so long."""
        calls, since = self.calls, time.monotonic()
        while time.monotonic() < since + quiet_s:
            await asyncio.sleep(0.05)
            if self.calls != calls:
                calls, since = self.calls, time.monotonic()


class SlackHouse(House):
    def __init__(self, count: int, *, limits: bool) -> None:
        super().__init__(count, limits=limits)
        # Slack waits for three seconds before it sends an event again, then for a minute.
        self._slack = WatchedSlack(limits=limits, retries_s=(3.0, 60.0, 300.0))
        self._slack.house = self
        self.warm_up, *self.places = (f"C{n}ROOM" for n in range(count + 1))
        self._slack.channels |= {id: Channel(id) for id in (self.warm_up, *self.places)}

    async def __aenter__(self) -> House:
        await self._slack.__aenter__()
        tokens = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN}
        self.settings = {**tokens, "base_url": self._slack.base_url}
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._slack.__aexit__(*exc)

    @property
    def calls(self) -> int:
        return len(self._slack.calls)

    def is_connected(self) -> bool:
        return self._slack.sockets > 0

    async def say(self, place: str) -> None:
        self._slack.says(QUESTION, by=f"U{place}", channel=place, mention=True)


class WatchedSlack(FakeSlack):
    house: House

    def _show(self, place: Channel, message: dict[str, Any]) -> None:
        super()._show(place, message)
        self.house.saw(place.id, message["ts"], slack_rules.seen(message))

    def _overdrawn(self, call: Any) -> int:
        wait_s = super()._overdrawn(call)
        self.house.refused += wait_s > 0
        return wait_s


class DiscordHouse(House):
    def __init__(self, count: int, *, limits: bool) -> None:
        super().__init__(count, limits=limits)
        self._fake = FakeDiscord()
        self._fake.rest.has_limits = limits
        self._fake.rest.watch = self._watch
        self.warm_up, *self.places = (
            self._fake.open_channel(f"room{n}").id for n in range(count + 1)
        )

    async def __aenter__(self) -> House:
        await self._fake.__aenter__()
        addresses = {"base_url": self._fake.base_url, "gateway_url": self._fake.gateway_url}
        self.settings = {"bot_token": DISCORD_TOKEN, **addresses}
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._fake.__aexit__(*exc)

    @property
    def calls(self) -> int:
        return len(self._fake.calls)

    def is_connected(self) -> bool:
        """The gateway has told of the channels too."""
        return any(len(one.log) > 1 for one in self._fake.gateway.sessions.values())

    async def say(self, place: str) -> None:
        person, channel = self._fake.person(f"Ann{place}"), self._fake.channels[place]
        await self._fake.says(person, channel, f"{self._fake.mention} {QUESTION}")

    def _watch(self, call: Call) -> None:
        self.refused += call.status == 429
        place = call.path.split("/")[2] if call.route.startswith("/channels/") else ""
        if call.status != 200 or call.method == "GET" or place not in self._fake.channels:
            return
        for message in self._fake.by_me(self._fake.channels[place]):
            self.saw(place, message.id, message.content)


class TelegramHouse(House):
    def __init__(self, count: int, *, limits: bool) -> None:
        super().__init__(count, limits=limits)
        self._telegram = WatchedTelegram(limits=limits)
        self._telegram.house = self
        people = [self._telegram.person(f"Ann{n}") for n in range(count + 1)]
        self._chats = {str(one.id): (self._telegram.private(one), one) for one in people}
        self.warm_up, *self.places = self._chats

    async def __aenter__(self) -> House:
        await self._telegram.__aenter__()
        self.settings = {"bot_token": TELEGRAM_TOKEN, "base_url": self._telegram.url}
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._telegram.__aexit__(*exc)

    @property
    def calls(self) -> int:
        return sum(call.method != "getUpdates" for call in self._telegram.calls)

    def is_connected(self) -> bool:
        return self._telegram.polling > 0

    async def say(self, place: str) -> None:
        chat, person = self._chats[place]
        self._telegram.says(chat, person, QUESTION)


class WatchedTelegram(FakeTelegram):
    house: House

    def _seen(self, message: Message, params: dict[str, Any], does: str = "posts") -> None:
        super()._seen(message, params, does)
        self.house.saw(str(message.chat.id), str(message.id), message.text)

    async def _serve(self, request: Any) -> Any:
        answer = await super()._serve(request)
        self.house.refused += answer.status == 429
        return answer


HOUSES: dict[str, type[House]] = {
    "slack": SlackHouse,
    "discord": DiscordHouse,
    "telegram": TelegramHouse,
}
