"""The desk of one adapter: a message is heard (stored), then acknowledged, then answered.

What is stored and not done is the inbox; there is no other queue. A restart answers what was left.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from core.engine import Engine, short
from core.errors import Closing, StoreError
from core.ports import Adapter
from core.turns import Heard, Turns
from core.types import (
    Author,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Noted,
    Seen,
    ThreadRef,
    Turn,
)
from core.wire import clean

logger = logging.getLogger(__name__)

LOOKS_BACK = timedelta(days=7)  # at conversations, after an absence
QUIET_S = 2.0  # without a message that is too old, their number is said


async def serve(
    engine: Engine, adapter: Adapter, *, grace_s: float = 20.0, patience_s: float = math.inf
) -> None:
    """Run one platform until nothing more can come, or until `engine.close()`: from then on nothing
    more is heard and no answer begins.

    Answers under way at `close` have `grace_s` to finish. What a platform or the disk does not take
    is tried again for `patience_s`, then left to the next start. Raises what `adapter.run` raises,
    in an ExceptionGroup.
    """
    async with asyncio.TaskGroup() as group:
        turns = Turns(engine, adapter, group, patience_s)
        desk = Desk(engine, adapter, turns)
        running = group.create_task(adapter.run(desk), name=f"run {adapter.name}")
        closing = group.create_task(engine.closing.wait(), name=f"closing {adapter.name}")
        try:
            await asyncio.wait({running, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            engine.announcements.gone(adapter)
        while turns.tasks and not engine.closing.is_set():
            doing = [closing, *turns.tasks.values()]
            await asyncio.wait(doing, return_when=asyncio.FIRST_COMPLETED)
        if turns.tasks:
            _, late = await asyncio.wait(turns.tasks.values(), timeout=grace_s)
            for task in late:
                task.cancel()
        running.cancel()
        closing.cancel()
        turns.end()
        desk.too_old.say()


class Desk:
    """The inbox of one adapter: stores the event, then has it worked on."""

    def __init__(self, engine: Engine, adapter: Adapter, turns: Turns) -> None:
        self._engine, self._adapter, self._turns = engine, adapter, turns
        self.too_old = TooOld(adapter.name)

    async def ready(self, account: str) -> Sequence[Seen]:
        engine, platform = self._engine, self._adapter.name
        engine.announcements.ready(self._adapter)
        with engine.watching_for_damage():
            self._turns.forget()  # what an end of the adapter cut off
            for turn in await engine.store.unanswered(platform, account):
                if not await self._is_too_old(turn):
                    self._turns.begin(Heard(turn))
            return await engine.store.seen(platform, account, engine.now() - LOOKS_BACK)

    async def message(self, message: IncomingMessage) -> None:
        text = clean(message.text)
        found = self._engine.commands.find(text)
        if text != message.text:
            message = replace(message, text=text)
        if quote := message.replies_to:  # no command is about it
            message = replace(message, replies_to=None if found else short(quote))
        said = bool(text.strip() or message.unread)
        is_for_us = message.addressed or (message.follows and said)
        if message.author.is_bot or not is_for_us:
            return
        if self._engine.closing.is_set():
            raise Closing("Intake has ended: deliver it again at the next start.")
        try:
            with self._engine.watching_for_damage():
                turn, is_new = await self._heard(message)
        except StoreError:
            self._engine.failures += 1
            raise
        if turn is None:
            return
        # The turn of a "stop" waits in the lane; its deed does not.
        did_stop = found is not None and found[0].name == "stop" and self._turns.stop(message)
        # Nobody is sent away after a wait: not what is asked again, nor what a start finds.
        is_too_many = is_new and self._engine.line.is_full(self._engine.on_their_way + 1)
        self._turns.begin(Heard(turn, did_stop, is_too_many))

    async def reaction(self, reaction: IncomingReaction) -> Noted:
        with self._engine.watching_for_damage():
            return await self._engine.judge(reaction)

    async def changed(self, ref: MessageRef, text: str | None) -> None:
        text = text and clean(text)
        self._turns.changed(ref, text)
        with self._engine.watching_for_damage():
            if await self._engine.store.change(ref, text):
                self._turns.forget()

    async def gone(self, place: ThreadRef) -> None:
        with self._engine.watching_for_damage():
            if await self._engine.store.drop_place(place):
                self._turns.forget()

    async def correction(self, target: MessageRef, author: Author, text: str) -> bool:
        with self._engine.watching_for_damage():
            return await self._engine.correct(target, author, text)

    async def _heard(self, message: IncomingMessage) -> tuple[Turn | None, bool]:
        """The turn to be answered, and whether it is new. Raises StoreError."""
        store = self._engine.store
        if not message.addressed and not await store.takes_part(message.thread):
            return None, False
        new = await store.hear(message)
        # Heard before? Perhaps stored, while whoever delivered it was cut off and never told.
        turn = new or await store.heard(message.ref)
        if turn is None or turn.status == "done" or turn.id in self._turns.tasks:
            return None, False
        return None if await self._is_too_old(turn) else turn, new is not None

    async def _is_too_old(self, turn: Turn) -> bool:
        """Whether nobody waits for it any more; then it is done."""
        engine = self._engine
        oldest = engine.now() - timedelta(hours=engine.settings.retry_for_h)
        begun = turn.status == "final" or turn.replies or turn.placing
        if turn.message.at >= oldest or begun:  # what a person sees begun is finished
            return False
        self.too_old.add()
        await engine.store.settle(turn.id, turn.answer, "expired")
        await engine.store.finish(turn.id)
        return True


class TooOld:
    """Counts messages that are too old to answer, and says how many once no more come."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self) -> None:
        self._count += 1
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(QUIET_S, self.say)

    def say(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._count:
            logger.warning("%s: %d messages were too old to answer", self._platform, self._count)
        self._count, self._timer = 0, None
