"""CommonMark in pages of a limited length, each with its code whole and its table's head."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

MOST_RESERVE = 24  # of a page, for closing a fence


def pages(text: str, limit: int, size: Callable[[str], int] = len) -> list[str]:
    """Split CommonMark so that every page measures at most `limit`.

    Joined again they are the text, but for code fences that are closed at a page's end and opened
    again, with the same fence and info string, at the next one's beginning, for the indentation of
    code whose list began on an earlier page, and for the head of a table that goes on there. Cut is
    at a paragraph, a line, a sentence, a word or a character as a person sees it, whichever leaves
    no short page. Pages before the last do not change while the text grows.
    """
    return [page.text for page in Pager(limit, size).pages(text)]


@dataclass(frozen=True, slots=True)
class Page:
    start: int  # in the whole text
    opening: str  # the fence that an earlier page left open, or the head of its table
    text: str  # with it, and closed


class Pager:
    """The pages of a text that grows: those before the last are made once."""

    def __init__(self, limit: int, size: Callable[[str], int] = len) -> None:
        self._limit, self._size = limit, size
        # Kept free for closing a fence, and as much again, so that what decides how a page ends is
        # known when it is full. A fence that takes more is treated as text.
        self._reserve = min(MOST_RESERVE, limit // 8)
        self._done: list[Page] = []
        self._start = 0
        self._fence: Fence | None = None  # open where the next page begins
        self._is_within_line = False
        self._head = ""  # of the table that goes on there
        self._opening = ""

    def pages(self, text: str) -> list[Page]:
        """`text` begins with what was given before."""
        while self._overflows(rest := text[self._start :]):
            room = self._longest(rest)
            cut = self._cut(rest, room)
            page = self._page(rest[:cut])
            while self._size(page.text) > self._limit and room > 1:  # a ruler that does not add up
                room = room * 9 // 10
                cut = self._cut(rest, room)
                page = self._page(rest[:cut])
            self._done.append(page)
            is_within_line = self._is_within_line = rest[cut - 1] != "\n"
            *_, (_, self._fence, self._head) = self._lines(rest[:cut])
            if not is_within_line and not goes_on(self._head, rest[cut]):
                self._head = ""
            self._start += cut
            self._fence = self._fence and self._fence.without_list()
            self._opening = self._reopening(is_within_line=is_within_line)
        return [*self._done, self._page(rest)]

    def _overflows(self, rest: str) -> bool:
        """Once it does, it does whatever follows."""
        room = self._limit - self._reserve
        upto = min(self._limit, len(rest))  # measuring a long text for each of its pages is slow
        while upto < len(rest) and self._size(self._opening + rest[:upto]) <= room:
            upto = min(2 * upto, len(rest))
        return upto > 1 and self._size(self._opening + rest[:upto]) > room

    def _page(self, part: str) -> Page:
        """With the fence that is open before it, and closed if one is open behind it."""
        shown, fence = self._without_lists(part)
        closing = fence.closing if fence else ""
        if part.endswith("\n") or not part:
            closing = closing.removeprefix("\n")
        return Page(self._start, self._opening, self._opening + shown + closing)

    def _without_lists(self, part: str) -> tuple[str, Fence | None]:
        """The page's part, with what is fenced in a list that began on an earlier page further to
        the left: four spaces would make it a block of other code. And the fence open behind it.
        """
        shown, fence, is_listed = [], self._fence, False
        for n, (line, behind, _) in enumerate(self._lines(part)):
            is_listed |= fence is None and _ITEM.match(line) is not None
            if behind and fence is None and not is_listed:
                behind = behind.without_list()
            if (one := fence or behind) and (n or not self._is_within_line):
                line = line[min(one.indent, len(line) - len(line.lstrip(" "))) :]
            shown.append(line)
            fence = behind and (fence or behind)
        return "".join(shown), fence

    def _reopening(self, *, is_within_line: bool) -> str:
        if self._fence is None:
            is_short = self._size(self._head) <= self._limit // 4
            return self._head if is_short and not is_within_line else ""
        opening = self._fence.opening(self._fence.info)
        if self._size(opening) > self._limit // 4:
            opening = self._fence.opening("")
        return opening + (self._fence.quote if is_within_line else "")

    def _cut(self, rest: str, room: int) -> int:
        """Where the page that begins `rest` ends best, if it has room for so much."""
        kinds = self._cuts(rest, room)
        good = [places[-1] for places in kinds if places and places[-1] >= room // 2]
        some = max((places[-1] for places in kinds if places), default=0)
        cut = good[0] if good else some or whole_sign(rest, room)
        return cut + self._closing_behind(rest, cut)

    def _longest(self, rest: str) -> int:
        """How much of `rest` a page has room for."""
        room = self._limit - 2 * self._reserve
        upto = min(self._limit, len(rest))
        while upto < len(rest) and self._size(self._opening + rest[:upto]) <= room:
            upto = min(2 * upto, len(rest))
        longest = bisect_left(
            range(1, upto + 1),
            True,
            key=lambda end: self._size(self._opening + rest[:end]) > room,
        )
        return max(1, min(longest, len(rest) - 1))

    def _cuts(self, rest: str, room: int) -> list[list[int]]:
        """Where the page may end, each kind in order, the best kind first."""
        outside: tuple[list[int], list[int]] = ([], [])  # of code: behind a blank line, a line
        inside: tuple[list[int], list[int]] = ([], [])
        in_head: list[int] = []  # of a table, or of what may become one
        open_before, at = (self._fence, self._head), 0
        for line, fence, head in self._lines(rest[:room]):
            at += len(line)
            is_opening = bool(fence or head) and (fence, head) != open_before
            open_before = fence, head
            if not line.endswith("\n") or (fence and is_opening):
                continue
            if is_opening or (not (fence or head) and "|" in line and rest[at] in "|:-"):
                in_head.append(at)
            else:
                (outside if fence is None else inside)[bool(line.strip(" \t>\n"))].append(at)
        by_kind = [
            [end for match in kind.finditer(rest[:room]) if rest[end := match.end()] not in _MARKS]
            for kind in (_SENTENCE_END, _SPACE)
        ]
        return [*outside, *inside, *by_kind, in_head]

    def _closing_behind(self, rest: str, cut: int) -> int:
        """The length of the closing fence there: it stays with its code."""
        before = self._fence_behind(rest[:cut])
        line = rest[cut : rest.find("\n", cut) + 1]
        is_closing = before and not self._behind(line, before) and _FENCE.match(line)
        return len(line) if is_closing and len(line) <= self._reserve else 0

    def _lines(self, part: str) -> Iterator[tuple[str, Fence | None, str]]:
        """Each line of the page's part, and what is open behind it: a fence, or a table's head."""
        fence, head, before = self._fence, self._head, ""
        for line in _LINE.findall(part):
            fence = self._behind(line, fence)
            if fence:
                head = ""
            elif not head and begins_table(before, line):
                head = before + line
            elif _NO_ROW.match(line):
                head = ""
            before = "" if fence else line
            yield line, fence, head

    def _fence_behind(self, part: str) -> Fence | None:
        return [self._fence, *(fence for _, fence, _ in self._lines(part))][-1]

    def _behind(self, line: str, fence: Fence | None) -> Fence | None:
        """What is open behind a line, if `fence` is open before it (CommonMark 0.31, 4.5)."""
        depth = line[: len(line) - len(line.lstrip(" \t>"))].count(">")
        if fence and depth < fence.quote.count(">"):
            fence = None  # the quote ends, and with it what is open in it
        found = _FENCE.match(line)
        if not found:
            return fence
        prefix, run, info = found.groups()
        if fence:
            is_closing = (
                not prefix.strip(" \t>")
                and depth == fence.quote.count(">")
                and run[0] == fence.run[0]
                and len(run) >= len(fence.run)
                and not info.strip()
            )
            return None if is_closing else fence
        if run[0] == "`" and "`" in info:
            return None  # code within a line
        opened = Fence(re.sub(r"[^>\s]", " ", prefix), run, info.strip())
        return opened if self._size(opened.closing) <= self._reserve else None


@dataclass(frozen=True, slots=True)
class Fence:
    prefix: str  # the indentation and the signs of quotes before it
    run: str
    info: str
    indent: int = 0  # of its lines, in a list that began on an earlier page

    def without_list(self) -> Fence:
        """The same on a page that does not show its list."""
        if self.prefix.strip(" ") or len(self.prefix) < 4:
            return self
        return replace(self, prefix="", indent=len(self.prefix))

    @property
    def quote(self) -> str:
        return self.prefix[: self.prefix.rfind(">") + 1]

    @property
    def closing(self) -> str:
        return f"\n{self.prefix}{self.run}"

    def opening(self, info: str) -> str:
        return f"{self.prefix}{self.run}{info}\n"


_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_CONTAINERS = r"(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t])))*[ \t]*"
_FENCE = re.compile(rf"({_CONTAINERS})(`{{3,}}|~{{3,}})([^\n]*)")
_ITEM = re.compile(r" *([-*+]|\d{1,9}[.)])[ \t]")
_DASHES = re.compile(r":?-+:?")
_NO_ROW = re.compile(r"\s*$| {0,3}(#{1,6}\s|>|[-*+]\s|\d{1,9}[.)]\s|`{3}|~{3})| {4}|\t")
_BORDER = re.compile(r"(?<!\\)\|")  # between two cells
_SENTENCE_END = re.compile(r"[.!?…][\"')\]»”’*_]*\s+|[。！？]\s*")
_SPACE = re.compile(r"\s+")
_MARKS = "-+*#>|=~`"  # would begin something else where they begin a page
_SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_MOST_SIGNS = 64  # in one that is not cut


def close_code(text: str) -> str:
    """What ends the code block that `text` leaves open, on a line of its own; "" where none is."""
    fence = Pager(8 * MOST_RESERVE)._fence_behind(text)
    return fence.closing if fence else ""


def begins_table(head: str, rule: str) -> bool:
    """Whether these two lines do (https://github.github.com/gfm/#tables-extension-)."""
    if "|" not in head or _NO_ROW.match(head) or not rule.endswith("\n"):
        return False
    dashes = cells(rule)
    return len(cells(head)) == len(dashes) and all(map(_DASHES.fullmatch, dashes))


def cells(row: str) -> list[str]:
    found = [cell.strip() for cell in _BORDER.split(row.strip().removeprefix("|"))]
    return found[:-1] if len(found) > 1 and not found[-1] else found


def goes_on(head: str, sign: str) -> bool:
    """Whether a line that begins with this sign is one more row of the table."""
    if head.lstrip().startswith("|"):
        return sign in "| "
    return sign not in "\r\n\t#>-*+`~"


def whole_sign(text: str, end: int) -> int:
    """The last place up to `end` that cuts no character as a person sees it (UAX 29, abridged)."""
    for at in range(end, max(0, end - _MOST_SIGNS), -1):
        if not _belong_together(text, at):
            return at
    return end


def _belong_together(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if _is_flag_letter(before) and _is_flag_letter(after):
        first = at - 1
        while first > 0 and _is_flag_letter(text[first - 1]):
            first -= 1
        return (at - first) % 2 == 1
    return (
        unicodedata.category(after).startswith("M")
        or after in "\u200d" + _SKIN_TONES
        or before == "\u200d"
        or (before == "\r" and after == "\n")
        or "\u1160" <= after <= "\u11ff"  # vowels and finals of Korean syllables
        or "\U000e0020" <= after <= "\U000e007f"  # tags, in flags of regions
        or (unicodedata.combining(before) == 9 and after.isalpha())  # Indic conjuncts
        or after in "`~"  # a run of these would mean something else
    )


def _is_flag_letter(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"
