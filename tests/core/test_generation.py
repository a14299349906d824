"""The client of the model's server, over real sockets, against a server that fails on demand."""

import asyncio
import json
import logging
import time
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from core.breaker import Breaker
from core.errors import (
    Broken,
    CutShort,
    Empty,
    GenerationError,
    Overloaded,
    Rejected,
    TimedOut,
    Unreachable,
)
from core.generation import ModelServer, Settings
from core.types import Prompt
from core.wire import Reply
from tests.fake_model import FOREVER, Behaviour, FakeModel

KEY = "sk-very-secret"
SECRET_WORDS = "my cat is called Przybylski"


def prompt(text="hello", model="fake"):
    return Prompt((("system", "Be kind."), ("user", text)), model, max_tokens=99, temperature=0.5)


@asynccontextmanager
async def client(server, *, breaker=None, backoff_s=(0.01, 0.02), **settings):
    deadlines = {"first_token_within_s": 2, "between_tokens_within_s": 0.3, "answer_within_s": 5}
    chosen = Settings(url=server.url, model="fake", **{**deadlines, **settings})
    breaker = breaker or Breaker(every_s=0.1)
    async with ModelServer(chosen, breaker=breaker, backoff_s=backoff_s) as model:
        yield model


async def read(model, asked=None):
    """The text that came, and the error that ended it."""
    text = ""
    try:
        async for piece in model.stream(asked or prompt()):
            text += piece
    except GenerationError as error:
        return text, error
    return text, None


async def until(condition, within_s=1.0):
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def server():
    async with FakeModel() as fake:
        yield fake


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


# Deadlines.


async def test_a_server_that_is_silent_before_the_header_is_given_up_in_time(server):
    server.behaviour = Behaviour(header_after_s=FOREVER)
    began = time.monotonic()
    async with client(server, first_token_within_s=0.3) as model:
        assert isinstance((await read(model))[1], TimedOut)
        assert 0.25 < time.monotonic() - began < 1
        await until(lambda: server.aborted == 1)


async def test_a_header_is_not_a_token(server):
    server.behaviour = Behaviour(first_after_s=FOREVER)
    async with client(server, first_token_within_s=0.3) as model:
        assert isinstance((await read(model))[1], TimedOut)
        await until(lambda: server.aborted == 1)


async def test_a_server_that_falls_silent_in_mid_stream_is_given_up_in_time(server):
    server.behaviour = Behaviour(silent_after=2)
    async with client(server, between_tokens_within_s=0.3) as model:
        text, error = await read(model)
        assert text == "You said"
        assert isinstance(error, TimedOut)
        await until(lambda: server.aborted == 1)
    assert len(server.requests) == 1


async def test_an_answer_that_takes_too_long_in_all_is_given_up(server):
    server.behaviour = Behaviour(pieces=("x",) * 1000, delay_s=0.02)
    async with client(server, answer_within_s=0.5) as model:
        text, error = await read(model)
        assert 5 < len(text) < 30
        assert isinstance(error, TimedOut)
        await until(lambda: server.aborted == 1)


async def test_a_slow_reader_does_not_count_as_a_silent_server(server):
    server.behaviour = Behaviour(pieces=("a", "b", "c"), delay_s=0.05)
    async with client(server, between_tokens_within_s=0.2) as model:
        text = ""
        async for piece in model.stream(prompt()):
            text += piece
            await asyncio.sleep(0.3)
    assert text == "abc"


# Trying again, and not.


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_passing_failure_is_tried_again(server, status):
    server.script.extend([Behaviour(status=status)] * 2)
    async with client(server) as model:
        assert await read(model) == ("You said: hello", None)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Overloaded), (500, Broken), (503, Overloaded), (504, Unreachable)]
)
async def test_a_lasting_failure_ends_within_the_first_tokens_deadline(server, status, kind):
    server.behaviour = Behaviour(status=status)
    began = time.monotonic()
    async with client(
        server, first_token_within_s=0.5, backoff_s=(0.01, 0.2), breaker=Breaker(failures=99)
    ) as model:
        text, error = await read(model)
    assert text == ""
    assert isinstance(error, kind)
    assert time.monotonic() - began < 1
    assert 2 <= len(server.requests) <= 10


async def test_what_the_server_said_tells_more_than_the_silence_after_it(server):
    server.script.append(Behaviour(status=503))
    server.behaviour = Behaviour(header_after_s=FOREVER)
    async with client(server, first_token_within_s=0.3) as model:
        assert isinstance((await read(model))[1], Overloaded)


async def test_retry_after_is_obeyed(server):
    server.script.append(Behaviour(status=429, retry_after="1"))
    async with client(server) as model:
        assert await read(model) == ("You said: hello", None)
    assert 1 <= server.times[1] - server.times[0] < 1.5


async def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once(server):
    server.behaviour = Behaviour(status=503, retry_after="60")
    began = time.monotonic()
    async with client(server) as model:
        assert isinstance((await read(model))[1], Overloaded)
    assert time.monotonic() - began < 1
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_refused_request_is_not_tried_again_and_the_servers_words_are_not_repeated(
    server, status
):
    server.behaviour = Behaviour(status=status, message=SECRET_WORDS)
    async with client(server) as model:
        error = (await read(model))[1]
    assert isinstance(error, Rejected)
    assert f"({status})" in str(error)
    assert SECRET_WORDS not in str(error)
    assert len(server.requests) == 1


async def test_a_wrong_key_names_the_setting_and_not_the_key(server):
    server.key = KEY
    async with client(server, key="sk-wrong") as model:
        error = (await read(model))[1]
        assert isinstance(error, Rejected)
        assert "generation.key_env" in str(error)
        assert "sk-wrong" not in str(error) + repr(model)


async def test_a_refused_connection_is_tried_until_the_server_is_back(server):
    await server.refuse()
    async with client(server) as model, asyncio.TaskGroup() as group:
        reading = group.create_task(read(model))
        await asyncio.sleep(0.3)
        await server.listen()
        assert await reading == ("You said: hello", None)


async def test_a_server_that_never_comes_back_is_unreachable(server):
    await server.refuse()
    async with client(server, first_token_within_s=0.3) as model:
        assert isinstance((await read(model))[1], Unreachable)


async def test_the_answer_goes_on_at_a_new_address_when_the_embedded_server_moved(server):
    await server.refuse()
    async with FakeModel() as moved:
        addresses = [server.url, moved.url]

        async def address():
            return addresses.pop(0) if len(addresses) > 1 else addresses[0]

        settings = Settings(model="fake")
        async with ModelServer(settings, address=address, backoff_s=(0.01, 0.02)) as model:
            assert await read(model) == ("You said: hello", None)


async def test_what_the_embedded_server_lacks_is_said_at_once():
    async def address():
        raise Unreachable("transformers is not installed")

    async with asyncio.timeout(1), ModelServer(Settings(model="x"), address=address) as model:
        assert str((await read(model))[1]) == "transformers is not installed"


# The breaker.


async def test_an_outage_of_five_minutes_costs_few_calls_and_ends_soon(server):
    """Goal: at most 40 calls in 5 minutes, an answer within 15 s of the end. 100 times as fast."""
    server.behaviour = Behaviour(status=500)
    breaker = Breaker(every_s=0.12)
    async with (
        client(server, breaker=breaker, backoff_s=(0.005, 0.08), first_token_within_s=0.3) as model,
        asyncio.TaskGroup() as group,
    ):
        began = time.monotonic()
        while time.monotonic() - began < 3:
            group.create_task(read(model))
            await asyncio.sleep(0.05)
        asked = len(server.requests)
        assert 20 <= asked <= 40
        server.behaviour = Behaviour()
        ended = time.monotonic()
        while (await read(model))[1] is not None:
            pass
        assert time.monotonic() - ended < 0.15 + 0.1  # 15 s, and what this machine is late
        assert not breaker.open


async def test_a_probe_that_hangs_does_not_hide_that_the_server_is_back(server):
    breaker = Breaker(every_s=0.2)
    server.behaviour = Behaviour(status=500)
    async with (
        client(server, breaker=breaker, first_token_within_s=3) as model,
        asyncio.TaskGroup() as group,
    ):
        hanging = group.create_task(read(model))
        await until(lambda: breaker.open)
        server.behaviour = Behaviour(header_after_s=FOREVER)
        await until(lambda: server.streaming == 1)
        server.behaviour = Behaviour()
        async with asyncio.timeout(1):
            assert await read(model) == ("You said: hello", None)
        hanging.cancel()


async def test_failures_between_answers_are_no_outage(server):
    breaker = Breaker()
    async with client(server, breaker=breaker) as model:
        for _ in range(3):
            server.script.extend([Behaviour(status=500)] * 4)
            assert await read(model) == ("You said: hello", None)
    assert not breaker.open


async def test_a_refusal_and_an_empty_answer_are_no_outage(server):
    breaker = Breaker()
    async with client(server, breaker=breaker) as model:
        for behaviour in (Behaviour(status=400), Behaviour(pieces=())) * 5:
            server.behaviour = behaviour
            await read(model)
    assert not breaker.open


# Stopping.


async def test_closing_the_stream_stops_the_server_within_a_second(server):
    server.behaviour = Behaviour(pieces=("x",) * 1000, delay_s=0.01)
    async with client(server) as model:
        stream = model.stream(prompt())
        assert await anext(stream) == "x"
        await stream.aclose()
        await until(lambda: server.aborted == 1, within_s=1)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(pieces=("x",) * 1000, delay_s=0.01),
        Behaviour(header_after_s=FOREVER),
        Behaviour(silent_after=1),
    ],
)
async def test_cancelling_stops_the_server_within_a_second(server, behaviour):
    server.behaviour = behaviour
    async with client(server, between_tokens_within_s=5, first_token_within_s=5) as model:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read(model))
            await until(lambda: server.streaming == 1)
            await asyncio.sleep(0.05)
            reading.cancel()
        await until(lambda: server.aborted == 1, within_s=1)


# Questions aside.


async def test_the_server_says_which_models_it_has(server):
    server.models = ("base", "mynah@000042")
    async with client(server) as model:
        assert await model.models() == ("base", "mynah@000042")


async def test_a_server_that_cannot_be_asked_is_a_plain_sentence(server):
    await server.refuse()
    async with client(server) as model:
        with pytest.raises(Unreachable, match="is it running"):
            await model.models()


async def test_tokens_are_counted_by_the_server_once_per_text(server):
    async with client(server) as model:
        assert await model.count(["one", "two words", "", "one"]) == [1, 2, 0, 1]
        assert await model.count(["two words"]) == [2]
    assert server.tokenized == 3


async def test_tokens_are_estimated_where_nobody_counts(server):
    server.tokenizes = False
    async with client(server) as model:
        assert await model.count(["", "a", "abcd", "ß" * 3]) == [0, 1, 2, 2]
        server.tokenizes = True
        assert await model.count(["abcd"]) == [2]
    assert server.tokenized == 0


async def test_counting_never_raises(server):
    await server.refuse()
    async with client(server) as model:
        assert await model.count(["abcd", "\ud800"]) == [2, 1]


async def test_the_window_is_the_settings_then_the_servers_then_a_guess(server, caplog):
    async with client(server, context_tokens=777) as model:
        assert await model.context() == 777
    async with client(server) as model:
        assert await model.context() == 2048
    server.max_model_len = None
    async with client(server) as model:
        with caplog.at_level(logging.WARNING, "core.generation"):
            assert await model.context() == 4096
            assert await model.context() == 4096
    assert len(caplog.records) == 1


async def test_a_models_folder_counts_and_knows_its_window(server, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    settings = Settings(url=server.url, model="fake")
    async with ModelServer(settings, folder=tmp_path) as model:
        assert await model.count(["a b", "a a a", "x " * 30_000]) == [2, 3, 30_000]
        assert await model.context() == 512
    assert server.tokenized == 0


async def test_a_damaged_tokenizer_is_no_reason_to_fail(server, tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "config.json").write_text("[")
    server.tokenizes = False
    settings = Settings(url=server.url, model="fake")
    async with ModelServer(settings, folder=tmp_path) as model:
        assert await model.count(["abcd"]) == [2]
        assert await model.context() == 2048


# What is never told.


async def test_neither_the_key_nor_what_people_wrote_is_logged(server, caplog):
    faults = [Behaviour(status=s, message=SECRET_WORDS) for s in (400, 429, 500, 503)]
    faults += [Behaviour(cut_after=1), Behaviour(silent_after=1), Behaviour(error_after=1)]
    with caplog.at_level(logging.DEBUG):
        async with client(server, key=KEY, first_token_within_s=0.3) as model:
            for server.behaviour in [*faults, Behaviour()]:
                await read(model, prompt(SECRET_WORDS))
            await model.count([SECRET_WORDS])
            await model.context()
            await server.refuse()
            await read(model, prompt(SECRET_WORDS))
            assert KEY not in repr(model)
    assert "failed 5 times in a row" in caplog.text
    assert KEY not in caplog.text
    assert "Przybylski" not in caplog.text


def test_an_address_that_is_none_is_refused_by_the_settings():
    for url in ("localhost:8000", "ftp://x", "http://", "/v1"):
        with pytest.raises(ValueError, match="such as http"):
            Settings(url=url, model="x")
    with pytest.raises(ValueError, match="extra"):
        Settings.model_validate({"model": "x", "temprature": 1})
