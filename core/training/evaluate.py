"""The gate: whether a candidate may serve. It says no by default.

`python -m core.training.evaluate RUN`: reads RUN/recipe.json, RUN/dataset and RUN/candidate, leaves
RUN/report.json. A report that is missing, cannot be read or does not say "passed" is a refusal, and
so is a crash or a deadline. It knows neither the store nor the server.

With the few votes of a chat team this is a gate for safety: it can say "not broken", hardly ever
"better". Where too little was held out to say more, the report says so.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from core.training import dataset, integrity
from core.training.child import Reporter, settle_in
from core.training.measure import (
    QUESTIONS,
    Chat,
    ends,
    generate,
    kl_per_token,
    log_ratio_per_token,
    longest,
    probing_prompts,
    prompt_ids,
    quiet,
    row_ids,
)
from core.training.models import load_base
from core.training.recipe import GATE_KL

DISPLACED_BELOW = -0.02  # mean log-ratio per token of liked answers
SAME_KL = 0.02  # what rounding to the base's precision may cost the merged checkpoint, per token
MARGIN_FROM, MARGIN_SURE_FROM = 5, 20  # held-out rows
ANSWER_TOKENS = 160
REPEATED = 4  # times the same four words in one answer


@dataclass(frozen=True, slots=True)
class Check:
    """One question of the gate. `passed` None: too little evidence to say, which refuses nobody."""

    name: str
    passed: bool | None
    words: str
    value: float | None = None


def evaluate(run: Path, reporter: Reporter) -> None:
    """Write RUN/report.json, whatever it says."""
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    base, candidate = Path(recipe["base"]), run / "candidate"
    answers: list[dict[str, str]] = []
    try:
        integrity.check(candidate, base, run / "dataset")
    except integrity.Damaged as damage:
        checks = [Check("integrity", False, f"the tune is damaged: {damage}")]
    else:
        reporter.step(0, 1, "loading the tune")
        checks, answers = _examine(run, base, candidate, reporter)
    report = {
        "passed": all(check.passed is not False for check in checks),
        "proven": any(check.name == "better" and check.passed for check in checks),
        "checks": [asdict(check) for check in checks],
        "answers": answers,
    }
    making = run / "report.making"
    making.write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
    making.rename(run / "report.json")


def _examine(
    run: Path, base: Path, candidate: Path, reporter: Reporter
) -> tuple[list[Check], list[dict[str, str]]]:
    from peft import PeftModel

    plain, tokenizer = load_base(base)
    model = PeftModel.from_pretrained(plain, candidate, local_files_only=True)
    model.eval()
    train, held = (dataset.read(run / "dataset", f"{n}.jsonl") for n in ("train", "holdout"))
    train, held = (
        [row for row in rows if len(row_ids(tokenizer, row)[0]) <= longest(model)]
        for rows in (train, held)
    )
    prompts = probing_prompts(held + train)
    checks = [Check("integrity", True, "its files are whole and belong together")]

    reporter.step(1, 4, "checking how far it moved from the base")
    checks.append(_kl(kl_per_token(model, tokenizer, prompts)))
    reporter.step(2, 4, "checking what it thinks of liked answers")
    liked = [row for row in held if row["label"]] or [row for row in train if row["label"]]
    checks.append(_displacement([log_ratio_per_token(model, tokenizer, row) for row in liked]))
    checks.append(_margin([_signed(model, tokenizer, row) for row in held]))

    reporter.step(3, 4, "asking it questions")
    new = _answers(model, tokenizer, prompts)
    with model.disable_adapter():
        old = _answers(model, tokenizer, prompts)
    checks.append(_degeneration(old, new))
    if (candidate / "merged").is_dir():
        checks.append(_same(model, tokenizer, candidate / "merged", prompts))
    answers = [
        {"question": question, "base": before.text, "tune": after.text}
        for question, before, after in zip(QUESTIONS, old, new, strict=False)
    ]
    return checks, answers


def _kl(value: float) -> Check:
    passed = value <= GATE_KL  # not so for NaN
    words = f"it moved {value:.3f} nats per token from the base, of {GATE_KL} allowed"
    return Check("KL budget", passed, words, value)


def _displacement(ratios: Sequence[float]) -> Check:
    if not ratios:
        return Check("no displacement", False, "there is no liked answer to check with")
    value = fmean(ratios)
    passed = value >= DISPLACED_BELOW
    more = "no less" if passed else "less"
    words = f"it finds liked answers {more} likely than the base does ({value:+.3f} per token)"
    return Check("no displacement", passed, words, value)


def _margin(signed: Sequence[float]) -> Check:
    """On votes held out: mean of clipped log-ratios, with the sign of the vote."""
    if len(signed) < MARGIN_FROM:
        words = f"{len(signed)} answers were held out, too few to say whether it is better"
        return Check("better", None, words)
    value = fmean(signed)
    sure = len(signed) >= MARGIN_SURE_FROM
    bound = _lower_bound(signed) if sure else value
    words = f"on {len(signed)} held-out answers it agrees with the votes by {value:+.3f} per token"
    if sure:
        words += f" (at least {bound:+.3f}, with 90 % confidence)"
    return Check("better", bound > 0, words, value)


def _signed(model: Any, tokenizer: Any, row: dict[str, Any]) -> float:
    ratio = max(-1.0, min(1.0, log_ratio_per_token(model, tokenizer, row)))
    return ratio if row["label"] else -ratio


def _lower_bound(values: Sequence[float], times: int = 2000) -> float:
    """The lower end of the 90 % interval of the mean, by bootstrap."""
    dice = random.Random(0)
    means = sorted(fmean(dice.choices(values, k=len(values))) for _ in range(times))
    return means[times // 10]


@dataclass(frozen=True, slots=True)
class Said:
    """A greedy answer, and whether it ended by itself."""

    text: str
    ended: bool


def _answers(model: Any, tokenizer: Any, prompts: Sequence[Chat], batch: int = 8) -> list[Said]:
    found = []
    stop = ends(model, tokenizer)
    with quiet(model):
        for start in range(0, len(prompts), batch):
            some = prompts[start : start + batch]
            ids, width = generate(model, tokenizer, some, tokens=ANSWER_TOKENS, temperature=0)
            for row in ids[:, width:].tolist():
                text = tokenizer.decode(row, skip_special_tokens=True)
                found.append(Said(text, any(token in stop for token in row)))
    return found


def faults(said: Said) -> list[str]:
    """What is wrong with an answer, whatever was asked."""
    words = said.text.split()
    fours = Counter(tuple(words[i : i + 4]) for i in range(len(words) - 3))
    found = []
    if not words:
        found.append("empty")
    if not said.ended:
        found.append("never ends")
    if max(fours.values(), default=0) >= REPEATED:
        found.append("repeats itself")
    return found


def _degeneration(old: Sequence[Said], new: Sequence[Said]) -> Check:
    """Each fault occurs in the candidate's answers no more often than in the base's."""
    before = Counter(fault for said in old for fault in faults(said))
    after = Counter(fault for said in new for fault in faults(said))
    worse = [f"{fault}: {after[fault]} of {len(new)}" for fault in after - before]
    if worse:
        return Check("answers", False, f"its answers got worse ({', '.join(worse)})")
    return Check("answers", True, f"its {len(new)} test answers end by themselves as the base's do")


def _same(model: Any, tokenizer: Any, merged: Path, prompts: Sequence[Chat]) -> Check:
    """The checkpoint that is served says what the adapter says."""
    import torch

    other, _ = load_base(merged)
    other.eval()
    gaps = []
    with quiet(model), torch.no_grad():
        for prompt in prompts:
            ids = torch.tensor([prompt_ids(tokenizer, prompt)], device=model.device)
            ours, theirs = (m(input_ids=ids).logits.float().log_softmax(-1) for m in (model, other))
            gaps.append(float((ours.exp() * (ours - theirs)).sum(-1).mean()))
    value = fmean(gaps)
    passed = abs(value) <= SAME_KL
    words = "the merged checkpoint says what the adapter says"
    return Check("merged", passed, words if passed else f"not so: {words} ({value:.3f})", value)


def main() -> None:
    run = Path(sys.argv[1])
    evaluate(run, settle_in(run))


if __name__ == "__main__":
    main()
