"""What a tune learnt from, of all that its run used, by its manifest."""

import json
from collections import Counter

import pytest

from core.training import dataset, jsonl, taught
from core.types_learning import Used
from tests.training.votes import judged, taste, turn


def made(run, learnt, *, passed=True):
    """A run's folder, whose tune says that it learnt these lines."""
    (run / "candidate").mkdir(parents=True)
    (run / "candidate" / "manifest.json").write_text(json.dumps({"learnt": learnt}))
    checks = [{"name": "x", "passed": passed, "words": "so it is"}]
    (run / "report.json").write_text(json.dumps({"passed": passed, "checks": checks}))
    return run


def lines_of(gathered, folder, *without):
    """The lines of train.jsonl, but those of these people."""
    entries = jsonl.write(gathered, folder)["rows"]
    trained = [entry for entry in entries if entry["file"] == "train.jsonl"]
    return [one["line"] for one in trained if not {*one["by"]} & {*without}]


CORRECTED = [
    judged(turn(n, f"Is {n} so?", "No."), [("ann", -1), ("bob", -1)], [("ann", f"Yes, {n}.")])
    for n in range(1, 61)
]


def test_of_what_was_held_out_nothing_is_learnt_neither_vote_nor_correction(tmp_path):
    gathered = dataset.gather(CORRECTED)
    held = {row.turn_id for row in gathered.rows if row.held_out}
    assert 5 < len(held) < 25
    run = made(tmp_path / "run", lines_of(gathered, tmp_path / "dataset"))
    used = taught.used(gathered, run)
    assert [(one.turn_id, one.author_id) for one in used] == list(gathered.verdicts)
    assert {one.turn_id for one in used if not one.learnt} == held
    assert {one for one in used if one.corrected} == {
        Used(n, "ann", True, True) for n in range(1, 61) if n not in held
    }


def test_of_people_whom_the_others_outvote_nothing_is_learnt(tmp_path):
    gathered = dataset.gather(taste(20, by=("ann", "bob")))
    lines = lines_of(gathered, tmp_path / "dataset", "console:bob")
    used = taught.used(gathered, made(tmp_path / "run", lines))
    assert Counter((one.author_id, one.learnt) for one in used) == {
        ("ann", True): 10,
        ("bob", False): 10,
    }


def test_a_correction_beyond_its_authors_share_is_not_learnt_though_their_vote_is(tmp_path):
    others = "bob", "cy", "di", "ed"
    mine = [
        judged(turn(n, f"Is {n} so?", "No."), [(others[n % 4], -1)], [("ann", f"Yes, {n}.")])
        for n in range(101, 117)
    ]
    gathered = dataset.gather([*taste(60, by=others), *mine])
    whole = made(tmp_path / "run", lines_of(gathered, tmp_path / "dataset"))
    hers = {one for one in taught.used(gathered, whole) if one.author_id == "ann" and one.learnt}
    kept = {row.turn_id for row in gathered.training if row.corrected}
    assert {one.turn_id for one in hers if one.corrected} == kept
    assert kept
    assert [one for one in hers if not one.corrected]  # of older ones her "no" alone


def test_what_the_training_itself_left_out_is_not_learnt(tmp_path):
    gathered = dataset.gather(CORRECTED[:3])
    line = next(n for n, row in enumerate(gathered.training, 1) if row.turn_id == 2)
    assert gathered.training[line - 1].corrected
    assert taught.used(gathered, made(tmp_path, [line])) == (
        *(Used(1, "ann"), Used(1, "bob")),
        *(Used(2, "ann", True, True), Used(2, "bob")),
        *(Used(3, "ann"), Used(3, "bob")),
    )


@pytest.mark.parametrize("broken", ["{}", "[]", "{", '{"learnt": 3}', None])
def test_where_the_manifest_does_not_say_nothing_counts_as_learnt(tmp_path, broken):
    gathered = dataset.gather(taste(3))
    made(tmp_path, [1, 2, 3])
    manifest = tmp_path / "candidate" / "manifest.json"
    manifest.write_text(broken) if broken else manifest.unlink()
    assert taught.used(gathered, tmp_path) == tuple(Used(n, "ann") for n in (1, 2, 3))


def test_of_a_tune_that_the_gate_refused_nothing_is_read(tmp_path):
    gathered = dataset.gather(taste(3))
    assert not any(one.learnt for one in taught.used(gathered, made(tmp_path, [1], passed=False)))
