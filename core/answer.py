"""An answer on its way: the text as it grows, and the messages that show it.

It knows no platform and no model: pieces come in, an adapter reads them, the record keeps them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol, Self

from core.errors import BotError, CutShort, GenerationError, StoreDamaged, StoreError, Unasked
from core.phrases import Phrases
from core.types import Ahead, Aside, MessageRef, Outcome

logger = logging.getLogger(__name__)


class Record(Protocol):
    """What keeps an answer's places and its end."""

    async def placing(self) -> None: ...

    async def placed(self, ref: MessageRef) -> None: ...

    async def settle(self, text: str, outcome: Outcome) -> None: ...


class Answer:
    """Read once with `async for`, inside `async with`: leaving the block closes the model's stream.

    When the pieces end, the whole text is recorded before the reader hears of the end, so that an
    adapter's last edit shows only what is kept. A failing model becomes a last piece of text, and
    so does a record that does not take the end at once.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[str],
        *,
        outcome: Outcome = "answered",
        opening: str = "",
        refs: Sequence[MessageRef] = (),
        placing: bool = False,
        record: Record | None = None,
        phrases: Phrases | None = None,
        again: Callable[[StoreError], Awaitable[bool]] | None = None,
    ) -> None:
        """`outcome`: how it ends if nothing goes wrong. `opening`: our words, shown and not kept.

        `refs`: messages that an earlier try made. `placing`: that try may have posted one more and
        died before it knew the id. While the answer is `unsure` of that, an adapter looks for it,
        where the platform can, before it says `placing` and posts. `again`: whether, after a pause,
        an end that could not be recorded shall be recorded again; else the reader is told.
        """
        self.text = ""  # what the model said, without our own words
        self.outcome: Outcome | None = None  # set when the end is recorded
        self.refs = list(refs)
        self.unsure = placing
        self._pieces = pieces
        self._whole: Outcome = outcome
        self._opening = opening
        self._record = record
        self._phrases = phrases or Phrases()
        self._again = again
        self._stop = False
        self._waiting_task: asyncio.Task[object] | None = None  # set while the model is awaited

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._pieces.aclose()

    async def __aiter__(self) -> AsyncGenerator[str]:
        if self._opening:
            yield self._opening
        outcome, instead = self._whole, ""
        try:
            if self._stop:
                await self._pieces.aclose()  # stopped before it began: the loop finds nothing
            self._waiting_task = asyncio.current_task()
            async for piece in self._pieces:
                self._waiting_task = None
                if self._stop:
                    break
                if not isinstance(piece, Aside | Ahead):
                    self.text += piece
                yield piece
                self._waiting_task = asyncio.current_task()
        except CutShort:
            outcome = "cut"
        except Unasked as end:
            outcome, instead = end.outcome, str(end)
        except GenerationError as error:
            logger.warning("generation failed: %s: %s", type(error).__name__, error)
            outcome = "failed"
        except BotError:
            raise  # the store, or a shutdown: the desk knows what to do
        except Exception:  # ours, wherever the pieces come from: an apology in the same message
            logger.exception("an answer broke")
            outcome = "failed"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._stop or task is None or task.uncancel():
                raise  # somebody else cancelled the reader
        finally:
            self._waiting_task = None
        if self._stop:
            outcome = "stopped"
        await self._pieces.aclose()
        if instead:
            self.text = instead
            yield instead
        unkept = ""
        while failure := await self._settle(outcome):
            if not unkept:
                unkept = self._phrases.beside(self._phrases.unkept, self.text)
                yield unkept
            if self._again is None or not await self._again(failure):
                raise failure
        self.outcome = outcome
        note = self._phrases.note(outcome, self.text, unkept)
        if note:
            yield note

    async def _settle(self, outcome: Outcome) -> StoreError | None:
        """Have the end recorded; or what went wrong, where that may pass."""
        try:
            if self._record:
                await self._record.settle(self.text, outcome)
        except StoreDamaged:
            raise
        except StoreError as error:
            return error
        return None

    def stop(self) -> None:
        """End at once: a person said "stop". What was said so far stays."""
        self._stop = True
        if self._waiting_task:  # nothing is lost by interrupting the wait for a piece
            self._waiting_task.cancel()
            self._waiting_task = None

    async def placing(self) -> None:
        """An adapter says: I am about to post a further message. Kept before work goes on.

        Until `placed`, the answer is `unsure`: a call that failed may have posted all the same.
        """
        self.unsure = True
        if self._record:
            await self._record.placing()

    async def placed(self, ref: MessageRef) -> None:
        """An adapter says: `ref` is now on the platform and carries a part of this answer."""
        if self._record:
            await self._record.placed(ref)
        self.refs.append(ref)  # only what is kept counts: a further try places the rest again
        self.unsure = False
