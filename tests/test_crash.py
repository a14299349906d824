"""The bot, killed at random: nothing lost, nothing answered twice, order kept.

A real process on a small platform over a real socket, with a model that is slow enough for kills to
hit in mid-answer. The control is the same run with a bot that forgets its store at each start: it
must lose messages, or the run was too easy to prove anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fake_model import Behaviour, FakeModel
from tests.fakes import until
from tests.wire_house import BotProcess, write_config
from tests.wire_platform import Question, WirePlatform

CHANNELS = 20
LONGEST_LIFE_S = 1.0  # after the bot is connected
MOST_DEATHS = 2  # a turn that dies with the process three times is given up, on purpose
DONE = "select message from turns where status = 'done'"
PAGE_CHARS = 200  # of the platform's messages, as its adapter has it
SEED = int(os.environ.get("MYNAH_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


@dataclass
class Run:
    """One run, and what came of it."""

    messages: int
    kills: int
    forgets: bool = False  # the control: the store is deleted before each start

    questions: list[Question] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)  # kills while the model answered, by id
    risks: Counter[str] = field(default_factory=Counter)  # kills that may have hit it, by id
    given_up: set[str] = field(default_factory=set)  # not done although it was waited for
    database: Path = Path()  # the bot's
    starts_s: list[float] = field(default_factory=list)
    took_s: float = 0.0
    idle_start_was_idle: bool = False

    async def go(self, folder):
        """Talk and kill, then let the bot finish; returns the platform and the model."""
        folder.mkdir()
        self.rng = random.Random(SEED)
        began = time.monotonic()
        behaviour = Behaviour(delay_s=0.03)
        self.platform = WirePlatform(
            rng=random.Random(SEED + 1), doubled=0.05, lost_acknowledgements=0.01, refused=0.01
        )
        self.model = FakeModel(behaviour, piece_chars=12, max_model_len=1_000_000)
        self.may_say = asyncio.Semaphore(0)
        async with self.platform, self.model, asyncio.TaskGroup() as group:
            config = write_config(folder, self.platform, self.model)
            talking = group.create_task(self.talk())
            for life in range(self.kills):
                self.let_talk(life)
                await self.one_life(config)
            await talking
            await self.last_life(config)
        self.took_s = time.monotonic() - began

    def let_talk(self, life):
        share = self.messages * (life + 1) // self.kills - self.messages * life // self.kills
        for _ in range(share):
            self.may_say.release()

    async def talk(self):
        for number in range(self.messages):
            await self.may_say.acquire()
            await asyncio.sleep(self.rng.uniform(0, 0.15))
            words = "long " * 40 if number % 10 == 9 else "a few words more"
            self.say(f"c{self.rng.randrange(CHANNELS)}", f"question {number}: {words}.")

    def say(self, channel, text):
        question = self.platform.say(channel, text, author=f"ann-{channel}")
        self.questions.append(question)
        return question

    async def one_life(self, config):
        self.forget(config)
        began, asked = time.monotonic(), len(self.model.requests)
        self.database = config.with_name("mynah.db")
        async with BotProcess(config) as bot:
            if self.rng.random() < 0.1:  # while it starts
                await asyncio.sleep(self.rng.uniform(0, 0.5))
            else:
                await bot.connected(self.platform)
                self.starts_s.append(time.monotonic() - began)
                await asyncio.sleep(self.rng.uniform(0, LONGEST_LIFE_S))
            await self.spare_the_worn()
            asked_now = self.asked(asked)
            self.risks.update({q.id for q in self.heads() + asked_now})
            self.hits.update(q.id for q in asked_now if not self.is_answered(q))
            await bot.kill()

    async def spare_the_worn(self):
        """Wait, within reason, until what died twice with the process is answered."""
        worn = []
        try:
            async with asyncio.timeout(20):
                while worn := [q for q in self.heads() if self.risks[q.id] >= MOST_DEATHS]:
                    await asyncio.sleep(self.rng.uniform(0, 0.2))
        except TimeoutError:
            self.given_up.update(q.id for q in worn)

    async def last_life(self, config):
        """No more kills. The closing question of a channel is answered when all before it are."""
        self.forget(config)
        channels = sorted({question.channel for question in self.questions})
        closing = [self.say(channel, "the last question here") for channel in channels]
        async with BotProcess(config) as bot:
            await bot.connected(self.platform)
            with contextlib.suppress(TimeoutError):  # then the closing questions are lost as well
                await self.platform.until(lambda: all(map(self.is_answered, closing)), within_s=60)
            bot.terminate()
            assert await bot.exit_code(25) == 0
        await self.life_without_work(config)

    async def life_without_work(self, config):
        """What is done is done: the next start asks and shows nothing."""
        before = len(self.model.requests), self.texts()
        async with BotProcess(config) as bot:
            await bot.connected(self.platform)  # what was left over has begun by now
            bot.terminate()
            assert await bot.exit_code(25) == 0
        self.idle_start_was_idle = before == (len(self.model.requests), self.texts())

    def texts(self):
        return [text for post in self.platform.posts.values() for text in post.texts]

    def forget(self, config):
        if self.forgets:
            for file in config.parent.glob("mynah.db*"):
                file.unlink()

    def heads(self):
        """The questions that can have been begun: of each channel the first that is open by what is
        shown, and the first by what the bot has stored. Between the two is what was shown whole
        when its end was not stored: the next start asks it once more.
        """
        if self.forgets:
            return []
        done = self.done()
        heads = {}
        for question in self.questions:
            if not question.deliveries or question.id in self.given_up:
                continue
            if not self.is_answered(question):
                heads.setdefault((question.channel, "shown"), question)
            if question.id not in done:
                heads.setdefault((question.channel, "stored"), question)
        return list({question.id: question for question in heads.values()}.values())

    def done(self):
        """The questions that no start takes up again."""
        if not self.database.exists():
            return set()
        # Beside a bot that writes: who only reads neither writes its log back nor keeps it waiting.
        url = f"file:{self.database}?mode=ro"
        with contextlib.closing(sqlite3.connect(url, uri=True)) as connection:
            return {id for (id,) in connection.execute(DONE)}

    def asked(self, since):
        """The questions that this life asked the model."""
        texts = {body["messages"][-1]["content"] for body in self.model.requests[since:]}
        return [question for question in self.questions if question.text in texts]

    def is_answered(self, question):
        return self.platform.shown(question) == right(question)

    # What must be none.

    def lost(self):
        """With what is shown in place of the answer."""
        open_ = [question for question in self.questions if not self.is_answered(question)]
        return [(q.text, [post.texts for post in self.platform.under(q)]) for q in open_]

    def twice(self):
        """More messages under a question than its answer has pages."""
        return [q.text for q in self.questions if len(self.platform.under(q)) > len(pages(q))]

    def out_of_order(self):
        """Answers that were posted after the answer to a later question in their channel."""
        places = {post.id: place for place, post in enumerate(self.platform.posts.values())}
        ends = defaultdict(lambda: -1)
        wrong = []
        for question in self.questions:
            for post in self.platform.under(question):
                if places[post.id] < ends[question.channel]:
                    wrong.append(question.text)
                ends[question.channel] = max(ends[question.channel], places[post.id])
        return wrong

    def untrue(self):
        """Texts that were shown under a question and are no beginning of its answer's page."""
        return [
            text
            for question in self.questions
            for page, post in zip(pages(question), self.platform.under(question), strict=False)
            for text in post.texts
            if not page.startswith(text)
        ]

    def forgotten(self):
        """Questions whose prompt does not hold all that was said in the channel before."""
        asked = {body["messages"][-1]["content"]: body for body in self.model.requests}
        past = defaultdict(list)
        wrong = []
        for question in self.questions:
            if question.text != "the last question here":
                said = [m["content"] for m in asked[question.text]["messages"]]
                if said[:-1] != past[question.channel]:
                    wrong.append(question.text)
            past[question.channel] += [question.text, right(question)]
        return wrong

    def figures(self):
        starts = statistics.median(self.starts_s)
        deliveries = sum(q.deliveries for q in self.questions)
        return (
            f"seed {SEED}: {self.kills} kills, {len(self.questions)} messages in {CHANNELS}"
            f" channels, {deliveries} deliveries ({self.platform.doubles} doubled), "
            f"{sum(self.hits.values())} answers hit; start {starts:.2f} s; {self.took_s:.0f} s;"
            f" lost {len(self.lost())}, twice {len(self.twice())},"
            f" out of order {len(self.out_of_order())}"
        )


def right(question):
    return f"You said: {question.text}"


def pages(question):
    text = right(question)
    return [text[at : at + PAGE_CHARS] for at in range(0, len(text), PAGE_CHARS)]


async def check(run, control, folder):
    async with asyncio.TaskGroup() as group:
        group.create_task(run.go(folder / "bot"))
        group.create_task(control.go(folder / "control"))
    print(f"\nthe bot:     {run.figures()}\nthe control: {control.figures()}")
    assert sum(run.hits.values()) >= run.kills / 4, "void: too few kills hit in mid-answer"
    assert run.platform.doubles, "void: nothing was delivered twice"
    assert run.lost() == []
    assert run.given_up == set()
    assert run.twice() == []
    assert run.out_of_order() == []
    assert run.untrue() == []
    assert run.forgotten() == []
    assert run.idle_start_was_idle
    assert control.lost(), "void: a bot without a memory loses nothing in this run"


async def test_an_answer_shown_again_after_a_crash_is_not_posted_twice(tmp_path):
    """Killed when the text is whole but half of it shown, and again right after the other half."""
    words = tuple(f"word{number} " for number in range(45))
    async with WirePlatform() as platform, FakeModel(Behaviour(pieces=words)) as model:
        config = write_config(tmp_path, platform, model)
        async with BotProcess(config) as bot:
            await bot.connected(platform)
            platform.hold_after_next_post = "said"
            question = platform.say("c", "a question with a long answer")
            await until(lambda: platform.held, within_s=10)
            await bot.kill()
        platform.hold_after_next_post, platform.hold = "unsaid", False
        async with BotProcess(config) as bot:
            await until(lambda: len(platform.under(question)) == 2, within_s=15)
            await bot.kill()
        platform.hold = False
        async with BotProcess(config) as bot:
            await bot.connected(platform)
            await until(lambda: platform.shown(question) == "".join(words), within_s=5)
            bot.terminate()
            assert await bot.exit_code(within_s=20) == 0
    assert len(platform.under(question)) == 2
    assert len(model.requests) == 1, "the text was not whole at the first kill"


@pytest.mark.timeout(240)
async def test_killed_20_times_it_loses_nothing_and_answers_nothing_twice(tmp_path):
    await check(Run(messages=200, kills=20), Run(messages=50, kills=5, forgets=True), tmp_path)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_killed_200_times_it_loses_nothing_and_answers_nothing_twice(tmp_path):
    await check(
        Run(messages=2000, kills=200), Run(messages=2000, kills=200, forgets=True), tmp_path
    )
