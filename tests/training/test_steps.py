"""Which step comes after which: remedies that the gate names, and what is left when one breaks."""

import asyncio
import json

import pytest

from bots import steps
from core.training.publish import judgement


def look(*remedies, passed=False):
    check = {"name": "a look", "passed": passed, "words": " ".join(remedies), "value": None}
    return {"passed": passed, "remedies": list(remedies), "checks": [check]}


PASSED, REFUSED = look(passed=True), look()


@pytest.mark.parametrize(
    ("looks", "luck", "walked", "last"),
    [
        ([PASSED], None, "tune evaluate", PASSED),
        ([REFUSED], None, "tune evaluate", REFUSED),
        ([look("nearer"), PASSED], None, "tune evaluate nearer evaluate", PASSED),
        (
            [look("nearer"), look("nearer"), REFUSED],
            None,
            "tune evaluate nearer evaluate nearer evaluate",
            REFUSED,
        ),
        # Where the halves may decide, the gate asks the rest after them, whatever they say.
        ([look("halves"), PASSED], 0.0001, "tune evaluate halves evaluate", PASSED),
        ([look("halves"), REFUSED], 0.2, "tune evaluate halves evaluate", REFUSED),
        (
            [look("halves", "nearer"), PASSED],
            0.0001,
            "tune evaluate halves nearer evaluate",
            PASSED,
        ),
        # What an earlier look found refuses it better than that a later one broke.
        ([look("nearer"), None], None, "tune evaluate nearer evaluate", look("nearer")),
    ],
)
def test_remedies_are_tried_as_long_as_the_gate_names_some(
    tmp_path, monkeypatch, looks, luck, walked, last
):
    assert walk(tmp_path, monkeypatch, looks, luck=luck) == walked
    assert judgement(tmp_path) == last


def test_a_gate_that_breaks_refuses(tmp_path, monkeypatch):
    assert walk(tmp_path, monkeypatch, [None]) == "tune evaluate"
    report = judgement(tmp_path)
    assert not report["passed"]
    assert report["checks"][0]["words"].startswith("checking it failed: it ended with status 1")


def test_of_ten_people_the_halves_are_compared_first_and_a_run_goes_on_without(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    found = walk(tmp_path / "a", monkeypatch, [PASSED], luck=0.5, people=10)
    assert found == "halves tune evaluate"
    found = walk(tmp_path / "b", monkeypatch, [PASSED], people=10)  # halves break
    assert found == "halves tune evaluate"
    assert "the halves of the votes were not compared" in caplog.text


def walk(run, monkeypatch, looks, *, people=1, **play):
    # Real processes, but of a module that plays the steps: each would train for a minute.
    monkeypatch.setattr(steps, "STEPS", "tests.training.played")
    (run / "base").mkdir()
    (run / "recipe.json").write_text(json.dumps({"base": str(run / "base")}))
    some = {name: value for name, value in play.items() if value is not None}
    (run / "play.json").write_text(json.dumps({"looks": looks} | some))

    async def walked():
        return [line async for line in steps.walk(run, run / "log", 10.0, **how)]

    how = {"within_s": 60.0, "people": people}
    asyncio.run(walked())
    return (run / "walked").read_text().strip()
