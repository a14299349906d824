"""The desk of one adapter: a message is heard (stored), then acknowledged, then answered.

What is stored and not done is the inbox; there is no other queue. A restart answers what was left.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from core.answer import Answer
from core.commands import Call, said
from core.engine import Engine, says_nothing
from core.errors import AdapterError, Closing, Refused, StoreError
from core.patience import Patience
from core.ports import Adapter
from core.records import PlaceRecord, TurnRecord
from core.types import (
    Author,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Noted,
    Quoted,
    Recipe,
    Seen,
    ThreadRef,
    Turn,
)
from core.wire import clean

logger = logging.getLogger(__name__)

MOST_TRIES = 3  # a turn that died so often with the process ends in a sentence of ours
EARLIER_WITHIN_S = 5.0  # what was said before is worth so long a wait
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
        desk = Desk(engine, adapter, group, patience_s)
        running = group.create_task(adapter.run(desk), name=f"run {adapter.name}")
        closing = group.create_task(engine.closing.wait(), name=f"closing {adapter.name}")
        await asyncio.wait({running, closing}, return_when=asyncio.FIRST_COMPLETED)
        while desk.tasks and not engine.closing.is_set():
            doing = [closing, *desk.tasks.values()]
            await asyncio.wait(doing, return_when=asyncio.FIRST_COMPLETED)
        if desk.tasks:
            _, late = await asyncio.wait(desk.tasks.values(), timeout=grace_s)
            for task in late:
                task.cancel()
        running.cancel()
        closing.cancel()
        desk.too_old.say()


class Desk:
    """The inbox of one adapter: stores the event, then works on it in a task of its own."""

    def __init__(
        self, engine: Engine, adapter: Adapter, group: asyncio.TaskGroup, patience_s: float
    ) -> None:
        self._engine, self._adapter, self._group = engine, adapter, group
        self._patience_s = patience_s
        self.tasks: dict[int, asyncio.Task[None]] = {}  # by the id of the turn
        # By lane, what is answered; None: the answer is being prepared.
        self._under_way: dict[ThreadRef, tuple[IncomingMessage, Answer | None]] = {}
        self._unwanted: set[ThreadRef] = set()  # stopped while it was being prepared
        # What changed on the platform while a turn was about to quote it.
        self._meanwhile: dict[int, dict[MessageRef, str | None]] = {}
        self.too_old = TooOld(adapter.name)

    async def ready(self, account: str) -> Sequence[Seen]:
        engine, platform = self._engine, self._adapter.name
        with engine.watching_for_damage():
            for turn in await engine.store.unanswered(platform, account):
                if not await self._is_too_old(turn):
                    self._start(Heard(turn))
            return await engine.store.seen(platform, account, engine.now() - LOOKS_BACK)

    async def message(self, message: IncomingMessage) -> None:
        text = clean(message.text)
        if text != message.text:
            message = replace(message, text=text)
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
        found = self._engine.commands.find(message.text)
        # The turn of a "stop" waits in the lane; its deed does not.
        did_stop = found is not None and found[0].name == "stop" and self._stop(message)
        # Nobody is sent away after a wait: not what is asked again, nor what a start finds.
        is_too_many = is_new and self._engine.line.is_full(len(self.tasks) + 1)
        self._start(Heard(turn, did_stop, is_too_many))

    async def reaction(self, reaction: IncomingReaction) -> Noted:
        with self._engine.watching_for_damage():
            return await self._engine.judge(reaction)

    async def changed(self, ref: MessageRef, text: str | None) -> None:
        text = text and clean(text)
        for changes in self._meanwhile.values():
            changes[ref] = text
        with self._engine.watching_for_damage():
            await self._engine.store.change(ref, text)

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
        if turn is None or turn.status == "done" or turn.id in self.tasks:
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

    def _start(self, heard: Heard) -> None:
        turn = heard.turn
        if self._engine.closing.is_set():
            return  # it is stored: the next start answers it
        if turn.id in self.tasks:  # a platform may say "ready" again
            return
        self.tasks[turn.id] = self._group.create_task(self._guarded(heard), name=f"turn {turn.id}")
        self.tasks[turn.id].add_done_callback(lambda _: self.tasks.pop(turn.id))

    async def _guarded(self, heard: Heard) -> None:
        turn = heard.turn
        async with self._engine.lanes.enter(self._lane(turn.message)) as waited:
            try:
                await self._answer_until_shown(heard, is_fresh=not waited)
            except Exception:  # one failed turn must not take the other conversations down with it
                self._engine.failures += 1
                logger.exception("turn %d failed", turn.id)
                await self._apologise(turn)

    async def _apologise(self, heard: Turn) -> None:
        """Where a fault of ours ended an answer. Tried once: the fault may be met again."""
        store, make = self._engine.store, partial(Answer, phrases=self._engine.phrases)
        try:
            turn = await store.turn(heard.id)
            make = partial(make, refs=turn.replies, placing=turn.placing)
            if turn.status == "final":
                places = PlaceRecord(store, turn.id)
                answer = make(said(turn.answer), outcome=turn.outcome or "failed", record=places)
            else:
                answer = make(said(""), outcome="failed", record=TurnRecord(store, turn.id))
            async with answer:
                await self._adapter.reply(turn.message, answer)
            await store.finish(turn.id)
        except Exception:  # the same fault, perhaps: the other conversations go on without it
            logger.exception("turn %d: no apology can be shown either", heard.id)

    async def _answer_until_shown(self, heard: Heard, *, is_fresh: bool) -> None:
        """Answer one turn; while the platform or the disk fails, try again ever more slowly.

        `is_fresh`: it stands as it was heard. One that waited or was tried is read again: it may
        have been edited, deleted or begun.
        """
        engine = self._engine
        # Not for ever: the conversation's next turns wait for this one.
        within_s = min(self._patience_s, 3600 * engine.settings.retry_for_h)
        patience = Patience(f"turn {heard.turn.id}", engine.closing, within_s)
        while not engine.closing.is_set():
            try:
                with engine.watching_for_damage():
                    await self._answer(heard, patience, is_fresh=is_fresh)
                return
            except (AdapterError, StoreError) as error:
                is_fresh = False
                if not await patience.again(error) and not engine.closing.is_set():
                    engine.failures += 1
                    logger.error("turn %d is left to the next start: %s", heard.turn.id, error)
                    return

    async def _answer(self, heard: Heard, patience: Patience, *, is_fresh: bool) -> None:
        """One try. Raises AdapterError and StoreError: a further one goes on from there."""
        engine, turn = self._engine, heard.turn
        message, lane = turn.message, self._lane(turn.message)
        answer: Answer | None = None
        finish = partial(engine.store.finish, turn.id)
        self._under_way[lane] = message, None
        try:
            if not is_fresh:
                turn = await engine.store.turn(turn.id)
            if turn.status == "done":  # it was deleted while it waited
                return
            async with await self._open(replace(heard, turn=turn), patience) as answer:
                self._under_way[lane] = message, answer
                if lane in self._unwanted:
                    answer.stop()
                await self._adapter.reply(turn.message, answer)
            await patience.keep(finish)
            engine.failures += answer.outcome in ("failed", "refused")
        except Refused as error:
            logger.error("turn %d cannot be shown: %s", turn.id, error)
            engine.failures += 1
            if answer and answer.outcome is None:
                text = answer.text
                await patience.keep(lambda: engine.store.settle(turn.id, text, "failed"))
            await patience.keep(finish)
        except (AdapterError, StoreError):
            await self._let_go(turn)
            raise
        except Closing:
            await self._let_go(turn)
        except asyncio.CancelledError:
            async with asyncio.timeout(2):
                await self._let_go(turn)
            raise
        finally:
            del self._under_way[lane]
            self._meanwhile.pop(turn.id, None)
            self._unwanted.discard(lane)

    async def _open(self, heard: Heard, patience: Patience) -> Answer:
        """The answer to a turn: known already, a command's, a refusal, or the model's."""
        engine, turn, message = self._engine, heard.turn, heard.turn.message
        make = partial(
            Answer,
            refs=turn.replies,
            placing=turn.placing,
            phrases=engine.phrases,
            again=patience.again,
        )
        if turn.status == "final":
            places = PlaceRecord(engine.store, turn.id)
            opening = await engine.opening(turn)
            outcome = turn.outcome or "answered"
            return make(said(turn.answer), outcome=outcome, opening=opening, record=places)
        record = TurnRecord(engine.store, turn.id)
        if says_nothing(message):
            words = engine.phrases.cannot_read(message.unread)
            return make(said(words), outcome="refused", record=record)
        found = engine.commands.find(message.text)
        if found and turn.tries:  # a deed is never done a second time
            words = engine.phrases.broken_command.format(command=found[0].usage)
            return make(said(words), outcome="refused", record=record)
        if found:
            call = Call(turn, found[1], did_stop=heard.did_stop)
            await engine.store.began(turn.id, None)
            opening = await engine.opening(turn)
            saying = engine.commands.run(found[0], call)
            if found[0].slow:
                return make(saying, outcome="command", opening=opening, record=record)
            text = "".join([piece async for piece in saying])
            # First, so that showing it may fail.
            await patience.keep(partial(record.settle, text, "command"))
            places = PlaceRecord(engine.store, turn.id)
            return make(said(text), outcome="command", opening=opening, record=places)
        if heard.is_too_many:
            return make(said(engine.phrases.busy), outcome="refused", record=record)
        if turn.tries >= MOST_TRIES:
            return make(said(engine.phrases.gave_up), outcome="refused", record=record)
        asked = await engine.question(turn, partial(self._earlier, turn))
        if isinstance(asked, str):
            return make(said(asked), outcome="refused", record=record)
        prompt, recipe, opening = asked

        def asking() -> None:
            # Not awaited: the request to the model does not wait for this commit. The store keeps
            # the order of its writes, so it is there before the answer's end is.
            self._group.create_task(self._began(turn, recipe))

        return make(engine.generate(prompt, asking), opening=opening, record=record)

    async def _earlier(self, turn: Turn) -> Sequence[Quoted]:
        """What was said in the turn's thread before it; nothing where the platform fails."""
        self._meanwhile[turn.id] = {}
        try:
            async with asyncio.timeout(EARLIER_WITHIN_S):
                return await self._adapter.earlier(turn.message)
        except (AdapterError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            logger.warning("turn %d: answered without what was said before: %s", turn.id, why)
            return ()

    def _lane(self, message: IncomingMessage) -> ThreadRef:
        """Where its turn waits for those before it: in its conversation. What takes minutes has a
        lane of its own, since many people may share a conversation.
        """
        found = self._engine.commands.find(message.text)
        if found and found[0].slow:
            return ThreadRef(message.ref.channel, f"beside {message.ref.id}")
        return message.thread

    def _stop(self, message: IncomingMessage) -> bool:
        """Stop what is answered in this conversation, else what only its author waits for; False:
        nothing is.
        """
        lanes = [message.thread]
        if message.thread not in self._under_way:
            under_way = self._under_way.items()
            lanes = [lane for lane, (asked, _) in under_way if reaches(message, asked)]
        for lane in lanes:
            _, answer = self._under_way[lane]
            if answer:
                answer.stop()
            else:
                self._unwanted.add(lane)
        return bool(lanes)

    async def _began(self, turn: Turn, recipe: Recipe) -> None:
        store = self._engine.store
        try:
            with self._engine.watching_for_damage():
                await store.began(turn.id, recipe)
                changes = self._meanwhile.pop(turn.id, {})
                for ref in {quote.ref for quote in recipe.quotes} & changes.keys():
                    await store.change(ref, changes[ref])
        except StoreError as error:
            logger.warning("turn %d: its recipe is not kept: %s", turn.id, error)

    async def _let_go(self, turn: Turn) -> None:
        if self._engine.commands.find(turn.message.text):
            return  # its deed may be done: the next try says so
        try:
            with self._engine.watching_for_damage():
                await self._engine.store.let_go(turn.id)
        except StoreError as error:
            logger.warning("turn %d: %s", turn.id, error)


@dataclass(frozen=True, slots=True)
class Heard:
    """A turn, and how things stood when it was heard."""

    turn: Turn
    did_stop: bool = False  # it said "stop", and something was under way
    is_too_many: bool = False  # so many were on their way that it is sent away


def reaches(command: IncomingMessage, asked: IncomingMessage) -> bool:
    """Whether somebody's command is about what they asked there. A slash command may have to be
    said in the channel itself, where conversations are threads.
    """
    is_there = command.thread == asked.thread
    if command.private:
        is_there = command.ref.channel == asked.ref.channel
    return is_there and command.author.id == asked.author.id


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
