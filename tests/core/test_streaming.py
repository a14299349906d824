"""An answer that grows is shown as it does: soon, seldom, whole, and also when it is cancelled."""

import asyncio

import pytest

from core.answer import Answer
from core.errors import AdapterError, RateLimited, Refused
from core.streaming import Tempo, show
from tests.core.paper import FREE, Paper, saying, shown
from tests.fakes import until


async def test_the_whole_answer_is_shown_and_the_buttons_stand_under_its_end():
    paper = Paper()
    answer = await shown(paper, "Hel", "lo ", "world.", pause_s=0.02)
    assert paper.visible == ["Hello world."]
    assert paper.buttons == ["m0"]
    assert [ref.id for ref in answer.refs] == ["m0"]
    assert answer.outcome == "answered"


async def test_what_is_known_at_once_costs_one_call():
    paper = Paper()
    await shown(paper, "There is no answer under way.")
    assert paper.calls == ["post"]


async def test_an_empty_answer_shows_nothing():
    paper = Paper()
    assert (await shown(paper)).refs == []
    await shown(paper, "  \n", " ")
    assert paper.calls == []


async def test_a_thousand_pieces_cost_few_calls():
    paper = Paper(limit=4_000)
    await shown(paper, *["a "] * 1_000, every_s=10)
    assert paper.visible == ["a " * 1_000]
    assert len(paper.calls) <= 3


async def test_edits_keep_their_distance_and_the_latest_text_wins():
    paper = Paper()
    await shown(paper, *[f"{n} " for n in range(60)], pause_s=0.005, every_s=0.1)
    assert 3 <= len(paper.calls) <= 8
    assert paper.visible == ["".join(f"{n} " for n in range(60))]


async def test_a_slow_platform_holds_up_no_model():
    paper, read = Paper(hangs=True), asyncio.Event()

    async def pieces():
        for _ in range(100):
            yield "word "
        read.set()

    task = asyncio.create_task(show(Answer(pieces()), paper, Tempo(FREE), ["room:1"], every_s=0.01))
    await asyncio.wait_for(read.wait(), 2)
    task.cancel()
    await asyncio.wait({task}, timeout=0.01)  # it waits for the call under way, but not for ever
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_long_answer_goes_on_in_further_messages():
    paper = Paper()
    words = [f"word{n} " for n in range(100)]
    answer = await shown(paper, *words, pause_s=0.001)
    assert "".join(paper.visible) == "".join(words)
    assert [ref.id for ref in answer.refs] == list(paper.texts)
    assert len(paper.texts) > 3
    assert paper.buttons == [answer.refs[-1].id]


async def test_the_rest_of_a_very_long_answer_is_a_file():
    paper = Paper(most_pages=2)
    text = "```py\n" + "x = 1\n" * 200 + "```"
    answer = await shown(paper, text, every_s=0)
    assert len(paper.texts) == 2
    assert paper.buttons == ["m1"]
    [rest] = paper.files.values()
    assert rest.startswith("```py\nx = 1\n")
    code = [page.removeprefix("```py\n").removesuffix("```") for page in [*paper.visible, rest]]
    assert "".join(code) == "x = 1\n" * 200
    assert [ref.id for ref in answer.refs] == ["m0", "m1", "m2"]


@pytest.mark.parametrize("tries", [1, 2])
async def test_where_no_file_is_taken_a_very_long_answer_goes_on_in_messages(tries):
    """The second time, the platform failed after some of them."""
    faults = [None, None, Refused("no files here"), None, None, None]
    failures = [AdapterError("502")] * 5 if tries == 2 else []
    paper = Paper(most_pages=2, faults=[*faults, *failures])
    words = [f"word{n} " for n in range(150)]
    refs = []
    for number in range(tries):
        answer = Answer(saying("".join(words)), refs=refs, placing=bool(refs))
        trying = show(answer, paper, Tempo(FREE), ["room:1"], every_s=0)
        if number + 1 < tries:
            with pytest.raises(AdapterError):
                await trying
        else:
            await trying
        refs = answer.refs
    assert "".join(paper.visible) == "".join(words)
    assert len(paper.texts) == len(refs) > 4
    assert paper.buttons == [refs[-1].id]
    assert paper.files == {}


async def test_only_the_whole_text_is_posted_where_edits_are_off():
    paper = Paper()
    await shown(paper, "Hel", "lo", pause_s=0.02, edits=False)
    assert paper.calls == ["post"]
    assert paper.visible == ["Hello"]


async def test_a_placeholder_is_posted_where_nobody_can_look_and_the_words_are_an_edit():
    paper = Paper()
    await shown(paper, "Hel", "lo", placeholder="…")
    assert paper.sent == ["…", "Hello"]
    assert paper.lasts == [False, True]


async def test_the_first_words_follow_their_placeholder_as_soon_as_they_may():
    paper, tempo, loop = Paper(), Tempo({"room": (1, 0.3)}), asyncio.get_running_loop()
    started = loop.time()
    answer = Answer(saying(*["a "] * 10, pause_s=0.1))
    await show(answer, paper, tempo, ["room:1"], every_s=0.7, placeholder="…")
    assert paper.sent[0] == "…"
    assert 0.28 <= paper.times[1] - started < 0.6


async def test_the_words_behind_a_placeholder_are_the_latest_by_then():
    paper, tempo = Paper(), Tempo({"room": (1, 0.3)})
    answer = Answer(saying(*["a "] * 10, pause_s=0.05))
    await show(answer, paper, tempo, ["room:1"], every_s=0.01, placeholder="…")
    assert paper.sent[0] == "…"
    assert len(paper.sent[1]) > 4
    assert paper.visible == ["a " * 10]


async def test_what_became_whole_behind_a_placeholder_costs_one_edit():
    paper, tempo = Paper(), Tempo({"room": (1, 0.3)})
    answer = Answer(saying("all ", "of ", "it", pause_s=0.01))
    await show(answer, paper, tempo, ["room:1"], every_s=0.01, placeholder="…")
    assert paper.sent == ["…", "all of it"]
    assert paper.buttons == ["m0"]


# Cancellation


async def test_what_was_read_is_shown_when_cancelled():
    paper, read = Paper(), asyncio.Event()

    async def endless():
        yield "so "
        await until(lambda: paper.texts)
        yield "far"
        read.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(show(Answer(endless()), paper, Tempo(FREE), ["room:1"], every_s=60))
    await read.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert paper.visible == ["so far"]
    assert paper.buttons == []


async def test_the_whole_text_is_shown_whenever_it_was_read_before_the_cancellation():
    paper = Paper(faults=[RateLimited("slow down", retry_after_s=0.1)])
    answer = Answer(saying("all of it"))
    task = asyncio.create_task(show(answer, paper, Tempo(FREE), ["room:1"], every_s=60))
    await until(lambda: paper.calls)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert paper.visible == ["all of it"]
