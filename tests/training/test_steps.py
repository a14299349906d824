"""Which step comes after which: remedies that the gate names, and what is left when one breaks."""

import asyncio
import json

import pytest

from bots import steps
from core.training.checks import THE_REST
from core.training.publish import is_untested, judgement, reasons


def look(*remedies, passed=False):
    check = {"name": "a look", "passed": passed, "words": " ".join(remedies), "value": None}
    return {"passed": passed, "remedies": list(remedies), "checks": [check]}


PASSED, REFUSED = look(passed=True), look()


@pytest.mark.parametrize(
    ("looks", "walked", "last"),
    [
        ([PASSED], "tune evaluate", PASSED),
        ([REFUSED], "tune evaluate", REFUSED),
        ([look("nearer"), PASSED], "tune evaluate nearer evaluate", PASSED),
        (
            [look("nearer"), look("nearer"), REFUSED],
            "tune evaluate nearer evaluate nearer evaluate",
            REFUSED,
        ),
        # After the halves the gate asks the rest, whatever they say.
        ([look("halves"), PASSED], "tune evaluate halves evaluate", PASSED),
        ([look("halves"), REFUSED], "tune evaluate halves evaluate", REFUSED),
        ([look("halves", "nearer"), REFUSED], "tune evaluate halves nearer evaluate", REFUSED),
        # What an earlier look found refuses it better than that a later one broke.
        ([look("nearer"), None], "tune evaluate nearer evaluate", look("nearer")),
    ],
)
def test_remedies_are_tried_as_long_as_the_gate_names_some(
    tmp_path, monkeypatch, looks, walked, last
):
    assert walk(tmp_path, monkeypatch, looks) == walked
    assert judgement(tmp_path) == last


def test_where_a_remedy_fails_the_report_says_why_the_rest_was_not_asked(tmp_path, monkeypatch):
    stopped = look("halves")
    stopped["checks"].append({"name": THE_REST, "passed": None, "words": "later", "value": None})
    assert walk(tmp_path, monkeypatch, [stopped], halves=False) == "tune evaluate halves"
    report = judgement(tmp_path)
    assert report["checks"][:2] == stopped["checks"]
    assert report["checks"][2]["words"].startswith("what came next failed: it ended with status 1")
    assert not reasons({"checks": report["checks"][1:]})  # what refuses it is what was found
    assert is_untested(report)  # so that the same votes are tried again


def test_a_gate_that_breaks_refuses(tmp_path, monkeypatch):
    assert walk(tmp_path, monkeypatch, [None]) == "tune evaluate"
    report = judgement(tmp_path)
    assert not report["passed"]
    assert report["checks"][0]["words"].startswith("checking it failed: it ended with status 1")


def test_a_gate_that_ends_without_a_word_refuses_and_no_remedy_is_tried_again(
    tmp_path, monkeypatch
):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert walk(tmp_path / "a", monkeypatch, [{}]) == "tune evaluate"
    words = judgement(tmp_path / "a")["checks"][0]["words"]
    assert words.startswith("checking it failed: the checks did not end in a report")
    looks = [look("nearer"), {}]
    assert walk(tmp_path / "b", monkeypatch, looks) == "tune evaluate nearer evaluate"
    assert judgement(tmp_path / "b") == look("nearer")


def test_a_remedy_that_changes_nothing_is_not_tried_for_ever(tmp_path, monkeypatch):
    walked = "tune evaluate" + 3 * " nearer evaluate"
    assert walk(tmp_path, monkeypatch, [look("nearer")] * 9) == walked
    assert judgement(tmp_path) == look("nearer")


def test_of_ten_people_the_halves_are_compared_first_and_a_run_goes_on_without(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    found = walk(tmp_path / "a", monkeypatch, [PASSED], people=10)
    assert found == "halves tune evaluate"
    found = walk(tmp_path / "b", monkeypatch, [PASSED], people=10, halves=False)
    assert found == "halves tune evaluate"
    assert "the halves of the votes were not compared" in caplog.text


def walk(run, monkeypatch, looks, *, people=1, halves=True):
    # Real processes, but of a module that plays the steps: each would train for a minute.
    monkeypatch.setattr(steps, "STEPS", "tests.training.played")
    (run / "base").mkdir()
    (run / "recipe.json").write_text(json.dumps({"base": str(run / "base")}))
    (run / "play.json").write_text(json.dumps({"looks": looks, "halves": halves}))

    async def walked():
        return [line async for line in steps.walk(run, run / "log", 10.0, **how)]

    how = {"within_s": 60.0, "people": people}
    asyncio.run(walked())
    return (run / "walked").read_text().strip()
