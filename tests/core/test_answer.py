"""An answer grows, ends, is stopped or fails; what the reader sees and what is kept."""

import asyncio

import pytest

from core.answer import Answer
from core.errors import Broken, Closing, CutShort, StoreError, Unreachable
from core.phrases import Phrases
from core.types import ChannelRef, MessageRef

WORDS = Phrases()


class Diary:
    """Keeps what an answer reports, in order."""

    def __init__(self):
        self.entries = []

    async def placing(self):
        self.entries.append("placing")

    async def placed(self, ref):
        self.entries.append(ref)

    async def settle(self, text, outcome):
        self.entries.append((text, outcome))


async def saying(*pieces, error=None, closed=None):
    try:
        for piece in pieces:
            yield piece
        if error:
            raise error
    finally:
        if closed is not None:
            closed.append(True)


async def read(answer):
    return [piece async for piece in answer]


async def test_the_whole_text_is_kept_before_the_reader_hears_of_the_end():
    diary, seen = Diary(), []
    async with Answer(saying("Hel", "lo"), record=diary) as answer:
        async for piece in answer:
            seen.append(piece)
            assert diary.entries == []
        assert diary.entries == [("Hello", "answered")]
    assert seen == ["Hel", "lo"]
    assert (answer.text, answer.outcome) == ("Hello", "answered")


@pytest.mark.parametrize(
    ("error", "outcome", "note"),
    [
        (CutShort("at 512"), "cut", f"\n\n{WORDS.cut}"),
        (Broken("gone"), "failed", f"\n\n{WORDS.interrupted}"),
    ],
)
async def test_an_end_that_is_not_whole_is_marked_and_the_mark_is_not_kept(error, outcome, note):
    diary = Diary()
    assert await read(Answer(saying("so far", error=error), record=diary)) == ["so far", note]
    assert diary.entries == [("so far", outcome)]


async def test_a_model_that_cannot_be_reached_ends_in_one_sentence():
    diary = Diary()
    assert await read(Answer(saying(error=Unreachable("down")), record=diary)) == [WORDS.apology]
    assert diary.entries == [("", "failed")]


async def test_a_fault_of_ours_is_an_apology_too_and_a_shutdown_is_not(caplog):
    diary = Diary()
    assert await read(Answer(saying(error=ZeroDivisionError()), record=diary)) == [WORDS.apology]
    assert diary.entries == [("", "failed")]
    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(Closing):
        await read(Answer(saying("x", error=Closing("later")), record=diary))
    assert len(diary.entries) == 1


async def test_our_opening_is_shown_and_not_kept():
    answer = Answer(saying("text"), opening="(note) ")
    assert await read(answer) == ["(note) ", "text"]
    assert answer.text == "text"


async def test_stop_between_pieces_ends_the_answer_with_what_was_said():
    diary, closed, seen = Diary(), [], []
    answer = Answer(saying("one", "two", "three", closed=closed), record=diary)
    async for piece in answer:
        seen.append(piece)
        answer.stop()
    assert seen == ["one", f"\n\n{WORDS.stopped}"]
    assert diary.entries == [("one", "stopped")]
    assert closed


async def test_stop_before_the_answer_began_asks_no_model():
    asked = []

    async def pieces():
        asked.append(True)
        yield "one"

    answer = Answer(pieces())
    answer.stop()
    assert await read(answer) == [WORDS.stopped]
    assert asked == []


async def test_a_place_that_could_not_be_kept_is_placed_again():
    class Full(Diary):
        async def placed(self, ref):
            raise StoreError("full")

    answer = Answer(saying("x"), record=Full())
    await answer.placing()
    with pytest.raises(StoreError):
        await answer.placed(MessageRef(ChannelRef("wire", "me", "room"), "1"))
    assert answer.refs == []
    assert answer.unsure


async def test_stop_does_not_wait_for_a_silent_model():
    silent, closed = asyncio.Event(), []

    async def pieces():
        try:
            yield "one"
            silent.set()
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    answer = Answer(pieces())
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(read(answer))
        await silent.wait()
        answer.stop()
    assert reader.result() == ["one", f"\n\n{WORDS.stopped}"]
    assert answer.outcome == "stopped"
    assert closed


async def test_cancelling_the_reader_is_not_taken_for_a_stop_and_closes_the_model():
    silent, closed, diary = asyncio.Event(), [], Diary()

    async def pieces():
        try:
            yield "one"
            silent.set()
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def reader():
        async with Answer(pieces(), record=diary) as answer:
            await read(answer)

    task = asyncio.create_task(reader())
    await silent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed
    assert diary.entries == []


async def test_leaving_the_block_early_closes_the_model():
    closed = []
    async with Answer(saying("one", "two", closed=closed)) as answer:
        async for _ in answer:
            break
    assert closed


async def test_a_message_that_stands_is_kept_and_no_longer_unsure():
    diary = Diary()
    first, second = (MessageRef(ChannelRef("wire", "me", "room"), id) for id in ("1", "2"))
    answer = Answer(saying("x"), refs=[first], placing=True, record=diary)
    assert answer.unsure
    await answer.placing()
    await answer.placed(second)
    assert answer.refs == [first, second]
    assert not answer.unsure
    assert diary.entries == ["placing", second]


async def test_an_end_that_the_disk_takes_late_is_told_apart_from_code_and_once():
    class Full(Diary):
        refusals = 2

        async def settle(self, text, outcome):
            if self.refusals:
                self.refusals -= 1
                raise StoreError("There is no room left.")
            await super().settle(text, outcome)

    async def again(error):
        return True

    diary = Full()
    pieces = saying("```\ncode", error=CutShort("long"))
    async with Answer(pieces, record=diary, again=again) as answer:
        shown = "".join(await read(answer))
    assert shown == f"```\ncode\n```\n\n{WORDS.unkept}\n\n{WORDS.cut}"
    assert diary.entries == [("```\ncode", "cut")]
