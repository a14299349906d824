"""How much two lists of texts have in common, by the field's usual measures. Reported, not judged:
a chatbot may say the same in other words."""

from __future__ import annotations

from collections.abc import Sequence


def overlap(said: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """BLEU and chrF of the whole list (0 to 100), and the mean ROUGE-L (0 to 100)."""
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    rouge = RougeScorer(["rougeL"])
    scores = [rouge.score(w, s)["rougeL"].fmeasure for s, w in zip(said, wanted, strict=True)]
    return {
        "BLEU": round(float(BLEU().corpus_score(said, [wanted]).score), 1),
        "chrF": round(float(CHRF().corpus_score(said, [wanted]).score), 1),
        "ROUGE-L": round(100 * sum(scores) / len(scores), 1),
    }


def chance(ours: Sequence[str], theirs: Sequence[str], wanted: Sequence[str]) -> float:
    """How likely so great a difference of chrF is if nothing but chance made it: by resampling."""
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.significance import PairedTest, Result

    chrf = CHRF()
    test = PairedTest(
        [("theirs", theirs), ("ours", ours)],
        {"chrF": chrf},
        [list(wanted)],
        test_type="bs",
        n_samples=500,
    )
    found = next(scores for name, scores in test()[1].items() if name != "System")[1]
    assert isinstance(found, Result)
    return 1.0 if found.p_value is None else float(found.p_value)
