"""The contract of all adapters, on Discord."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from tests import contract, fake_discord_spec
from tests.adapters.discord_served import Served, served
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fake_discord_rest import Call
from tests.fake_discord_things import Channel, Interaction, Message, User
from tests.fakes import ListInbox, until

POSTS_AND_EDITS = r"/messages(/|$)|^/webhooks"


class DiscordRig:
    limit, every_s = 2_000, 0.05
    secrets = (TOKEN,)
    acknowledged = 0
    lacks = {  # noqa: RUF012
        "acknowledgements": "Discord has none: what is not stored is offered again by the adapter",
    }

    def __init__(self, fake: FakeDiscord) -> None:
        self.fake, self.inbox = fake, ListInbox()
        self.mistakes: list[str] = []
        fake.rest.watch = self._answered
        self.person, self.bob = fake.person("Ada"), fake.person("Bob")
        self.person_id, self.bot_id = self.person.id, fake.me.id
        self.staff = fake.open_channel("staff", hidden=True)
        self.thread: Channel | None = None
        self._stack = AsyncExitStack()

    @property
    def adapter(self):
        return self.here.adapter

    @property
    def calls(self) -> int:
        return len(self.fake.rest.sent("POST|PATCH", POSTS_AND_EDITS))

    async def start(self) -> None:
        self.here: Served = await self._stack.enter_async_context(served(self.fake, self.inbox))

    async def stop(self) -> None:
        await self._stack.aclose()

    async def run_with_wrong_token(self) -> None:
        async with served(self.fake, ListInbox(), bot_token="wrong"):
            pass

    async def say(self, text, *, room="direct", mention=False, by="", files=None, to="") -> str:
        text = f"{self.fake.mention} {text}" if mention else text
        parts = [(name, "", content) for name, content in (files or {}).items()]
        channel, reply_to = await self._room(room), self._message(to) if to else None
        said = await self.fake.says(self._who(by), channel, text, files=parts, reply_to=reply_to)
        return said.id

    async def command(self, text) -> None:
        await until(lambda: self.fake.commands)
        await self.fake.commands_(self.person, self.fake.general, text)

    async def edit(self, message_id, text) -> None:
        await self.fake.edits(self._message(message_id), text)

    async def delete(self, message_id) -> None:
        await self.fake.deletes(self._message(message_id))

    async def react(self, message_id, emoji="👍", *, added=True, by="") -> None:
        await self.fake.reacts(self._who(by), self._message(message_id), emoji, added=added)

    async def press(self, message_id, emoji="👍", *, by="") -> None:
        await self._pressed(self._message(message_id), emoji, by)

    async def correct(self, message_id, text) -> None:
        vote = await self._pressed(self._message(message_id), "👎")
        assert vote.shown
        opened = await self._pressed(vote.shown, "What should I have said?")
        await self.fake.fills_in(opened, text)

    def visible(self) -> list[str]:
        return [message.content for message in self._ours() if message.content]

    def whispered(self) -> list[str]:
        shown = [one.shown for one in self.fake.interactions.values() if one.is_ephemeral]
        return [message.content for message in shown if message]

    def with_buttons(self) -> list[str]:
        return [message.id for message in self._ours() if message.buttons]

    def sent_files(self) -> list[str]:
        files = [file for message in self._ours() for file in message.files]
        return [self.fake.files[file["id"]].decode() for file in files]

    def pinged(self) -> list[str]:
        return [name for message in self._ours() for name in message.pings]

    def thread_of(self, message_id) -> str:
        channel = self._message(message_id).channel
        return channel.id if channel.is_thread else ""

    def refuse_next(self, *, retry_after_s, times=1) -> None:
        self.fake.fail("POST|PATCH", POSTS_AND_EDITS, "429", times, seconds=retry_after_s)

    def fail_next(self, times=1, *, done=False) -> None:
        kind = "lost" if done else "status"
        for number in range(times):
            self.fake.fail("POST|PATCH", POSTS_AND_EDITS, kind if number % 2 == 0 else "reset")

    def stall_cosmetics(self) -> None:
        self.fake.fail("POST", "/typing", "slow", 100, seconds=60)

    def shut_out(self) -> None:
        for channel in self.fake.channels.values():
            channel.forbidden = True

    async def drop(self) -> None:
        self.fake.gateway.cut()

    async def redeliver(self) -> None:
        raise NotImplementedError

    async def nonsense(self) -> None:
        raw = self.fake.gateway.raw
        await raw("MESSAGE_CREATE", {"id": "7", "content": "your words"})
        await raw("MESSAGE_CREATE", None)
        await raw("MESSAGE_UPDATE", {"id": "7", "channel_id": "8", "author": None})
        await raw("MESSAGE_DELETE", {"id": "x", "channel_id": None})
        await raw("MESSAGE_REACTION_ADD", {"emoji": None})
        await raw("INTERACTION_CREATE", {"id": "seven", "type": 3, "data": None})
        await raw("SOMETHING_NEW", {"content": "your words"})
        await raw("TYPING_START", [])

    def _answered(self, call: Call) -> None:
        if fake_discord_spec.FILE.exists():
            self.mistakes += fake_discord_spec.problems([call])
        if 400 <= call.status < 429:
            self.mistakes.append(f"{call.method} {call.path}: {call.status}")

    def _who(self, by: str) -> User:
        known = {"": self.person, "bob": self.bob, self.bot_id: self.fake.me}
        return known.get(by) or self.fake.person("Otto", bot=True)

    async def _room(self, room: str) -> Channel:
        if room == "thread" and self.thread is None:
            self.thread = await self.fake.open_thread("birds")
        rooms = {"public": self.fake.general, "private": self.staff, "thread": self.thread}
        return rooms.get(room) or self.fake.direct(self.person)

    def _ours(self) -> list[Message]:
        ours = [one for channel in self.fake.channels.values() for one in self.fake.by_me(channel)]
        return sorted(ours, key=lambda message: int(message.id))

    def _message(self, id: str) -> Message:
        return next(c.messages[id] for c in self.fake.channels.values() if id in c.messages)

    async def _pressed(self, message: Message, button: str, by: str = "") -> Interaction:
        press = await self.fake.presses(self._who(by), message, button)
        await until(lambda: press.response)
        return press


class TestDiscord(contract.AdapterContract):
    @pytest.fixture
    async def rig(self):
        async with FakeDiscord() as fake:
            rig = DiscordRig(fake)
            await rig.start()
            yield rig
            await rig.stop()
