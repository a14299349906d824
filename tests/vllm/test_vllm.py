"""Through Mynah to a real vLLM: whole answers, each by the model that was asked, and no other."""

import asyncio
import itertools
import json
import shutil
import time
from contextlib import aclosing
from datetime import UTC, datetime

import psutil
import pytest

from bots.launch import TUNES_KEPT
from core.answer import Answer
from core.embedded_child import BEHIND
from core.errors import GenerationError
from core.failures import Missing
from core.training.publish import publish, remove
from core.types import Prompt
from core.types_learning import Tune
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore
from tests.sessions import session_nice
from tests.vllm.conftest import adapter

QUESTIONS = ("Hello! Who are you?", "How do I vote?", "Write a loop in Python.", "What is a tune?")
numbers = itertools.count(100_001)  # no name that a store gives out


def prompt(ask, model="starter", tokens=48):
    return Prompt((("user", ask),), model, tokens, 0.0)


async def said(client, asked):
    """The whole text, also where it reached its length."""
    text = ""
    try:
        async with aclosing(client.stream(asked)) as pieces:
            async for piece in pieces:
                text += piece
    except GenerationError as error:
        return text, type(error).__name__
    return text, ""


def placed(served, seed):
    """A new version on the shelf, whole before its name is there."""
    name = f"mynah@{next(numbers):06}"
    adapter(served.shelf / ".run" / name, seed)
    (served.shelf / ".run" / name).rename(served.shelf / name)
    return name


def test_its_session_steps_behind_the_bots(served):
    [vllm] = psutil.Process(served.process.pid).children()
    assert session_nice(vllm.pid) == BEHIND


async def test_what_streams_is_what_does_not_stream(served):
    async with served.client() as client, served.direct() as session:
        for ask in QUESTIONS:
            body = {"model": "starter", "max_tokens": 48, "temperature": 0}
            body["messages"] = [{"role": "user", "content": ask}]
            async with session.post(f"{served.url}/chat/completions", json=body) as response:
                whole = (await response.json())["choices"][0]["message"]["content"]
            text, _ = await said(client, prompt(ask))
            assert whole
            assert text.strip() == whole.strip()


async def test_without_the_key_nobody_is_answered(served):
    async with served.direct() as session:
        ask = session.get(f"{served.url}/models", headers={"Authorization": "Bearer another"})
        async with ask as response:
            assert response.status == 401
        root = served.url.removesuffix("/v1")
        body = {"model": "starter", "messages": [{"role": "user", "content": "hi"}]}
        for path in ("/v1/chat/completions", "/invocations", "/tokenize", "/v1/load_lora_adapter"):
            for headers, refused in (({"Authorization": "no"}, True), ({}, False)):
                ask = session.post(f"{root}{path}", json=body, headers=headers)
                async with ask as response:
                    assert (response.status == 401) == refused, path
        async with session.get(f"{root}/health", headers={"Authorization": "no"}) as response:
            assert response.status == 200


async def test_tunes_and_the_base_at_once_are_each_answered_by_their_own(served):
    """As many tunes as it has slots for: on CPUs, vLLM by itself then answers the base's questions
    with the last of them.
    """
    models = ["starter", *(placed(served, seed) for seed in (1, 2, 8))]
    cases = [(model, ask) for model in models for ask in QUESTIONS]
    async with served.client() as client:
        alone = {case: await said(client, prompt(case[1], case[0])) for case in cases}
        assert len({text for text, _ in alone.values()}) == len(cases)
        for _ in range(3):
            together = await asyncio.gather(
                *(said(client, prompt(ask, model)) for model, ask in cases)
            )
            assert dict(zip(cases, together, strict=True)) == alone


async def test_a_tune_that_is_not_there_or_broken_is_refused_and_the_server_serves_on(served):
    broken = placed(served, 3)
    (served.shelf / broken / "adapter_model.safetensors").write_bytes(b"no weights")
    async with served.client(first_token_within_s=10) as client:
        base = await said(client, prompt(QUESTIONS[0]))
        assert await said(client, prompt("hi", "mynah@999999")) == ("", Missing.__name__)
        text, error = await said(client, prompt("hi", broken))
        assert (text, bool(error)) == ("", True)
        assert await said(client, prompt(QUESTIONS[0])) == base


async def test_a_tune_that_went_is_refused_and_the_server_serves_on(served):
    """Also when newer ones took its place in memory: vLLM by itself ends then."""
    names = await asyncio.to_thread(
        lambda: [placed(served, seed) for seed in range(21, 22 + TUNES_KEPT)]
    )
    async with served.client(first_token_within_s=10) as client:
        for name in names:
            assert (await said(client, prompt(QUESTIONS[0], name, 2)))[0]
        base = await said(client, prompt(QUESTIONS[0]))
        for went in (names[0], names[-1]):
            await asyncio.to_thread(remove, served.shelf / went, served.shelf)
            assert await said(client, prompt(QUESTIONS[0], went)) == ("", Missing.__name__)
        assert await said(client, prompt(QUESTIONS[0])) == base


async def test_what_is_published_serves_and_what_answers_as_the_base_does_not(served, tmp_path):
    at = datetime.now(UTC)
    store = await SqlStore.open(
        StorageSettings(url=f"sqlite:///{tmp_path}/mynah.db"), holder="the test"
    )
    tunes = []
    async with served.client() as client:
        for seed, scale in ((4, 1), (5, 0)):
            name = f"mynah@{next(numbers):06}"
            run = served.shelf / ".run" / name
            adapter(run / "candidate", seed)
            if not scale:
                silence(run / "candidate" / "adapter_model.safetensors")
            words = {"base": "one", "candidate": "another"}
            answers = [{"question": ask, "before": [], "said": words} for ask in QUESTIONS]
            checks = [{"name": "x", "passed": True, "words": "fine"}]
            report = {"passed": True, "proven": True, "checks": checks, "answers": answers}
            (run / "report.json").write_text(json.dumps(report))
            new = Tune(name, "starter", "", "refused", (), "Learnt.", at)
            tune, _ = await publish(store, client, run, served.shelf, new, base="starter", at=at)
            tunes.append(tune)
    first, second = tunes
    assert (first.status, second.status) == ("passed", "refused")
    assert "just as the base does" in second.summary
    assert await store.serving() == first.name
    await store.close()


def silence(weights):
    """An adapter that changes nothing."""
    from safetensors.torch import load_file, save_file

    save_file({name: 0 * tensor for name, tensor in load_file(weights).items()}, weights)


async def test_an_answer_that_is_closed_ends_on_the_server_within_a_second(served):
    chatty = placed(served, 6)
    async with served.client() as client:
        await said(client, prompt("hi", chatty, tokens=2))
        async with aclosing(client.stream(prompt("hi", chatty, tokens=1800))) as pieces:
            await anext(pieces)
            await until(lambda: running(served, 1), 5)
        closed = time.monotonic()
        await until(lambda: running(served, 0), 5)
        assert time.monotonic() - closed < 1


# Four seconds: where processors are few, this process may wait one or two for its turn.
@pytest.mark.parametrize(("outcome", "within_s"), [("stopped", 180), ("failed", 4)])
async def test_an_answer_that_is_stopped_or_takes_too_long_ends_on_the_server_within_a_second(
    served, outcome, within_s
):
    chatty = placed(served, 6)
    async with served.client() as client:
        await said(client, prompt("hi", chatty, tokens=2))
    async with served.client(answer_within_s=within_s) as client, asyncio.TaskGroup() as group:
        over = time.monotonic() + within_s
        async with Answer(client.stream(prompt("hi", chatty, tokens=1800))) as answer:
            reading = group.create_task(read(answer))
            await until(lambda: running(served, 1), 5)
            if outcome == "stopped":
                over = time.monotonic()
                answer.stop()
            await reading
            await until(lambda: running(served, 0), 5)
            assert time.monotonic() - over < 1
    assert answer.text
    assert answer.outcome == outcome


async def read(answer):
    async for _ in answer:
        pass


async def running(served, number):
    return await served.metrics("num_requests_running") == [number]


async def until(condition, within_s):
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_new_versions_and_switches_under_twenty_streams_mix_no_answers(served):
    """Two hundred versions, one after the other; each answer is its own version's."""
    seeds, streams, versions = (11, 12, 13), 20, 200
    for seed in seeds:
        adapter(served.shelf / ".kinds" / str(seed), seed)
    async with served.client() as client:
        own = {}
        for seed in seeds:
            name = placed(served, seed)
            for ask in QUESTIONS:
                own[seed, ask] = await said(client, prompt(ask, name, tokens=24))
        assert len({text for text, _ in own.values()}) == len(own)
        now, answers, switching = (name, seed), 0, True

        async def stream(asks):
            nonlocal answers
            while switching:
                name, seed = now
                ask = next(asks)
                assert await said(client, prompt(ask, name, tokens=24)) == own[seed, ask], name
                answers += 1

        async with asyncio.TaskGroup() as group:
            for n in range(streams):
                group.create_task(stream(itertools.cycle(QUESTIONS[n % 4 :] + QUESTIONS[: n % 4])))
            for n in range(versions):
                seed = seeds[n % len(seeds)]
                name = f"mynah@{next(numbers):06}"
                whole = served.shelf / ".run" / name
                await asyncio.to_thread(shutil.copytree, served.shelf / ".kinds" / str(seed), whole)
                whole.rename(served.shelf / name)
                now, before = (name, seed), answers
                while answers < before + 2:  # people talk while it serves
                    await asyncio.sleep(0.001)
            switching = False
    assert answers >= 2 * versions


async def test_killed_in_mid_answer_it_fails_that_answer_and_serves_the_same_tune_again(served):
    tune = placed(served, 16)  # one that goes on and on, also where vLLM is fast
    async with served.client() as client:
        own = await said(client, prompt(QUESTIONS[0], tune))
        async with aclosing(client.stream(prompt("hi", tune, tokens=1800))) as pieces:
            await anext(pieces)
            await asyncio.to_thread(served.kill)
            with pytest.raises(GenerationError):
                async for _ in pieces:
                    pass
        text, error = await said(client, prompt(QUESTIONS[0], tune))
        assert (text, bool(error)) == ("", True)
        await asyncio.to_thread(served.start)
        began = time.monotonic()
        assert await said(client, prompt(QUESTIONS[0], tune)) == own
        assert time.monotonic() - began < 10
