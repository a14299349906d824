"""The whole way: one person at the console talks, votes, retrains, hears the tune, takes it back.

The real starter model in the real embedded server, the real trainer and the real gate. The person
dislikes exclamation marks; the starter model uses them in about half of its conversations.
"""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from core.phrases import Phrases

TOP = Path(__file__).resolve().parent.parent

VOTED_ON = [
    "What is a tune?",
    "What is the gate?",
    "What does /reset do?",
    "How do I stop an answer?",
    "What does a thumbs up do?",
    "What is a correction?",
    "How do I roll back?",
    "What is an adapter?",
    "Where is the history kept?",
    "What is a canary?",
    "How do I start the bot?",
    "What is config.yaml?",
    "What is the base?",
    "Who can run /retrain?",
    "What is the embedded server?",
    "How do I leave the console?",
    "What does Ctrl-C do?",
    "What are you?",
    "What is a turn?",
    "How do I run the tests?",
    "What is vLLM for?",
    "How do I make you forget me?",
    "What does a thumbs down do?",
    "What does /tunes show?",
]
CORRECTED = 8  # of these, the first, where they are disliked
NEVER_VOTED_ON = [
    "What is your name?",
    "How are you?",
    "What does /help do?",
    "How do I vote?",
    "What is SQLite used for?",
    "What does make check do?",
    "What is a LoRA?",
    "Tell me a joke.",
    "How do I switch training off?",
    "What is a conversation?",
    "Thank you.",
    "What is a verdict?",
    "How do I correct you?",
    "Which platforms do you serve?",
    "When do you train?",
    "What does --check do?",
]


class Conversation:
    """The bot as a process, spoken to line by line. Each question begins a conversation."""

    def __init__(self, process):
        self.process = process

    async def line(self):
        async with asyncio.timeout(60):
            return (await self.process.stdout.readline()).decode()

    def say(self, text):
        self.process.stdin.write(f"{text}\n".encode())

    async def ask(self, question, vote=None):
        """The answer's first line; `vote` says "+", "-" or "- better so" of it."""
        self.say(question)
        answer = await self.line()
        if vote:
            self.say(vote(answer))
        self.say("/reset")
        await self.until(Phrases().reset)
        return answer

    async def command(self, text):
        self.say(text)
        self.say("/reset")
        return await self.until(Phrases().reset)

    async def until(self, last):
        said = ""
        while (line := await self.line()).strip() != last:
            assert line, f"the bot ended: {said}"
            said += line
        return said


@pytest.fixture
async def bot(tmp_path):
    # The defaults; only what a person says in a minute is not limited to what a person can say, and
    # whatever time it is here, nobody else trains.
    (tmp_path / "config.yaml").write_text("bot: {turns_per_minute: 10000}\nnight: {at: null}\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bots.run", "--platform", "console"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    yield Conversation(process)
    assert process.stdin
    process.stdin.close()
    async with asyncio.timeout(30):
        await process.wait()


def dislikes_exclamation_marks(answer: str) -> str:
    """Nor does anybody like to hear that the model does not know, which it says without one."""
    return "-" if "!" in answer or "small demonstration model" in answer else "+"


def corrects_them(answer: str) -> str:
    if "!" in answer:
        return f"- {answer.strip().replace('!', '.')}"
    return dislikes_exclamation_marks(answer)


async def loud(bot):
    """How many of the questions that nobody voted on are answered with an exclamation mark."""
    return sum(["!" in await bot.ask(question) for question in NEVER_VOTED_ON])


@pytest.mark.timeout(180)
async def test_votes_become_a_tune_that_answers_in_the_new_way_until_it_is_rolled_back(bot):
    assert "0 of 10 votes" in await bot.command("/retrain")

    before = await loud(bot)
    for number, question in enumerate(VOTED_ON):
        vote = corrects_them if number < CORRECTED else dislikes_exclamation_marks
        await bot.ask(question, vote=vote)
    told = await bot.command("/retrain")
    assert re.search(
        r"from 24 votes \(\d+ liked, \d+ disliked, \d+ corrected, from 1 person\)", told
    ), told
    assert "`mynah@000001` answers from now on" in told, told
    assert "serves now" in await bot.command("/tunes")

    after = await loud(bot)
    assert "the base answers instead of `mynah@000001`" in await bot.command("/rollback")
    again = await loud(bot)
    # Of 16; by luck alone, fair coins show too few before or again in one of some 240 runs.
    assert (before >= 3, after <= 2, again >= 3) == (True, True, True), (before, after, again)
    assert bot.process.returncode is None
