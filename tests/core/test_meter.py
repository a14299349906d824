"""The figures of the last minutes: by a server that tells some, and by our own count of streams."""

import asyncio
import time
from contextlib import aclosing, asynccontextmanager

import pytest
from pydantic import SecretStr

from core.breaker import Breaker
from core.meter import MOST_KEPT, Meter, Tally
from core.model_metrics import ModelMetrics
from tests.core.figures_page import page
from tests.core.generation_client import KEY, client, prompt, read
from tests.fake_model import FOREVER, Behaviour
from tests.fakes import until


class Clock:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


@asynccontextmanager
async def meter(model, in_line=lambda: 0, every_s=0.05):
    async with Meter(model.metrics_page, model.tally, in_line, every_s=every_s) as figures:
        yield figures


# Our own count.


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


# The server's figures.


async def test_what_the_server_tells_is_of_the_time_since_we_began_to_read(server):
    server.metrics = page(first_tokens=(0, 0, 0, 0, 9, 0), tokens=9000, cache=(100, 0))
    async with client(server) as model, meter(model, every_s=3600) as figures:
        await figures.metrics()
        server.metrics = page(
            first_tokens=(0, 2, 0, 0, 9, 0),
            tokens=9500,
            cache=(200, 80),
            running=1,
            waiting=4,
            ended={"error": 3},
        )
        await read(model)
        told = await figures.metrics()
    assert told.tokens == 500
    assert told.tokens_per_s == pytest.approx(500 / told.over_s)
    assert 0.001 < told.first_token_median_s < told.first_token_p95_s < 0.01
    assert (told.running, told.waiting, told.in_line) == (1, 4, 0)
    assert told.cache_hit_share == pytest.approx(0.8)
    assert told.errors == {"error": 3}


async def test_our_errors_stand_beside_the_servers(server):
    server.metrics = page()
    server.behaviour = Behaviour(status=400)
    async with client(server) as model, meter(model) as figures:
        await until(lambda: server.metrics_asked > 1)
        server.metrics = page(ended={"error": 2})
        await read(model)
        assert (await figures.metrics()).errors == {"error": 2, "Rejected": 1}


async def test_our_errors_are_of_the_same_time_as_the_servers_figures(server):
    server.behaviour = Behaviour(status=400)
    async with client(server) as model, meter(model, every_s=3600) as figures:
        await read(model)
        server.metrics = page()
        told = await figures.metrics()  # nothing to compare with yet: the time is ours
        assert (told.errors, told.running) == ({"Rejected": 1}, 0)
        assert (await figures.metrics()).errors == {}


async def test_who_asks_at_once_is_answered_one_after_the_other(server):
    server.metrics = page(tokens=100)
    async with client(server) as model:
        figures = Meter(model.metrics_page, model.tally, lambda: 0, every_s=0)
        await figures.metrics()
        server.metrics, server.metrics_after_s = page(tokens=200), 0.2
        slow = asyncio.create_task(figures.metrics())
        await until(lambda: server.metrics_asked == 2)
        server.metrics, server.metrics_after_s = page(tokens=300), 0.0
        assert (await figures.metrics()).tokens == 200  # 300 less the first 100
        assert (await slow).tokens == 100


@pytest.mark.parametrize("started", ["1.79528e+09", "1.79529e+09"])
async def test_after_a_restart_it_compares_with_the_new_server_only(server, started):
    server.metrics = page(first_tokens=(0, 0, 0, 0, 90, 0), tokens=9000, ended={"stop": 90})
    async with client(server) as model, meter(model, every_s=3600) as figures:
        await figures.metrics()
        await read(model)
        server.metrics = page(
            first_tokens=(3, 0, 0, 0, 0, 0), tokens=30, running=1, started=started
        )
        told = await figures.metrics()
        assert (told.tokens, told.running) == (4, 1)  # the tokens are ours
        assert told.tokens_per_s == pytest.approx(4 / told.over_s)
        server.metrics = page(first_tokens=(3, 2, 0, 0, 0, 0), tokens=50, started=started)
        told = await figures.metrics()
        assert told.tokens == 20
        assert 0.001 < told.first_token_median_s < 0.01


async def test_two_servers_that_take_turns_in_answering_are_not_mistaken_for_much_work(server):
    async with client(server) as model, meter(model, every_s=3600) as figures:
        for number in range(6):
            pages = page(tokens=10, started="1.7e9"), page(tokens=10**6, started="1.8e9", waiting=2)
            server.metrics = pages[number % 2]
            told = await figures.metrics()
            assert told.tokens == 0
    assert told.waiting == 2


async def test_only_the_last_minutes_count(server):
    clock = Clock()
    tally = Tally(now=clock)

    async def told_after(minutes, tokens):
        clock.at += 60 * minutes
        server.metrics = page(tokens=tokens)
        return await figures.metrics()

    async with client(server) as model:
        figures = Meter(model.metrics_page, tally, lambda: 0)  # nobody reads beside us
        assert (await told_after(0, 1000)).tokens == 0  # ours: nothing to compare with yet
        assert (await told_after(1, 1100)).tokens == 100
        for minute in range(2, 30):
            told = await told_after(1, 1000 + 100 * minute)
            assert told.over_s <= 360
            assert told.tokens_per_s == pytest.approx(100 / 60)
        told = await told_after(60, 9000)  # too long ago to compare with
        assert (told.tokens, told.running) == (0, 0)


async def test_with_a_key_it_is_sent_and_without_it_the_figures_are_ours(server):
    server.key, server.metrics = KEY, page(waiting=3)
    async with client(server, key=SecretStr(KEY)) as model, meter(model) as figures:
        assert (await figures.metrics()).waiting == 3
    asked = server.metrics_asked
    async with client(server) as model, meter(model) as figures:
        told = await figures.metrics()
        assert (told.waiting, told.running) == (None, 0)
    assert server.metrics_asked == asked


@pytest.mark.parametrize("text", [None, "<html>no figures</html>", "other 3\n"])
async def test_what_is_no_page_of_vllms_leaves_the_figures_to_us(server, text):
    server.metrics = text
    async with client(server) as model, meter(model) as figures:
        await read(model)
        told = await figures.metrics()
    assert told.tokens == len(server.echo(server.requests[0]))
    assert (told.waiting, told.cache_hit_share, told.errors) == (None, None, {})


async def test_a_server_that_has_no_page_is_left_alone_and_one_that_breaks_is_asked_again(server):
    async with client(server) as model, meter(model, every_s=0.01) as figures:
        await until(lambda: server.metrics_asked)
        await asyncio.sleep(0.2)
        assert server.metrics_asked == 1
        server.metrics = page(waiting=3)
        assert (await figures.metrics()).waiting == 3  # but for who asks
    server.metrics = "<html>a proxy's words</html>"
    async with client(server) as model, meter(model, every_s=0.01) as figures:
        await until(lambda: server.metrics_asked > 5)
        server.metrics = page(waiting=3)
        assert (await figures.metrics()).waiting == 3


async def test_a_server_that_is_silent_costs_seconds_and_raises_nothing(server):
    server.metrics = page(waiting=3)
    async with client(server) as model, meter(model, every_s=3600) as figures:
        assert (await figures.metrics()).waiting == 3
        await until(lambda: server.metrics_asked == 2)  # by whom we asked, and by the meter itself
        server.metrics_after_s = FOREVER
        began = time.monotonic()
        told = await figures.metrics()
        assert time.monotonic() - began < 9
        assert (told.waiting, told.running) == (None, 0)


async def test_a_server_that_is_gone_leaves_the_figures_to_us(server):
    server.metrics = page(waiting=3)
    async with client(server, first_token_within_s=0.3) as model, meter(model) as figures:
        assert (await figures.metrics()).waiting == 3
        await server.refuse()
        await read(model)
        told = await figures.metrics()
        assert (told.waiting, told.errors) == (None, {"Unreachable": 1})
        await server.listen()
        assert (await figures.metrics()).waiting == 3
