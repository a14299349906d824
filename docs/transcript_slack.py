"""python -m docs.transcript_slack: talk to the bot on our own Slack and keep what happened.

Writes docs/transcript-slack.md, unedited: the server of the tests tells the story, the model is a
script, everything between them is the real thing, at its real pace.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from pydantic import SecretStr

from adapters.slack import Settings, SlackAdapter
from core.commands import Commands
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.line import Line
from core.phrases import Phrases
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore
from tests.fake_slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from tests.fakes import ScriptedGenerator

FILE = Path(__file__).with_name("transcript-slack.md")
HEAD = """# On Slack: a conversation as the platform saw it

Written by `python -m docs.transcript_slack`, unedited: the server of the tests
(`tests/fake_slack.py`) tells what people did and what the bot showed, with Slack's limits switched
on. The answer in the thread is a native stream; the calls that made it stand below. The model is a
script.

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

It keeps **single** spaces only, <!here>.
"""
SAYS = {
    "how do I reverse the words of a text?": CODE,
    "and letter by letter?": "Then `text[::-1]` does it.",
}


def pieces(question: str) -> list[str]:
    said = next((SAYS[known] for known in SAYS if question.endswith(known)), "I do not know.")
    return [f"{line}\n" for line in said.split("\n")]


async def talk(folder: str) -> str:
    store = await SqlStore.open(StorageSettings(url=f"sqlite:///{folder}/t.db"), holder="docs")
    phrases, model = Phrases(), ScriptedGenerator(pieces, pause_s=0.4)
    engine = Engine(
        store,
        model,
        Commands(store, None, phrases, {"slack:U0BEN"}),
        BotSettings(system="Be kind."),
        model="base",
        max_tokens=500,
        temperature=0,
        line=Line(4),
        phrases=phrases,
    )
    tokens = {"bot_token": SecretStr(BOT_TOKEN), "app_token": SecretStr(APP_TOKEN)}
    async with FakeSlack(limits=True) as slack, asyncio.TaskGroup() as group:
        adapter = SlackAdapter(Settings(**tokens, base_url=slack.base_url))
        group.create_task(serve(engine, adapter))
        await slack.until(lambda: slack.sockets == 2)
        await story(slack)
        engine.close()
    await store.close()
    assert [*slack.pings, *slack.complaints] == [], "Slack has something against the calls"
    return told(slack)


async def story(slack: FakeSlack) -> None:
    slack.says("Puzzle of the day: turn a sentence around.", by="U0BEN")
    question = slack.says("how do I reverse the words of a text?", mention=True)
    await slack.until(lambda: has_buttons(slack), within_s=30)
    slack.presses(slack.bots()[0]["ts"], "negative")
    await slack.until(lambda: slack.views)
    slack.submits("Say how it is done in one line.")
    await slack.until(lambda: slack.ephemerals)
    slack.says("and letter by letter?", by="U0BEN", thread=question)
    await slack.until(lambda: len(slack.bots()) == 2 and has_buttons(slack), within_s=30)
    slack.reacts(slack.bots()[1]["ts"], "+1", by="U0BEN")
    await slack.until(lambda: len(slack.ephemerals) == 2)
    slack.commands("/retrain")
    await slack.until(lambda: len(slack.ephemerals) == 3)


def has_buttons(slack: FakeSlack) -> bool:
    """The newest answer is whole."""
    blocks = slack.bots()[-1].get("blocks") or [{"type": ""}] if slack.bots() else [{"type": ""}]
    return bool(blocks[-1]["type"] == "context_actions")


def told(slack: FakeSlack) -> str:
    lines = [f"{at:6.2f} s {who}: {what}" for at, who, what in slack.log]
    calls: dict[str, int] = {}
    for call in slack.calls:
        calls[call.method] = calls.get(call.method, 0) + 1
    counted = ", ".join(f"{method} {count}" for method, count in calls.items())
    return "\n".join([*lines, "", f"Calls: {counted}"])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = asyncio.run(talk(folder))
    FILE.write_text(f"{HEAD}{text}\n````\n", encoding="utf-8")


if __name__ == "__main__":
    main()
