"""A candidate beside the tune that serves: which votes are evidence, and how much is enough."""

import json
import shutil

import pytest

from core.training import dataset
from tests.training.candidates import checks, put_dataset, report_of, slip, tell_recipe, weaken
from tests.training.votes import taste

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning"),
]


def test_what_the_serving_tune_was_trained_on_is_no_evidence_against_its_successor(run, tuned):
    """A tune of few votes learns from all of them; later a fifth of these is held out."""
    serving = shutil.copytree(tuned[0] / "candidate", run.parent.parent / "mynah@000000")
    made = json.loads((serving / "manifest.json").read_text())
    assert made["turns"] == list(range(1, 25))
    tell_recipe(run, serving=str(serving))
    found = dataset.gather(taste(32))
    put_dataset(run, found)
    held = [row.turn_id for row in found.rows if row.held_out]
    old = sum(turn <= 24 for turn in held)
    assert len(held) >= 5 > len(held) - old
    report = report_of(run)
    assert report["figures"]["held"].keys() == {"serving", "candidate", "examples"}
    better = checks(report)["better"]
    assert better["passed"] is None
    assert f"(and {old} that mynah@000000 was trained on)" in better["words"]


def test_beside_a_tune_that_was_let_in_without_proof_more_agreement_is_enough(run, tuned, tmp_path):
    """The rival is the same tune with half its effect; every fourth held-out vote is a slip."""
    weak = shutil.copytree(tuned[0], tmp_path / "weak")
    weaken(weak, 0.5)
    serving = shutil.copytree(weak / "candidate", run.parent.parent / "mynah@000000")
    made = json.loads((serving / "manifest.json").read_text())
    (serving / "manifest.json").write_text(json.dumps(made | {"turns": []}))
    slip(run)
    for proven, passed in ((True, False), (False, None)):
        tell_recipe(run, serving=str(serving), serving_is_proven=proven)
        report = report_of(run)
        better = checks(report)["better"]
        assert (better["passed"], better["value"] > 0) == (passed, True), better
        assert better["words"].endswith("so that is enough") is not proven
        assert report["proven"] is (checks(report)["better than the base"]["passed"] is True)
