"""How often calls go out: evenly or at once, never too often, and none is held back in vain."""

import asyncio

from core.tempo import AtOnce, Tempo
from tests.core.paper import FREE
from tests.fakes import until


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
    tempo = Tempo({"room": (8, 1.0)})
    tempo.hold(0.5, "room:1")
    async with asyncio.TaskGroup() as group:
        went = queued(group, tempo, "room:1", 6)
    times = [*went.values()]
    assert times[-1] - times[0] > 0.4


async def test_those_who_waited_their_turn_when_a_hold_came_do_not_go_all_at_once_behind_it():
    tempo = Tempo({"room": (8, 1.0)})
    async with asyncio.TaskGroup() as group:
        went = queued(group, tempo, "room:1", 8)
        await until(lambda: len(went) == 2)
        tempo.hold(1.0, "room:1")
    first, _, *behind = went.values()
    assert behind[0] - first >= 0.99
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


# At once


async def test_no_more_calls_go_out_than_are_allowed_and_none_is_held_back_in_vain():
    tempo, clock = Tempo({"method": AtOnce(3, 0.3)}), asyncio.get_running_loop().time
    began, times = clock(), []
    for _ in range(7):
        await tempo.turn("method")
        times.append(clock() - began)
    assert times[2] < 0.2 < 0.3 <= times[3] <= times[5] < 0.5 < 0.6 <= times[6]
    spare = [tempo.may("method", spare=1), tempo.may("method", spare=1)]
    assert [*spare, tempo.may("method", spare=0)] == [True, False, True]
    tempo.hold(0.4, "method")
    await asyncio.sleep(0.31)
    assert not tempo.may("method", spare=0)
    await tempo.turn("method")
    assert clock() - began >= times[6] + 0.4


async def test_a_call_that_one_key_refuses_is_counted_under_none():
    tempo = Tempo({"channel": AtOnce(1, 60), "method": AtOnce(1, 60)})
    await tempo.turn("method")
    assert not tempo.may("channel:C1", "method", spare=0)
    assert tempo.may("channel:C1", spare=0)


async def test_those_who_wait_go_in_the_order_in_which_they_came():
    tempo = Tempo({"method": AtOnce(2, 0.1)})
    async with asyncio.TaskGroup() as group:
        went = queued(group, tempo, "method", 8)
    assert [*went] == [*range(8)]


def queued(group, tempo, key, count):
    """So many wait for their turn; when each of them went, in the order in which they did."""
    went: dict[int, float] = {}

    async def go(number):
        await tempo.turn(key)
        went[number] = asyncio.get_running_loop().time()

    for number in range(count):
        group.create_task(go(number))
    return went
