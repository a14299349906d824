"""The client of the model's server: answers as they come, whole and not whole."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from core.breaker import Breaker
from core.connection import Settings
from core.errors import (
    Broken,
    CutShort,
    Empty,
    Rejected,
)
from core.generation import ModelServer
from core.wire import Reply
from tests.core.generation_client import KEY, client, prompt, read
from tests.fake_model import Behaviour

# Whole answers.


async def test_an_answer_comes_in_pieces_and_ends_without_an_error(server):
    server.behaviour = Behaviour(pieces=("Hel", "lo, ", "wörld 🦜"), delay_s=0.01)
    async with client(server) as model:
        pieces = [piece async for piece in model.stream(prompt())]
    assert "".join(pieces) == "Hello, wörld 🦜"
    assert len(pieces) == 3


async def test_the_request_says_what_the_prompt_says(server):
    server.key = KEY
    settings = Settings(url=server.url + "/", model="fake", key=SecretStr(KEY))
    async with ModelServer(settings, wire_name=lambda name: "/tunes/" + name) as model:
        assert await read(model, prompt("hi", "mynah@000042")) == ("You said: hi", None)
    assert server.requests == [
        {
            "model": "/tunes/mynah@000042",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "hi"},
            ],
            "max_tokens": 99,
            "temperature": 0.5,
            "stream": True,
        }
    ]


@pytest.mark.parametrize(
    "name", ["../tunes/mynah@000042", "mynah@000042/..", "mynah@42", "other", ""]
)
async def test_what_is_no_tunes_name_is_never_asked_for(server, name):
    async with client(server) as model:
        text, error = await read(model, prompt("hi", name))
    assert (text, type(error)) == ("", Rejected)
    assert not server.requests


async def test_an_answer_is_whole_without_done(server):
    server.behaviour = Behaviour(done=False)
    async with client(server) as model:
        assert await read(model) == ("You said: hello", None)


@asynccontextmanager
async def raw_server(*chunks, forever=b""):
    """Sends the chunks after a header, then `forever` again and again, or nothing more."""

    async def send(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        writer.writelines(chunks)
        try:
            while forever:
                writer.write(forever)
                await writer.drain()
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(send, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield Settings(url=f"http://127.0.0.1:{port}/v1", model="fake", first_token_within_s=1)


async def test_an_answer_ends_when_its_reason_came_though_the_server_holds_the_line():
    finished = b'data: {"choices":[{"delta":{"content":"yes"},"finish_reason":"stop"}]}\n\n'
    async with asyncio.timeout(2), raw_server(finished) as settings, ModelServer(settings) as model:
        assert await read(model) == ("yes", None)


async def test_a_line_without_an_end_is_not_kept_to_the_end():
    async with (
        raw_server(forever=b"data: " + b"x" * 60_000) as settings,
        ModelServer(settings, backoff_s=(9, 9)) as model,
    ):
        text, error = await read(model)
    assert text == ""
    assert isinstance(error, Broken)


async def test_thoughts_are_not_shown_and_keep_the_call_alive(server):
    server.behaviour = Behaviour(reasoning=("hm",) * 10, delay_s=0.06, pieces=("42",))
    async with client(server, first_token_within_s=0.3) as model:
        assert await read(model) == ("42", None)


async def test_an_answer_that_was_thought_to_its_limit_says_what_to_raise(server):
    server.behaviour = Behaviour(reasoning=("hm",) * 3, pieces=(), finish="length")
    async with client(server) as model:
        text, error = await read(model)
    assert (text, type(error)) == ("", Empty)
    assert "generation.max_tokens" in str(error)


async def test_a_try_after_a_broken_thought_has_the_first_tokens_time_again(server):
    server.script.append(Behaviour(reasoning=("hm",), cut_after=0))
    server.behaviour = Behaviour(first_after_s=0.6)
    async with client(server, between_tokens_within_s=0.2) as model:
        assert await read(model) == ("You said: hello", None)


async def test_connections_are_used_again(server):
    server.behaviour = Behaviour(done_after_s=0.03)
    async with client(server) as model:
        for _ in range(5):
            assert (await read(model))[1] is None
        assert len(server.peers) == 1


# The wire, cut as it comes.


FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'


def said(text):
    return b'{"choices":[{"delta":{"content":' + json.dumps(text, ensure_ascii=False).encode()


ODD_STREAMS = {
    "crlf": b"data: " + said("ab") + b"}}]}\r\n\r\n" + FINISH.replace(b"\n", b"\r\n"),
    "cr": b"data: " + said("ab") + b"}}]}\r\r" + FINISH.replace(b"\n", b"\r"),
    "comments": b": ping\n\n:\n\ndata: " + said("ab") + b"}}]}\n: pong\n\n" + FINISH,
    "no space after the colon": b"data:" + said("ab") + b"}}]}\n\n" + FINISH,
    "several lines": b"data: " + said("ab") + b"\ndata: }}\ndata: ]}\n\n" + FINISH,
    "other fields": b"id: 7\nretry: 9\nevent: x\ndata: " + said("ab") + b"}}]}\n\n" + FINISH,
    "no empty line at the end": b"data: " + said("ab") + b"}}]}\n\n" + FINISH.rstrip(),
    "usage after the end": b"data: "
    + said("ab")
    + b"}}]}\n\n"
    + FINISH
    + b'data: {"choices":[]}\n\n',
    "text and reason in one": b"data: " + said("ab") + b'},"finish_reason":"stop"}]}\n\n',
    "null and unknown": b'data: {"choices":[{"delta":{"content":null}}]}\n\ndata: {"x":1}\n\ndata: '
    + said("ab")
    + b"}}]}\n\n"
    + FINISH,
}


@pytest.mark.parametrize("name", ODD_STREAMS)
async def test_an_odd_but_correct_stream_is_read(server, name):
    server.behaviour = Behaviour(raw=ODD_STREAMS[name])
    async with client(server) as model:
        assert await read(model) == ("ab", None)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_may_be_cut_between_any_two_bytes(line_end):
    text = "Grüße, 世界 🦜\n"
    stream = b": hi\ndata: " + said(text) + b"\ndata: }}\ndata: ]}\n\n" + FINISH
    stream = stream.replace(b"\n", line_end)
    for cut in range(1, len(stream)):
        reply = Reply()
        got = reply.feed(stream[:cut]) + reply.feed(stream[cut:]) + reply.feed(b"")
        reply.verdict()
        assert got == text
    reply = Reply()
    assert "".join(reply.feed(stream[i : i + 1]) for i in range(len(stream))) == text
    reply.feed(b"")
    reply.verdict()


async def test_what_no_database_takes_is_cleaned(server):
    raw = rb'data: {"choices":[{"delta":{"content":"a\u0000b\ud83dc"}}]}' + b"\n\n" + FINISH
    server.behaviour = Behaviour(raw=raw)
    async with client(server) as model:
        assert await read(model) == ("ab\ufffdc", None)


# Answers that are not whole.


FIFTY = tuple(f"piece {i}, " for i in range(50))


@pytest.mark.parametrize("cut", ["reset", "close", "end"])
async def test_an_answer_cut_at_any_of_50_tokens_is_never_passed_off_as_whole(server, cut):
    async with client(server, breaker=Breaker(failures=999)) as model:
        for position in range(1, 51):
            server.requests.clear()
            server.behaviour = Behaviour(pieces=FIFTY, cut_after=position, cut=cut)
            text, error = await read(model)
            assert isinstance(error, Broken), position
            whole = "".join(FIFTY[:position])
            assert text == whole if cut != "reset" else whole.startswith(text)
            assert len(server.requests) == 1 or not text, "nothing is shown twice"


async def test_a_stream_cut_before_its_first_token_is_tried_again(server):
    server.script.extend([Behaviour(cut_after=0, cut=cut) for cut in ("reset", "close", "end")])
    async with client(server) as model:
        assert await read(model) == ("You said: hello", None)
    assert len(server.requests) == 4


async def test_an_answer_at_its_length_limit_comes_whole_and_is_marked(server):
    server.behaviour = Behaviour(finish="length")
    async with client(server) as model:
        text, error = await read(model)
    assert text == "You said: hello"
    assert isinstance(error, CutShort)


@pytest.mark.parametrize("finish", ["abort", "content_filter", None])
async def test_an_answer_that_the_server_gave_up_is_marked(server, finish):
    server.behaviour = Behaviour(finish=finish)
    async with client(server) as model:
        text, error = await read(model)
    assert text == "You said: hello"
    assert isinstance(error, Broken)


@pytest.mark.parametrize("pieces", [(), ("",), (" ", "\n")])
async def test_an_answer_without_a_word_is_empty(server, pieces):
    server.behaviour = Behaviour(pieces=pieces)
    async with client(server) as model:
        assert isinstance((await read(model))[1], Empty)
    assert len(server.requests) == 1


async def test_an_error_in_the_stream_breaks_it_after_what_was_said(server):
    server.behaviour = Behaviour(error_after=2)
    async with client(server) as model:
        text, error = await read(model)
    assert text == "You said"
    assert isinstance(error, Broken)


async def test_an_error_breaks_the_answer_though_a_reason_follows(server):
    error_too = b'data: {"error": "out of memory"}\n\n'
    server.behaviour = Behaviour(raw=b"data: " + said("ab") + b"}}]}\n\n" + error_too + FINISH)
    async with client(server) as model:
        text, error = await read(model)
    assert text == "ab"
    assert isinstance(error, Broken)


BROKEN_STREAMS = {
    "not JSON": b"data: {oops\n\n",
    "not UTF-8": b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n',
    "a web page": b"<html><body>It works!</body></html>",
    "nothing": b"",
    "an endless line": b"data: " + b"x" * 3_000_000,
    "an endless event": b"data: xxxxxxxxxxxxxxxx\n" * 100_000,
    "a deep nest": b"data: " + b"[" * 200_000 + b"\n\n",
    "another shape": b'data: {"choices": [{"delta": {"content": ["a"]}}]}\n\ndata: [DONE]\n\n',
    "done too early": b"data: [DONE]\n\n",
}


@pytest.mark.parametrize("name", BROKEN_STREAMS)
async def test_a_broken_stream_is_tried_again(server, name):
    server.script.append(Behaviour(raw=BROKEN_STREAMS[name]))
    async with client(server) as model:
        assert await read(model) == ("You said: hello", None)
    assert len(server.requests) == 2


async def test_a_server_that_sends_nonsense_only_is_broken(server):
    server.behaviour = Behaviour(raw=BROKEN_STREAMS["not JSON"])
    calm = Breaker(failures=99)
    async with client(
        server, breaker=calm, first_token_within_s=0.5, backoff_s=(0.1, 0.2)
    ) as model:
        text, error = await read(model)
    assert text == ""
    assert isinstance(error, Broken)
    assert 2 <= len(server.requests) <= 10
