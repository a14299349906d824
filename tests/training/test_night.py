"""Nights of a whole bot: a real process, store and trainer; only the clock is ours."""

import asyncio
import json
import os
import shutil
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
import yaml

from bots.keeper import DOES_NOT_LOAD
from bots.night import BROKEN_OFF
from bots.shelf import lock
from bots.telling import FORGOTTEN
from core.training.dataset import gather
from core.training.jsonl import fingerprint
from core.training.publish import is_made_of, refusal
from core.types import Feedback
from core.types_learning import Night, Review, Tune
from tests.fake_model import FakeModel
from tests.fakes import until
from tests.training.house import hollow, opened, put, said, trainer, vote
from tests.training.votes import NOON, taste
from tests.wire_platform import WirePlatform

TOP = Path(__file__).resolve().parents[2]


class Named(FakeModel):
    """Each model says its own name."""

    def echo(self, body):
        return (f"I am {body['model']}.",)


class Bot:
    """The process, its clock, and what its log says of nights."""

    def __init__(self, folder, process):
        self.folder, self.process = folder, process

    async def night(self, day):
        """Let this night come; returns what came of it."""
        set_clock(self.folder, at(day).isoformat())
        begin = f"the night of {day}: "
        async with asyncio.timeout(240):
            while begin not in (log := (self.folder / "bot.log").read_text()):
                assert self.process.returncode is None, log
                await asyncio.sleep(0.05)
        return log.partition(begin)[2].partition("\n")[0]


def at(day):
    return datetime.fromisoformat(f"{day}T03:00:30+00:00")


def set_clock(folder, moment):
    (folder / "new").write_text(moment)
    (folder / "new").rename(folder / "clock")


@asynccontextmanager
async def bot(folder, config):
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    set_clock(folder, "2026-05-04T02:00:00+00:00")
    with (folder / "bot.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.training.night_bot", "config.yaml", "clock"),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(TOP)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Bot(folder, process)
        process.terminate()
        async with asyncio.timeout(20):
            assert await process.wait() == 0, (folder / "bot.log").read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def platform():
    async with WirePlatform() as platform:
        yield platform


@pytest.fixture
async def config(tmp_path, platform):
    async with Named() as model:
        yield {
            "generation": {"url": model.url, "model": "base"},
            "storage": {"url": f"sqlite:///{tmp_path}/mynah.db"},
            "training": {"folder": str(tmp_path / "tunes")},
            "night": {"at": "03:00", "zone": "UTC"},
            "bot": {"announce_in": "wire:c0"},
            "platforms": {"wire": {"address": platform.address}},
        }


@pytest.mark.timeout(400)
async def test_a_night_makes_a_canary_and_the_next_one_has_nothing_new(
    config, platform, base, tmp_path
):
    async with opened(tmp_path) as store:
        await vote(store, 24)
        await vote(store, 12, platform="slack")
        await store.begin_night(date(2026, 5, 3), NOON)
        await store.end_night(date(2026, 5, 3), "Nothing yet.", NOON)
    config["training"]["base"] = str(base)
    async with bot(tmp_path, config) as mynah:
        learnt = await mynah.night("2026-05-04")
        assert learnt.startswith("12 votes wait on slack: add `slack` to `training.platforms`")
        assert "Learning from 24 votes (12 liked, 12 disliked, from 1 person)." in learnt
        assert "`mynah@000001` answers 20% of new conversations from now on" in learnt
        nothing = await mynah.night("2026-05-05")
        assert (
            "Nothing that counts was voted, corrected or forgotten since `mynah@000001`." in nothing
        )
        await until(lambda: len(platform.posts) == 2, within_s=10)
    digest, line = [post.text for post in platform.posts.values()]
    assert "I have learnt something." in digest  # and no line of that night
    assert "12 votes wait on slack: add `slack` to `training.platforms`" in digest
    assert line == f"The night of 2026-05-05: {nothing}"
    async with opened(tmp_path) as store:
        serving, canary = await store.answering()
        assert (serving, canary and canary.tune) == (None, "mynah@000001")
        assert await store.last_night() == Night(date(2026, 5, 5), at("2026-05-05"), nothing)


async def test_the_channel_is_told_why_nothing_was_learnt_once_and_what_was_broken_off(
    config, platform, tmp_path
):
    async with opened(tmp_path) as store:
        await vote(store, 24)
        await store.begin_night(date(2026, 5, 3), NOON)  # by a process that was killed then
    async with bot(tmp_path, config) as mynah:
        reason = await mynah.night("2026-05-04")
        assert "set `training.base` in config.yaml" in reason
        assert await mynah.night("2026-05-05") == reason
        await until(lambda: len(platform.posts) == 2, within_s=10)
    assert [post.text for post in platform.posts.values()] == [
        f"The night of 2026-05-03: {BROKEN_OFF}",
        f"The night of 2026-05-04: {reason}",
    ]


async def by_night(store, tmp_path, base):
    return await said(trainer(store, tmp_path, base).retrain(dry=False, by=None, by_night=True))


@pytest.fixture
def folder(tmp_path):
    return hollow(tmp_path / "base")


async def test_a_night_that_meets_a_run_by_hand_says_so_before_it_judges(store, folder, tmp_path):
    await vote(store, 24)
    judged = await store.judged(["console"])  # what that run makes may not be known yet
    await store.put_tune(made_of(tmp_path / "tunes", judged, folder, "refused", FAILED))
    taken = lock(tmp_path / "tunes")  # as a run takes it
    try:
        words = await by_night(store, tmp_path, folder)
    finally:
        os.close(taken)
    assert words == "I am learning already, and do one run at a time. That run is under way.\n"


async def test_too_few_votes_are_counted(store, folder, tmp_path):
    await vote(store, 7)
    assert "7 of 10 votes are there" in await by_night(store, tmp_path, folder)


def made_of(shelf, votes, base, status="passed", report=None, reviews=()):
    """A tune as a run on these votes leaves it."""
    tune = Tune("mynah@000001", str(base), "somewhere", status, (1,), "Learnt.", NOON)
    folder = shelf / ("refused" if status == "refused" else "") / tune.name
    folder.mkdir(parents=True)
    made = {"dataset_sha256": fingerprint(gather(votes, reviews=reviews))}
    (folder / "manifest.json").write_text(json.dumps(made))
    (folder / "report.json").write_text(json.dumps(report or refusal("it broke")))
    return tune


FAILED = {"passed": False, "checks": [{"name": "drift", "passed": False, "words": "too far"}]}


@pytest.mark.parametrize(
    ("status", "report", "is_known"),
    [
        ("passed", None, True),
        ("refused", FAILED, True),
        ("refused", None, False),  # the checks themselves failed: they may not, another time
        ("refused", {"passed": False}, False),
        ("refused", FAILED | {"rival": None}, True),
        ("refused", FAILED | {"rival": "mynah@000007"}, False),  # beside the base it may pass
    ],
)
def test_a_night_does_not_make_the_newest_tune_once_more(tmp_path, status, report, is_known):
    votes, base = taste(24), tmp_path / "base"
    tune = made_of(tmp_path, votes, base, status, report)
    assert is_made_of(tune, gather(votes), tmp_path, base) == is_known
    assert not is_made_of(tune, gather(votes), tmp_path, tmp_path / "another base")


async def test_where_nothing_that_counts_is_new_it_is_told_what_does_not(store, folder, tmp_path):
    await vote(store, 24)
    (first, *_) = judged = await store.judged(["console"])
    await store.put_reviews([Review(first.turn.id, "ann", False, NOON)])
    shelf = tmp_path / "tunes"
    tune = made_of(shelf, judged, folder, "refused", FAILED, await store.reviews())
    await store.put_tune(tune)
    assert await by_night(store, tmp_path, folder) == (
        f"Nothing that counts was voted, corrected or forgotten since `{tune.name}`.\n"
        "Left out: 1 vote (left out by an admin).\n"
    )


async def test_what_passed_and_never_answered_is_made_once_more(store, folder, tmp_path):
    """So a kill between its record and the pointer leaves it."""
    await vote(store, 24)
    here = trainer(store, tmp_path, folder)
    gathered = await here._gathered()
    await store.put_tune(made_of(tmp_path / "tunes", await store.judged(["console"]), folder))
    assert await here.news.known(gathered, folder) is None
    await store.serve("mynah@000001", NOON)
    assert await here.news.known(gathered, folder) == "mynah@000001"
    words = await by_night(store, tmp_path, folder)
    assert words.startswith("Nothing that counts was voted, corrected or forgotten since")


async def test_what_was_refused_beside_a_tune_that_has_to_go_is_tried_beside_the_base(
    store, folder, tmp_path
):
    await vote(store, 24)
    here = trainer(store, tmp_path, folder)
    gathered = await here._gathered()
    serving = Tune("mynah@000000", "base", "x", "passed", (), "Learnt.", NOON)
    await store.put_tune(serving)
    await store.serve(serving.name, NOON)
    beside = FAILED | {"rival": serving.name}
    judged = await store.judged(["console"])
    await store.put_tune(made_of(tmp_path / "tunes", judged, folder, "refused", beside))
    assert await here.news.known(gathered, folder) == "mynah@000001"
    await store.put_tune(replace(serving, forgotten=True))
    assert await here.news.known(gathered, folder) is None


async def test_what_was_taken_back_since_it_does_not_load_is_made_anew_of_the_same_votes(
    store, folder, tmp_path
):
    await vote(store, 24)
    here = trainer(store, tmp_path, folder)
    gathered = await here._gathered()
    tune = made_of(tmp_path / "tunes", await store.judged(["console"]), folder)
    await store.put_tune(tune)
    await store.serve(tune.name, NOON)
    assert await here.news.nothing_for_a_night(gathered, folder) != ""
    await store.roll_back(tune.name, NOON, why=DOES_NOT_LOAD)
    assert await here.news.nothing_for_a_night(gathered, folder) == ""


async def test_what_was_taken_back_is_not_made_again_before_there_are_as_many_new_votes(
    store, folder, tmp_path
):
    await vote(store, 24)
    tune = made_of(tmp_path / "tunes", await store.judged(["console"]), folder)
    for name in ("adapter_config.json", "adapter_model.safetensors", "merged/config.json"):
        path = tmp_path / "tunes" / tune.name / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    await store.put_tune(replace(tune, turns=tuple(range(1, 25))))
    await store.serve(tune.name, NOON)
    await store.roll_back(tune.name, NOON)
    for one in taste(33)[24:]:
        await put(store, one, "ann", NOON)
    here = trainer(store, tmp_path, folder)
    assert await by_night(store, tmp_path, folder) == (
        f"`{tune.name}` was taken back or dropped, and 9 of 10 votes on answers that it did not"
        " know are there; `/retrain` learns at once.\n"
    )
    other = shutil.copytree(folder, tmp_path / "another base")
    gathered = await here._gathered()
    assert await here.news.nothing_for_a_night(gathered, other) == ""
    # It is broken, or went because of what it learnt from: then it is made anew.
    (taken,) = await store.tunes()
    for why in (FORGOTTEN, DOES_NOT_LOAD):
        await store.put_tune(replace(taken, summary=why))
        assert await here.news.nothing_for_a_night(gathered, folder) == ""
    await store.put_tune(taken)
    assert await here.news.nothing_for_a_night(gathered, folder) != ""
    # What serves goes when the next one does: nobody waits for votes with that.
    await store.put_tune(Tune("mynah@000000", "base", "x", "passed", (), "Learnt.", NOON))
    await store.serve("mynah@000000", NOON)
    assert await here.news.nothing_for_a_night(gathered, folder) != ""
    (serving, _) = await store.tunes()
    await store.put_tune(replace(serving, forgotten=True))
    assert await here.news.nothing_for_a_night(gathered, folder) == ""
    await store.serve(None, NOON)
    await put(store, taste(34)[-1], "ann", NOON)
    assert await here.news.nothing_for_a_night(await here._gathered(), folder) == ""


def test_a_vote_more_less_or_otherwise_is_something_new(tmp_path):
    votes, base = taste(24), tmp_path / "base"
    tune = made_of(tmp_path, votes, base)
    first, *rest = votes
    (vote,) = first.feedback
    otherwise = replace(first, feedback=(Feedback(vote.turn_id, "ann", -vote.score, NOON),))
    for now in (taste(25), rest, [otherwise, *rest]):
        assert not is_made_of(tune, gather(now), tmp_path, base)
    shutil.rmtree(tmp_path / tune.name)
    assert not is_made_of(tune, gather(votes), tmp_path, base)
