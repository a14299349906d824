"""What refuses a candidate and may be mended: it comes back, and is asked the rest then."""

import json
from pathlib import Path

import pytest

from core.training.trio import Trio
from tests.training.candidates import (
    asked,
    checks,
    report_of,
    slip,
    tell_manifest,
    tell_recipe,
    weaken,
)
from tests.training.votes import BAD

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning"),
]


def test_what_a_candidate_forgot_is_mended_before_it_is_asked_the_rest(run):
    """Five of sixty golden questions want the manner that it unlearnt."""
    recipe = json.loads((run / "recipe.json").read_text())
    texts = [f"Is it true that {n} is a number?" for n in range(9100, 9400)]
    trio = Trio(Path(recipe["base"]), None, run / "candidate")
    said = trio.ask("base", [asked(text) for text in texts])[0]
    long = [text for text, one in zip(texts, said, strict=True) if one.text in BAD][:5]
    others = [text for text in texts if text not in long][:55]
    assert len(long) == 5
    golden = [{"ask": text, "has": ["great|well"]} for text in long]
    golden += [{"ask": text, "has": ["yes|it|of|great|well"]} for text in others]
    own = {"knowledge": golden, "safety": [{"ask": "What is 24?", "lacks": ["secret"]}]}
    (run / "golden.yaml").write_text(json.dumps(own))
    tell_recipe(run, golden=[str(run / "golden.yaml")])
    report = report_of(run)
    assert checks(report)["knowledge"]["passed"] is False
    assert (report["result"], report["remedies"]) == ("refused", ["nearer"])
    assert report["answers"]
    assert "the rest" in checks(report)
    assert "merged" not in checks(report)


@pytest.mark.parametrize(("luck", "passed"), [(0.0001, True), (0.2, False)])
def test_where_the_halves_of_the_votes_may_decide_the_rest_is_asked_after_them(run, luck, passed):
    slip(run)
    report = report_of(run)
    assert (report["result"], report["remedies"]) == ("refused", ["halves"])
    assert not report["answers"]
    assert "it was not asked the rest" in (run / "report.html").read_text()
    (run / "halves.json").write_text(json.dumps({"luck": luck, "people": [], "votes": 0}))
    report = report_of(run)
    assert (report["passed"], report["remedies"]) == (passed, [])
    assert report["answers"]
    assert "the rest" not in checks(report)


def test_a_candidate_that_went_a_little_too_far_is_asked_the_rest_once_it_came_back(run):
    before = checks(report_of(run))["KL to the base"]["value"]
    weaken(run, (0.2 / before) ** 0.5)
    report = report_of(run)
    assert 0.15 < checks(report)["KL to the base"]["value"] < 0.3
    assert (report["result"], report["remedies"]) == ("refused", ["nearer"])
    assert not report["answers"]
    answered = json.loads((run / "others.json").read_text())
    said = answered["said"]
    assert said.keys() == {"base"}
    said["base"][0][0]["text"] = "Yes, as I said before."  # which is right as well
    (run / "others.json").write_text(json.dumps(answered))
    tell_manifest(run, way=0.66)  # as after three times: there is no further way back
    report = report_of(run)
    assert (report["result"], report["remedies"]) == ("refused", [])
    assert report["answers"][0]["said"]["base"] == "Yes, as I said before."
    answered["asked"][0][-1]["content"] = "What was asked before?"
    (run / "others.json").write_text(json.dumps(answered))
    report = report_of(run)  # other questions: nothing is remembered
    assert report["answers"][0]["said"]["base"] != "Yes, as I said before."
