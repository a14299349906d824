"""A streamed chat completion: bytes in, pieces of text out.

Knows no socket, no clock and no retries. The format is that of vLLM, `transformers serve` and
OpenAI: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), each
with a JSON object. An answer is whole when its `finish_reason` came; `transformers serve` sends no
[DONE].
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from core.errors import Broken, CutShort, Empty, GenerationError

LIMIT_BYTES = 1_048_576  # of one event; a token's is a few hundred bytes

# "stop", "tool_calls", "eos": the model's own end. These are not:
UNFINISHED = {"abort", "error", "content_filter"}


class Reply:
    """One answer as its bytes come in."""

    def __init__(self) -> None:
        self.ended = False  # nothing that follows belongs to the answer
        self.alive = False  # the last bytes held a token, be it only of a thought
        self.finish: str | None = None  # the server's word for why it ended
        # Events with text, mostly one a token, and none for the token that ends; at the end the
        # server's own count, where it gives one (`transformers serve` does).
        self.tokens = 0
        self._events = _Events()
        self._failure: GenerationError | None = None
        self._spoke = False

    def feed(self, chunk: bytes) -> str:
        """The text that these bytes complete; no bytes mean the end of the body. Never raises.

        All tokens of one read are one piece: a fast server costs fewer steps, a slow one none.
        """
        self.alive = False
        texts = []
        try:
            for data in self._events.feed(chunk) if chunk else self._events.end():
                texts.append(self._take(data))
                if self.ended:
                    break
        except Broken as error:
            self._failure = error
        self.ended = self.ended or self._failure is not None or not chunk
        text = clean("".join(texts))
        self._spoke = self._spoke or bool(text.strip())
        return text

    def verdict(self) -> None:
        """To be asked at the end. Returns if the answer is whole; else raises what it is."""
        if self._failure is not None:
            raise self._failure
        if self.finish is None or self.finish in UNFINISHED:
            raise Broken("The model's server broke off in the middle of the answer.")
        if not self._spoke and self.finish == "length":
            raise Empty("The model thought until the end: raise generation.max_tokens.")
        if not self._spoke:
            raise Empty("The model ended its answer without a word.")
        if self.finish == "length":
            raise CutShort("The answer reached its length limit.")

    def _take(self, data: bytes) -> str:
        if data == b"[DONE]":
            self.ended = True
            return ""
        try:
            event = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Broken("The model's server sent what is no chat completion.") from error
        match event:
            case {"error": error} if error:
                raise Broken("The model's server reported an error in the middle of the answer.")
            case {"choices": [{"delta": {"content": str(text)}}, *_]}:
                if text:
                    self.alive = True
                    self.tokens += 1
            case {"choices": [{"delta": {"reasoning_content": str()} | {"reasoning": str()}}, *_]}:
                text, self.alive = "", True
                self.tokens += 1
            case _:
                text = ""
        match event:
            case {"choices": [{"finish_reason": str(reason)}, *_]}:
                self.finish, self.ended = reason, True
                match event.get("usage"):
                    case {"completion_tokens": int(tokens)}:
                        self.tokens = tokens
        return text


class _Events:
    """Cuts server-sent events out of bytes that come cut anywhere, and gives each one's data."""

    def __init__(self) -> None:
        self._rest = b""  # an unfinished line
        self._data: list[bytes] = []  # the lines of an unfinished event

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event that these bytes complete. Raises Broken for an endless one."""
        block = self._rest + chunk
        if b"\r" in block:
            # "\r\n" may be cut in two: a "\r" at the very end waits for what follows it.
            held = b"\r" if block.endswith(b"\r") else b""
            block = block.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        *lines, self._rest = block.split(b"\n")
        for line in lines:
            if line:
                self._line(line)
            elif self._data:
                yield self._event()
        if len(self._rest) + sum(map(len, self._data)) > LIMIT_BYTES:
            raise Broken("The model's server sent an event without an end.")

    def end(self) -> Iterator[bytes]:
        """What stood complete at the end of the body, though no empty line followed it."""
        self._line(self._rest.removesuffix(b"\r"))
        self._rest = b""
        if self._data:
            yield self._event()

    def _line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")  # a comment has an empty name
        if name == b"data":
            self._data.append(value.removeprefix(b" "))

    def _event(self) -> bytes:
        data, self._data = b"\n".join(self._data), []
        return data


def clean(text: str) -> str:
    """Without NUL and halves of surrogate pairs, which JSON can carry and PostgreSQL refuses."""
    text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
