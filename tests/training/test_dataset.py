"""From votes to rows: exact, and nothing that no longer is what the model was shown."""

import dataclasses
import hashlib
import json

import pytest

from core.training import dataset
from tests.training.votes import SYSTEM, judged, rows_of, taste, turn


def test_a_verdict_becomes_the_prompt_as_it_was_shown_with_the_answer_and_its_label(tmp_path):
    before = turn(1, "Hello", "Hi!")
    asked = turn(2, "Is it so?", "Yes.", shown=[before])
    dataset.write(dataset.gather([judged(asked, [("ann", 1)], shown=[before])]), tmp_path / "d")
    assert rows_of(tmp_path / "d", "train.jsonl") == [
        {
            "prompt": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Hi!"},
                {"role": "user", "content": "Is it so?"},
            ],
            "completion": [{"role": "assistant", "content": "Yes."}],
            "label": True,
        }
    ]


def test_a_correction_is_a_good_answer_and_a_verdict_on_the_old_one(tmp_path):
    found = dataset.gather([judged(turn(1, answer="No."), corrections=[("ann", "Yes.")])])
    assert [(row.text, row.label, row.corrected) for row in found.rows] == [
        ("Yes.", True, True),
        ("No.", False, False),
    ]
    dataset.write(found, tmp_path / "d")
    assert [row["completion"][0]["content"] for row in rows_of(tmp_path / "d", "sft.jsonl")] == [
        "Yes."
    ]


def test_the_last_verdict_of_a_person_counts_and_the_majority_of_people_decides():
    votes = [("ann", 1), ("bob", -1), ("ann", -1), ("cy", 1)]
    (row,) = dataset.gather([judged(turn(1), votes)]).rows
    assert (row.label, row.by) == (False, ("ann", "bob", "cy"))


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (judged(turn(1), [("ann", 1), ("bob", -1)]), "as many up as down"),
        (judged(turn(1, outcome="cut"), [("ann", 1)]), "not a whole answer"),
        (judged(turn(1, outcome="stopped"), [("ann", 1)]), "not a whole answer"),
        (judged(turn(1, answer=" "), [("ann", 1)]), "not a whole answer"),
        (
            judged(dataclasses.replace(turn(1), recipe=None), [("ann", 1)]),
            "not a whole answer",
        ),
        (judged(turn(2, shown=[turn(1)]), [("ann", 1)]), "prompt changed since"),
        (
            judged(turn(2, shown=[turn(1)]), [("ann", 1)], shown=[turn(1, "Edited")]),
            "prompt changed since",
        ),
        (
            judged(turn(1, answer="Yes."), corrections=[("ann", "Yes. ")]),
            "correction changes nothing",
        ),
    ],
)
def test_what_cannot_be_used_is_left_out_and_counted(one, reason):
    found = dataset.gather([one])
    assert (found.rows, found.left_out) == ((), {reason: (one.turn.id,)})


def test_an_edited_question_is_left_out_and_the_others_stay():
    votes = taste(12)
    message = dataclasses.replace(votes[3].turn.message, text="Something else")
    edited = dataclasses.replace(votes[3].turn, message=message)
    votes[3] = dataclasses.replace(votes[3], turn=edited)
    found = dataset.gather(votes)
    assert found.left_out == {"prompt changed since": (4,)}
    assert found.counts["labels"] == 11


def test_below_thirty_labels_nothing_is_held_out():
    assert dataset.gather(taste(29)).counts["held_out"] == 0


def test_from_thirty_labels_on_the_same_fifth_is_held_out_for_ever(tmp_path):
    def held(found):
        return {row.turn_id for row in found.rows if row.held_out}

    fewer, more = dataset.gather(taste(100)), dataset.gather(taste(200))
    assert 10 <= len(held(fewer)) <= 30
    assert held(fewer) == {id for id in held(more) if id <= 100}
    dataset.write(more, tmp_path / "d")
    seen = {row["prompt"][-1]["content"] for row in rows_of(tmp_path / "d", "train.jsonl")}
    kept = {row["prompt"][-1]["content"] for row in rows_of(tmp_path / "d", "holdout.jsonl")}
    assert len(seen) + len(kept) == 200
    assert not seen & kept


def test_the_manifest_says_whose_verdict_each_row_came_from_and_the_hash_of_each_file(tmp_path):
    found = dataset.gather([*taste(3), judged(turn(9), [("ann", 1), ("bob", -1)])])
    manifest = dataset.write(found, tmp_path / "d")
    assert manifest == json.loads((tmp_path / "d" / "manifest.json").read_text()) | {
        "rows": manifest["rows"],
        "left_out": {"as many up as down": (9,)},
    }
    assert [(row["turn"], row["by"], row["label"]) for row in manifest["rows"]] == [
        (1, ("ann",), True),
        (2, ("ann",), False),
        (3, ("ann",), True),
    ]
    for name, expected in manifest["files"].items():
        assert hashlib.sha256((tmp_path / "d" / name).read_bytes()).hexdigest() == expected


def test_a_data_set_that_was_changed_is_not_read(tmp_path):
    dataset.write(dataset.gather(taste(3)), tmp_path / "d")
    assert len(dataset.read(tmp_path / "d", "train.jsonl")) == 3
    with (tmp_path / "d" / "train.jsonl").open("a") as file:
        file.write('{"planted": true}\n')
    with pytest.raises(ValueError, match="manifest"):
        dataset.read(tmp_path / "d", "train.jsonl")


def test_secrets_leave_prompt_answer_and_correction_alike():
    secret = "xoxb-123456789012-abcdefghijkl"
    one = judged(
        turn(1, f"Is {secret} mine?", f"{secret} is."), corrections=[("ann", f"No, {secret}")]
    )
    found = dataset.gather([one])
    assert len(found.rows) == 2
    assert secret not in repr(found)
