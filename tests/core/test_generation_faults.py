"""The client of the model's server: deadlines, tries, the breaker, and stopping."""

import asyncio
import time

import pytest

from core.breaker import Breaker
from core.connection import Settings
from core.errors import (
    Broken,
    Overloaded,
    Rejected,
    TimedOut,
    Unreachable,
)
from core.generation import ModelServer
from tests.core.generation_client import KEY, SECRET_WORDS, client, prompt, read
from tests.fake_model import FOREVER, Behaviour, FakeModel
from tests.fakes import until

# Deadlines.


async def test_a_server_that_is_silent_before_the_header_is_given_up_in_time(server):
    server.behaviour = Behaviour(header_after_s=FOREVER)
    began = time.monotonic()
    async with client(server, first_token_within_s=0.3) as model:
        assert isinstance((await read(model))[1], TimedOut)
        assert 0.25 < time.monotonic() - began < 1
        await until(lambda: server.aborted == 1, within_s=1.0)


async def test_a_header_is_not_a_token(server):
    server.behaviour = Behaviour(first_after_s=FOREVER)
    async with client(server, first_token_within_s=0.3) as model:
        assert isinstance((await read(model))[1], TimedOut)
        await until(lambda: server.aborted == 1, within_s=1.0)


async def test_a_server_that_falls_silent_in_mid_stream_is_given_up_in_time(server):
    server.behaviour = Behaviour(silent_after=2)
    async with client(server, between_tokens_within_s=0.3) as model:
        text, error = await read(model)
        assert text == "You said"
        assert isinstance(error, TimedOut)
        await until(lambda: server.aborted == 1, within_s=1.0)
    assert len(server.requests) == 1


async def test_an_answer_that_takes_too_long_in_all_is_given_up(server):
    server.behaviour = Behaviour(pieces=("x",) * 1000, delay_s=0.02)
    async with client(server, answer_within_s=0.5) as model:
        text, error = await read(model)
        assert 5 < len(text) < 30
        assert isinstance(error, TimedOut)
        await until(lambda: server.aborted == 1, within_s=1.0)


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
        await until(lambda: breaker.open, within_s=1.0)
        server.behaviour = Behaviour(header_after_s=FOREVER)
        await until(lambda: server.streaming == 1, within_s=1.0)
        server.behaviour = Behaviour()
        async with asyncio.timeout(1):
            assert await read(model) == ("You said: hello", None)
        hanging.cancel()


async def test_a_server_that_was_gone_is_asked_again_soon(server):
    breaker = Breaker(every_s=60, unheard_every_s=0.2)
    await server.refuse()
    async with (
        client(server, breaker=breaker, first_token_within_s=3) as model,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(read(model))
        await until(lambda: breaker.open, within_s=1.0)
        await server.listen()
        async with asyncio.timeout(1):
            assert await read(model) == ("You said: hello", None)


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
            await until(lambda: server.streaming == 1, within_s=1.0)
            await asyncio.sleep(0.05)
            reading.cancel()
        await until(lambda: server.aborted == 1, within_s=1)
