"""For adapters: CommonMark in words that a platform shows, where it does not know all of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

WIDEST = 76  # columns of a table; a wider one would be broken by every screen

_PARSER = MarkdownIt("commonmark").enable("table")
_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-*:?[ \t]*)*$", re.MULTILINE)
_NEWLINES = re.compile(r"\r\n?")
_RUNS = re.compile("`{3,}")

Row = list[str]


def fenced(text: str, info: str = "") -> str:
    """A code block around `text`, whose fence is longer than any inside."""
    fence = "`" * max(3, 1 + max(map(len, _RUNS.findall(text)), default=0))
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{info}\n{text}{end}{fence}"


def tables_as_code(text: str) -> str:
    """The same text with every table in a code block, its columns aligned.

    A table that is too wide for that becomes a line per cell. Tables within lists and quotes stay
    as they are.
    """
    if "|" not in text or not _RULE.search(text):  # parsing takes milliseconds
        return text
    text = _NEWLINES.sub("\n", text)  # as the parser counts lines
    tokens = _PARSER.parse(text)
    lines = text.split("\n")
    for start, token in reversed(list(enumerate(tokens))):
        if token.type == "table_open" and token.level == 0 and token.map:
            first, behind = token.map
            head, *rows = _rows(tokens[start:])
            table = _aligned(head, rows, _sides(tokens[start:]))
            if _signs(table) < _signs(lines[first:behind]):
                continue  # a row with more cells than the head has: CommonMark drops the rest
            if max(map(_columns, table)) > WIDEST:
                table = _listed(head, rows)
            lines[first:behind] = fenced("\n".join(table)).split("\n")
    return "\n".join(lines)


def _rows(tokens: Sequence[Token]) -> list[Row]:
    """The cells' words, the head first, of the table that begins there."""
    rows: list[Row] = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_words(token.children or ()))
    return rows


def _words(tokens: Sequence[Token]) -> str:
    """A cell as it reads without markup; where a link leads stands behind its words."""
    words, address = "", ""
    for token in tokens:
        if token.type == "link_open":
            address = str(token.attrGet("href"))
        elif token.type == "link_close" and not words.endswith(address):
            words += f" ({address})"
        elif token.type == "image":
            words += f"{token.content} ({token.attrGet('src')})"
        else:
            words += token.content
    return words


def _signs(lines: Sequence[str]) -> int:
    return sum(sign.isalnum() for line in lines for sign in line)


def _sides(tokens: Sequence[Token]) -> list[str]:
    """On which side each column's words stand: "left", "right", "center" or ""."""
    sides = []
    for token in tokens:
        if token.type == "thead_close":
            break
        if token.type == "th_open":
            sides.append(str(token.attrGet("style") or "").removeprefix("text-align:"))
    return sides


def _aligned(head: Row, rows: Sequence[Row], sides: Sequence[str]) -> list[str]:
    widths = [max(map(_columns, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return ["  ".join(map(_padded, row, widths, sides)).rstrip() for row in ([head, rule, *rows])]


def _padded(cell: str, width: int, side: str) -> str:
    free = width - _columns(cell)
    left = {"right": free, "center": free // 2}.get(side, 0)
    return " " * left + cell + " " * (free - left)


def _listed(head: Row, rows: Sequence[Row]) -> list[str]:
    lines: list[str] = []
    for row in rows:
        lines += ["", *(f"{name}: {cell}" for name, cell in zip(head, row, strict=True) if cell)]
    return lines[1:] or [" | ".join(head)]


def _columns(text: str) -> int:
    """How wide a terminal or a code block shows it."""
    return sum(_width(sign) for sign in text)


def _width(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1
