"""A small OpenAI-compatible model's server that fails on demand, over a real socket.

It knows nothing of the product: it speaks the wire that vLLM and `transformers serve` speak, and
keeps its own record of what it was asked and of which streams their readers left.

Without a script it answers "You said: <the last user message>", so that whoever kills the processes
around it can check each answer. As a process: `python -m tests.fake_model --port 0` prints its
port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

FOREVER = 3600.0


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered. The defaults: well, at once, and with an echo."""

    pieces: tuple[str, ...] | None = None  # None: the echo
    reasoning: tuple[str, ...] = ()  # thought before the first piece
    header_after_s: float = 0.0  # FOREVER: silent before the header
    first_after_s: float = 0.0  # between the header (and an empty first delta) and the first piece
    delay_s: float = 0.0  # before each piece
    silent_after: int | None = None  # stays silent after so many pieces
    cut_after: int | None = None  # ends after so many pieces, in the way of `cut`
    cut: Literal["reset", "close", "end"] = "reset"  # RST; FIN in mid-body; a whole body, no reason
    error_after: int | None = None  # an error object in the stream after so many pieces
    raw: bytes | None = None  # this body instead of a stream
    finish: str | None = "stop"
    done: bool = True  # `transformers serve` ends without [DONE]
    done_after_s: float = 0.0
    status: int = 200
    retry_after: str | None = None
    message: str = "it was told to fail"


@dataclass
class FakeModel:
    """`async with FakeModel() as server:` serves at `server.url` until the end of the block."""

    behaviour: Behaviour = field(default_factory=Behaviour)  # of every request...
    script: deque[Behaviour] = field(default_factory=deque)  # ...after these, one request each
    of_model: dict[str, Behaviour] = field(default_factory=dict)  # instead of `behaviour`
    key: str | None = None
    models: tuple[str, ...] = ("fake",)
    max_model_len: int | None = 2048
    tokenizes: bool = True
    tokenize_status: int = 200  # else /tokenize refuses
    metrics: str | None = None  # the page of its figures; None: it has none
    metrics_after_s: float = 0.0
    piece_chars: int = 4
    port: int = 0
    record: Path | None = None  # a JSON line per chat request

    requests: list[dict[str, Any]] = field(default_factory=list)  # the bodies, in order
    times: list[float] = field(default_factory=list)  # when each came, by time.monotonic()
    sessions: list[str | None] = field(default_factory=list)  # what a router would choose by
    tokenized: int = 0  # how many texts were counted
    metrics_asked: int = 0
    peers: set[tuple[str, int]] = field(default_factory=set)  # the connections that asked
    streaming: int = 0  # answers under way
    completed: int = 0  # answers given to their end
    aborted: int = 0  # answers whose reader went away

    async def __aenter__(self) -> FakeModel:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        """Close the door: connections are refused until `listen`. Those that are open are reset."""
        await self._site.stop()
        for handler in list(self._runner.server.connections):  # type: ignore[union-attr]
            if handler.transport is not None:
                _reset(handler.transport)

    # What it answers.

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.times.append(time.monotonic())
        self.sessions.append(request.headers.get("X-Session-ID"))
        if request.transport is not None:
            self.peers.add(request.transport.get_extra_info("peername"))
        if self.record is not None:
            with self.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(body) + "\n")
        if refusal := self._refusal(request):
            return refusal
        usual = self.of_model.get(body["model"], self.behaviour)
        behaviour = self.script.popleft() if self.script else usual
        self.streaming += 1
        try:
            response = await self._answer(request, body, behaviour)
            self.completed += 1
            return response
        except (asyncio.CancelledError, ConnectionResetError):
            self.aborted += 1
            raise
        finally:
            self.streaming -= 1

    async def _answer(
        self, request: web.Request, body: dict[str, Any], how: Behaviour
    ) -> web.StreamResponse:
        await asyncio.sleep(how.header_after_s)
        if how.status != 200:
            headers = {"Retry-After": how.retry_after} if how.retry_after else None
            error = {"error": {"message": how.message, "code": how.status}}
            return web.json_response(error, status=how.status, headers=headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if how.raw is not None:
            await response.write(how.raw)
            return response
        await response.write(_event(_delta(role="assistant", content="")))
        await asyncio.sleep(how.first_after_s)
        for thought in how.reasoning:
            await response.write(_event(_delta(reasoning_content=thought)))
            await asyncio.sleep(how.delay_s)
        pieces = how.pieces if how.pieces is not None else self.echo(body)
        for number, piece in enumerate((*pieces, None)):
            if number == how.silent_after:
                await asyncio.sleep(FOREVER)
            if number == how.error_after:
                await response.write(_event({"error": {"message": how.message, "code": 500}}))
                return response
            if number == how.cut_after:
                return await self._cut(request, response, how.cut)
            if piece is not None:
                if how.delay_s:
                    await asyncio.sleep(how.delay_s)
                await response.write(_event(_delta(content=piece)))
        if how.finish is not None:
            await response.write(_event(_delta(finish=how.finish)))
        await asyncio.sleep(how.done_after_s)
        if how.done:
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _cut(
        self, request: web.Request, response: web.StreamResponse, how: str
    ) -> web.StreamResponse:
        transport = request.transport
        if how != "end" and transport is not None:
            await asyncio.sleep(0.005)  # so that what was written goes out before the end does
            if how == "reset":
                _reset(transport)
            else:
                transport.close()
        return response

    def echo(self, body: dict[str, Any]) -> tuple[str, ...]:
        said = [m["content"] for m in body["messages"] if m["role"] == "user"]
        text = f"You said: {said[-1] if said else ''}"
        return tuple(text[i : i + self.piece_chars] for i in range(0, len(text), self.piece_chars))

    async def _models(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        data = [
            {"id": name, "object": "model", "max_model_len": self.max_model_len}
            for name in self.models
        ]
        return web.json_response({"object": "list", "data": data})

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _tokenize(self, request: web.Request) -> web.Response:
        """A word is a token here, so that nobody mistakes an estimate for a count."""
        if refusal := self._refusal(request):
            return refusal
        if not self.tokenizes:
            return web.json_response({"detail": "Not Found"}, status=404)
        if self.tokenize_status != 200:
            return web.json_response({"detail": "not this time"}, status=self.tokenize_status)
        self.tokenized += 1
        self.sessions.append(request.headers.get("X-Session-ID"))
        count = len((await request.json())["prompt"].split())
        return web.json_response({"count": count, "tokens": list(range(count))})

    async def _metrics(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        self.metrics_asked += 1
        text = self.metrics
        await asyncio.sleep(self.metrics_after_s)
        if text is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        return web.Response(text=text, content_type="text/plain")

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.key is None or request.headers.get("Authorization") == f"Bearer {self.key}":
            return None
        return web.json_response({"error": "Unauthorized"}, status=401)


def _delta(*, finish: str | None = None, **delta: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"


def _reset(transport: asyncio.BaseTransport) -> None:
    """End the connection with RST, as a killed server's kernel does."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()  # type: ignore[attr-defined]


async def _serve(arguments: argparse.Namespace) -> None:
    behaviour = Behaviour(delay_s=arguments.delay_s, first_after_s=arguments.first_after_s)
    server = FakeModel(
        behaviour,
        port=arguments.port,
        piece_chars=arguments.piece_chars,
        record=arguments.record,
        models=(arguments.model,),
    )
    async with server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0: any free one; it is printed")
    parser.add_argument("--model", default="fake")
    parser.add_argument("--delay-s", type=float, default=0.0, help="before each piece")
    parser.add_argument("--first-after-s", type=float, default=0.0, help="before the first piece")
    parser.add_argument("--piece-chars", type=int, default=4)
    parser.add_argument("--record", type=Path, help="a file that gets a JSON line per request")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
