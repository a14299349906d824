"""python -m docs.transcript_discord: talk to the bot on our own Discord and keep what happened.

Writes docs/transcript-discord.md, unedited: the server of the tests tells the story, the model is a
script, everything between them is the real thing.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from pydantic import SecretStr

from adapters.discord import DiscordAdapter, Settings
from core.commands import Commands
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.line import Line
from core.phrases import Phrases
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fake_discord_things import Message
from tests.fakes import ScriptedGenerator, until

FILE = Path(__file__).with_name("transcript-discord.md")
HEAD = """# On Discord: a conversation as the platform saw it

Written by `python -m docs.transcript_discord`, unedited: the server of the tests
(`tests/fake_discord.py`) tells what people did and what the bot posted and edited. The model is a
script.

````text
"""
CODE = """Like this:

```python
def reversed_words(text: str) -> str:
    return " ".join(reversed(text.split()))
```

| call | gives |
|---|---|
| `reversed_words("a b")` | `b a` |
"""
SAYS = {
    "how do I reverse the words of a text?": CODE,
    "and letter by letter?": "Then `text[::-1]` does it.",
}


def pieces(question: str) -> list[str]:
    said = next((SAYS[known] for known in SAYS if question.endswith(known)), "I do not know.")
    return [f"{line}\n" for line in said.split("\n")]


async def talk(folder: str) -> list[str]:
    store = await SqlStore.open(StorageSettings(url=f"sqlite:///{folder}/t.db"), holder="docs")
    phrases, model = Phrases(), ScriptedGenerator(pieces, pause_s=0.25)
    commands = Commands(store, None, phrases, {"discord:1"})
    settings = BotSettings(system="Be kind.")
    engine = Engine(
        store,
        model,
        commands,
        settings,
        model="base",
        max_tokens=500,
        temperature=0,
        line=Line(4),
        phrases=phrases,
    )
    async with FakeDiscord() as fake, asyncio.TaskGroup() as group:
        addresses = {"base_url": fake.base_url, "gateway_url": fake.gateway_url}
        adapter = DiscordAdapter(Settings(bot_token=SecretStr(TOKEN), **addresses))
        group.create_task(serve(engine, adapter))
        await until(lambda: fake.commands)
        await story(fake)
        engine.close()
    await store.close()
    return fake.story


async def story(fake: FakeDiscord) -> None:
    ada, bob = fake.person("Ada"), fake.person("Bob")
    opening = await fake.says(bob, fake.general, "Puzzle of the day: turn a sentence around.")
    thread = await fake.open_thread("puzzle", under=opening)

    async def answered(said: Message) -> Message:
        def whole() -> list[Message]:
            mine = [one for one in fake.by_me(said.channel) if one.reference == said.id]
            return [one for one in mine if one.buttons]

        await until(whole, within_s=20)
        return whole()[0]

    question = await fake.says(ada, thread, f"{fake.mention} how do I reverse the words of a text?")
    answer = await answered(question)
    vote = await fake.presses(ada, answer, "👎")
    await until(lambda: vote.shown)
    assert vote.shown
    opened = await fake.presses(ada, vote.shown, "What should I have said?")
    await until(lambda: opened.modal)
    sent = await fake.fills_in(opened, "Say that it keeps single spaces only.")
    await until(lambda: sent.response)
    await answered(await fake.says(bob, thread, "and letter by letter?"))
    refused = await fake.commands_(bob, fake.general, "/retrain")
    await until(lambda: refused.shown)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = asyncio.run(talk(folder))
    text = "\n".join(lines)
    FILE.write_text(f"{HEAD}{text}\n````\n", encoding="utf-8")


if __name__ == "__main__":
    main()
