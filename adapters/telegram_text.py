"""CommonMark as Telegram shows it: plain text and entities, measured in UTF-16 units.

Entities and not markup, so that no character has to be escaped and half an answer, with its code
block still open, is as good as a whole one. It knows no chat and sends nothing.
https://core.telegram.org/bots/api#messageentity
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import pyromark
from telegram import MessageEntity
from telegramify_markdown import MessageEntity as Mark
from telegramify_markdown import RenderConfig
from telegramify_markdown.converter import STANDARD_OPTIONS, EventWalker, _parse

from core.markup import tables_as_code

MOST_UNITS = 4_096  # of one message, https://core.telegram.org/bots/api#sendmessage
MOST_ENTITIES = 100  # more are left out, https://limits.tginfo.me/en

# A link that names the answer which a correction is about: only our own question may bear one. No
# browser goes there (RFC 2606).
CORRECTS = "https://correction.invalid/"

# The parser's view of CommonMark with tables, for finding what the converter takes for more.
_COMMONMARK = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH
_EXTENSIONS = re.compile(rb"\|\||\$")
_NOT_LITERAL = re.compile(rb"\|\||[$<]")
_TAG = re.compile(rb" {0,3}<")  # where a line begins
_FENCE = re.compile(rb"```|~~~")
_WEB = re.compile(r"https?://[^\s/]+\S*$")  # others are refused, and tg://user would ping somebody
_ELSEWHERE = re.compile(r"(?!(https?|tg):)[A-Za-z][\w+.-]*:")
_NAME = re.compile(r"(?<!\w)@\w{4,32}")  # what Telegram takes for a person's name, and tells them
_OPAQUE = {"code", "pre", "text_link"}  # names are not looked for inside of these


def _plain_symbols() -> RenderConfig:
    config = RenderConfig.isolated()
    for level in range(1, 7):
        setattr(config.markdown_symbol, f"heading_level_{level}", "")
    config.markdown_symbol.unordered_list_item = "•"
    config.cite_expandable = False
    return config


_CONFIG = _plain_symbols()


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def render(text: str) -> tuple[str, list[MessageEntity]]:
    """The text to send, "" if nobody would see anything of it, and its entities."""
    source = text.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be sent
    marked = literal(tables_as_code(source))
    plain, marks = _converted(marked)
    plain = plain.rstrip()
    if not is_visible(plain):  # only a link's definition, say
        plain, marks = source.strip(), []
    if not is_visible(plain):
        return "", []
    end = units(plain)
    entities = [entity for mark in marks if (entity := _entity(mark, end))]
    entities += _names(plain, entities)
    return plain, sorted(entities, key=lambda one: (one.offset, -one.length))


class _Walker(EventWalker):
    """In a list's item, too, each block has lines of its own, which telegramify-markdown 1.4.1
    runs together: "1. ### Install" and "Run it." came as "InstallRun it.". And where a link leads
    that Telegram takes none for stands behind its words.
    """

    _marker_end = 0
    _address = ""

    def _on_start(self, tag: Any, source_range: dict[str, int] | None = None) -> None:
        if tag == "Paragraph" and self._list_stack:
            self._ensure_block_spacing(self._source_start(source_range))
        super()._on_start(tag, source_range)
        if tag == "Item":
            self._marker_end = self._buf.py_offset
        elif isinstance(tag, dict) and "Link" in tag:
            url = tag["Link"].get("dest_url", "")
            self._address = url if _ELSEWHERE.match(url) else ""

    def _on_end(self, tag: Any) -> None:
        super()._on_end(tag)
        if tag == "Link" and self._address:
            shown = "".join(self._cell_parts) if self._in_table_cell else self._buf.get_text()
            if not shown.endswith(self._address.removeprefix("mailto:")):
                self._on_text(f" ({self._address})")
        elif tag == "CodeBlock" or (isinstance(tag, dict) and {"Heading", "BlockQuote"} & {*tag}):
            self._end_line()

    def _on_rule(self, source_range: dict[str, int] | None = None) -> None:
        super()._on_rule(source_range)
        self._end_line()

    def _ensure_block_spacing(self, next_block_start: int | None = None) -> None:
        if not self._list_stack:
            super()._ensure_block_spacing(next_block_start)
        elif self._buf.py_offset > self._marker_end:
            self._end_line()

    def _end_line(self) -> None:
        if self._list_stack and self._buf.trailing_newline_count() == 0:
            self._buf.write("\n")


def _converted(marked: str) -> tuple[str, list[Mark]]:
    text, events = _parse(marked, STANDARD_OPTIONS, latex_escape=False)
    plain, marks, _ = _Walker(_CONFIG, text).walk(events)
    return plain, marks


def size(plain: str, entities: Sequence[MessageEntity]) -> int:
    """How much of a message it takes, by its units or by its entities; 0: nobody sees it."""
    return max(units(plain), -(-len(entities) * MOST_UNITS // MOST_ENTITIES))


def is_visible(text: str) -> bool:
    """Telegram refuses messages of blanks and of signs without width."""
    return any(unicodedata.category(sign)[0] not in "ZC" for sign in text)


def literal(text: str) -> str:
    """The same CommonMark, with a backslash before what the converter would take for more, or drop:
    HTML, $math$ and ||spoilers||. Then it is shown as it was said.
    """
    source = text.encode()
    is_settled = not _NOT_LITERAL.search(source)  # parsing takes milliseconds
    while not is_settled:
        inserts, is_settled = _inserts(source)
        bounds = sorted({0, *inserts, len(source)})
        parts = [inserts.get(a, b"") + source[a:b] for a, b in itertools.pairwise(bounds)]
        source = b"".join(parts)
    return source.decode()


def _inserts(source: bytes) -> tuple[dict[int, bytes], bool]:
    """What to put where, and whether that is all: what stood in HTML may be something else when it
    is none any more, and what stands behind it too, where a fence was in it.
    """
    inserts: dict[int, bytes] = {}
    has_html = in_code = False
    for event, span in pyromark.events_with_range(source.decode(), options=_COMMONMARK):
        if not isinstance(event, dict):
            continue
        start, end = span["start"], span["end"]
        [(kind, what)] = event.items()
        if kind == "Start" and what == "HtmlBlock":
            has_html = True
            inserts[source.index(b"<", start)] = b"\\"
            if _FENCE.search(source, start, end):
                break
        elif kind == "Html" and (tag := _TAG.match(source, start, end)):
            inserts[tag.end() - 1] = b"\\"
        elif kind == "InlineHtml":
            has_html = True
            inserts[start] = b"\\"
        elif kind in ("Start", "End") and "CodeBlock" in str(what):
            in_code = kind == "Start"
        elif kind == "Text" and not in_code:
            for hit in _EXTENSIONS.finditer(source, start, end):
                if source[hit.start() - 1 : hit.start()] != b"\\":
                    inserts |= dict.fromkeys(range(hit.start(), hit.end()), b"\\")
    return inserts, not has_html


def _entity(mark: Mark, end: int) -> MessageEntity | None:
    """The SDK's entity, ending where the text does; None: it would ping, or be refused."""
    length = min(mark.offset + mark.length, end) - mark.offset
    if length < 1 or mark.type == "custom_emoji":
        return None
    url = mark.url or ""
    if mark.type == "text_link" and (not _WEB.match(url) or url.startswith(CORRECTS)):
        return None
    return MessageEntity(mark.type, mark.offset, length, url=mark.url, language=mark.language)


def _names(plain: str, entities: list[MessageEntity]) -> list[MessageEntity]:
    """Names as code, in which Telegram looks for nobody to notify."""
    out = []
    taken = [(one.offset, one.offset + one.length) for one in entities if one.type in _OPAQUE]
    for hit in _NAME.finditer(plain):
        start = units(plain[: hit.start()])
        if not any(a <= start < b for a, b in taken):
            out.append(MessageEntity("code", start, units(hit.group())))
    return out
