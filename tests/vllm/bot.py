"""All of a bot but its platforms, on a real vLLM: a room asks, the store says what became of it."""

import asyncio
import itertools
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bots.config import load
from bots.wiring import house
from core.desk import serve
from core.types_learning import Tune
from tests.core.room import ListAdapter, asked
from tests.fakes import until
from tests.vllm.served import KEY

TOKENS, WITHIN_S = 24, 10
ids = itertools.count(1)


@asynccontextmanager
async def bot(served, folder):
    """Its store and its room; what it keeps lies in `folder`."""
    (folder / "config.yaml").write_text(
        f"bot: {{turns_per_minute: 100000}}\n"
        f"generation: {{url: '{served.url}', model: starter, key_env: KEY, temperature: 0,"
        f" max_tokens: {TOKENS}}}\n"
        f"training: {{folder: '{served.shelf}'}}\n"
        f"storage: {{url: 'sqlite:///{folder}/mynah.db'}}\n"
    )
    config = await asyncio.to_thread(load, folder / "config.yaml", ["console"], {"KEY": KEY})
    async with house(config, holder="the test", on_status=print) as built:
        room = ListAdapter(stays=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(built.engine, room))
            await until(lambda: room.seen is not None)
            yield built.store, room
            built.engine.close()


async def ask(bot, question):
    """In a conversation of its own: where it stands."""
    message = asked(question, id=(number := str(next(ids))), thread=f"thread {number}")
    await bot[1].deliver(message)
    return message.ref


async def answered(bot, question, within_s=WITHIN_S):
    """The turn, when it is done."""
    store, ref = bot[0], await ask(bot, question)
    async with asyncio.timeout(within_s):
        while (turn := await store.heard(ref)).status != "done":
            await asyncio.sleep(0.02)
    return turn


async def serves(store, name, folder):
    tune = Tune(name, "starter", str(folder), "passed", (), "Learnt.", datetime.now(UTC))
    await store.put_tune(tune)
    await store.serve(name, datetime.now(UTC))
