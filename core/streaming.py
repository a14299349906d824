"""For adapters: an answer that grows, on platforms that post and edit messages.

`show` brings an answer onto a `Surface`, which the adapter makes for each reply; `Tempo` knows how
often calls may go out, `pages` how a long text is cut. Nothing here knows a platform.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Protocol

from core.answer import Answer
from core.errors import AdapterError, BotError, RateLimited, Refused
from core.pages import Page, Pager, pages
from core.tempo import Tempo
from core.types import Aside, MessageRef

__all__ = ["Surface", "Tempo", "pages", "show"]

logger = logging.getLogger(__name__)

MOST_FAILURES = 5  # of the calls that show the end, before the answer is given back to the desk
FIRST_AGAIN_S = 0.2  # after the first of them; then twice as long each time
SHORTEST_PAUSE_S = 0.01  # between looks at what is new
LAST_WORDS_WITHIN_S = 5.0  # when cancelled
REMOVED = ("", False)  # what a message shows that is gone
NOTHING_HERE = "…"  # in a message that the answer needs no more, and that cannot go


class Surface(Protocol):
    """One answer's place on a platform. Its calls raise AdapterError, RateLimited and Refused."""

    @property
    def limit(self) -> int:
        """The longest text of one message, measured by `size`."""
        ...

    @property
    def most_pages(self) -> int:
        """What is longer than so many messages goes on in one file, where files are taken."""
        ...

    def size(self, text: str) -> int:
        """As the platform measures what `text` becomes there; 0: nothing that could be posted."""
        ...

    async def find(self, part: int) -> MessageRef | None:
        """The message that an earlier try may have posted as this part; None: it is not there."""
        ...

    async def post(self, part: int, text: str, *, last: bool) -> MessageRef:
        """A new message. `part` counts from 0. `last`: the answer's text is whole and ends in it,
        so that the voting buttons belong under it. After RateLimited nothing was posted; after any
        other AdapterError it may have been.
        """
        ...

    async def edit(self, ref: MessageRef, text: str, *, last: bool) -> None:
        """It shows this from now on. "Not modified" is success, and so is that somebody deleted it:
        nobody wants it back.
        """
        ...

    async def remove(self, ref: MessageRef) -> None:
        """A message of an earlier try that the answer needs no more goes, or says NOTHING_HERE."""
        ...

    async def attach(self, part: int, text: str) -> MessageRef:
        """The rest of a very long answer, as the file answer.md. Fails as `post` does; Refused
        where files are not taken: then it goes on in messages.
        """
        ...


async def show(
    answer: Answer,
    surface: Surface,
    tempo: Tempo,
    keys: Sequence[str],
    *,
    every_s: float,
    again_s: float = FIRST_AGAIN_S,
    edits: bool = True,
    placeholder: str = "",
    aside: Callable[[str], object] | None = None,
) -> None:
    """Post the first words, edit at most every `every_s` while `tempo` allows, and show the end.

    `keys`: the place's own comes first; a limit that is of the place holds no other.
    The answer is read by a task of its own, so that a slow platform holds up no model. What shows
    the end is never left out: RateLimited waits, other failures are repeated MOST_FAILURES times,
    `again_s` after the first. `edits=False`: only the whole text is posted. `placeholder`: what a
    new message says until its place is kept, on a platform where `find` cannot look, so that a
    stray one is never an answer. `aside`: takes the asides, which else stand behind the text; for a
    surface whose messages can only grow.

    Raises AdapterError, and what reading the answer raises. When cancelled, what was read is shown
    within LAST_WORDS_WITHIN_S.
    """
    draft = Draft(aside)
    sheet = Sheet(answer, surface, tempo, keys, placeholder)
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(draft.read(answer))
        writer = group.create_task(sheet.follow(draft, every_s if edits else None, again_s))
        try:
            await asyncio.wait({writer})
        finally:
            reader.cancel()  # it has ended, but where we were cancelled or refused
            await asyncio.wait({writer}, timeout=LAST_WORDS_WITHIN_S)
            writer.cancel()
    error = writer.result() or draft.error
    if error:
        raise error


class Draft:
    """The text of an answer as far as it is read."""

    def __init__(self, say_aside: Callable[[str], object] | None = None) -> None:
        self.text, self.aside = "", ""
        self._say_aside = say_aside
        self.is_whole = False
        self.error: BotError | None = None  # why there is no more of it
        self.news = asyncio.Event()
        self.over = asyncio.Event()

    async def read(self, answer: Answer) -> None:
        try:
            async for piece in answer:
                self._take(piece)
                self.news.set()
            self.is_whole = True
        except BotError as error:
            self.error = error
        finally:
            self.over.set()
            self.news.set()

    def _take(self, piece: str) -> None:
        if not isinstance(piece, Aside):
            self.text, self.aside = self.text + piece, ""
        elif self._say_aside:
            self._say_aside(piece)
        else:
            self.aside = piece

    async def ends_by(self, when: float) -> bool:
        """Return as soon as nothing more will come, or at that time of the loop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(when):
                await self.over.wait()
        return self.over.is_set()


class Sheet:
    """The messages that carry one answer, and what they show."""

    def __init__(
        self,
        answer: Answer,
        surface: Surface,
        tempo: Tempo,
        keys: Sequence[str],
        placeholder: str,
    ) -> None:
        self._answer, self._surface, self._placeholder = answer, surface, placeholder
        self._tempo, self._keys = tempo, keys
        self._size = lru_cache(maxsize=8)(surface.size)  # some render the text to measure it
        self._pager = Pager(surface.limit, self._size)
        self._are_shown: list[bool] = []  # of the pages before the last, whether they can be
        self._shown: dict[int, tuple[str, bool]] = {}  # by part: its text, and whether as the last
        # An earlier try posted more than the file behind the last page: no file is taken here. (One
        # that ended just behind the first of those messages is taken for one with a file.)
        self._takes_files = len(answer.refs) <= surface.most_pages + 1
        self._is_in_doubt = answer.unsure  # a message may be there that we do not know of
        self._has_turn = False  # the next call has waited for its turn already

    async def follow(self, draft: Draft, every_s: float | None, again_s: float) -> BotError | None:
        """Show the text as it grows, then its end. Returns why that could not be done."""
        try:
            if every_s is not None:
                await self._show_growing(draft, every_s)
            await draft.over.wait()
            if draft.is_whole:
                await self._show_whole(draft.text, again_s)
            elif every_s is not None and draft.error is None:
                await self._lay(draft.text, may_wait=True)
        except BotError as error:
            return error
        return None

    async def _show_growing(self, draft: Draft, every_s: float) -> None:
        """Return when there is nothing more to come. Failures are left out."""
        loop = asyncio.get_running_loop()
        due, failures = loop.time(), 0
        while True:
            await draft.news.wait()
            if await draft.ends_by(due):
                return
            draft.news.clear()
            if not self._answer.refs and self._pages(draft.text, draft.aside):
                await self._turn()  # somebody waits for a first word: it goes before others' edits
                self._has_turn = True
                if draft.over.is_set():
                    return
            due, is_shown = loop.time() + max(every_s, SHORTEST_PAUSE_S), False
            try:
                is_shown = await self._lay(draft.text, draft.aside)
                failures = 0
            except RateLimited as error:
                self._hold(error)
            except Refused:
                raise
            except AdapterError as error:
                logger.info("a part of an answer is shown later: %s", error)
                failures += 1
                due += every_s * 2**failures
            if not is_shown:
                draft.news.set()
            if self._has_turn:  # a placeholder stands: what there is by now follows at once
                due = loop.time()

    async def _show_whole(self, text: str, again_s: float) -> None:
        failures = 0
        while True:
            try:
                await self._lay(text, is_whole=True, may_wait=True)
                await self._tidy(text)
                return
            except RateLimited as error:
                self._hold(error)
            except Refused:
                raise
            except AdapterError as error:
                failures += 1
                if failures == MOST_FAILURES:
                    raise
                logger.warning("the end of an answer is shown again: %s", error)
                await asyncio.sleep(again_s * 2 ** (failures - 1))

    async def _lay(
        self, text: str, aside: str = "", *, is_whole: bool = False, may_wait: bool = False
    ) -> bool:
        """Make the messages show `text`; False: not wholly, since the tempo did not allow it."""
        pages = self._pages(text, aside)
        if self._takes_files:
            pages = pages[: self._surface.most_pages]
        for part, page in enumerate(pages):
            is_last = is_whole and part == len(pages) - 1
            while self._shown.get(part) != (page.text, is_last):
                if may_wait or self._has_turn:
                    await self._turn()
                elif not self._tempo.may(*self._keys):
                    return False
                if part < len(self._answer.refs):
                    await self._surface.edit(self._answer.refs[part], page.text, last=is_last)
                    self._shown[part] = (page.text, is_last)
                elif not await self._is_found(part):
                    words, is_end = (page.text, is_last)
                    if self._placeholder:
                        words, is_end = self._placeholder, False
                    await self._place(partial(self._surface.post, part, words, last=is_end))
                    self._shown[part] = (words, is_end)
                    if self._placeholder:  # nobody came for that: the words are not left out
                        await self._turn()
                        self._has_turn = True
                        if not may_wait:
                            return False  # there may be more of them by now
        return True

    async def _tidy(self, text: str) -> None:
        """What stands behind the messages: the rest as a file, or what an earlier try left, or an
        aside that nothing followed.
        """
        pages, most, refs = self._pages(text), self._surface.most_pages, self._answer.refs
        if self._takes_files and len(pages) > most == len(refs):
            await self._turn()
            if not await self._is_found(most):
                rest = pages[most].opening + text[pages[most].start :]
                try:
                    await self._place(partial(self._surface.attach, most, rest))
                except Refused as error:
                    logger.warning("a long answer goes on in messages: %s", error)
                    self._takes_files = False
                    await self._lay(text, is_whole=True, may_wait=True)
        await self._is_found(len(refs))  # one more that an earlier, longer try may have left
        shown = min(len(pages), most + 1) if self._takes_files else len(pages)
        for part in range(shown, len(refs)):
            if self._shown.get(part) != REMOVED:
                await self._turn()
                with contextlib.suppress(Refused):  # the answer itself stands there
                    await self._surface.remove(refs[part])
                self._shown[part] = REMOVED

    def _hold(self, error: RateLimited) -> None:
        keys = self._keys[:1] if error.is_of_place else self._keys
        self._tempo.hold(error.retry_after_s, *keys)

    async def _turn(self) -> None:
        if not self._has_turn:
            await self._tempo.turn(*self._keys)
        self._has_turn = False

    async def _is_found(self, part: int) -> bool:
        """The part is there, from a try whose call seemed to fail. We do not know what it shows."""
        if not self._is_in_doubt:
            return False
        ref = await self._surface.find(part)
        self._is_in_doubt = False
        if ref is not None:
            await self._answer.placed(ref)
        return ref is not None

    async def _place(self, post: Callable[[], Awaitable[MessageRef]]) -> None:
        await self._answer.placing()
        try:
            ref = await post()
        except (RateLimited, Refused):
            raise  # it was not posted
        except AdapterError:
            self._is_in_doubt = True
            raise
        await self._answer.placed(ref)

    def _pages(self, text: str, aside: str = "") -> list[Page]:
        """Those that make a message: platforms refuse what shows nothing. Where there is no room
        for the aside, it is left out.
        """
        *done, last = self._pager.pages(text)
        if aside and self._size(last.text + aside) <= self._surface.limit:
            last = replace(last, text=last.text + aside)
        for page in done[len(self._are_shown) :]:
            self._are_shown.append(self._is_seen(page))
        pages = [page for page, is_shown in zip(done, self._are_shown, strict=True) if is_shown]
        return [*pages, last] if self._is_seen(last) else pages

    def _is_seen(self, page: Page) -> bool:
        return bool(page.text.strip()) and self._size(page.text) > 0
