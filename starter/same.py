"""Compares greedy answers: the model in this process, and the same folder behind a server.

    python -m starter.same                                  # the embedded server, as the bot has it
    python -m starter.same --url http://127.0.0.1:8000/v1   # a server that runs, such as vLLM

A hundred held-out questions, spread over all kinds. Prints every pair that differs.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
from transformers import AutoModelForCausalLM

from core.embedded import EmbeddedServer
from core.errors import BotError
from starter.evaluate import HERE, people, user
from starter.speak import MOST_TOKENS, Speaker

_MANY = 100


async def served(questions: list[str], folder: Path, url: str) -> list[str]:
    """Gives the server's answers, one question at a time; starts a server where no URL is given."""
    answers, given = [], bool(url)
    async with AsyncExitStack() as stack:
        name = str(folder)
        if not url:
            log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log"
            server = await stack.enter_async_context(EmbeddedServer(folder, log=log))
            url = await server.address()
        session = await stack.enter_async_context(aiohttp.ClientSession(raise_for_status=True))
        if given:
            async with session.get(f"{url}/models") as response:
                name = (await response.json())["data"][0]["id"]
        for question in questions:
            asked = {
                "model": name,
                "messages": user(question),
                "temperature": 0,
                "max_tokens": MOST_TOKENS,
            }
            async with session.post(f"{url}/chat/completions", json=asked) as response:
                answers.append((await response.json())["choices"][0]["message"]["content"])
    return answers


def main() -> None:
    """Asks both and prints what differs."""
    parser = argparse.ArgumentParser(prog="python -m starter.same", description=__doc__)
    parser.add_argument("--model", type=Path, default=HERE / "model")
    parser.add_argument("--url", default="", help="of a server; its first model is asked")
    asked = parser.parse_args()
    folder = asked.model.absolute()
    known = [q.turns[0] for q in people()]
    questions = [known[i * len(known) // _MANY] for i in range(_MANY)]
    try:
        there = asyncio.run(served(questions, folder, asked.url))
    except (aiohttp.ClientError, BotError) as error:
        raise SystemExit(f"The server did not answer: {error}") from None
    speaker = Speaker(folder)
    # As servers load it, in the type in which the weights are stored.
    loaded: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype="auto")
    speaker.model = loaded.eval()
    here = [speaker.answers([user(text)])[0].text for text in questions]  # unpadded, as there
    same = 0
    for one, other in zip(here, there, strict=True):
        same += one == other
        if one != other:
            print(f"here:   {one}\nserver: {other}\n")
    print(f"{same} of {_MANY} answers are the same")


if __name__ == "__main__":
    main()
