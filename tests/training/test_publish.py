"""Into its place, and the pointer last; a refused one explains itself and is found by no server."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.announcements import Announcements
from core.errors import Broken, CutShort, Empty, Overloaded, Rejected, TimedOut, Unreachable
from core.serving import roll_back
from core.training.publish import is_whole, publish, sweep
from core.types_learning import Tune
from tests.fakes import ScriptedGenerator
from tests.storage.says import message, recipe
from tests.training.house import Voices, opened
from tests.training.votes import NOON

NEW = Tune("mynah@000001", "base", "", "refused", (1, 2), "Learnt from 2 votes.", NOON)
PASSED = {"passed": True, "proven": True, "checks": [{"words": "fine", "passed": True}]}


@pytest.fixture
def run(tmp_path):
    """What the trainer and the gate leave; publishing does not look into the weights."""
    return candidate_of(tmp_path / "tunes", NEW.name)


def candidate_of(shelf, name):
    """Another run's folder, for `name`."""
    candidate = shelf / ".run" / name / "candidate"
    (candidate / "merged").mkdir(parents=True)
    for file in ("adapter_config.json", "manifest.json", "merged/config.json"):
        (candidate / file).write_text("{}")
    (candidate / "adapter_model.safetensors").write_bytes(b"weights")
    (candidate.parent / "report.json").write_text(json.dumps(PASSED))
    return candidate.parent


async def published(store, run, generator, *, again_after_s=60.0, **changes):
    shelf = run.parent.parent
    how = {"base": "base", "at": NOON, "again_after_s": again_after_s}
    tune, _ = await publish(store, generator, run, shelf, replace(NEW, **changes), **how)
    assert await store.tunes() == [tune]
    return tune, shelf


class Fails(ScriptedGenerator):
    error: Exception

    async def stream(self, prompt):
        async for piece in super().stream(prompt):
            yield piece
        raise self.error


async def test_what_passed_is_placed_asked_recorded_and_serves(store, run):
    generator = ScriptedGenerator(["Hello, I am ", "Mynah."])
    tune, shelf = await published(store, run, generator)
    assert (tune.status, tune.path) == ("passed", str(shelf / NEW.name))
    assert await store.serving() == NEW.name
    assert [prompt.model for prompt in generator.prompts] == [NEW.name]
    assert (shelf / NEW.name / "merged" / "config.json").exists()
    assert json.loads((shelf / NEW.name / "report.json").read_text()) == PASSED


async def test_the_pointer_moves_only_after_the_new_folder_has_answered(store, run):
    class Looks(ScriptedGenerator):
        async def stream(self, prompt):
            assert await store.serving() is None
            assert (run.parent.parent / NEW.name / "manifest.json").exists()
            async for piece in super().stream(prompt):
                yield piece

    await published(store, run, Looks(["I am Mynah."]))
    assert await store.serving() == NEW.name


async def test_an_answer_up_to_the_length_limit_is_an_answer(store, run):
    generator = Fails(["And on"])
    generator.error = CutShort("length")
    tune, _ = await published(store, run, generator)
    assert tune.status == "passed"


@pytest.mark.parametrize(
    ("pieces", "error", "why"),
    [
        ([], Rejected("No such model."), "the model's server could not answer with it"),
        (["I am"], Broken("It went away."), "the model's server could not answer with it"),
    ],
)
async def test_what_does_not_answer_is_refused(store, run, pieces, error, why):
    generator = Fails(pieces)
    generator.error = error
    tune, shelf = await published(store, run, generator)
    await refused(store, shelf, tune, why)


class Thinks(ScriptedGenerator):
    """Says words as these models, and as all others none: all that it had to say was thought."""

    talks: tuple[str, ...] = ()

    async def stream(self, prompt):
        async for piece in super().stream(prompt):
            if prompt.model in self.talks:
                yield piece
        raise Empty("It said nothing.")


@pytest.mark.parametrize(("talks", "status"), [(("base",), "refused"), ((), "passed")])
async def test_a_tune_that_says_nothing_is_refused_where_the_base_speaks(store, run, talks, status):
    generator = Thinks(["I am Mynah."])
    generator.talks = talks
    tune, _ = await published(store, run, generator)
    assert tune.status == status


@pytest.mark.parametrize("error", [Unreachable, Overloaded, TimedOut])
async def test_a_server_that_answers_nobody_just_now_is_asked_again(store, run, error):
    class Returns(ScriptedGenerator):
        async def stream(self, prompt):
            if not self.prompts:
                self.prompts.append(prompt)
                raise error("Not now.")
            async for piece in super().stream(prompt):
                yield piece

    generator = Returns(["I am Mynah."])
    tune, _ = await published(store, run, generator, again_after_s=0.01)
    assert tune.status == "passed"
    assert len(generator.prompts) == 2


async def test_a_name_that_leads_out_of_the_shelf_is_no_name(store, run):
    with pytest.raises(ValueError, match="no tune's name"):
        await published(store, run, ScriptedGenerator(["Hi."]), name="../../etc@000001")
    assert (run / "candidate").exists()


DIFFERS = {"base": "I am Mynah.", "candidate": "Mynah!"}
ASKED = [
    {"question": "Same?", "before": [], "said": dict.fromkeys(DIFFERS, "Yes.")},
    {"question": "And then?", "before": ["Hello", "Hi"], "said": DIFFERS},
    {"question": "Who are you?", "before": [], "said": DIFFERS},
    {"question": "What can you do?", "before": [], "said": DIFFERS},
    {"question": "How do I vote?", "before": [], "said": DIFFERS},
]
SYSTEM = {"system": "Be kind."}


async def test_it_is_told_apart_from_the_base_by_a_question_that_the_gate_saw_differ(store, run):
    (run / "report.json").write_text(json.dumps(PASSED | SYSTEM | {"answers": ASKED}))
    generator = Voices(["I am Mynah."])
    tune, _ = await published(store, run, generator)
    assert tune.status == "passed"
    messages = (("system", "Be kind."), ("user", "Who are you?"))  # as the gate asked it
    asked = [(prompt.model, prompt.messages) for prompt in generator.prompts]
    assert asked == [(NEW.name, messages), ("base", messages)]


async def test_a_server_that_answers_with_it_as_the_base_does_is_not_served(store, run):
    (run / "report.json").write_text(json.dumps(PASSED | {"answers": ASKED}))
    generator = ScriptedGenerator(["I am Mynah."])
    tune, shelf = await published(store, run, generator)
    await refused(store, shelf, tune, "answers with it just as the base does")
    assert len(generator.prompts) == 6


async def test_one_answer_may_be_the_bases_by_a_rounding(store, run):
    (run / "report.json").write_text(json.dumps(PASSED | {"answers": ASKED[:3]}))
    tune, _ = await published(store, run, ScriptedGenerator(["I am Mynah."]))
    assert tune.status == "passed"


REPORTS = [
    (None, "did not end in a report"),
    ("", "did not end in a report"),
    ("[]", "did not end in a report"),
    ('{"passed": true}', "did not end in a report"),
    ('{"passed": "yes", "checks": [{"words": "odd"}]}', "did not end in a report"),
    ('{"passed": true, "checks": []}', "did not end in a report"),
    ('{"passed": false, "checks": [{"words": "it babbles", "passed": false}]}', "it babbles"),
]


@pytest.mark.parametrize(("report", "why"), REPORTS)
async def test_a_report_that_does_not_say_passed_is_a_refusal(store, run, report, why):
    (run / "report.json").unlink()
    if report is not None:
        (run / "report.json").write_text(report)
    generator = ScriptedGenerator(["I am Mynah."])
    tune, shelf = await published(store, run, generator)
    assert generator.prompts == []  # it was never asked anything
    await refused(store, shelf, tune, why)


async def test_a_report_without_a_candidate_is_a_refusal(store, run):
    shutil.rmtree(run / "candidate")
    (run / "report.json").unlink()
    tune, shelf = await published(store, run, ScriptedGenerator(["I am Mynah."]))
    await refused(store, shelf, tune, "did not end in a report")


async def refused(store, shelf, tune, why):
    assert tune.status == "refused"
    assert tune.summary.startswith("Refused: ")
    assert why in tune.summary
    assert await store.serving() is None
    assert not (shelf / NEW.name).exists()
    assert not list(shelf.rglob("*.safetensors"))
    assert not json.loads((shelf / "refused" / NEW.name / "report.json").read_text())["passed"]


def on_the_shelf(shelf):
    return [path.name for path in sorted(shelf.glob("mynah@*"))]


async def test_who_cancels_while_the_server_is_asked_leaves_nothing_under_the_name(store, run):
    generator = ScriptedGenerator([], hangs=True)
    shelf = run.parent.parent
    publishing = asyncio.ensure_future(
        publish(store, generator, run, shelf, NEW, base="base", at=NOON)
    )
    await asyncio.wait_for(generator.waiting.wait(), 5)
    assert on_the_shelf(shelf) == [NEW.name]
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert on_the_shelf(shelf) == []
    assert await store.tunes() == []
    assert await store.serving() is None


async def test_who_cancels_while_it_is_placed_leaves_nothing_under_the_name(
    store, run, monkeypatch
):
    """A thread cannot be stopped: the place is taken after the cancellation."""
    shelf, loop = run.parent.parent, asyncio.get_running_loop()
    begun, go_on, seen = asyncio.Event(), threading.Event(), []

    def slow(handle):
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(5)
        seen.append(on_the_shelf(shelf))

    monkeypatch.setattr(os, "fsync", slow)  # a disk as slow as that: no file is
    publishing = asyncio.ensure_future(
        publish(store, ScriptedGenerator(["I am"]), run, shelf, NEW, base="base", at=NOON)
    )
    await asyncio.wait_for(begun.wait(), 5)
    publishing.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert (seen[-1], on_the_shelf(shelf)) == ([NEW.name], [])
    assert (await store.tunes(), await store.serving()) == ([], None)


async def test_who_cancels_once_it_is_recorded_leaves_what_is_recorded(store, run):
    shelf, begun = run.parent.parent, asyncio.Event()

    async def has_lost():
        begun.set()
        await asyncio.Event().wait()

    speaks = ScriptedGenerator(["I am"])
    publishing = asyncio.ensure_future(
        publish(store, speaks, run, shelf, NEW, base="base", at=NOON, has_lost=has_lost)
    )
    await asyncio.wait_for(begun.wait(), 5)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert ([tune.name for tune in await store.tunes()], on_the_shelf(shelf)) == ([NEW.name],) * 2
    assert await store.serving() is None


async def test_the_last_ten_are_kept_and_what_a_rollback_leads_to(store, tmp_path):
    shelf = tmp_path / "tunes"
    await publish_all(store, shelf, range(1, 13))
    assert on_the_shelf(shelf) == [f"mynah@{number:06}" for number in range(3, 13)]
    tunes = await store.tunes()
    assert len(tunes) == 12
    assert [bool(tune.path) for tune in tunes] == [False] * 2 + [True] * 10

    for number in range(11, 2, -1):
        assert f"`mynah@{number:06}`" in await roll_back(store, Announcements(None))
    await publish_all(store, shelf, [13])  # what served before it is the oldest: it stays
    assert on_the_shelf(shelf) == [f"mynah@{number:06}" for number in range(3, 14)]
    assert "`mynah@000003`" in (await roll_back(store, Announcements(None))).split("instead")[0]
    # What served before that has no files any more, so the base it is.
    assert "the base answers" in await roll_back(store, Announcements(None))
    assert await store.serving() is None


async def test_what_writes_an_answer_stays_until_it_is_done(store, tmp_path):
    turn = await store.hear(message())
    await store.began(turn.id, recipe(model="mynah@000001"))
    await publish_all(store, tmp_path / "tunes", range(1, 13))
    there = [f"mynah@{number:06}" for number in (1, *range(3, 13))]
    assert on_the_shelf(tmp_path / "tunes") == there
    await store.settle(turn.id, "Hello.", "answered")
    await store.finish(turn.id)
    await publish_all(store, tmp_path / "tunes", [13])
    assert on_the_shelf(tmp_path / "tunes") == [f"mynah@{number:06}" for number in range(4, 14)]


async def test_what_a_rollback_leads_to_stays_however_many_canaries_were_dropped(store, tmp_path):
    shelf = tmp_path / "tunes"
    await publish_all(store, shelf, [1, 2])
    for number in range(3, 14):
        await publish_all(store, shelf, [number], share=0.2)
        assert await store.end_canary(f"mynah@{number:06}", "dropped", NOON, "Disliked.")
    assert on_the_shelf(shelf) == [f"mynah@{number:06}" for number in (1, 2, *range(4, 14))]
    assert "`mynah@000001` answers" in await roll_back(store, Announcements(None))


async def publish_all(store, shelf, numbers, **how):
    for number in numbers:
        name, at = f"mynah@{number:06}", NOON + timedelta(hours=number)
        run = candidate_of(shelf, name)
        tune = replace(NEW, name=name, at=at)
        generator = ScriptedGenerator(["I am Mynah."])
        await publish(store, generator, run, shelf, tune, base="base", at=at, **how)


def test_a_sweep_removes_what_a_killed_process_left_and_nothing_that_is_recorded(tmp_path):
    shelf = tmp_path / "tunes"
    for name in ("mynah@000001", "mynah@000002", "mynah@000003", ".going/mynah@000000"):
        (shelf / name / "merged").mkdir(parents=True)
    candidate_of(shelf, "mynah@000004")
    # The second was retired; the third's place is of another day, when the folder lay elsewhere.
    known = {"mynah@000002": "", "mynah@000003": "/elsewhere/mynah@000003"}
    assert sweep(shelf, known) == [shelf / "mynah@000001"]
    assert sorted(path.name for path in shelf.iterdir()) == ["mynah@000001", "mynah@000003"]


CRASHES = (
    *("place", "probe", "put_tune", "after put_tune", "serve", "after serve"),
    *("begin_canary", "after begin_canary"),
)


@pytest.mark.parametrize("at", CRASHES)
async def test_killed_at_any_step_what_the_store_says_is_what_can_serve(tmp_path, at):
    await survives_a_kill(tmp_path, at)


@pytest.mark.long
@pytest.mark.parametrize("at", CRASHES)
async def test_killed_twenty_times_at_each_step(tmp_path, at):
    for time in range(20):
        await survives_a_kill(tmp_path / str(time), at)


@pytest.mark.parametrize(
    ("at", "left"),
    [("serve", ("mynah@000001", "mynah@000002")), ("after serve", ("mynah@000003", None))],
)
async def test_killed_while_it_takes_a_canarys_place_it_has_it_or_not(tmp_path, at, left):
    await killed(tmp_path, at, 3)
    async with opened(tmp_path) as store:
        serving, canary = await store.answering()
        assert (serving, canary and canary.tune) == left


async def killed(folder, at, many):
    """Leaves what a process left that was killed there, having published all tunes but one."""
    for number in range(1, many + 1):
        candidate_of(folder / "tunes", f"mynah@{number:06}")
    command = [sys.executable, "-m", "tests.training.killed", str(folder), at, str(many)]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=Path(__file__).parents[2], timeout=15, check=False
    )
    assert done.returncode == -signal.SIGKILL


async def survives_a_kill(folder, at):
    shelf = folder / "tunes"
    await killed(folder, at, 2)
    async with opened(folder) as store:
        serving, canary = await store.answering()
        assert serving == ("mynah@000002" if at == "after serve" else "mynah@000001")
        assert (canary and canary.tune) == ("mynah@000002" if at == "after begin_canary" else None)
        answered = at in ("after serve", "after begin_canary")
        assert await store.has_answered("mynah@000002") == answered  # else it is made once more
        assert is_whole(shelf / serving, merged=True)
        known = {tune.name: tune.path for tune in await store.tunes()}
        unknown = await asyncio.to_thread(sweep, shelf, known)
        assert unknown == []
        recorded = at not in ("place", "probe", "put_tune")
        assert (shelf / "mynah@000002").exists() == recorded  # else nothing would ever forget it
        assert not (shelf / ".run").exists()
        assert await store.next_tune() == "mynah@000003"  # never used again
