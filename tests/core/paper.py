"""A small surface that posts and edits, refuses, fails and hangs on demand; answers shown on it."""

import asyncio
from dataclasses import dataclass, field

from core.answer import Answer
from core.streaming import Tempo, show
from core.types import ChannelRef, MessageRef

ROOM = ChannelRef("paper", "me", "room")
FREE = {"room": (10_000, 1.0)}


@dataclass
class Paper:
    """Keeps what each message shows. `faults`: what the next calls raise; `lost`: once done."""

    limit: int = 200
    most_pages: int = 5
    texts: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)  # the messages that show them
    files: dict[str, str] = field(default_factory=dict)
    parts: dict[int, str] = field(default_factory=dict)  # where each part was posted
    calls: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    lasts: list[bool] = field(default_factory=list)
    faults: list[Exception | None] = field(default_factory=list)
    lost: bool = False
    hangs: bool = False

    def size(self, text):
        return len(text.strip())

    async def find(self, part):
        self.calls.append("find")
        return MessageRef(ROOM, self.parts[part]) if part in self.parts else None

    async def post(self, part, text, *, last):
        await self._reached("post", text)
        ref = MessageRef(ROOM, f"m{len(self.texts) + len(self.files)}")
        self._shows(ref.id, text, last)
        self.parts[part] = ref.id
        self._answered()
        return ref

    async def edit(self, ref, text, *, last):
        await self._reached("edit", text)
        self._shows(ref.id, text, last)

    async def remove(self, ref):
        await self._reached("remove", "nothing")
        self.texts.pop(ref.id, None)

    async def attach(self, part, text):
        await self._reached("attach", "file")
        ref = MessageRef(ROOM, f"m{len(self.texts) + len(self.files)}")
        self.files[ref.id] = text
        self.parts[part] = ref.id
        self._answered()
        return ref

    def _shows(self, id, text, last):
        self.texts[id] = text
        self.lasts.append(last)
        self.buttons = [one for one in self.buttons if one != id] + [id] * last

    async def _reached(self, call, text):
        self.calls.append(call)
        self.sent.append(text)
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0)
        assert text.strip(), "a platform refuses what shows nothing"
        assert len(text) <= self.limit
        if self.hangs:
            await asyncio.Event().wait()
        if not self.lost and self.faults and (fault := self.faults.pop(0)):
            raise fault

    def _answered(self):
        if self.lost and self.faults and (fault := self.faults.pop(0)):
            raise fault

    @property
    def visible(self):
        return list(self.texts.values())


async def saying(*pieces, pause_s=0.0, error=None):
    for piece in pieces:
        await asyncio.sleep(pause_s)
        yield piece
    if error:
        raise error


async def shown(paper, *pieces, every_s=0.01, rates=FREE, pause_s=0.0, **how):
    answer = Answer(saying(*pieces, pause_s=pause_s), **how.pop("answer", {}))
    await show(answer, paper, Tempo(rates), ["room:1"], every_s=every_s, **how)
    return answer
