"""SIGTERM: no further answer begins, answers under way are finished, and nothing is lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.fake_model import FOREVER, Behaviour, FakeModel
from tests.fakes import until
from tests.wire_house import BotProcess, bot_here, write_config
from tests.wire_platform import WirePlatform

SLOW = Behaviour(delay_s=0.1)  # an answer takes a second or two
HUNG = Behaviour(silent_after=3)


def right(question):
    return f"You said: {question.text}"


def asked(model):
    return [body["messages"][-1]["content"] for body in model.requests]


@pytest.fixture
async def platform():
    async with WirePlatform() as platform:
        yield platform


async def test_at_sigterm_answers_are_finished_and_none_begins(platform, tmp_path):
    async with FakeModel(SLOW) as model:
        config = write_config(tmp_path, platform, model, at_once=2)
        async with BotProcess(config) as bot:
            await bot.connected(platform)
            under_way = [platform.say(f"c{n}", f"a question in channel {n}") for n in range(2)]
            await until(lambda: all(map(platform.shown, under_way)), within_s=10)
            waiting = [
                platform.say("c2", "this one waits for the model"),
                platform.say("c0", "this one waits for the answer before it"),
            ]
            commands = [platform.say("c1", "/help")]
            await until(lambda: not platform.unacknowledged)
            await bot.ending()
            commands.append(platform.say("c4", "/help"))
            late = [platform.say("c3", "this one comes late"), platform.say("c1", "this one too")]
            assert await bot.exit_code(within_s=20) == 0
        assert [platform.shown(q) for q in under_way] == [right(q) for q in under_way]
        assert sorted(asked(model)) == sorted(q.text for q in under_way)
        assert all(q.acknowledged for q in waiting)
        assert not any(platform.under(q) for q in waiting + late + commands)

        model.behaviour = Behaviour()
        async with BotProcess(config) as bot:
            await until(
                lambda: all(platform.shown(q) == right(q) for q in waiting + late), within_s=15
            )
            await until(lambda: all(map(platform.under, commands)), within_s=5)
            bot.terminate()
            assert await bot.exit_code(within_s=20) == 0
        everything = under_way + waiting + late
        assert [len(platform.under(q)) for q in everything] == [1] * len(everything)
        assert len(model.requests) == len(everything)


async def test_what_arrives_after_sigterm_is_not_acknowledged_and_comes_again(platform, tmp_path):
    async with FakeModel(SLOW) as model:
        config = write_config(tmp_path, platform, model)
        async with BotProcess(config) as bot:
            await bot.connected(platform)
            first = platform.say("c0", "a question with an answer that takes its time")
            await until(lambda: platform.shown(first), within_s=10)
            await bot.ending()
            late = platform.say("c1", "this one comes late")
            await until(lambda: late.deliveries == 1, within_s=5)
            assert platform.shown(first) != right(first), "the bot had nothing left to do"
            assert await bot.exit_code(within_s=20) == 0
        assert platform.shown(first) == right(first)
        assert not late.acknowledged
        assert platform.under(late) == []

        async with BotProcess(config):
            await until(lambda: platform.shown(late) == right(late), within_s=15)
        assert late.deliveries == 2
        assert len(platform.under(late)) == 1


async def test_a_second_sigterm_does_no_harm(platform, tmp_path):
    async with FakeModel(SLOW) as model:
        async with BotProcess(write_config(tmp_path, platform, model)) as bot:
            await bot.connected(platform)
            question = platform.say("c0", "a question")
            await until(lambda: platform.shown(question), within_s=10)
            for _ in range(3):
                bot.terminate()
                await asyncio.sleep(0.05)
            assert await bot.exit_code(within_s=20) == 0
        assert platform.shown(question) == right(question)


async def test_without_work_it_ends_at_once(platform, tmp_path):
    async with FakeModel() as model, BotProcess(write_config(tmp_path, platform, model)) as bot:
        await bot.connected(platform)
        bot.terminate()
        assert await bot.exit_code(within_s=3) == 0


async def test_a_model_that_hangs_is_left_when_the_grace_is_over(platform, tmp_path):
    async with FakeModel(HUNG) as model:
        async with asyncio.timeout(5), bot_here(tmp_path, platform, model, grace_s=0.3):
            question = platform.say("c0", "a question that the model chokes on")
            await until(lambda: platform.shown(question) == "You said: a ")
        assert model.aborted == 1

        model.behaviour = Behaviour()
        async with bot_here(tmp_path, platform, model):
            await until(lambda: platform.shown(question) == right(question))
    assert len(platform.under(question)) == 1


async def test_a_model_that_hangs_at_every_shutdown_costs_no_question(platform, tmp_path):
    """A shutdown is no crash: three of them do not make the bot give a question up."""
    async with FakeModel(HUNG) as model:
        for starts in range(4):
            async with bot_here(tmp_path, platform, model, grace_s=0.1):
                if not starts:
                    question = platform.say("c0", "a question that the model chokes on")
                await until(lambda: len(model.requests) == starts + 1)  # noqa: B023
        model.behaviour = Behaviour()
        async with bot_here(tmp_path, platform, model):
            await until(lambda: platform.shown(question) == right(question))
    assert len(platform.under(question)) == 1


@pytest.mark.long
@pytest.mark.timeout(90)
@pytest.mark.parametrize("hung", [HUNG, Behaviour(header_after_s=FOREVER)], ids=["mid", "header"])
async def test_a_model_that_hangs_does_not_keep_the_process(platform, tmp_path, hung):
    async with FakeModel(hung) as model:
        config = write_config(
            tmp_path, platform, model, first_token_within_s=60, between_tokens_within_s=60
        )
        async with BotProcess(config) as bot:
            await bot.connected(platform)
            question = platform.say("c0", "a question that the model chokes on")
            await until(lambda: model.requests, within_s=10)
            bot.terminate()
            began = time.monotonic()
            assert await bot.exit_code(within_s=24) == 0
            print(f"gone after {time.monotonic() - began:.1f} s")
        model.behaviour = Behaviour()
        async with BotProcess(config):
            await until(lambda: platform.shown(question) == right(question), within_s=15)
    assert len(platform.under(question)) == 1
