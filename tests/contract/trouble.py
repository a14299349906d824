"""Calls fail or are refused, and answers are tried again: each stands there once all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.answer import Answer
from core.errors import Refused
from core.types import IncomingMessage, MessageRef, Outcome
from tests.contract.rig import Rig, need
from tests.contract.talk import asked, replied
from tests.fakes import until


async def half_answered(rig: Rig) -> tuple[IncomingMessage, Answer]:
    """A question, and its answer as it stood when the house went down; it is up again."""
    message = await asked(rig)
    first = await replied(rig, message, "I thi")
    await rig.stop()
    await rig.start()
    return message, first


class Trouble:
    async def test_a_refused_call_is_repeated_when_it_may(self, rig: Rig):
        need(rig, "rates")
        message = await asked(rig)
        rig.refuse_next(retry_after_s=1, times=2)
        started = asyncio.get_running_loop().time()
        await replied(rig, message, "patience")
        assert rig.visible() == ["patience"]
        assert asyncio.get_running_loop().time() - started >= 1

    async def test_the_end_of_an_answer_outlives_a_bad_day(self, rig: Rig):
        need(rig, "faults")
        message = await asked(rig)

        async def pieces() -> AsyncGenerator[str]:
            yield "the beginning "
            await until(rig.visible)
            rig.fail_next(2)
            yield "and the end"

        async with Answer(pieces()) as answer:
            await rig.adapter.reply(message, answer)
        assert rig.visible() == ["the beginning and the end"]

    async def test_a_call_that_was_done_all_the_same_is_not_done_twice(self, rig: Rig):
        need(rig, "faults")
        message = await asked(rig)
        rig.fail_next(done=True)
        await replied(rig, message, "once")
        strays = 1 if "doubts" in rig.lacks else 0
        assert [text for text in rig.visible() if text != "…"] == ["once"]
        assert len(rig.visible()) <= 1 + strays

    async def test_a_second_try_goes_on_in_the_same_message(self, rig: Rig):
        need(rig, "messages")
        message, first = await half_answered(rig)
        await replied(rig, message, "I think so.", refs=first.refs)
        assert rig.visible() == ["I think so."]

    async def test_a_second_try_finds_the_message_of_which_nobody_knows(self, rig: Rig):
        need(rig, "doubts")
        message, first = await half_answered(rig)
        again = await replied(rig, message, "I think so.", placing=True)
        assert rig.visible() == ["I think so."]
        assert again.refs == first.refs

    async def test_a_second_try_that_is_shorter_leaves_nothing_of_the_first(self, rig: Rig):
        need(rig, "removals", "limits")
        message = await asked(rig)
        first = await replied(rig, message, "word " * (rig.limit // 3))
        assert len(rig.visible()) > 1
        await rig.stop()
        await rig.start()
        again = await replied(rig, message, "In short: no.", refs=first.refs)
        assert rig.visible() == ["In short: no."]
        assert again.refs[0] == first.refs[0]

    async def test_a_second_try_that_finds_nothing_posts(self, rig: Rig):
        need(rig, "messages")
        message = await asked(rig)
        other = await asked(rig)
        await replied(rig, other, "to another question")
        async with asyncio.timeout(15):
            answer = await replied(rig, message, "I think so.", placing=True)
        assert rig.visible() == ["to another question", "I think so."]
        assert len(answer.refs) == 1

    async def test_the_store_knows_of_a_message_before_it_is_posted(self, rig: Rig):
        """Else nobody would look for it after a crash between the two, and post it again."""
        need(rig, "messages")
        shown_before: list[int] = []

        class Watching:
            async def placing(self) -> None:
                shown_before.append(len(rig.visible()))

            async def placed(self, ref: MessageRef) -> None:
                assert len(rig.visible()) == len(shown_before)

            async def settle(self, text: str, outcome: Outcome) -> None: ...

        message = await asked(rig)
        await replied(rig, message, "word " * (rig.limit // 3), record=Watching())
        assert len(shown_before) > 1
        assert shown_before == [*range(len(shown_before))]

    async def test_what_was_read_stays_visible_when_cancelled(self, rig: Rig):
        message, read = await asked(rig), asyncio.Event()

        async def endless() -> AsyncGenerator[str]:
            yield "so far"
            read.set()
            await asyncio.Event().wait()

        async with Answer(endless()) as answer:
            task = asyncio.create_task(rig.adapter.reply(message, answer))
            await read.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert rig.visible() == ["so far"]

    async def test_an_answer_that_somebody_deletes_meanwhile_ends_quietly(self, rig: Rig):
        need(rig, "removals")
        message, gone = await asked(rig), asyncio.Event()

        async def pieces() -> AsyncGenerator[str]:
            yield "nobody wants "
            await gone.wait()
            yield "this"

        async with Answer(pieces()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(lambda: answer.refs)
            await rig.delete(answer.refs[0].id)
            rig.mistakes.clear()
            gone.set()
        assert rig.visible() == []
        rig.mistakes.clear()  # that the platform does not know the message any more is no mistake

    async def test_where_we_may_not_write_we_are_refused_for_good(self, rig: Rig):
        need(rig, "credentials")
        message = await asked(rig)
        rig.shut_out()
        with pytest.raises(Refused):
            await replied(rig, message, "hello?")
        rig.mistakes.clear()

    async def test_a_wrong_token_is_refused_and_the_setting_is_named(self, rig: Rig):
        need(rig, "credentials")
        with pytest.raises((Refused, ExceptionGroup)) as caught:
            async with asyncio.timeout(10):
                await rig.run_with_wrong_token()
        error: BaseException = caught.value
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, Refused)
        assert "bot_token" in str(error)
        assert not any(secret in str(error) for secret in rig.secrets)
        rig.mistakes.clear()
