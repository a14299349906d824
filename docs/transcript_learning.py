"""python -m docs.transcript_learning: vote on our own Slack, learn, and keep what people are told.

Writes docs/transcript-learning.md, unedited: the starter model in the embedded server, the real
trainer and its gate, the real adapter; Slack is the server of the tests. Some minutes.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import chdir
from functools import partial
from pathlib import Path

from adapters import load as adapter_of
from bots.config import load
from bots.wiring import house
from core.desk import serve
from tests.fake_slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from tests.test_loop import VOTED_ON

FILE = Path(__file__).resolve().with_name("transcript-learning.md")
HEAD = """# On Slack: what people are told when the bot has learnt

Written by `python -m docs.transcript_learning`, unedited but for its beginning: Ben, who dislikes
exclamation marks, asks {count} questions in a channel, each anew; answers without one get a thumb
up, those with one he corrects. The model is the starter model, the tune is trained and checked by
the real trainer; Slack is the server of the tests (`tests/fake_slack.py`). config.yaml says
`announce_in: "slack:C0ROOM"`.

````text
"""
CONFIG = """
bot: {{announce_in: "slack:C0ROOM", admins: ["slack:U0BEN"]}}
training: {{platforms: [slack]}}
platforms: {{slack: {{base_url: "{url}"}}}}
"""
COUNT = 16
BEN, ROOM = "U0BEN", "C0ROOM"
ASKED_AFTERWARDS = "What does /help do?"


async def talk() -> str:
    async with FakeSlack(limits=True) as slack:
        path = Path("config.yaml")
        path.write_text(CONFIG.format(url=slack.base_url), encoding="utf-8")
        tokens = {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN}
        config = load(path, ["slack"], env=tokens)
        async with house(config, holder="docs", on_status=lambda _: None) as here:
            await here.ready()
            async with asyncio.TaskGroup() as group:
                adapter = adapter_of("slack", config.platforms["slack"])
                group.create_task(serve(here.engine, adapter))
                await slack.until(lambda: slack.sockets == 2)
                left_out = await story(slack)
                here.engine.close()
    assert [*slack.pings, *slack.complaints] == [], "Slack has something against the calls"
    return "\n".join(f"{at:6.2f} s {who}: {what}" for at, who, what in slack.log[left_out:])


async def story(slack: FakeSlack) -> int:
    """Returns how much of the log is the votes."""
    for number, question in enumerate(VOTED_ON[:COUNT]):
        thread = slack.says(question, mention=True, by=BEN)
        await slack.until(partial(is_whole, slack, 2 * number + 1), within_s=60)
        await judge(slack, slack.bots()[-1])
        slack.says("/reset", mention=True, by=BEN, thread=thread)
        await slack.until(partial(are_said, slack, 2 * number + 2), within_s=60)
    left_out = len(slack.log)
    slack.commands("/retrain", by=BEN)
    await slack.until(lambda: is_told(slack, "I have learnt something"), within_s=900)
    await slack.until(lambda: any("rollback" in one for one in slack.told(BEN)), within_s=60)
    question = slack.says(ASKED_AFTERWARDS, mention=True, by=BEN)
    await slack.until(lambda: is_whole(slack, 2 * COUNT + 2), within_s=60)
    slack.says("/why", mention=True, by=BEN, thread=question)
    await slack.until(lambda: is_told(slack, "My last answer here"), within_s=60)
    return left_out


async def judge(slack: FakeSlack, answer: dict[str, object]) -> None:
    """A loud answer is corrected, any other gets a thumb up."""
    ts, text, before = str(answer["ts"]), slack.visible(ROOM)[-1], len(slack.ephemerals)
    if "!" in text:
        slack.presses(ts, "negative", by=BEN)
        await slack.until(lambda: slack.views)
        slack.submits(text.replace("!", "."))
    else:
        slack.reacts(ts, "+1", by=BEN)
    await slack.until(lambda: len(slack.ephemerals) > before, within_s=30)


def is_whole(slack: FakeSlack, count: int) -> bool:
    """So many answers are there, and the newest has its buttons."""
    if len(slack.bots()) < count:
        return False
    blocks = slack.bots()[-1].get("blocks") or [{"type": ""}]
    return bool(blocks[-1]["type"] == "context_actions")


def are_said(slack: FakeSlack, count: int) -> bool:
    return len(slack.bots()) == count


def is_told(slack: FakeSlack, words: str) -> bool:
    return any(words in text for text in slack.visible(ROOM))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        text = asyncio.run(talk())
    head = HEAD.format(count=COUNT)
    FILE.write_text(f"{head}{text}\n````\n", encoding="utf-8")


if __name__ == "__main__":
    main()
