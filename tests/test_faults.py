"""The model's server fails on demand: every turn ends in an answer or in one plain sentence.

From the platform's socket to the model's, through a real store. What the platform shows has to be
one message: the whole answer, or its beginning with a mark that it is cut, or a sentence of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest

from core.breaker import Breaker
from core.phrases import Phrases
from core.types import ChannelRef, MessageRef
from tests.fake_model import FOREVER, Behaviour, FakeModel
from tests.fakes import until
from tests.wire_house import BotProcess, bot_here, write_config
from tests.wire_platform import WirePlatform

SAYS = Phrases()
INTERRUPTED, CUT = f"\n\n{SAYS.interrupted}", f"\n\n{SAYS.cut}"
SHORT: dict[str, Any] = {
    "first_token_within_s": 0.6,
    "between_tokens_within_s": 0.4,
    "answer_within_s": 3.0,
}
PATIENT: dict[str, Any] = {
    "first_token_within_s": 5.0,
    "between_tokens_within_s": 2.0,
    "answer_within_s": 9.0,
}
WORDS = (*(f"word{n} " for n in range(49)), "end.")
WELL = Behaviour(pieces=WORDS)
TEXT = "".join(WORDS)


@pytest.fixture
async def platform():
    async with WirePlatform() as platform:
        yield platform


@pytest.fixture
async def model():
    async with FakeModel(WELL) as model:
        yield model


async def ended(platform, store, question):
    """What is shown under a question when its turn is done, and the turn."""
    async with asyncio.timeout(10):
        while True:
            posts = platform.under(question)
            if posts and not await store.unanswered("wire", "wirebot"):
                break
            await asyncio.sleep(0.01)
    channel = ChannelRef("wire", "wirebot", question.channel)
    turns = [await store.turn_behind(MessageRef(channel, post.id)) for post in posts]
    assert all(turn == turns[0] for turn in turns)
    return platform.shown(question), turns[0]


def shown_once(platform, question, text):
    """`text` grew in pages of one answer each, and no page ever showed anything else."""
    posts = platform.under(question)
    assert "".join(post.text for post in posts) == text
    assert len({post.nonce for post in posts}) == len(posts)
    for post in posts:
        for earlier in post.texts:
            assert post.text.startswith(earlier)


SPOILT = {
    "silent before the header": Behaviour(header_after_s=FOREVER),
    "silent after the header": Behaviour(first_after_s=FOREVER),
    "429": Behaviour(status=429),
    "429, to come back late": Behaviour(status=429, retry_after="3600"),
    "500": Behaviour(status=500),
    "503": Behaviour(status=503),
    "404": Behaviour(status=404),
    "broken SSE": Behaviour(raw=b"data: {this is no JSON\n\n"),
    "no SSE": Behaviour(raw=b"<html>Bad gateway</html>"),
    "an end before the beginning": Behaviour(raw=b""),
    "an error instead of a beginning": Behaviour(error_after=0),
    "an empty answer": Behaviour(pieces=()),
    "only an answer of blanks": Behaviour(pieces=(" ", "\n")),
}


@pytest.mark.parametrize("behaviour", SPOILT.values(), ids=SPOILT)
async def test_without_an_answer_there_is_one_plain_sentence(platform, model, tmp_path, behaviour):
    model.behaviour = behaviour
    async with bot_here(tmp_path, platform, model, **SHORT) as store:
        question = platform.say("c", "a question")
        shown, turn = await ended(platform, store, question)
        assert shown.strip() == SAYS.apology
        assert (turn.outcome, turn.answer.strip()) == ("failed", "")

        model.behaviour = WELL  # the sentence says "ask me again", so that must work
        again = platform.say("c", "a question")
        shown, turn = await ended(platform, store, again)
        assert (shown, turn.answer, turn.outcome) == (TEXT, TEXT, "answered")
        assert [m["role"] for m in model.requests[-1]["messages"]] == ["user"]
    shown_once(platform, question, platform.shown(question))
    shown_once(platform, again, TEXT)


async def test_a_refused_connection_gives_one_plain_sentence(platform, model, tmp_path):
    async with bot_here(tmp_path, platform, model, **SHORT) as store:
        await model.refuse()
        question = platform.say("c", "a question")
        shown, turn = await ended(platform, store, question)
        assert (shown, turn.outcome, turn.answer) == (SAYS.apology, "failed", "")
    shown_once(platform, question, SAYS.apology)


PASSING = {
    "429": Behaviour(status=429, retry_after="0"),
    "500": Behaviour(status=500),
    "503": Behaviour(status=503),
    "cut before the first word": Behaviour(cut_after=0),
    "broken SSE": Behaviour(raw=b"data: {this is no JSON\n\n"),
}


@pytest.mark.parametrize("behaviour", PASSING.values(), ids=PASSING)
async def test_a_fault_that_passes_is_not_seen(platform, model, tmp_path, behaviour):
    model.script.extend([behaviour, behaviour])
    async with bot_here(tmp_path, platform, model, **PATIENT) as store:
        question = platform.say("c", "a question")
        shown, turn = await ended(platform, store, question)
        assert (shown, turn.answer, turn.outcome) == (TEXT, TEXT, "answered")
    assert len(model.requests) == 3
    shown_once(platform, question, TEXT)


@pytest.mark.parametrize("cut", ["reset", "close", "end"])
async def test_an_answer_cut_at_any_of_50_words_is_marked_as_cut(platform, model, tmp_path, cut):
    async with bot_here(tmp_path, platform, model, **PATIENT) as store:
        for at in range(1, 51):  # 50: all words came, but not that they were all
            model.script.append(Behaviour(pieces=WORDS, delay_s=0.0005, cut_after=at, cut=cut))
            question = platform.say(f"c{at}", f"a question {at}")
            shown, turn = await ended(platform, store, question)
            said = "".join(WORDS[:at])
            if cut != "end":  # what was on its way when the connection broke may be lost
                said = shown.removesuffix(INTERRUPTED)
                assert TEXT.startswith(said)
            assert shown == (said + INTERRUPTED if said else TEXT)
            assert turn.answer == (said or TEXT)
            assert turn.outcome == ("failed" if said else "answered")
            shown_once(platform, question, shown)
            model.script.clear()


STUCK = {
    "silent in mid-stream": Behaviour(pieces=WORDS, silent_after=7),
    "an error in mid-stream": Behaviour(pieces=WORDS, error_after=7),
    "no finish_reason": Behaviour(pieces=WORDS[:7], finish=None),
    "neither that nor [DONE]": Behaviour(pieces=WORDS[:7], finish=None, done=False),
}


@pytest.mark.parametrize("behaviour", STUCK.values(), ids=STUCK)
async def test_an_answer_that_does_not_end_is_marked_as_cut(platform, model, tmp_path, behaviour):
    model.behaviour = behaviour
    async with bot_here(tmp_path, platform, model, **SHORT) as store:
        question = platform.say("c", "a question")
        shown, turn = await ended(platform, store, question)
    said = "".join(WORDS[:7])
    assert shown == said + INTERRUPTED
    assert (turn.answer, turn.outcome) == (said, "failed")
    assert len(model.requests) == 1, "it was asked again although something was shown"
    shown_once(platform, question, shown)


async def test_an_endless_answer_ends_at_its_deadline(platform, model, tmp_path):
    model.behaviour = Behaviour(pieces=("more ",) * 10_000, delay_s=0.1)
    began = time.monotonic()
    async with bot_here(tmp_path, platform, model, **SHORT) as store:
        question = platform.say("c", "a question")
        shown, turn = await ended(platform, store, question)
    assert time.monotonic() - began < SHORT["answer_within_s"] + 5
    assert shown == turn.answer + INTERRUPTED
    assert turn.outcome == "failed"
    await until(lambda: model.aborted == 1)


async def test_an_answer_at_its_length_limit_says_so(platform, model, tmp_path):
    model.behaviour = Behaviour(pieces=WORDS, finish="length")
    async with bot_here(tmp_path, platform, model, **SHORT) as store:
        question = platform.say("c", "a question")
        shown, turn = await ended(platform, store, question)
        assert (shown, turn.answer, turn.outcome) == (TEXT + CUT, TEXT, "cut")
        model.behaviour = WELL
        await ended(platform, store, platform.say("c", "go on"))
    assert [m["content"] for m in model.requests[-1]["messages"]] == ["a question", TEXT, "go on"]
    shown_once(platform, question, shown)


async def test_a_server_that_is_down_for_a_while_is_back_at_once(platform, model, tmp_path):
    """Scaled down: the breaker asks every 0.3 s instead of every 12."""
    async with bot_here(tmp_path, platform, model, breaker=Breaker(every_s=0.3), **SHORT) as store:
        await model.refuse()
        during = await ask_for(4.0, platform)
        await until(lambda: all(platform.under(q) for q in during), within_s=6)
        await model.listen()
        after = platform.say("c", "is it back?")
        await until(lambda: platform.under(after), within_s=3)
        shown, turn = await ended(platform, store, after)
        assert (shown, turn.outcome) == (TEXT, "answered")
    assert {platform.shown(question) for question in during} <= {SAYS.apology, TEXT}
    assert platform.shown(during[0]) == SAYS.apology
    for question in during:
        shown_once(platform, question, platform.shown(question))


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_server_that_is_down_for_a_minute(platform, model, tmp_path):
    """The real process with the settings as they are but for the first token's deadline."""
    config = write_config(tmp_path, platform, model, first_token_within_s=5)
    async with BotProcess(config) as bot:
        await bot.connected(platform)
        await model.refuse()
        during = await ask_for(60.0, platform, every_s=0.5)
        await until(lambda: all(platform.under(q) for q in during), within_s=15)
        await model.listen()
        began = time.monotonic()
        while True:
            question = platform.say("c", "is it back?")
            await until(lambda: platform.under(question), within_s=10)  # noqa: B023
            if platform.shown(question) != SAYS.apology:
                break
        print(f"{len(during)} asked; answers again after {time.monotonic() - began:.1f} s")
        assert time.monotonic() - began < 15
    assert {platform.shown(question) for question in during} <= {SAYS.apology, TEXT}


async def ask_for(seconds, platform, every_s=0.1):
    """One every `every_s`; a channel's next one comes so late that it need not wait in line."""
    questions = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                n = len(questions)
                questions.append(platform.say(f"c{n % round(100 * every_s)}", f"question {n}"))
                await asyncio.sleep(every_s)
    return questions


async def test_a_post_whose_confirmation_is_lost_is_not_made_twice(platform, model, tmp_path):
    """Not the model's fault: the platform kept the post, but the line broke before it said so."""
    async with bot_here(tmp_path, platform, model, **PATIENT) as store:
        platform.drop_after_next_post = True
        question = platform.say("c", "a question")
        shown, turn = await ended(platform, store, question)
        assert (shown, turn.answer) == (TEXT, TEXT)
    assert len(platform.under(question)) == 2  # pages, each once
    assert len({post.nonce for post in platform.posts.values()}) == 2


async def test_a_refused_call_is_made_again_and_the_answer_is_whole(platform, model, tmp_path):
    async with bot_here(tmp_path, platform, model, **PATIENT) as store:
        platform.refuse_next = 2
        question = platform.say("c", "a question")
        shown, turn = await ended(platform, store, question)
        assert (shown, turn.answer) == (TEXT, TEXT)
    assert len({post.nonce for post in platform.under(question)}) == 2
    assert len(platform.under(question)) == 2
