"""What the trainer tells of a tune: its report as far as it is kept, without an operator's own."""

import json

import pytest

from bots import telling
from core.training import dataset, golden
from core.types_learning import Tune
from tests.training.house import trainer
from tests.training.votes import NOON, taste

GOLDEN = golden.load([golden.OURS])
OURS, SAFETY = GOLDEN.knowledge[0].ask, GOLDEN.safety[0].ask


def answer(question, before="Well!", now="Well."):
    said = {"base": before, "candidate": now}
    return {"question": question, "before": [], "said": said, "right": dict.fromkeys(said, True)}


def shelved(store, tmp_path, report):
    """A trainer and a tune on its shelf, with this report.json."""
    folder = tmp_path / "tunes" / "mynah@000001"
    folder.mkdir(parents=True)
    if report is not None:
        text = report if isinstance(report, str) else json.dumps(report)
        (folder / "report.json").write_text(text)
    tune = Tune(folder.name, "base", str(folder), "passed", (1,), "Learnt.", NOON)
    return trainer(store, tmp_path), tune


async def test_of_a_report_only_answers_to_our_questions_of_knowledge_are_told(store, tmp_path):
    answers = [answer(OURS), answer("What is the door's code?"), answer(SAFETY)]
    checks = [{"name": "files", "passed": True, "words": "whole", "hard": True, "value": 1}]
    told, tune = shelved(store, tmp_path, {"checks": checks, "answers": answers, "system": "Be."})
    report = await told.report(tune)
    assert [one["question"] for one in report["answers"]] == [OURS]
    assert [one["words"] for one in report["checks"]] == ["whole"]
    assert report.keys() == {"checks", "answers"}


@pytest.mark.parametrize(
    "report", [None, "{", "[]", {"checks": []}, {"checks": [{}], "answers": []}]
)
async def test_of_a_report_that_is_gone_or_broken_there_is_none(store, tmp_path, report):
    told, tune = shelved(store, tmp_path, report)
    assert await told.report(tune) is None


def test_where_not_all_votes_teach_it_is_said_how_many_of_them_do():
    few, many = (dataset.gather(taste(count)) for count in (20, 60))
    assert telling.learnt_from(20, few).startswith("20 votes (10 liked, 10 disliked, from")
    held = many.counts["held_out"]
    assert held
    told = telling.learnt_from(60 - held, many)
    assert told.startswith(f"{60 - held} of 60 votes (")
    assert f"{held} held out for checking" in told
