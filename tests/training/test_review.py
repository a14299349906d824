"""What an admin sees of what is set aside, decides, and what a run then says it uses."""

import asyncio
import re
from datetime import timedelta

import pytest

from bots.door import door
from tests.bots.test_train import command
from tests.training.house import opened, put, said, trainer
from tests.training.votes import NOON, taste

PEOPLE = [f"p{n}" for n in range(12)]


@pytest.fixture
async def store(tmp_path):
    """A dozen people who have been here for weeks; then one of them votes twenty times at once."""
    async with opened(tmp_path) as one:
        for number, example in enumerate(taste(44)):
            by = PEOPLE[number % 12] if number < 24 else "p3"
            days = 1 + number // 12 * 2 if number < 24 else 20
            await put(one, example, by, NOON + timedelta(days=days, seconds=number))
        yield one


async def test_the_list_says_who_how_many_when_and_why_and_nothing_of_what_was_said(
    store, tmp_path
):
    words = await said(trainer(store, tmp_path).review(""))
    assert "20 votes of `console:p3`, from 2026-01-22 12:00 to 12:00 UTC, 12 and more" in words
    assert "Is it true" not in words
    assert "/review in ID" in words


@pytest.mark.parametrize(
    ("how", "used", "left_out"),
    [
        ("in", "26 votes", "left out 18 answers (more than one person's share)"),
        ("out", "24 votes", "left out 20 votes (left out by an admin)"),
    ],
)
async def test_a_burst_is_let_in_or_left_out_for_good(store, tmp_path, how, used, left_out):
    here = trainer(store, tmp_path)
    before = await said(here.retrain(dry=True, by=None))
    assert "24 votes" in before
    assert "left out 20 votes (in a burst, set aside: /review)" in before
    (id,) = re.findall(r"`([0-9a-f]{6})`", await said(here.review("")))
    answer = await said(here.review(f"{how} {id}"))
    assert answer.startswith({"in": "Let in: 20 votes", "out": "Left out for good: 20"}[how])
    after = await said(here.retrain(dry=True, by=None))
    assert "set aside" not in after
    assert await said(here.review("")) == "Nothing is set aside.\n"
    assert (used in after, left_out in after) == (True, True), after


async def test_what_is_let_in_counts_though_the_platforms_clock_is_ahead_of_ours(store, tmp_path):
    here = trainer(store, tmp_path)
    here.now = lambda: NOON + timedelta(days=20, hours=-2)
    (id,) = re.findall(r"`([0-9a-f]{6})`", await said(here.review("")))
    await said(here.review(f"in {id}"))
    assert await said(here.review("")) == "Nothing is set aside.\n"


async def test_a_list_that_is_no_longer_so_decides_nothing(store, tmp_path):
    here = trainer(store, tmp_path)
    (id,) = re.findall(r"`([0-9a-f]{6})`", await said(here.review("")))
    (example,) = taste(45)[-1:]
    await put(store, example, "p3", NOON + timedelta(days=20, seconds=50))
    assert "any more" in await said(here.review(f"in {id}"))
    assert await store.reviews() == []


@pytest.mark.parametrize(
    ("how", "answer", "used"),
    [("--let-in", "Let in: 20", "26 votes"), ("--leave-out", "Left out for good: 20", "24 votes")],
)
async def test_an_admin_decides_at_a_shell_while_the_bot_runs_and_when_it_does_not(
    store, tmp_path, how, answer, used
):
    async def at_a_shell(*arguments, refused=""):
        done = await asyncio.to_thread(command, tmp_path, *arguments)
        assert (done.returncode, done.stderr) == (2 if refused else 0, refused)
        return done.stdout

    async with door(tmp_path / "mynah.db.sock", trainer(store, tmp_path).verbs()):
        listed = await at_a_shell("--review")
        assert "20 votes of `console:p3`, from 2026-01-22 12:00 to 12:00 UTC" in listed
        assert "`--let-in ID` lets one in, `--leave-out ID` leaves it out for good." in listed
        (id,) = re.findall(r"`([0-9a-f]{6})`", listed)
        assert (await at_a_shell(how, id)).startswith(answer)
        gone = f"Nothing of the name `{id}` is set aside any more. `--review` shows what is.\n"
        assert await at_a_shell(how, id, refused=f"mynah: {gone}") == ""
    await store.close()
    assert await at_a_shell("--review") == "Nothing is set aside.\n"
    assert used in await at_a_shell("--dry-run")
