"""An answer that grows is shown as it does: soon, seldom, whole, and also when it is cancelled."""

import asyncio

import pytest

from core.answer import Answer
from core.errors import AdapterError, RateLimited, Refused, Unasked
from core.streaming import Tempo, show
from core.types import Aside
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


WAIT = Aside("_Questions ahead of yours: 7._\n\n")


async def test_an_aside_stands_until_the_next_piece_and_never_in_the_answer():
    paper = Paper()
    pieces = ["Hello! ", WAIT, Aside("3 ahead"), "It is ", "so."]
    answer = await shown(paper, *pieces, pause_s=0.03)
    assert paper.sent[:3] == ["Hello! ", f"Hello! {WAIT}", "Hello! 3 ahead"]
    assert "Hello! It is " in paper.sent
    assert paper.visible == ["Hello! It is so."]
    assert answer.text == "Hello! It is so."


async def test_an_aside_that_nothing_follows_goes_and_so_does_its_message():
    paper = Paper()

    async def withdrawn():
        yield WAIT
        await until(lambda: paper.visible == [WAIT])
        raise Unasked("expired")

    answer = Answer(withdrawn())
    await show(answer, paper, Tempo(FREE), ["room:1"], every_s=0.01)
    assert paper.sent == [WAIT, "nothing"]
    assert paper.visible == []
    assert (answer.text, answer.outcome) == ("", "expired")


async def test_an_aside_for_which_there_is_no_room_is_left_out():
    paper, long = Paper(limit=200), "word " * 33
    await shown(paper, long, Aside("7 ahead" * 9), "and so on.", pause_s=0.03)
    assert not any("7 ahead" in sent for sent in paper.sent)
    assert paper.visible == [f"{long}and so on."]


async def test_where_messages_only_grow_asides_are_told_elsewhere():
    paper, told = Paper(), []
    await shown(paper, WAIT, "It is ", "so.", pause_s=0.03, aside=told.append)
    assert told == [WAIT]
    assert paper.visible == ["It is so."]
    assert not any("ahead" in sent for sent in paper.sent)


async def test_where_an_answer_waits_and_we_stop_the_next_try_goes_on_in_its_message():
    paper = Paper()

    async def waiting():
        yield WAIT
        await asyncio.Event().wait()

    answer = Answer(waiting())
    task = asyncio.create_task(show(answer, paper, Tempo(FREE), ["room:1"], every_s=0.01))
    await until(lambda: paper.visible == [WAIT])
    task.cancel()
    await asyncio.wait({task})
    await shown(paper, "At last.", answer={"refs": answer.refs})
    assert paper.visible == ["At last."]
