"""After a restart of either side what serves is what the store says, within ten seconds."""

import asyncio
import itertools
import shutil
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bots.config import load
from bots.wiring import house
from core.desk import serve
from core.types import Tune
from tests.core.room import ListAdapter, asked
from tests.fakes import until
from tests.vllm.served import KEY
from tests.vllm.test_vllm import placed, prompt, said

ASK, TOKENS, WITHIN_S = "Hello! Who are you?", 24, 10
ids = itertools.count(1)


@asynccontextmanager
async def bot(served, folder):
    """All of a bot but its platforms, for a room; what it keeps lies in `folder`."""
    (folder / "config.yaml").write_text(
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


async def ask(bot):
    """A question that begins a conversation: where it stands."""
    message = asked(ASK, id=(number := str(next(ids))), thread=f"thread {number}")
    await bot[1].deliver(message)
    return message.ref


async def answer(bot):
    store, ref = bot[0], await ask(bot)
    async with asyncio.timeout(WITHIN_S):
        while (turn := await store.heard(ref)).status != "done":
            await asyncio.sleep(0.02)
    return turn.answer


async def serves(store, name, folder):
    tune = Tune(name, "starter", str(folder), "passed", (), "Learnt.", datetime.now(UTC))
    await store.put_tune(tune)
    await store.serve(name, datetime.now(UTC))


async def test_after_a_restart_of_either_side_answers_what_the_store_says(served, tmp_path):
    """Two bots, so that the server is started once only: of the second the tune's files go."""
    one, other = placed(served, 21), placed(served, 22)
    first, second = tmp_path / "first", tmp_path / "second"
    async with served.client() as client:
        own = {
            model: (await said(client, prompt(ASK, model, TOKENS)))[0].strip()
            for model in ("starter", one, other)
        }
    assert len(set(own.values())) == 3
    for folder in (first, second):
        folder.mkdir()
    async with bot(served, second) as loses:
        async with bot(served, first) as keeps:
            for (store, _), name in ((keeps, one), (loses, other)):
                await serves(store, name, served.shelf / name)
            assert (await answer(keeps)).strip() == own[one]
            assert (await answer(loses)).strip() == own[other]

            await asyncio.to_thread(served.kill)
            shutil.rmtree(served.shelf / other)
            for some in (keeps, loses):
                await ask(some)  # whoever asks while it is away keeps nobody else from an answer
            await asyncio.to_thread(served.start)
            texts = await asyncio.gather(answer(keeps), answer(loses))
            assert [text.strip() for text in texts] == [own[one], own["starter"]]
            assert await loses[0].serving() is None

        async with asyncio.timeout(WITHIN_S), bot(served, first) as again:
            assert (await answer(again)).strip() == own[one]
            assert await again[0].serving() == one
