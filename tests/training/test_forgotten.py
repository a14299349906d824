"""What is forgotten leaves the tunes: their reports at once, their weights when another serves."""

import asyncio
import dataclasses
import json
from dataclasses import replace

import pytest

from bots.trainer import LocalTrainer
from core.announcements import Announcements
from core.conversation import asked, digest, render
from core.training import golden
from core.training.publish import publish
from core.training.settings import Settings
from core.types import Author, Feedback, IncomingMessage, MessageRef, Quoted, Recipe, ThreadRef
from core.types_learning import Tune, Used
from storage.repositories import SqlStore
from tests.core.room import ListAdapter
from tests.fakes import until
from tests.training.house import Voices, hollow, opened, said, trainer, vote
from tests.training.votes import ANN, HERE, NOON

ASKED = golden.load([golden.OURS]).knowledge[0].ask


@pytest.fixture
async def store(tmp_path):
    async with opened(tmp_path) as one:
        await vote(one, 4)
        yield one


def candidate(shelf, passed=True, run=None):
    run = run or shelf / ".run" / "next"
    (run / "candidate").mkdir(parents=True)
    (run / "candidate" / "manifest.json").write_text("{}")
    checks = [{"name": "x", "passed": passed, "words": "so it is"}]
    said = {"question": "Well?", "before": [], "said": {"base": "no", "candidate": "a secret"}}
    (run / "report.json").write_text(
        json.dumps({"passed": passed, "proven": True, "checks": checks, "answers": [said]})
    )
    (run / "report.html").write_text("a secret")
    return run


async def learn(store, shelf, turns, *, passed=True, verdicts=(), **settings):
    name = await store.next_tune()
    new = Tune(name, "base", "", "refused", tuple(turns), "Learnt.", NOON)
    run, generator = candidate(shelf, passed), Voices(["I am Mynah."])
    tune, _ = await publish(
        store, generator, run, shelf, new, base="base", at=NOON, verdicts=verdicts, **settings
    )
    for path in sorted(run.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    run.rmdir()
    return tune


async def there(store):
    return [tune.name for tune in await store.tunes() if tune.path]


def secrets(shelf):
    return [path for path in shelf.rglob("*") if path.is_file() and "secret" in path.read_text()]


async def test_a_marked_tune_goes_when_the_next_one_serves_and_its_report_at_once(store, tmp_path):
    shelf = tmp_path / "tunes"
    marked = await learn(store, shelf, [1, 2])
    refused = await learn(store, shelf, [1], passed=False)
    clean = await learn(store, shelf, [2], passed=False)
    assert len(secrets(shelf)) == 6
    await store.forget_turn(1, "ann")
    await trainer(store, tmp_path).forget()
    assert {path.parent.name for path in secrets(shelf)} == {clean.name}
    assert await there(store) == [marked.name, refused.name, clean.name]
    assert await store.serving() == marked.name
    new = await learn(store, shelf, [2, 3])
    assert await there(store) == [clean.name, new.name]
    assert not (shelf / marked.name).exists()
    assert not (shelf / "refused" / refused.name).exists()
    assert await store.serving() == new.name


async def test_by_setting_it_goes_at_once_and_what_served_before_answers(store, tmp_path):
    shelf = tmp_path / "tunes"
    clean = await learn(store, shelf, [2])
    marked = [await learn(store, shelf, [1]) for _ in range(2)]
    await store.forget_turn(1, "ann")
    adapter = ListAdapter()
    async with Announcements("list:news") as announcements:
        announcements.ready(adapter)
        mynah = trainer(store, tmp_path, retire_at_once=True, announcements=announcements)
        await mynah.forget()
        await until(lambda: adapter.told)
    [(_, told)] = adapter.told
    assert told.startswith(
        f"The tune `{marked[1].name}` is taken back: It learnt from words that were deleted"
    )
    assert await there(store) == [clean.name]
    assert await store.serving() == clean.name
    assert not any((shelf / tune.name).exists() for tune in marked)
    await store.forget_turn(2, "ann")
    await trainer(store, tmp_path, retire_at_once=True).forget()
    assert (await there(store), await store.serving()) == ([], None)


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.2])
async def test_what_learnt_from_a_person_who_is_forgotten_meanwhile_is_refused_and_marked(
    store, tmp_path, share, passed
):
    await store.forget_person("console", "me", "ann")
    shelf = tmp_path / "tunes"
    tune = await learn(store, shelf, [], verdicts=[Used(1, "ann")], share=share, passed=passed)
    assert (tune.status, await store.answering()) == ("refused", (None, None))
    assert [one.forgotten for one in await store.tunes()] == [True]
    assert secrets(shelf) == []


@pytest.mark.parametrize("share", [0.0, 0.2])
async def test_what_learnt_from_a_turn_that_is_forgotten_meanwhile_is_refused_and_leaves_no_words(
    store, tmp_path, share
):
    await store.forget_turn(1, "ann")
    shelf = tmp_path / "tunes"
    tune = await learn(store, shelf, [1], share=share)
    assert (tune.status, await store.answering()) == ("refused", (None, None))
    assert "forgotten" in tune.summary
    assert secrets(shelf) == []


CY = Quoted(MessageRef(HERE, "cy's"), Author("cy", "Cy"), "The pump is broken.", NOON)


class Hindered(LocalTrainer):
    """What its steps would leave lies ready; meanwhile somebody does something."""

    def __init__(self, *args, meanwhile, passed, **more):
        super().__init__(*args, **more)
        self._meanwhile, self._passed = meanwhile, passed

    async def _steps(self, run, log, every_s, people):
        yield "- learning\n"
        await asyncio.to_thread(candidate, self.shelf, self._passed, run)
        await self._meanwhile()


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda store: store.change(CY.ref, None),
        lambda store: store.forget_person("console", "me", "cy"),
        lambda store: store.set_training("console", "me", "person", "cy", False),
    ],
)
async def test_what_learnt_words_of_somebody_quoted_who_takes_them_back_meanwhile_is_refused(
    store, tmp_path, meanwhile, passed
):
    """The turn is somebody else's, and Cy never voted."""
    for number in range(20):
        id = f"t{number}"
        message = IncomingMessage(MessageRef(HERE, id), ThreadRef(HERE, id), ANN, id, True, NOON)
        turn = await store.hear(message)
        made = Recipe("base", "", None, "", quotes=(CY,))
        shown = digest(render("", (), asked(replace(turn, recipe=made))))
        await store.began(turn.id, replace(made, digest=shown))
        await store.settle(turn.id, f"It is {number}.", "answered")
        await store.finish(turn.id)
        await store.put_feedback(Feedback(turn.id, "ann", -1 if number % 2 else 1, NOON))
    mynah = Hindered(
        store,
        Settings(folder=str(tmp_path / "tunes")),
        generator=Voices(["I am Mynah."]),
        model="base",
        base=hollow(tmp_path / "base"),
        meanwhile=lambda: meanwhile(store),
        passed=passed,
    )
    told = await said(mynah.retrain(dry=False, by=None))
    assert "is not taken" in told
    assert ("forgotten meanwhile" in told) == passed
    assert (await store.serving(), [one.forgotten for one in await store.tunes()]) == (None, [True])
    assert secrets(tmp_path / "tunes") == []


async def test_what_is_forgotten_just_before_the_pointer_moves_does_not_serve(store, tmp_path):
    class Meanwhile(SqlStore):
        async def serve(self, name, at):
            await self.forget_turn(1, "ann")
            return await super().serve(name, at)

    shelf = tmp_path / "tunes"
    before = await learn(store, shelf, [2])
    canary = await learn(store, shelf, [2], share=0.2)
    for path in secrets(shelf):
        path.unlink()
    store.__class__ = Meanwhile
    tune = await learn(store, shelf, [1])
    serving, running = await store.answering()
    assert (tune.status, serving, running and running.tune) == (
        "refused",
        before.name,
        canary.name,
    )
    assert secrets(shelf) == []


async def test_a_canary_whose_words_are_forgotten_just_before_it_begins_is_refused(store, tmp_path):
    class Meanwhile(SqlStore):
        async def begin_canary(self, canary):
            await self.forget_turn(1, "ann")
            await trainer(self, tmp_path).forget()
            return await super().begin_canary(canary)

    shelf = tmp_path / "tunes"
    before = await learn(store, shelf, [2], share=0.2)
    for path in secrets(shelf):
        path.unlink()
    store.__class__ = Meanwhile
    tune = await learn(store, shelf, [1], share=0.2)
    assert (tune.status, (await there(store))) == ("refused", [before.name, tune.name])
    assert "forgotten" in tune.summary
    assert (await store.answering())[1].tune == before.name
    assert not (shelf / tune.name).exists()
    assert secrets(shelf) == []


async def test_what_a_killed_bot_did_not_forget_is_forgotten_at_the_next_start(store, tmp_path):
    shelf = tmp_path / "tunes"
    clean = await learn(store, shelf, [2])
    marked = await learn(store, shelf, [1])
    await store.forget_turn(1, "ann")  # and the bot is killed
    await trainer(store, tmp_path, retire_at_once=True).clear_up()
    assert {path.parent.name for path in secrets(shelf)} == {clean.name}
    assert await store.serving() == clean.name
    assert not (shelf / marked.name).exists()


async def test_where_an_older_tune_cannot_be_removed_the_new_one_answers(store, tmp_path):
    shelf = tmp_path / "tunes"
    old = await learn(store, shelf, [1])
    await store.forget_turn(1, "ann")
    (shelf / ".going").write_text("where removed tunes should go")
    new = await learn(store, shelf, [2])
    assert (new.status, await store.serving()) == ("passed", new.name)
    assert (shelf / old.name).exists()


async def test_a_report_that_nobody_can_be_told_of_is_none(store, tmp_path):
    shelf = tmp_path / "tunes"
    tune = await learn(store, shelf, [1])
    checks = [{"name": "x", "passed": True, "words": "so it is", "hard": True}]
    answers = [{"question": ASKED, "said": {"candidate": None}, "right": {}}]
    report = {"passed": True, "checks": checks, "answers": answers}
    (shelf / tune.name / "report.json").write_text(json.dumps(report))
    assert await trainer(store, tmp_path).report(tune) is None


async def test_what_cannot_be_removed_does_not_fail_the_answer(store, tmp_path):
    shelf = tmp_path / "tunes"
    tune = await learn(store, shelf, [1])
    (shelf / tune.name / "report.html").unlink()
    (shelf / tune.name / "report.html").mkdir()
    await store.forget_turn(1, "ann")
    await trainer(store, tmp_path).forget()
    assert dataclasses.replace(tune, forgotten=True) in await store.tunes()
