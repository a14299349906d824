"""What a real vLLM tells of itself agrees with what was asked of it."""

import asyncio
from contextlib import aclosing

from pydantic import SecretStr

from core.generation import ModelServer
from core.meter import Meter
from tests.vllm.test_vllm import placed, prompt, said

LONG = "Tell me about votes, tunes and the gate, one after the other, and leave nothing out. " * 20


def meter(client):
    return Meter(client.metrics_page, client.tally, lambda: 0, every_s=3600)


async def told_when(figures, holds):
    """vLLM counts a step after it has sent it."""
    async with asyncio.timeout(10):
        while not holds(told := await figures.metrics()):
            await asyncio.sleep(0.05)
    return told


async def completion_tokens(served, session, ask, tokens):
    body = {"model": "starter", "max_tokens": tokens, "temperature": 0}
    body["messages"] = [{"role": "user", "content": ask}]
    async with session.post(f"{served.url}/chat/completions", json=body) as response:
        return (await response.json())["usage"]["completion_tokens"]


async def test_tokens_are_counted_exactly_and_a_prompt_said_twice_hits_the_cache(served):
    asks = [(f"{number}. {LONG}", 30 + number) for number in range(4)]
    async with served.client() as client, served.direct() as session:
        expected = [await completion_tokens(served, session, *ask) for ask in asks]
        await until_idle(client)
        async with meter(client) as figures:
            await figures.metrics()
            await asyncio.gather(*(said(client, prompt(ask, tokens=n)) for ask, n in asks))
            told = await told_when(figures, lambda told: told.tokens >= sum(expected))
            ours = client.tally.metrics(0)
    assert told.tokens == sum(expected)
    # Ours are events: vLLM on a busy machine puts several tokens into one.
    assert told.tokens / 2 <= ours.tokens <= told.tokens
    assert (told.running, told.waiting, told.errors) == (0, 0, {})
    assert 0.5 < told.cache_hit_share < 1
    assert 0 < told.first_token_median_s <= told.first_token_p95_s < 60
    assert told.tokens_per_s == told.tokens / told.over_s


async def test_what_others_ask_is_seen_and_what_they_break_off_is_no_error(served):
    chatty = placed(served, 16)
    async with served.client() as client, served.client() as other, meter(other) as figures:
        await said(client, prompt("hi", chatty, tokens=2))
        await until_idle(other)
        async with aclosing(client.stream(prompt("hi", chatty, tokens=1800))) as pieces:
            await anext(pieces)
            assert (await told_when(figures, lambda told: told.running == 1)).waiting == 0
        await said(client, prompt("hi", "mynah@999999"))
        told = await told_when(figures, lambda told: told.running == 0)
        assert told.errors == {}
        assert other.tally.metrics(0).running == 0  # it was never ours
        assert client.tally.metrics(0).errors == {"Rejected": 1}


async def test_without_the_key_it_tells_nothing(served):
    settings = served.settings().model_copy(update={"key": SecretStr("another")})
    async with ModelServer(settings, folder=served.files) as client, meter(client) as figures:
        told = await figures.metrics()
    assert (told.waiting, told.cache_hit_share, told.tokens) == (None, None, 0)


async def until_idle(client):
    """Nothing is under way of what other tests asked for."""
    async with meter(client) as figures:
        await told_when(figures, lambda told: told.running == 0)
