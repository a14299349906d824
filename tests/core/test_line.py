"""Who waits for the model's server: in order, people before training, told when it is long."""

import asyncio
from contextlib import asynccontextmanager, suppress

from core.desk import serve
from core.errors import Unreachable
from core.line import FULL_AFTER, AfterPeople, Line
from core.types import Prompt
from tests.core.room import WORDS, ListAdapter, asked, engine_on
from tests.fakes import ScriptedGenerator, until


class Crowd:
    """People and training in a line; each holds its place until it is let go."""

    def __init__(self, line, group):
        self.line, self.group = line, group
        self.inside, self.most = [], 0
        self.doors = {}
        self.tasks = {}

    def comes(self, name, *, training=False):
        self.doors[name] = asyncio.Event()
        self.tasks[name] = self.group.create_task(self.stand(name, training))

    async def stand(self, name, training):
        with suppress(Unreachable):
            await self.wait(name, training)

    async def wait(self, name, training):
        async with self.line.enter(training=training):
            self.inside.append(name)
            self.most = max(self.most, len(self.inside))
            await self.doors[name].wait()
            self.inside.remove(name)

    async def settled(self):
        for _ in range(5):
            await asyncio.sleep(0)

    async def goes(self, name):
        self.doors[name].set()
        await self.settled()


@asynccontextmanager
async def crowd(at_once, **how):
    async with asyncio.TaskGroup() as group:
        people = Crowd(Line(at_once, **how), group)
        yield people
        for door in people.doors.values():
            door.set()


async def test_so_many_at_once_and_the_others_in_the_order_in_which_they_came():
    async with crowd(2) as people:
        for name in "abcde":
            people.comes(name)
        await people.settled()
        assert people.inside == ["a", "b"]
        assert people.line.waiting == 3
        await people.goes("b")
        assert people.inside == ["a", "c"]
        await people.goes("a")
        assert people.inside == ["c", "d"]
    assert people.most == 2
    assert people.line.waiting == 0


async def test_training_waits_until_no_person_does():
    async with crowd(1) as people:
        people.comes("ann")
        people.comes("a probe", training=True)
        people.comes("bob")
        await people.settled()
        await people.goes("ann")
        assert people.inside == ["bob"]
        people.comes("cyd")
        await people.settled()
        await people.goes("bob")
        assert people.inside == ["cyd"]
        await people.goes("cyd")
        assert people.inside == ["a probe"]


async def test_training_that_stood_aside_for_long_comes_in_its_turn():
    async with crowd(1, patience_s=0.01) as people:
        people.comes("ann")
        people.comes("a probe", training=True)
        await people.settled()
        await until(lambda: people.line.waiting == 1)  # it counts as a person now
        people.comes("bob")
        await people.settled()
        await people.goes("ann")
        assert people.inside == ["a probe"]


async def test_whoever_leaves_the_line_holds_up_nobody():
    async with crowd(1) as people:
        for name in "abc":
            people.comes(name)
        await people.settled()
        people.tasks["b"].cancel()
        await people.settled()
        assert people.line.waiting == 1
        await people.goes("a")
        assert people.inside == ["c"]


async def test_a_place_given_to_somebody_who_leaves_at_that_moment_goes_on_to_the_next():
    async with crowd(1) as people:
        for name in "abc":
            people.comes(name)
        await people.settled()
        people.doors["a"].set()
        for _ in range(20):  # at each step of the handing over: whichever it is, c comes in
            await asyncio.sleep(0)
            if not people.inside:
                break
        people.tasks["b"].cancel()
        await people.settled()
        assert people.inside == ["c"]


async def test_whoever_is_turned_away_lets_nobody_in():
    async with crowd(1) as people:
        for name in "abc":
            people.comes(name)
        await people.settled()
        now = asyncio.get_running_loop().time()
        people.comes("d")
        people.comes("e")
        await people.settled()
        people.line.turn_away(Unreachable("It is down."), now)
        await people.settled()
        assert (people.inside, people.line.waiting) == (["a"], 2)
        await people.goes("a")
        assert people.inside == ["d"]


async def test_whoever_waits_hears_each_time_when_half_of_those_ahead_have_gone():
    told = []

    async def comes_last(line):
        async with line.stand() as place:
            ahead = line.many_ahead(place)
            while ahead:
                told.append(ahead)
                ahead = await line.fewer(place, ahead)
            told.append("in" if place.done() else "too early")

    async with crowd(1, looks_every_s=0) as people:
        for name in "abcdefgh":
            people.comes(name)
        await people.settled()
        last = people.group.create_task(comes_last(people.line))
        await people.settled()
        assert told == [7]
        people.tasks["e"].cancel()  # whoever leaves the middle of the line is not ahead any more
        for name, then in (("a", [7]), ("b", [7]), ("c", [7, 3]), ("d", [7, 3]), ("f", [7, 3, 1])):
            await people.goes(name)
            await people.settled()
            assert told == then
        await people.goes("g")
        await people.goes("h")
        await last
        assert told == [7, 3, 1, "in"]


async def test_where_few_are_ahead_nobody_is_told():
    async with crowd(1) as people:
        for name in "abc":
            people.comes(name)
        await people.settled()
        async with people.line.stand() as place:
            assert people.line.many_ahead(place) == 0
            people.comes("d")
            await people.settled()
            async with people.line.stand() as later:
                assert people.line.many_ahead(later) == 4


async def test_trainings_requests_stand_in_the_line():
    line, speaker = Line(1), ScriptedGenerator(["fine"])
    prompt = Prompt((("user", "hi"),), "base", 1, 0.0)

    async def heard():
        return [piece async for piece in AfterPeople(speaker, line).stream(prompt)]

    async with line.enter():
        waiting = asyncio.create_task(heard())
        await asyncio.sleep(0)
        assert not speaker.prompts
    assert await waiting == ["fine"]


async def test_in_a_long_line_people_are_told_how_many_are_ahead_and_it_is_not_kept(store):
    speaker, crowded = ScriptedGenerator(["fine"], hangs=True), 5
    adapter = ListAdapter(stays=True)
    engine = engine_on(store, speaker, at_once=1)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(serve(engine, adapter))
        await until(lambda: adapter.seen is not None)
        for number in range(crowded):
            await adapter.deliver(asked(id=str(number), thread=f"t{number}"))
            await speaker.waiting.wait()
            while engine.line.waiting < number:
                await asyncio.sleep(0.001)
        told = WORDS.in_line.format(ahead=3)
        await until(lambda: adapter.shown.get("4") == told)
        assert not adapter.shown.get("3")
        speaker.hangs = False
        await adapter.deliver(asked("stop", id="5", thread="t0"))
        await until(lambda: adapter.shown.get("4") == "fine")
        adapter.stays.set()
        await running
    last = asked(id="6", thread="t4")
    turn = await store.hear(last)
    assert [said.answer for said in (await store.history(turn, 9)).turns] == ["fine"]


async def one_too_many(engine, here, there):
    """Fill the line from one platform, and come from the other."""
    for number in range(FULL_AFTER + 1):
        await here.deliver(asked(id=str(number), thread=f"t{number}"))
        await engine.generator.waiting.wait()
    await until(lambda: engine.line.waiting == FULL_AFTER)
    await there.deliver(asked(id="late", thread="late"))
    await until(lambda: there.shown.get("late") == WORDS.busy)


async def test_the_line_is_one_for_all_platforms(store):
    speaker = ScriptedGenerator(["fine"], hangs=True)
    here, there = ListAdapter(stays=True), ListAdapter(stays=True)
    engine = engine_on(store, speaker, at_once=1)
    async with asyncio.TaskGroup() as group:
        for adapter in (here, there):
            group.create_task(serve(engine, adapter))
        await until(lambda: here.seen is not None and there.seen is not None)
        await one_too_many(engine, here, there)
        await until(lambda: engine.on_their_way == FULL_AFTER + 1)
        speaker.hangs = False
        await here.deliver(asked("stop", id="s", thread="t0"))
        await until(lambda: len(here.shown) == FULL_AFTER + 2)
        here.stays.set()
        there.stays.set()
    assert engine.on_their_way == 0


async def test_when_the_line_is_full_one_sentence_says_so(store):
    speaker, adapter = ScriptedGenerator(["fine"], hangs=True), ListAdapter(stays=True)
    engine = engine_on(store, speaker, at_once=1)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(serve(engine, adapter))
        await until(lambda: adapter.seen is not None)
        await one_too_many(engine, adapter, adapter)
        speaker.hangs = False
        await adapter.deliver(asked("stop", id="s", thread="t0"))
        await until(lambda: len(adapter.shown) == FULL_AFTER + 3)
        adapter.stays.set()
        await running
    assert all(adapter.shown[str(n)].endswith("fine") for n in range(1, FULL_AFTER + 1))
