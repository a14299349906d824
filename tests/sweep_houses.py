"""Slack, Discord and Telegram for whoever kills the bot there: a house for each.

A house is the platform's fake with conversations in it, and with faults in any call. It says what
its people see of the bot.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.fake_discord import FakeDiscord
from tests.fake_discord_rest import Call, Fault, Rest
from tests.fake_slack import BOT, TOKEN_FREE, Channel, FakeSlack
from tests.fake_slack import Fault as SlackFault
from tests.fake_telegram import FakeTelegram
from tests.slack_rules import seen

DOUBLED, LOST_ACKNOWLEDGEMENTS = 0.05, 0.02
AWAY = 0.5  # of what is said while the bot is down: no event will tell of it


@dataclass
class Place:
    """A conversation. `key`: what the platform knows it by."""

    key: Any
    is_direct: bool = False
    is_thread: bool = False  # where nobody has to mention the bot, once it answered
    has_begun: bool = False


@dataclass
class House:
    """`async with` it: the platform serves until the end of the block."""

    rng: random.Random
    trouble: float  # the share of calls that fail
    places: list[Place] = field(default_factory=list)
    is_down: bool = False  # the bot is

    name = ""
    long_chars = 0  # of a question whose answer needs two messages
    has_strays = False  # a crash may leave a "…" behind

    @property
    def settings(self) -> dict[str, str]:
        raise NotImplementedError

    async def say(self, place: Place, text: str) -> None:
        raise NotImplementedError

    def is_connected(self) -> bool:
        raise NotImplementedError

    def shown(self, place: Place) -> list[str]:
        """What the bot's messages in a place say now, in the order in which they were posted."""
        raise NotImplementedError

    async def stir(self) -> None:
        """Cut the lines, in one way or another."""
        raise NotImplementedError

    def mentions(self, place: Place) -> bool:
        """Whether this one mentions the bot; in a thread that has begun nobody has to."""
        return not place.is_thread or not place.has_begun or self.rng.random() < 0.5


class ShakySlack(FakeSlack):
    """No call is spared, the first of a start included."""

    def _fault(self, method: str) -> SlackFault | None:
        if method in TOKEN_FREE and self.rng.random() < self.chaos:
            return SlackFault(self.rng.choice(["ratelimited", "500", "reset"]))
        return super()._fault(method)


@dataclass
class SlackHouse(House):
    name, long_chars = "slack", 11_200

    def __post_init__(self) -> None:
        self.slack = ShakySlack(
            chaos=self.trouble,
            doubled=DOUBLED,
            lost_acknowledgements=LOST_ACKNOWLEDGEMENTS,
            rng=self.rng,
        )
        self._roots: dict[int, str] = {}  # by place

    async def __aenter__(self) -> SlackHouse:
        await self.slack.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.slack.__aexit__(*exc)

    def move_in(self, count: int) -> None:
        """Half of them direct messages, half threads, two in a channel."""
        for number in range(count):
            if number % 2:
                room = f"C{number // 4}ROOM"
                self.slack.channels.setdefault(room, Channel(room))
                self.places.append(Place((room, number), is_thread=True))
            else:
                self.slack.channels[f"D{number}ANN"] = Channel(f"D{number}ANN", "im")
                self.places.append(Place((f"D{number}ANN", number), is_direct=True))

    @property
    def settings(self) -> dict[str, str]:
        return {"base_url": self.slack.base_url}

    async def say(self, place: Place, text: str) -> None:
        channel, number = place.key
        is_away = self.is_down and place.has_begun and self.rng.random() < AWAY
        self.slack.mention_first = self.rng.random() < 0.5
        ts = self.slack.says(
            text,
            by=f"U{number}ANN",
            channel=channel,
            thread=self._roots.get(number, ""),
            mention=not place.is_direct and self.mentions(place),
            away=is_away,
        )
        if place.is_thread:
            self._roots.setdefault(number, ts)

    def is_connected(self) -> bool:
        return self.slack.sockets > 1

    def shown(self, place: Place) -> list[str]:
        channel, number = place.key
        root = self._roots.get(number, "")
        messages = sorted(self.slack.channels[channel].messages.items())
        return [
            seen(message)
            for _, message in messages
            if message["user"] == BOT and message.get("thread_ts", "") == root
        ]

    async def stir(self) -> None:
        if self.rng.random() < 0.5:
            self.slack.disconnect()
        else:
            await self.slack.refresh()


class ShakyRest(Rest):
    def __init__(self, fake: FakeDiscord, rng: random.Random, share: float) -> None:
        super().__init__(fake)
        self._rng, self._share = rng, share

    def _fault(self, call: Call) -> Fault | None:
        if self._rng.random() >= self._share:
            return None
        kind = self._rng.choice(["429", "status", "status", "reset", "lost"])
        code = self._rng.choice([500, 502, 503, 504])
        return Fault(".*", ".*", kind, code=code, seconds=0.3)


@dataclass
class DiscordHouse(House):
    name, long_chars = "discord", 2_200

    def __post_init__(self) -> None:
        self.fake = FakeDiscord()
        self.fake.rest = ShakyRest(self.fake, self.rng, self.trouble)

    async def __aenter__(self) -> DiscordHouse:
        await self.fake.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.fake.__aexit__(*exc)

    async def open_threads(self) -> None:
        for place in self.places:
            if place.key is None:
                place.key = (await self.fake.open_thread("a thread")).id

    def move_in(self, count: int) -> None:
        """Direct messages, channels and threads in turn."""
        for number in range(count):
            person = self.fake.person(f"Ann{number}")
            match number % 3:
                case 0:
                    self.places.append(Place(self.fake.direct(person).id, is_direct=True))
                case 1:
                    self.places.append(Place(self.fake.open_channel(f"room{number}").id))
                case _:
                    self.places.append(Place(None, is_thread=True))

    @property
    def settings(self) -> dict[str, str]:
        return {"base_url": self.fake.base_url, "gateway_url": self.fake.gateway_url}

    async def say(self, place: Place, text: str) -> None:
        await self.open_threads()
        channel = self.fake.channels[str(place.key)]
        person = channel.person or self.fake.person(f"Ann{self.places.index(place)}")
        if not place.is_direct and self.mentions(place):
            text = f"{self.fake.mention} {text}"
        self.fake.delivers_twice = self.rng.random() < DOUBLED
        await self.fake.says(person, channel, text)

    def is_connected(self) -> bool:
        return self.fake.gateway.connected

    def shown(self, place: Place) -> list[str]:
        channel = self.fake.channels.get(str(place.key))
        messages = self.fake.by_me(channel) if channel else []
        return [message.content for message in messages]

    async def stir(self) -> None:
        match self.rng.randrange(3):
            case 0:
                self.fake.gateway.cut()
            case 1:
                self.fake.gateway.cut()
                self.fake.gateway.sessions.clear()
            case _:
                await self.fake.gateway.ask_to_reconnect()


@dataclass
class TelegramHouse(House):
    name, long_chars, has_strays = "telegram", 4_094, True

    def __post_init__(self) -> None:
        self.telegram = FakeTelegram(privacy=False, seed=self.rng.randrange(10**6))
        each = self.trouble / 3
        self.telegram.trouble = {"429": each, "502": each, "reset": each / 2, "lost": each / 2}
        self.telegram.trouble["double"] = DOUBLED

    async def __aenter__(self) -> TelegramHouse:
        await self.telegram.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.telegram.__aexit__(*exc)

    def move_in(self, count: int) -> None:
        """Private chats; every fifth a group, in turn with a topic and without."""
        for number in range(count):
            person = self.telegram.person(f"Ann{number}")
            if number % 5 < 4:
                self.places.append(Place((self.telegram.private(person).id, 0), is_direct=True))
                continue
            group = self.telegram.group(f"Club {number}", is_forum=number % 2 > 0)
            topic = self.telegram.topic(group, person, "birds") if number % 2 else 0
            self.places.append(Place((group.id, topic)))

    @property
    def settings(self) -> dict[str, str]:
        return {"base_url": self.telegram.url}

    async def say(self, place: Place, text: str) -> None:
        chat, topic = place.key
        person = list(self.telegram.users.values())[self.places.index(place)]
        text = text if place.is_direct else f"@{self.telegram.bot.username} {text}"
        self.telegram.says(self.telegram.chats[chat], person, text, topic=topic)

    def is_connected(self) -> bool:
        return self.telegram.polling > 0

    def shown(self, place: Place) -> list[str]:
        chat, topic = place.key
        messages = self.telegram.by_bot(self.telegram.chats[chat])
        return [one.text for one in messages if one.topic == topic]

    async def stir(self) -> None:
        self.telegram.drop()


HOUSES = {house.name: house for house in (SlackHouse, DiscordHouse, TelegramHouse)}
