"""Our own count of what our client asked, told where a server tells nothing of itself."""

from contextlib import aclosing

import pytest

from core.breaker import Breaker
from core.model_metrics import ModelMetrics
from core.tally import MOST_KEPT, Tally
from tests.core.generation_client import client, prompt, read
from tests.core.metered import Clock, meter
from tests.fake_model import FOREVER, Behaviour


async def test_what_went_through_our_client_is_counted_where_the_server_tells_nothing(server):
    server.behaviour = Behaviour(pieces=("a", "b", "c"), first_after_s=0.1)
    async with client(server) as model, meter(model, lambda: 7) as figures:
        for _ in range(3):
            await read(model)
        told = await figures.metrics()
    assert told.tokens == 9
    assert told.tokens_per_s == pytest.approx(9 / told.over_s)
    assert 0.1 <= told.first_token_median_s <= told.first_token_p95_s < 1
    assert (told.running, told.waiting, told.in_line) == (0, None, 7)
    assert told.cache_hit_share is None
    assert told.errors == {}


async def test_a_thought_is_a_token(server):
    server.behaviour = Behaviour(reasoning=("hm", "hm"), pieces=("a",), delay_s=0.05)
    async with client(server) as model, meter(model) as figures:
        await read(model)
        told = await figures.metrics()
    assert told.tokens == 3
    assert told.first_token_median_s < 0.05


async def test_the_servers_own_count_of_an_answer_goes_before_ours(server):
    event = (
        b'data: {"choices":[{"index":0,"delta":{"content":"hello you"},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":5,"completion_tokens":4,"total_tokens":9}}\n\n'
    )
    server.behaviour = Behaviour(raw=event)
    async with client(server) as model, meter(model) as figures:
        assert await read(model) == ("hello you", None)
        assert (await figures.metrics()).tokens == 4


@pytest.mark.parametrize(
    ("how", "kind", "tokens"),
    [
        (Behaviour(status=400), "Rejected", 0),
        (Behaviour(status=404), "Rejected", 0),
        (Behaviour(status=429, retry_after="60"), "Overloaded", 0),
        (Behaviour(status=500), "Broken", 0),
        (Behaviour(status=502), "Unreachable", 0),
        (Behaviour(header_after_s=FOREVER), "TimedOut", 0),
        (Behaviour(pieces=("a", "b", "c"), silent_after=2), "TimedOut", 2),
        (Behaviour(pieces=("a", "b", "c"), cut_after=2), "Broken", 2),
        (Behaviour(pieces=()), "Empty", 0),
    ],
)
async def test_a_failure_is_counted_once_by_its_kind_however_often_it_was_tried(
    server, how, kind, tokens
):
    server.behaviour = how
    patient = Breaker(failures=99)
    async with (
        client(server, breaker=patient, first_token_within_s=0.3) as model,
        meter(model) as figures,
    ):
        _, error = await read(model)
        assert error is not None
        told = await figures.metrics()
    assert (told.errors, told.tokens, told.running) == ({kind: 1}, tokens, 0)
    assert (told.first_token_median_s is not None) == (tokens > 0)


async def test_an_answer_that_reached_its_length_or_that_nobody_reads_on_is_no_error(server):
    server.script.extend(
        [
            Behaviour(pieces=("a", "b"), finish="length"),
            Behaviour(pieces=("a",) * 50, delay_s=0.02),
        ]
    )
    async with client(server) as model, meter(model) as figures:
        await read(model)
        async with aclosing(model.stream(prompt())) as pieces:
            await anext(pieces)
            assert (await figures.metrics()).running == 1
        told = await figures.metrics()
    assert (told.errors, told.running) == ({}, 0)
    assert 3 <= told.tokens < 50


async def test_a_failure_that_passed_by_itself_is_none(server):
    server.script.append(Behaviour(status=500))
    async with client(server) as model, meter(model) as figures:
        assert await read(model) == ("You said: hello", None)
        assert (await figures.metrics()).errors == {}


def test_what_is_long_ago_does_not_count():
    clock = Clock()
    tally = Tally(now=clock)
    for wait_s in (9, 1):
        with tally.counting() as asked:
            clock.at += wait_s
            asked.spoke()
            asked.tokens = 10 * wait_s
            clock.at += 1
            asked.spoke()
        clock.at += 50
    told = tally.metrics(clock.at - 60)
    assert told == ModelMetrics(
        over_s=60,
        first_token_median_s=1,
        first_token_p95_s=1,
        tokens=10,
        tokens_per_s=10 / 60,
        running=0,
        errors={},
    )
    assert tally.metrics(0).over_s == 112  # not longer than it has counted


def test_the_median_and_the_worst_twentieth_are_of_waits_that_were():
    clock = Clock()
    tally = Tally(now=clock)
    for wait_s in range(100, 0, -1):
        with tally.counting() as asked:
            clock.at += wait_s
            asked.spoke()
    told = tally.metrics(0)
    assert (told.first_token_median_s, told.first_token_p95_s) == (50, 95)


def test_it_keeps_so_many_answers_and_tells_of_their_time_only():
    clock = Clock()
    tally = Tally(now=clock)
    for _ in range(2 * MOST_KEPT):
        clock.at += 1
        with tally.counting() as asked:
            asked.tokens = 3
    told = tally.metrics(0)
    assert told.over_s == MOST_KEPT - 1
    assert told.tokens_per_s == pytest.approx(3, rel=0.01)
