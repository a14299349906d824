"""The gate: whether a candidate may serve. It says no by default.

`python -m core.training.evaluate RUN`: reads RUN/recipe.json, RUN/dataset and RUN/candidate, leaves
RUN/report.json and, for people, RUN/report.html. A report that is missing, cannot be read or does
not say "passed" is a refusal, and so is a crash or a deadline. It knows neither the store nor the
server.

Base, the tune that serves and the candidate are asked the same things, side by side (what, is told
in core.training.examination). With the few votes of a chat team this is a gate for safety: it can
say "not broken", hardly ever "better". Where too little was held out to say more, the result is
"not enough evidence".
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.training import golden, integrity
from core.training.checks import Check
from core.training.child import Reporter, settle_in, write_whole
from core.training.examination import STEPS, Examination, Examined
from core.training.models import missing_on_gpu
from core.training.page import page
from core.training.trio import Trio

PROOFS = ("better", "better than the base")  # that it agrees with the votes, as no luck would


def evaluate(run: Path, reporter: Reporter) -> None:
    """Write RUN/report.json and RUN/report.html, whatever they say."""
    began = time.monotonic()
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    base, candidate = Path(recipe["base"]), run / "candidate"
    serving = Path(recipe["serving"]) if recipe.get("serving") else None
    try:
        asked = golden.load([Path(path) for path in recipe.get("golden", [golden.OURS])])
        integrity.check(candidate, base, run / "dataset")
    except integrity.Damaged as damage:
        found = Examined([Check("files", False, f"the tune is damaged: {damage}")])
    except golden.Unreadable as error:
        found = Examined([Check("golden questions", False, str(error).rstrip("."))])
    else:
        reporter.step(0, STEPS, "loading the tune")
        if missing := missing_on_gpu(base, merge=recipe["merge"]):
            reporter.fail(missing)
        trio = Trio(base, serving, candidate)
        unproven = not recipe.get("serving_is_proven", True)
        found = Examination(run, trio, asked, reporter, is_unproven=unproven).all()
    report = summed_up(found) | {
        "name": run.name,
        "rival": serving.name if serving else None,
        "took_s": round(time.monotonic() - began, 1),
    }
    write_whole(run / "report.html", page(report))
    write_whole(run / "report.json", json.dumps(report, indent=1, ensure_ascii=False))


def summed_up(found: Examined) -> dict[str, Any]:
    """The report. `passed` decides; `result` says it in the three words that there are for it."""
    hard = [check for check in found.checks if check.hard]
    passed = not any(check.passed is False for check in hard)
    unsure = any(check.passed is None for check in hard)
    return {
        "passed": passed,
        "proven": any(check.name in PROOFS and check.passed for check in hard),
        "result": "refused" if not passed else "not enough evidence" if unsure else "passed",
        "remedies": found.remedies,
        "checks": [asdict(check) for check in found.checks],
        "figures": found.figures,
        "answers": found.answers,
        "system": found.system,
    }


def main() -> None:
    run = Path(sys.argv[1])
    reporter = settle_in(run)
    with reporter.explaining():
        evaluate(run, reporter)


if __name__ == "__main__":
    main()
