"""Looking after something again and again: through trouble, until damage or the end."""

import asyncio

import pytest

from bots.looking import looking
from core.errors import StoreDamaged, StoreError
from tests.fakes import Alarm, until


class Look:
    """Raises `errors`, one at each look, then goes on; waits while it is held."""

    def __init__(self, *errors):
        self.errors, self.looks, self.ended = list(errors), 0, 0
        self.going_on = asyncio.Event()
        self.going_on.set()

    async def __call__(self):
        self.looks += 1
        try:
            await self.going_on.wait()
            if self.errors:
                raise self.errors.pop(0)
        finally:
            self.ended += 1


def at_it(look, every_s=0.001, **how):
    return looking(look, name="a test", problem="not seen", every_s=every_s, **how)


async def test_it_looks_from_the_start_on_and_what_fails_is_a_warning_and_tried_again(caplog):
    look = Look(StoreError("the disk is full"), OSError("no such folder"))
    async with at_it(look):
        await until(lambda: look.looks > 3)
    assert [one.getMessage() for one in caplog.records] == [
        "not seen: the disk is full",
        "not seen: no such folder",
    ]


async def test_it_looks_at_once_and_then_waits():
    look = Look()
    async with at_it(look, every_s=3600):
        await until(lambda: look.looks)
        await asyncio.sleep(0.02)
    assert look.looks == 1


async def test_the_end_of_the_block_ends_a_look_and_what_the_block_raises_stays_what_it_is():
    look = Look()
    look.going_on.clear()

    async def block():
        async with at_it(look):
            await until(lambda: look.looks)
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert look.ended == 1


async def test_damage_that_it_meets_is_told_and_ends_it():
    alarm = Alarm()
    look = Look(StoreDamaged("mynah.db is damaged"))
    async with at_it(look, watching_for_damage=alarm.watching):
        await until(lambda: alarm.met)
        await asyncio.sleep(0.02)
    assert look.looks == 1


async def test_a_fault_of_ours_ends_the_block():
    async def block():
        async with at_it(Look(ZeroDivisionError())):
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await block()
    assert caught.group_contains(ZeroDivisionError)
