"""Calls that wait, are refused or fail: what an answer shows all the same, and who is told."""

import asyncio

import pytest

from core.answer import Answer
from core.errors import AdapterError, Closing, RateLimited, Refused, StoreError
from core.streaming import Tempo, show
from tests.core.paper import FREE, Paper, saying, shown
from tests.fakes import until


async def test_the_first_words_wait_for_their_turn_and_are_the_latest_by_then():
    paper, tempo, loop = Paper(), Tempo({"room": (1, 0.3)}), asyncio.get_running_loop()
    await tempo.turn("room:1")
    started = loop.time()
    answer = Answer(saying(*["a "] * 10, pause_s=0.05))
    await show(answer, paper, tempo, ["room:1"], every_s=0.01)
    assert 0.28 <= paper.times[0] - started < 0.55
    assert len(paper.sent[0]) > 4
    assert len(paper.calls) <= 4
    assert paper.visible == ["a " * 10]


async def test_what_became_whole_while_it_waited_for_its_turn_costs_one_call():
    paper, tempo = Paper(), Tempo({"room": (1, 0.3)})
    await tempo.turn("room:1")
    answer = Answer(saying("all ", "of ", "it", pause_s=0.01))
    await show(answer, paper, tempo, ["room:1"], every_s=0.01)
    assert paper.sent == ["all of it"]


async def test_a_rate_limit_at_the_end_is_waited_for():
    paper = Paper(faults=[RateLimited("slow down", retry_after_s=0.2)])
    started = asyncio.get_running_loop().time()
    await shown(paper, "patience")
    assert paper.visible == ["patience"]
    assert asyncio.get_running_loop().time() - started >= 0.2
    assert paper.calls == ["post", "post"]  # it was not posted: nobody has to look


async def test_a_rate_limit_on_the_way_leaves_edits_out_until_it_is_over():
    paper = Paper(limit=4_000, faults=[None, RateLimited("slow down", retry_after_s=0.3)])
    await shown(paper, *["a "] * 100, pause_s=0.005, every_s=0.01)
    assert paper.visible == ["a " * 100]
    assert paper.times[2] - paper.times[1] >= 0.29


@pytest.mark.parametrize("is_of_place", [True, False])
@pytest.mark.parametrize("edits", [True, False])
async def test_a_limit_of_one_place_holds_up_no_other(is_of_place, edits):
    tempo, loop = Tempo({"room": (10_000, 1.0), "all": (10_000, 1.0)}), asyncio.get_running_loop()
    fault = RateLimited("slow down", retry_after_s=0.3, is_of_place=is_of_place)
    limited, other = Paper(faults=[fault]), Paper()

    async def one(paper, room):
        keys = [f"room:{room}", "all:"]
        answer = Answer(saying("a ", "b", pause_s=0.02))
        await show(answer, paper, tempo, keys, every_s=0.01, edits=edits)

    async with asyncio.TaskGroup() as group:
        group.create_task(one(limited, 1))
        await until(lambda: not limited.faults)
        began = loop.time()
        group.create_task(one(other, 2))
    assert limited.visible == other.visible == ["a b"]
    assert limited.times[1] - limited.times[0] >= 0.29
    assert (other.times[0] - began < 0.2) is is_of_place


async def test_edits_give_way_to_what_cannot_be_left_out():
    tempo, papers = Tempo({"room": (8, 1.0)}), [Paper() for _ in range(6)]

    async def one(paper):
        answer = Answer(saying(*["a "] * 40, pause_s=0.02))
        await show(answer, paper, tempo, ["room:1"], every_s=0.01)

    started = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for paper in papers:
            group.create_task(one(paper))
    took_s = asyncio.get_running_loop().time() - started
    assert all(paper.visible == ["a " * 40] for paper in papers)
    calls = sum(len(paper.calls) for paper in papers)
    assert calls <= 8 * (took_s + 1)
    assert took_s < 3


async def test_a_failing_edit_on_the_way_is_left_out():
    paper = Paper(faults=[None, AdapterError("502"), AdapterError("502")])
    await shown(paper, *["a "] * 30, pause_s=0.005, every_s=0.02)
    assert paper.visible == ["a " * 30]


@pytest.mark.parametrize(
    "fault", [AdapterError("502"), RateLimited("slow down", retry_after_s=0.05)]
)
async def test_what_could_not_be_shown_is_shown_also_while_the_model_is_silent(fault):
    paper, seen = Paper(faults=[None, fault]), asyncio.Event()

    async def pieces():
        yield "first "
        await until(lambda: paper.texts)
        yield "second "
        await until(lambda: paper.visible == ["first second "])
        seen.set()

    await show(Answer(pieces()), paper, Tempo(FREE), ["room:1"], every_s=0.01)
    assert seen.is_set()


async def test_the_end_is_repeated_and_given_back_after_five_failures():
    paper = Paper(faults=[AdapterError("502")] * 2)
    await shown(paper, "at last")
    assert paper.visible == ["at last"]
    paper = Paper(faults=[AdapterError("502")] * 5)
    with pytest.raises(AdapterError):
        await shown(paper, "never")
    assert paper.calls.count("post") == 5


async def test_a_refusal_is_final_and_closes_the_model():
    paper, closed = Paper(faults=[Refused("not in the channel")]), []

    async def endless():
        try:
            yield "word"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async with Answer(endless()) as answer:
        with pytest.raises(Refused):
            await show(answer, paper, Tempo(FREE), ["room:1"], every_s=0.01)
    assert closed
    assert paper.calls == ["post"]


async def test_a_refusal_of_the_end_is_not_repeated():
    paper = Paper(faults=[Refused("not in the channel")])
    with pytest.raises(Refused):
        await shown(paper, "hello?")
    assert paper.calls == ["post"]


async def test_a_post_whose_answer_was_lost_is_found_and_not_posted_again():
    paper = Paper(lost=True, faults=[AdapterError("the connection was cut")])
    answer = await shown(paper, "once")
    assert paper.calls.count("post") == 1
    assert paper.visible == ["once"]
    assert paper.buttons == ["m0"]
    assert [ref.id for ref in answer.refs] == ["m0"]


@pytest.mark.parametrize("error", [StoreError("the disk is full"), Closing("later")])
async def test_what_stops_the_reading_is_raised_as_it_is(error):
    paper = Paper()
    with pytest.raises(type(error)):
        await show(
            Answer(saying("so far", error=error)), paper, Tempo(FREE), ["room:1"], every_s=0.01
        )
