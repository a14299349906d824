"""From votes to rows: exact, and nothing that no longer is what the model was shown."""

import dataclasses
import hashlib
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.shares import too_many
from core.training import checks, dataset, jsonl
from core.types import ChannelRef, MessageRef, ThreadRef
from tests.training.votes import SYSTEM, judged, rows_of, taste, turn


def test_a_verdict_becomes_the_prompt_as_it_was_shown_with_the_answer_and_its_label(tmp_path):
    before = turn(1, "Hello", "Hi!")
    asked = turn(2, "Is it so?", "Yes.", shown=[before])
    jsonl.write(dataset.gather([judged(asked, [("ann", 1)], shown=[before])]), tmp_path / "d")
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
    jsonl.write(found, tmp_path / "d")
    question = {"role": "user", "content": "Is it so?"}
    asked = [{"role": "system", "content": SYSTEM}, question]
    good, bad = ({"role": "assistant", "content": text} for text in ("Yes.", "No."))
    assert rows_of(tmp_path / "d", "messages.jsonl") == [{"messages": [*asked, good]}]
    assert rows_of(tmp_path / "d", "pairs.jsonl") == [
        {"prompt": asked, "chosen": [good], "rejected": [bad]}
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


def held(found):
    return {row.turn_id for row in found.rows if row.held_out}


def conversations(found, *, held_out):
    return {row.conversation for row in found.rows if row.held_out == held_out}


def test_below_thirty_labels_nothing_is_held_out():
    found = dataset.gather(taste(29, each=2))
    assert (found.counts["held_out"], found.evidence) == (0, "nothing is held out")


def test_the_same_fifth_of_the_conversations_is_held_out_for_ever(tmp_path):
    fewer, more = dataset.gather(taste(100, each=4)), dataset.gather(taste(400, each=4))
    assert 40 <= len(held(more)) <= 120
    assert held(fewer) == {id for id in held(more) if id <= 100}
    assert len(held(more)) % 4 == 0
    assert not conversations(more, held_out=True) & conversations(more, held_out=False)
    manifest = jsonl.write(more, tmp_path / "d")
    assert manifest["split"] == {"by": "conversation", "evidence": "held out by conversation"}
    seen = {row["prompt"][-1]["content"] for row in rows_of(tmp_path / "d", "train.jsonl")}
    kept = rows_of(tmp_path / "d", "holdout.jsonl")
    assert len({row["group"] for row in kept}) == len(kept) / 4
    line = (tmp_path / "d" / "holdout.jsonl").read_text().split("\n")[0]
    told = next(row for row in manifest["rows"] if row["held_out"])
    assert (told["line"], told["sha256"]) == (1, hashlib.sha256(line.encode()).hexdigest())
    assert len(seen) + len(kept) == 400
    assert not seen & {row["prompt"][-1]["content"] for row in kept}


def test_of_five_conversations_one_is_held_out():
    assert 1900 < sum(dataset.held_out(str(n)) for n in range(10_000)) < 2150


def test_a_conversation_is_its_thread_and_its_first_turn():
    def of(thread="", opening="1"):
        (row,) = dataset.gather([judged(turn(1, thread=thread), [("a", 1)], opening=opening)]).rows
        return row.conversation

    assert len({of(), of("t"), of("u"), of(opening="2")}) == 4
    assert of("t") == of("t")


def test_fewer_than_ten_conversations_are_split_by_turn_which_is_called_weak(tmp_path):
    found = dataset.gather(taste(90, each=10))  # nine
    assert 5 <= len(held(found)) <= 30
    assert conversations(found, held_out=True) & conversations(found, held_out=False)
    manifest = jsonl.write(found, tmp_path / "d")
    assert manifest["split"]["by"] == "turn"
    assert manifest["split"]["evidence"] == (
        "held out by turn from 9 conversations, which is weak evidence"
    )
    assert dataset.gather(taste(100, each=10)).split_by == "conversation"


def test_what_is_trained_on_elsewhere_is_no_evidence():
    votes = taste(100, each=2)
    conversation = min(held(dataset.gather(votes)))
    again = dataclasses.replace(votes[conversation - 1].turn, id=1000)
    trained = next(n for n in range(1, 101) if n not in held(dataset.gather(votes)))
    twin = dataclasses.replace(
        votes[conversation - 1], turn=again, opening=votes[trained - 1].opening
    )
    found = dataset.gather([*votes, twin])
    assert found.left_out == {"trained on elsewhere": (conversation,)}
    assert 1000 in {row.turn_id for row in found.training}


def shares(found):
    given = dict.fromkeys((person for row in found.rows for person in row.people), 0.0)
    for row in found.rows:
        for person in row.people:
            given[person] += 1 / len(row.by)
    return {person: count / len(found.rows) for person, count in given.items()}


def votes_of(**counts):
    """So many votes of each person, one turn each."""
    people = [who for who, count in counts.items() for _ in range(count)]
    return [
        judged(turn(n, f"Is {n} so?"), [(who, 1)], opening=str(n))
        for n, who in enumerate(people, 1)
    ]


def test_once_five_people_vote_nobody_gives_more_than_a_fifth(tmp_path):
    found = dataset.gather(votes_of(ann=200, bob=40, cy=30, di=30, ed=25, flo=9))
    assert max(shares(found).values()) <= 0.2
    assert found.counts["people"] == 6
    given = Counter(row.by[0] for row in found.rows)
    assert (given["flo"], given["ed"]) == (9, 25)
    assert min(given["ann"], given["bob"]) >= 28
    assert max(id for id in found.left_out["more than one person's share"] if id <= 200) < max(
        row.turn_id for row in found.rows if row.by == ("ann",)
    )  # the oldest go
    manifest = jsonl.write(found, tmp_path / "d")
    assert manifest["most_from_one_person"] == 0.2
    assert f"{len(found.rows)} votes of 6 people; " in checks.votes(manifest).words


def test_with_fewer_than_five_people_nobody_is_capped_and_their_number_is_told(tmp_path):
    found = dataset.gather(votes_of(ann=200, bob=4, cy=3, di=1))
    assert len(found.rows) == 208
    manifest = jsonl.write(found, tmp_path / "d")
    assert (manifest["counts"]["people"], manifest["most_from_one_person"]) == (4, None)
    assert "208 votes of 4 people, fewer than five, so that" in checks.votes(manifest).words


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=4), max_size=80))
def test_whoever_votes_together_the_cap_holds(groups):
    groups = [tuple(sorted(group)) for group in groups]
    gone = too_many(groups)
    if len({person for group in groups for person in group}) < 5:
        assert not gone
        return
    left = [group for number, group in enumerate(groups) if number not in gone]
    for person in "abcdefgh":
        share = sum(1 / len(group) for group in left if person in group)
        assert share <= max(1, 0.2 * len(left)) + 1e-6


def test_who_only_undoes_anothers_votes_does_not_lift_the_cap():
    """A tie gives no row, and its voters are people who vote all the same."""
    votes = votes_of(mal=200, ann=40, bob=40, cy=1)
    ties = [
        judged(turn(n, f"Was {n} so?"), [("eve", 1), ("mal", -1)], opening=str(n))
        for n in range(1001, 1004)
    ]
    found = dataset.gather([*votes, *ties])
    assert found.counts["people"] == 4
    assert max(shares(found).values()) <= 0.5
    assert len(found.rows) == 162  # those who vote little cost nobody much
    of_two = [row for row in votes if row.feedback[0].author_id in ("mal", "ann")]
    others = [
        judged(turn(n, f"Was {n} so?"), [(who, 1), ("mal", -1)], opening=str(n))
        for n, who in enumerate(("bob", "cy", "eve"), 1001)
    ]
    found = dataset.gather([*of_two, *others])
    assert (found.counts["people"], len(found.rows)) == (2, 80)


def test_of_very_many_votes_the_newest_teach(monkeypatch):
    monkeypatch.setattr(dataset, "MOST_ROWS", 50)  # else the test would take a minute
    votes = votes_of(ann=70)
    for n in (10, 21):  # two rows; of the latter one is the 50th from behind
        corrected = judged(
            turn(n, f"Is {n} so?"), [("ann", 1)], [("ann", "It is.")], opening=str(n)
        )
        votes[n - 1] = corrected
    found = dataset.gather(votes)
    assert min(row.turn_id for row in found.rows) == 21
    assert found.left_out["older than the newest 5,000"] == tuple(range(1, 21))


def test_people_of_two_platforms_are_not_the_same_person():
    ours = turn(1)
    channel = ChannelRef("slack", "T1", "C1")
    ref, thread = MessageRef(channel, "1"), ThreadRef(channel)
    theirs = dataclasses.replace(
        turn(2), message=dataclasses.replace(ours.message, ref=ref, thread=thread)
    )
    found = dataset.gather([judged(ours, [("ann", 1)]), judged(theirs, [("ann", 1)])])
    assert found.counts["people"] == 2


def test_the_manifest_says_whose_verdict_each_row_came_from_and_the_hash_of_each_file(tmp_path):
    found = dataset.gather([*taste(3), judged(turn(9), [("ann", 1), ("bob", -1)])])
    manifest = jsonl.write(found, tmp_path / "d")
    assert manifest == json.loads((tmp_path / "d" / "manifest.json").read_text()) | {
        "rows": manifest["rows"],
    }
    left_out = json.loads((tmp_path / "d" / "left_out.json").read_text())["left_out"]
    assert left_out == {"as many up as down": [9]}
    assert [(row["turn"], row["by"], row["label"]) for row in manifest["rows"]] == [
        (1, ("console:ann",), True),
        (2, ("console:ann",), False),
        (3, ("console:ann",), True),
    ]
    for row in manifest["rows"]:
        line = (tmp_path / "d" / row["file"]).read_text().split("\n")[row["line"] - 1]
        assert hashlib.sha256(line.encode()).hexdigest() == row["sha256"]
    for name, expected in manifest["files"].items():
        assert hashlib.sha256((tmp_path / "d" / name).read_bytes()).hexdigest() == expected


def test_a_data_set_that_was_changed_is_not_read(tmp_path):
    jsonl.write(dataset.gather(taste(3)), tmp_path / "d")
    assert len(jsonl.read(tmp_path / "d", "train.jsonl")) == 3
    with (tmp_path / "d" / "train.jsonl").open("a") as file:
        file.write('{"planted": true}\n')
    with pytest.raises(ValueError, match="manifest"):
        jsonl.read(tmp_path / "d", "train.jsonl")


def test_every_turn_whose_words_are_in_it_is_named():
    before = turn(1, "Hello", "Hi!")
    asked = turn(7, "Is it so?", "Yes.", shown=[before])
    found = dataset.gather([judged(asked, [("ann", 1), ("bob", 1)], shown=[before])])
    assert (found.turns, found.used) == ((7,), (1, 7))
    assert found.verdicts == ((7, "ann"), (7, "bob"))


def test_signs_that_end_a_line_elsewhere_do_not_end_a_row(tmp_path):
    odd = "one\u2028two\x85three\x0cfour"
    jsonl.write(dataset.gather([judged(turn(1, odd, odd), [("ann", 1)])]), tmp_path / "d")
    (row,) = jsonl.read(tmp_path / "d", "train.jsonl")
    assert row["completion"][0]["content"] == odd


def test_what_is_good_and_what_is_bad_after_one_prompt_are_pairs(tmp_path):
    votes = [
        judged(turn(n, answer=answer), [("ann", score)])
        for n, (answer, score) in enumerate([("a", 1), ("b", -1), ("c", -1), ("c", 1)], 1)
    ]
    jsonl.write(dataset.gather(votes), tmp_path / "d")
    found = [
        (row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in rows_of(tmp_path / "d", "pairs.jsonl")
    ]
    assert found == [("a", "b")]  # and not c against c


def test_secrets_leave_prompt_answer_and_correction_alike():
    secret = "xoxb-123456789012-abcdefghijkl"
    one = judged(
        turn(1, f"Is {secret} mine?", f"{secret} is."), corrections=[("ann", f"No, {secret}")]
    )
    found = dataset.gather([one])
    assert len(found.rows) == 2
    assert secret not in repr(found)
