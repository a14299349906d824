"""A bot of one console and a scripted model, to be run in a terminal or a pipe of its own.

python -m tests.adapters.console_process FOLDER [PAUSE_S]

What it says depends on the question: see `script`; at SIGUSR1 it announces something. The store and
the history are in FOLDER.
"""

import asyncio
import signal
import sys
from pathlib import Path

from adapters.console import ConsoleAdapter, Settings
from core.announcements import Announcements
from core.commands import Commands
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.line import Line
from core.phrases import Phrases
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore
from tests.fakes import ScriptedGenerator

CODE = "Look:\n\n```python\ndef greet(name):\n    return f'hello {name}'\n```\n\nThat is **all**."


def script(question):
    """The pieces that the model says to a question."""
    kind, _, number = question.partition(" ")
    many = range(int(number)) if number.isdigit() else range(3)
    match kind:
        case "lines":  # a paragraph each
            return [f"line {i}\n\n" for i in many]
        case "code":
            return [CODE[i : i + 4] for i in range(0, len(CODE), 4)]
        case "listing":  # one block, taller than any window
            return ["```python\n", *[f"value_{i} = {i}\n" for i in many], "```\n", "\nThe end.\n"]
        case "numbered":
            return ["1. one\n\n", "2", ". two\n"]
        case "items":
            return [f"- item {i}\n" for i in many]
        case "forever":
            return ["The beginning", *[" and on" for _ in range(100_000)]]
        case "evil":
            return ["red \x1b[31mtext\x1b]0;title\x07 \u202eback\u202c\x9b2J end"]
        case "html":
            return ["a <b>bold</b> [link](http://example.org)\nnew line"]
    return [f"You said: {question}"]


class LateGenerator(ScriptedGenerator):
    """Counts the tokens of "late" for a while: the time in which no answer has begun."""

    async def count(self, texts):
        if texts[1] == "late":
            await asyncio.sleep(0.5)
        return await super().count(texts)


async def main(folder, pause_s=0.0):
    """End at the end of the input; SIGTERM closes the engine, as in the product."""
    async with Announcements("console:here") as announcements:
        return await talk(folder, pause_s, announcements)


async def talk(folder, pause_s, announcements):
    store = await SqlStore.open(StorageSettings(url=f"sqlite:///{folder}/mynah.db"), holder="test")
    phrases = Phrases()
    engine = Engine(
        store,
        LateGenerator(script, pause_s=pause_s),
        Commands(store, None, phrases, ()),
        BotSettings(retry_for_h=24, turns_per_minute=1000, longest_question_tokens=4000),
        model="base",
        max_tokens=100,
        temperature=0,
        line=Line(1),
        phrases=phrases,
        announcements=announcements,
    )
    news = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, news.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, engine.close)

    async def announce():
        await news.wait()
        await announcements.tell("There is **news**.")

    try:
        async with asyncio.TaskGroup() as group:
            announcing = group.create_task(announce())
            console = ConsoleAdapter(Settings(history=str(folder / "history")))
            await serve(engine, console, grace_s=2)
            announcing.cancel()
    finally:
        await store.close()
    return engine.failures


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), *map(float, sys.argv[2:]))) > 0)
