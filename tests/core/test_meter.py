"""The figures of the last minutes, by a server that tells some."""

import asyncio
import time

import pytest
from pydantic import SecretStr

from core.meter import Meter
from core.tally import Tally
from tests.core.figures_page import page
from tests.core.generation_client import KEY, client, read
from tests.core.metered import Clock, meter
from tests.fake_model import FOREVER, Behaviour
from tests.fakes import until


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
