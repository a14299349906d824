"""The Unix socket of the process that holds the store's lock: how other commands ask it.

One request is one line of JSON, `{"verb": "retrain", "dry": true}`; the reply is lines of JSON,
`{"say": "..."}` as they come and `{"end": true}` at last. Only the file's owner may connect.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from core.errors import BotError

logger = logging.getLogger(__name__)

Verb = Callable[[Mapping[str, object]], AsyncGenerator[str]]
LONGEST_LINE = 64 * 1024
# sockaddr_un.sun_path on Linux, less the closing zero: man 7 unix
LONGEST_PATH = 107


class NobodyHome(BotError):
    """No process listens there."""


@asynccontextmanager
async def door(path: Path, verbs: Mapping[str, Verb]) -> AsyncIterator[None]:
    """Listen on `path` while inside; afterwards its file is gone, and no verb is at work.

    Call it only while holding the store's lock: a file left by a process that was killed is
    removed. A path that is too long for a socket is logged, and nobody listens. Raises BotError
    where there can be none.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        logger.warning("%s is too long for a Unix socket: other commands cannot ask us", path)
        yield
        return
    callers: set[asyncio.Task[None]] = set()  # not a TaskGroup: it would wrap what `yield` raises

    def come_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = asyncio.create_task(answer(reader, writer, verbs), name="a caller at the door")
        callers.add(caller)
        caller.add_done_callback(callers.discard)

    before = os.umask(0o177)  # mode 0600 from the first moment
    try:
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(come_in, path, limit=LONGEST_LINE)
    except OSError as error:
        raise BotError(
            f"The socket {path} cannot be made ({error.strerror or error}). Give this user the"
            " right to write there, or name another folder in storage.url"
        ) from error
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        await asyncio.sleep(0)  # for whom the loop is just letting in
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, verbs: Mapping[str, Verb]
) -> None:
    try:
        async with aclosing(replies(await reader.readline(), verbs)) as lines:
            async for line in lines:
                writer.write(line)
                await writer.drain()
    except (ConnectionError, ValueError) as error:
        logger.info("a caller at the door went away: %s", type(error).__name__)
    finally:
        writer.close()


async def replies(request: bytes, verbs: Mapping[str, Verb]) -> AsyncGenerator[bytes]:
    def line(**values: object) -> bytes:
        return json.dumps(values).encode() + b"\n"

    try:
        asked = json.loads(request)
        verb = verbs[asked.pop("verb")]
    except (ValueError, KeyError, AttributeError, TypeError):
        yield line(error=f"I understand one line of JSON with a verb: {', '.join(verbs)}")
        return
    try:
        async with aclosing(verb(asked)) as said:
            async for text in said:
                yield line(say=text)
    except BotError as error:
        yield line(error=str(error))
        return
    except Exception:  # a fault of ours in one verb: whoever asked is owed a line
        logger.exception("a verb asked for at the door broke")
        yield line(error="that did not work; the log of the bot says why")
        return
    yield line(end=True)


async def ask(path: Path, verb: str, **arguments: object) -> AsyncGenerator[str]:
    """What the process at the door says to this, piece by piece, until it is done.

    Raises NobodyHome when nothing listens there, BotError with what went wrong otherwise.
    """
    connect: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
        asyncio.open_unix_connection(path, limit=LONGEST_LINE)
    )
    try:
        reader, writer = await connect
    except OSError as error:
        raise NobodyHome(f"nothing listens at {path}") from error
    try:
        writer.write(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
        await writer.drain()
        while line := await reader.readline():
            reply = json.loads(line)
            if "say" in reply:
                yield reply["say"]
            elif "error" in reply:
                raise BotError(reply["error"])
            else:
                return
        raise BotError("the bot ended before it was done; its log says why")
    finally:
        writer.close()
