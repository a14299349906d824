"""A growing answer on a small surface that posts and edits, refuses, fails and hangs on demand."""

import asyncio
from dataclasses import dataclass, field

import pytest

from core.answer import Answer
from core.errors import AdapterError, Closing, RateLimited, Refused, StoreError
from core.streaming import Tempo, show
from core.types import ChannelRef, MessageRef
from tests.fakes import until

ROOM = ChannelRef("paper", "me", "room")
FREE = {"room": (10_000, 1.0)}


@dataclass
class Paper:
    """Keeps what each message shows. `faults`: what the next calls raise; `lost`: once done."""

    limit: int = 200
    most_pages: int = 5
    texts: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)  # the messages that show them
    files: dict[str, str] = field(default_factory=dict)
    parts: dict[int, str] = field(default_factory=dict)  # where each part was posted
    calls: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    lasts: list[bool] = field(default_factory=list)
    faults: list[Exception | None] = field(default_factory=list)
    lost: bool = False
    hangs: bool = False

    def size(self, text):
        return len(text.strip())

    async def find(self, part):
        self.calls.append("find")
        return MessageRef(ROOM, self.parts[part]) if part in self.parts else None

    async def post(self, part, text, *, last):
        await self._reached("post", text)
        ref = MessageRef(ROOM, f"m{len(self.texts) + len(self.files)}")
        self._shows(ref.id, text, last)
        self.parts[part] = ref.id
        self._answered()
        return ref

    async def edit(self, ref, text, *, last):
        await self._reached("edit", text)
        self._shows(ref.id, text, last)

    async def remove(self, ref):
        await self._reached("remove", "nothing")
        self.texts.pop(ref.id, None)

    async def attach(self, part, text):
        await self._reached("attach", "file")
        ref = MessageRef(ROOM, f"m{len(self.texts) + len(self.files)}")
        self.files[ref.id] = text
        self.parts[part] = ref.id
        self._answered()
        return ref

    def _shows(self, id, text, last):
        self.texts[id] = text
        self.lasts.append(last)
        self.buttons = [one for one in self.buttons if one != id] + [id] * last

    async def _reached(self, call, text):
        self.calls.append(call)
        self.sent.append(text)
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0)
        assert text.strip(), "a platform refuses what shows nothing"
        assert len(text) <= self.limit
        if self.hangs:
            await asyncio.Event().wait()
        if not self.lost and self.faults and (fault := self.faults.pop(0)):
            raise fault

    def _answered(self):
        if self.lost and self.faults and (fault := self.faults.pop(0)):
            raise fault

    @property
    def visible(self):
        return list(self.texts.values())


async def saying(*pieces, pause_s=0.0, error=None):
    for piece in pieces:
        await asyncio.sleep(pause_s)
        yield piece
    if error:
        raise error


async def shown(paper, *pieces, every_s=0.01, rates=FREE, pause_s=0.0, **how):
    answer = Answer(saying(*pieces, pause_s=pause_s), **how.pop("answer", {}))
    await show(answer, paper, Tempo(rates), ["room:1"], every_s=every_s, **how)
    return answer


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


# Rates and failures


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


async def test_before_every_new_message_its_placing_is_kept():
    kept = []

    class Record:
        async def placing(self):
            kept.append(f"placing, {len(paper.texts) + len(paper.files)} there")

        async def placed(self, ref):
            kept.append(ref.id)

        async def settle(self, text, outcome):
            kept.append(outcome)

    paper = Paper(most_pages=2)
    await shown(paper, "word " * 100, answer={"record": Record()})
    assert kept == [
        "answered",
        *["placing, 0 there", "m0"],
        *["placing, 1 there", "m1"],
        *["placing, 2 there", "m2"],
    ]


# Second tries


async def test_a_second_try_goes_on_in_the_same_messages():
    paper = Paper(texts={"m0": "I thi"}, buttons=["m0"])
    answer = await shown(paper, "I think so.", answer={"refs": [MessageRef(ROOM, "m0")]})
    assert paper.calls == ["edit"]
    assert paper.visible == ["I think so."]
    assert [ref.id for ref in answer.refs] == ["m0"]


async def test_before_a_post_that_may_have_been_made_its_message_is_looked_for():
    paper = Paper(texts={"m0": "I thi"}, parts={0: "m0"})
    answer = await shown(paper, "I think so.", answer={"placing": True})
    assert paper.calls == ["find", "edit"]
    assert paper.visible == ["I think so."]
    assert [ref.id for ref in answer.refs] == ["m0"]
    fresh = Paper()
    await shown(fresh, "I think so.", answer={"placing": True})
    assert fresh.calls == ["find", "post"]


async def test_messages_that_a_shorter_second_try_does_not_need_go():
    paper = Paper(texts={"m0": "long", "m1": "long", "m2": "long"})
    refs = [MessageRef(ROOM, id) for id in paper.texts]
    paper.faults = [None, AdapterError("502"), None, Refused("it stays")]
    await shown(paper, "short", answer={"refs": refs})
    assert paper.visible == ["short", "long"]
    assert paper.calls == ["edit", "remove", "remove", "remove"]


async def test_a_message_of_which_nobody_knows_and_that_is_not_needed_is_found_too():
    paper = Paper(texts={"m0": "long", "m1": "long"}, parts={0: "m0", 1: "m1"})
    answer = {"refs": [MessageRef(ROOM, "m0")], "placing": True}
    await shown(paper, "short", answer=answer)
    assert paper.visible == ["short"]


async def test_a_file_is_not_sent_twice():
    paper = Paper(most_pages=1, lost=True, faults=[None, AdapterError("the connection was cut")])
    text = "word " * 100
    await shown(paper, text)
    assert paper.calls.count("attach") == 1
    again = Paper(most_pages=1, texts={"m0": "word"}, files={"m1": "word"})
    refs = [MessageRef(ROOM, "m0"), MessageRef(ROOM, "m1")]
    await shown(again, text, answer={"refs": refs})
    assert again.calls == ["edit"]


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


# Tempo


async def test_no_window_holds_more_calls_than_are_published():
    tempo, calls, loop = Tempo({"room": (10, 0.5)}), [], asyncio.get_running_loop()
    for _ in range(30):
        await tempo.turn("room:1")
        calls.append(loop.time())
    assert all(after - before >= 0.49 for before, after in zip(calls, calls[10:], strict=False))
    assert calls[-1] - calls[0] < 2.0


async def test_a_call_that_can_be_left_out_leaves_room_for_those_that_cannot():
    tempo = Tempo({"room": (40, 60.0), "bot": (40, 60.0)})
    allowed = sum(tempo.may("room:1", "bot:1") for _ in range(40))
    assert 0 < allowed < 10
    async with asyncio.timeout(1):
        await tempo.turn("room:1", "bot:1")
    assert tempo.may("room:2")
    assert not tempo.may("room:3", "bot:1")


async def test_who_waits_for_a_turn_goes_before_those_who_only_may():
    tempo, stolen = Tempo({"room": (1, 0.05)}), 0

    async def wait_five_times():
        for _ in range(5):
            await tempo.turn("room:1")

    waiting = asyncio.create_task(wait_five_times())
    await asyncio.sleep(0)
    while not waiting.done():
        stolen += tempo.may("room:1")
        await asyncio.sleep(0)
    assert stolen <= 1


async def test_those_who_waited_for_the_end_of_a_hold_do_not_go_all_at_once():
    tempo, loop, went = Tempo({"room": (8, 1.0)}), asyncio.get_running_loop(), list[float]()
    tempo.hold(0.5, "room:1")

    async def go():
        await tempo.turn("room:1")
        went.append(loop.time())

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(go())
    assert went[-1] - went[0] > 0.4


async def test_those_who_waited_their_turn_when_a_hold_came_do_not_go_all_at_once_behind_it():
    tempo, loop, went = Tempo({"room": (8, 1.0)}), asyncio.get_running_loop(), list[float]()

    async def go():
        await tempo.turn("room:1")
        went.append(loop.time())

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(go())
        await until(lambda: len(went) == 2)
        tempo.hold(1.0, "room:1")
    behind = went[2:]
    assert behind[0] - went[0] >= 0.99
    assert behind[-1] - behind[0] > 0.4


async def test_a_hold_is_for_its_keys_only():
    tempo, loop = Tempo(FREE), asyncio.get_running_loop()
    tempo.hold(0.1, "room:1")
    assert not tempo.may("room:1")
    assert tempo.may("room:2")
    started = loop.time()
    await tempo.turn("room:1")
    assert loop.time() - started >= 0.09
    assert tempo.may("room:1")


async def test_the_pace_of_rooms_at_rest_is_forgotten():
    tempo = Tempo(FREE)
    for room in range(3_000):
        assert tempo.may(f"room:{room}")
        await asyncio.sleep(0)
    assert len(tempo._limiters) <= 1_001
