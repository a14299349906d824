"""The contract runs: its first rig is the small platform of `tests.wire_platform`."""

import asyncio

import pytest

from core.streaming import Tempo, show
from core.types import MessageRef
from tests.contract import AdapterContract
from tests.fakes import ListInbox, until
from tests.wire import EVERY_S, LIMIT_CHARS, Settings, WireAdapter
from tests.wire_platform import WirePlatform

NONE = "the small platform has none"
ROOM = "room"


class PaperSurface:
    """One answer's messages there."""

    limit, most_pages = LIMIT_CHARS, 1_000

    def __init__(self, adapter, to):
        self._call, self._to = adapter._call, to

    def size(self, text):
        return len(text.strip())

    def _nonce(self, part):
        return f"{self._to.ref.id}/{part}"

    async def find(self, part):
        found = await self._call("find", nonce=self._nonce(part))
        return MessageRef(self._to.ref.channel, found) if found else None

    async def post(self, part, text, *, last):
        channel = self._to.ref.channel
        id = await self._call(
            "post", channel=channel.id, under=self._to.ref.id, nonce=self._nonce(part), text=text
        )
        return MessageRef(channel, id)

    async def edit(self, ref, text, *, last):
        await self._call("edit", id=ref.id, text=text)

    async def remove(self, ref):
        raise AssertionError("what it says once it says again")

    async def attach(self, part, text):
        raise AssertionError("there are no files")


class Streaming(WireAdapter):
    """As the real ones are: its answers are shown by what all of them share."""

    def __init__(self, settings):
        super().__init__(settings)
        self._tempo = Tempo({"room": (1_000, 1.0)})

    async def reply(self, to, answer):
        await show(answer, PaperSurface(self, to), self._tempo, ["room:1"], every_s=EVERY_S)

    async def earlier(self, to):
        return ()


class WireRig:
    person_id, bot_id = "ann", "bot"
    secrets = ()
    limit, every_s = LIMIT_CHARS, EVERY_S
    lacks = dict.fromkeys(
        [
            "backfill",
            "bots",
            "buttons",
            "corrections",
            "cosmetics",
            "credentials",
            "deletions",
            "edits",
            "files",
            "mentions",
            "pings",
            "rates",
            "removals",
            "replies",
            "rooms",
            "threads",
            "uploads",
            "whispers",
        ],
        NONE,
    )

    def __init__(self, platform):
        self.platform, self.inbox, self.mistakes = platform, ListInbox(), []
        self.adapter = Streaming(Settings(address=platform.address))

    async def start(self):
        self.platform.greeted.clear()
        self.running = asyncio.create_task(self.adapter.run(self.inbox))
        await self.platform.greeted.wait()

    async def stop(self):
        self.running.cancel()
        await asyncio.wait({self.running})

    async def run_with_wrong_token(self): ...

    async def say(self, text, *, room="direct", mention=False, by="", files=None):
        if by == self.bot_id:
            return ""  # it does not echo
        return self.platform.say(ROOM, text, author=by or self.person_id).id

    async def command(self, text): ...

    async def edit(self, message_id, text): ...

    async def delete(self, message_id): ...

    async def react(self, message_id, emoji="👍", *, added=True, by=""):
        post = self.platform.posts[message_id]
        self.platform.react(post, emoji, author=by or self.person_id, added=added)

    async def press(self, message_id, emoji="👍", *, by=""): ...

    async def correct(self, message_id, text): ...

    def visible(self):
        return [post.text for post in self.platform.posts.values()]

    def whispered(self):
        return []

    def with_buttons(self):
        return []

    def sent_files(self):
        return []

    def pinged(self):
        return []

    def thread_of(self, message_id):
        return ""

    @property
    def calls(self):
        return sum(len(post.texts) for post in self.platform.posts.values())

    @property
    def acknowledged(self):
        return sum(question.acknowledged for question in self.platform.questions.values())

    def refuse_next(self, *, retry_after_s, times=1): ...

    def fail_next(self, times=1, *, done=False):
        if done:
            self.platform.drop_after_next_post = True
        else:
            self.platform.refuse_next = times

    def stall_cosmetics(self): ...

    def shut_out(self): ...

    async def drop(self):
        self.platform.greeted.clear()
        self.platform.drop()

    async def redeliver(self):
        await self.drop()  # what is not acknowledged comes again with the next connection
        await until(self.platform.greeted.is_set)

    async def nonsense(self): ...


class TestWire(AdapterContract):
    @pytest.fixture
    async def rig(self):
        async with WirePlatform() as platform:
            rig = WireRig(platform)
            await rig.start()
            yield rig
            await rig.stop()
