"""Rates that may be used up at once. The even ones are tested in test_streaming.py."""

import asyncio

from core.tempo import AtOnce, Tempo


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
    tempo, went = Tempo({"method": AtOnce(2, 0.1)}), list[int]()

    async def go(number):
        await tempo.turn("method")
        went.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(go(number))
    assert went == list(range(8))
