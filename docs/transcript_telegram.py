"""python -m docs.transcript_telegram: talk to the bot on our own Telegram and keep what happened.

Writes docs/transcript-telegram.md, unedited: the server of the tests tells the story, the model is
a script, everything between them is the real thing, at its real pace.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from pydantic import SecretStr

from adapters.telegram import Settings, TelegramAdapter
from core.commands import Commands
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.line import Line
from core.phrases import Phrases
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import TOKEN, Message
from tests.fakes import ScriptedGenerator, until

FILE = Path(__file__).with_name("transcript-telegram.md")
HEAD = """# On Telegram: a conversation as the platform saw it

Written by `python -m docs.transcript_telegram`, unedited: the server of the tests
(`tests/fake_telegram.py`) tells what people did and what the bot posted and edited, with Telegram's
limits switched on. In braces is what a text's entities say of it, by place and length in UTF-16
units. The model is a script.

````text
"""
CODE = """Like this 🙂:

```python
def reversed_words(text: str) -> str:
    return " ".join(reversed(text.split()))
```

| call | gives |
|---|---|
| `reversed_words("a b")` | `b a` |

It keeps **single** spaces only, @bob_of_tests.
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
    phrases, model = Phrases(), ScriptedGenerator(pieces, pause_s=0.5)
    engine = Engine(
        store,
        model,
        Commands(store, None, phrases, {"telegram:1"}),
        BotSettings(system="Be kind."),
        model="base",
        max_tokens=500,
        temperature=0,
        line=Line(4),
        phrases=phrases,
    )
    async with FakeTelegram(limits=True) as fake, asyncio.TaskGroup() as group:
        settings = Settings(bot_token=SecretStr(TOKEN), base_url=fake.url)
        group.create_task(serve(engine, TelegramAdapter(settings)))
        await until(lambda: fake.polling)
        await story(fake)
        engine.close()
    await store.close()
    return fake.log


async def story(fake: FakeTelegram) -> None:
    ada, bob = fake.person("Ada"), fake.person("Bob", "bob_of_tests")
    lab = fake.group("Lab")

    async def answered(said: Message) -> Message:
        def whole() -> list[Message]:
            mine = [one for one in fake.by_bot(lab) if one.reply_to is said]
            return [one for one in mine if one.buttons]

        await until(whole, within_s=40)
        return whole()[0]

    async def asked() -> Message:
        def offers() -> list[Message]:
            return [one for one in fake.by_bot(lab) if "force_reply" in (one.markup or {})]

        await until(offers, within_s=40)
        return offers()[0]

    fake.says(lab, bob, "Puzzle of the day: turn a sentence around.")
    answer = await answered(fake.says(lab, ada, "@mynah_bot how do I reverse the words of a text?"))
    fake.presses(answer, ada, "👎")
    correction = fake.says(lab, ada, "Say how it is done in one line.", reply_to=await asked())
    await until(lambda: (lab.id, correction.id) in fake.bot_reactions)
    await answered(fake.says(lab, bob, "and letter by letter?", reply_to=answer))
    command = fake.says(lab, bob, "/retrain@mynah_bot")

    def refused() -> list[Message]:
        mine = [one for one in fake.by_bot(lab) if one.reply_to is command]
        return [one for one in mine if one.text.startswith("Sorry")]

    await until(refused, within_s=40)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = asyncio.run(talk(folder))
    text = "\n".join(lines)
    FILE.write_text(f"{HEAD}{text}\n````\n", encoding="utf-8")


if __name__ == "__main__":
    main()
