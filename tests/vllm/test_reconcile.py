"""After a restart of either side what serves is what the store says, within ten seconds."""

import asyncio
import shutil

from tests.vllm.bot import TOKENS, WITHIN_S, answered, ask, bot, serves
from tests.vllm.test_vllm import placed, prompt, said

ASK = "Hello! Who are you?"


async def answer(bot):
    return (await answered(bot, ASK)).answer


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
                await ask(
                    some, ASK
                )  # whoever asks while it is away keeps nobody else from an answer
            await asyncio.to_thread(served.start)
            texts = await asyncio.gather(answer(keeps), answer(loses))
            assert [text.strip() for text in texts] == [own[one], own["starter"]]
            assert await loses[0].serving() is None

        async with asyncio.timeout(WITHIN_S), bot(served, first) as again:
            assert (await answer(again)).strip() == own[one]
            assert await again[0].serving() == one
