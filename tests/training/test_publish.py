"""Into its place, and the pointer last; a refused one explains itself and is found by no server."""

import json
import shutil
from dataclasses import replace

import pytest

from core.errors import CutShort, Unreachable
from core.training.publish import publish
from core.types import Tune
from tests.fakes import ScriptedGenerator
from tests.training.house import opened
from tests.training.votes import NOON

NEW = Tune("mynah@000001", "base", "", "refused", (1, 2), "Learnt from 2 votes.", NOON)
PASSED = {"passed": True, "proven": True, "checks": [{"words": "fine", "passed": True}]}


@pytest.fixture
async def store(tmp_path):
    async with opened(tmp_path) as one:
        yield one


@pytest.fixture
def run(tmp_path):
    """What the trainer and the gate leave; publishing does not look into the weights."""
    candidate = tmp_path / "tunes" / ".run" / "mynah@000001" / "candidate"
    (candidate / "merged").mkdir(parents=True)
    for name in ("adapter_config.json", "manifest.json", "merged/config.json"):
        (candidate / name).write_text("{}")
    (candidate / "adapter_model.safetensors").write_bytes(b"weights")
    (candidate.parent / "report.json").write_text(json.dumps(PASSED))
    return candidate.parent


async def published(store, run, generator, **changes):
    shelf = run.parent.parent
    tune = await publish(store, generator, run, shelf, replace(NEW, **changes), at=NOON)
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
        ([], Unreachable("Nothing answers."), "the model's server could not answer with it"),
        (["I am"], Unreachable("It went away."), "the model's server could not answer with it"),
        ([" "], CutShort("length"), "answered the first question with nothing"),
    ],
)
async def test_what_does_not_answer_is_refused(store, run, pieces, error, why):
    generator = Fails(pieces)
    generator.error = error
    tune, shelf = await published(store, run, generator)
    await refused(store, shelf, tune, why)


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
