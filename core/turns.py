"""What is done about turns once they are heard: each is answered in its lane, until it is shown.

It knows no platform and hears nothing by itself; what is stored and not done survives it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from core.answer import Answer
from core.commands import Call, said
from core.engine import Engine, says_nothing
from core.errors import AdapterError, Closing, Refused, StoreError, Unasked
from core.patience import Patience
from core.ports import Adapter
from core.records import PlaceRecord, TurnRecord
from core.types import IncomingMessage, MessageRef, Prompt, Quoted, Recipe, ThreadRef, Turn

logger = logging.getLogger(__name__)

MOST_TRIES = 3  # a turn that died so often with the process ends in a sentence of ours
EARLIER_WITHIN_S = 5.0  # what was said before is worth so long a wait


@dataclass(frozen=True, slots=True)
class Heard:
    """A turn, and how things stood when it was heard."""

    turn: Turn
    did_stop: bool = False  # it said "stop", and something was under way
    is_too_many: bool = False  # so many were on their way that it is sent away


class Turns:
    """The turns of one desk that are on their way, each in a task of `group`."""

    def __init__(
        self, engine: Engine, adapter: Adapter, group: asyncio.TaskGroup, patience_s: float
    ) -> None:
        self._engine, self._adapter, self._group = engine, adapter, group
        self._patience_s = patience_s
        self.tasks: dict[int, asyncio.Task[None]] = {}  # by the id of the turn
        # By lane, what is answered; None: the answer is being prepared.
        self._under_way: dict[ThreadRef, tuple[IncomingMessage, Answer | None]] = {}
        self._unwanted: set[ThreadRef] = set()  # stopped while it was being prepared
        self._forgetting: asyncio.Task[None] | None = None
        self._is_forgetting_more = self._has_ended = False
        # What changed on the platform while each was on its way, and may have been about to quote.
        self._meanwhile: dict[int, dict[MessageRef, str | None]] = {}

    def begin(self, heard: Heard) -> None:
        """Answer it, where that is not under way already, and where answers still begin."""
        turn = heard.turn
        if self._engine.closing.is_set():
            return  # it is stored: the next start answers it
        if turn.id in self.tasks:  # a platform may say "ready" again
            return
        self._meanwhile[turn.id] = {}
        self.tasks[turn.id] = self._group.create_task(self._guarded(heard), name=f"turn {turn.id}")
        self._engine.on_their_way += 1
        self.tasks[turn.id].add_done_callback(partial(self._ended, turn))

    def forget(self) -> None:
        """Something was deleted: have the trainer let go of it, once for all that comes meanwhile.
        No turn waits for it; what a shutdown cuts off, the next start does.
        """
        if self._has_ended:
            return
        self._is_forgetting_more = True
        if self._forgetting is None or self._forgetting.done():
            self._forgetting = self._group.create_task(self._forget(), name="forgetting")

    async def _forget(self) -> None:
        while self._is_forgetting_more:
            self._is_forgetting_more = False
            try:
                await self._engine.commands.forgotten()
            except Exception:  # a fault of ours; the next start does it
                logger.exception("what was deleted is not forgotten everywhere")

    def end(self) -> None:
        self._has_ended = True
        if self._forgetting:
            self._forgetting.cancel()

    def _ended(self, turn: Turn, task: asyncio.Task[None]) -> None:
        del self.tasks[turn.id], self._meanwhile[turn.id]
        self._engine.on_their_way -= 1

    def stop(self, message: IncomingMessage) -> bool:
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

    def changed(self, ref: MessageRef, text: str | None) -> None:
        """Somebody edited or deleted (None) a message: no turn is to keep it as it was."""
        for changes in self._meanwhile.values():
            changes[ref] = text

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
        places = PlaceRecord(engine.store, turn.id)
        if turn.status == "final":
            opening = await engine.opening(turn)
            if turn.recipe:
                opening += await engine.credit(turn, turn.recipe.model)
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
            return make(said(text), outcome="command", opening=opening, record=places)
        if heard.is_too_many:
            return make(said(engine.phrases.busy), outcome="refused", record=record)
        if turn.tries >= MOST_TRIES:
            return make(said(engine.phrases.gave_up), outcome="refused", record=record)
        asked = await engine.question(turn, partial(self._earlier, turn))
        if isinstance(asked, str):
            return make(said(asked), outcome="refused", record=record)
        prompt, recipe, opening = asked

        async def anew() -> Prompt:
            nonlocal recipe
            prompt, recipe = await self._asked_anew(turn, recipe)
            return prompt

        def asking() -> None:
            # Not awaited: the request to the model does not wait for this commit. The store keeps
            # the order of its writes, so it is there before the answer's end is.
            self._group.create_task(self._began(turn, recipe))

        pieces = engine.generate(prompt, asking, anew, partial(engine.credit, turn))
        return make(pieces, opening=opening, record=record)

    async def _asked_anew(self, turn: Turn, recipe: Recipe) -> tuple[Prompt, Recipe]:
        """The question as it stands after a wait in line. Raises Unasked: it stands no more."""
        now = await self._engine.store.turn(turn.id)
        if now.status == "done":
            raise Unasked("expired")
        changes = self._meanwhile[turn.id]
        quotes = [replace(q, text=changes.get(q.ref, q.text) or "") for q in recipe.quotes]

        async def earlier() -> Sequence[Quoted]:
            return quotes

        asked = await self._engine.question(now, earlier)
        if isinstance(asked, str):
            raise Unasked("refused", asked)
        return asked[:2]

    async def _earlier(self, turn: Turn) -> Sequence[Quoted]:
        """What was said in the turn's thread before it; nothing where the platform fails."""
        try:
            async with asyncio.timeout(EARLIER_WITHIN_S):
                return await self._adapter.earlier(turn.message)
        except (AdapterError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            logger.warning("turn %d: answered without what was said before: %s", turn.id, why)
            return ()

    def _lane(self, message: IncomingMessage) -> ThreadRef:
        """Where its turn waits for those before it: in its conversation. What takes minutes has a
        lane of its own, since many people may share a conversation; what is not to wait for its
        answers goes after its like only.
        """
        found = self._engine.commands.find(message.text)
        if found and found[0].slow:
            return ThreadRef(message.ref.channel, f"beside {message.ref.id}")
        if found and found[0].at_once:
            return ThreadRef(message.ref.channel, "beside")
        return message.thread

    async def _began(self, turn: Turn, recipe: Recipe) -> None:
        store, changes = self._engine.store, self._meanwhile.get(turn.id, {})
        try:
            with self._engine.watching_for_damage():
                await store.began(turn.id, recipe)
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


def reaches(command: IncomingMessage, asked: IncomingMessage) -> bool:
    """Whether somebody's command is about what they asked there. A slash command may have to be
    said in the channel itself, where conversations are threads.
    """
    is_there = command.thread == asked.thread
    if command.private:
        is_there = command.ref.channel == asked.ref.channel
    return is_there and command.author.id == asked.author.id
