"""Tunes come into service while people talk, and go again: no answer fails, and none is mixed."""

import asyncio
import itertools
import shutil
import time

from core.announcements import Announcements
from core.serving import roll_back
from core.training.publish import KEPT, retire
from tests.vllm.bot import TOKENS, answered, bot, serves
from tests.vllm.conftest import adapter
from tests.vllm.test_vllm import QUESTIONS, placed, prompt, said

KINDS, SWAPS, STREAMS = (31, 32, 33), 200, 50
ROLLED_BACK_WITHIN_S = 5


async def test_two_hundred_swaps_under_fifty_conversations_mix_no_answers(served, tmp_path):
    """Each answer is that of the version which the store says answered it. Old ones go meanwhile,
    but none for which an answer still waits in line. At the end the last is rolled back, while
    nothing trains or judges.
    """
    own, kind_of = {}, {}
    async with served.client() as client:
        for kind in KINDS:
            adapter(served.shelf / ".kinds" / str(kind), kind)
            name = placed(served, kind)
            for question in QUESTIONS:
                own[kind, question] = await said(client, prompt(question, name, TOKENS))
    assert len({text for text, _ in own.values()}) == len(own)
    right = 0

    async with bot(served, tmp_path) as one:
        store, _ = one

        async def swap(number):
            kind, name = KINDS[number % len(KINDS)], await store.next_tune()
            while (served.shelf / name).exists():  # the shelf is that of all tests here
                name = await store.next_tune()
            whole = served.shelf / ".run" / name
            await asyncio.to_thread(
                shutil.copytree, served.shelf / ".kinds" / str(kind), whole, dirs_exist_ok=True
            )
            whole.rename(served.shelf / name)
            kind_of[name] = kind
            before = await store.serving()
            await serves(store, name, served.shelf / name)
            await retire(store, served.shelf, {name, before})

        async def talk(questions):
            nonlocal right
            while swapping:
                turn = await answered(one, question := next(questions), within_s=60)
                assert turn.outcome in ("answered", "cut"), turn.outcome
                text, _ = own[kind_of[turn.recipe.model], question]
                assert turn.answer.strip() == text.strip(), turn.recipe.model
                right += 1

        await swap(0)
        swapping = True
        async with asyncio.TaskGroup() as group:
            for n in range(STREAMS):
                group.create_task(talk(itertools.cycle(QUESTIONS[n % 4 :] + QUESTIONS[: n % 4])))
            for number in range(1, SWAPS + 1):
                before = right
                await swap(number)
                while right < before + 2:
                    await asyncio.sleep(0.001)
            last, began = await store.serving(), time.monotonic()
            await roll_back(store, Announcements(None))
            assert time.monotonic() - began < ROLLED_BACK_WITHIN_S
            # Asked from here on; how long it then waits in line is not the roll-back's.
            turn = await answered(one, QUESTIONS[0], within_s=60)
            assert turn.recipe.model == await store.serving() != last
            swapping = False
        await retire(store, served.shelf, {await store.serving()})  # no answer is under way now
        kept = [tune for tune in await store.tunes() if tune.path]
        assert len(kept) == KEPT  # of 201
    assert right >= 2 * SWAPS
