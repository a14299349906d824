"""The gate's questions, one function each: numbers in, a check out. Pure; knows no model.

`passed` None means that there is too little evidence to say. A check that is not `hard` is for a
person's eyes: it refuses nobody. The limits are learning's recipe; LOG.md says what was measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, nan
from statistics import fmean, median
from typing import Any, Literal

from core.training import luck
from core.training.measure import Said
from core.training.recipe import GATE_KL

DISPLACED_BELOW = -0.02  # mean log-ratio per token of liked answers
MARGIN_FROM = 5  # held-out rows
LUCK_FROM = 8  # groups of rows: with fewer even the clearest votes may be luck, 1 in 2**7
# Beside the base coins' votes pass on one night of two hundred: by what is held out, or where that
# is too few to tell by two halves of all votes (core.training.halves). Beside a tune, which learnt
# from most of the same votes, less is left to win: one in ten of those that are no better pass, and
# beside one that was let in without proof as many as by a coin.
COINS_BELOW, HALVES_BELOW, BETTER_BELOW = 0.003, 0.002, 0.1
REPLAY_ABOVE = 0.05  # nats per token
SAME_KL = 0.02  # what rounding to the base's precision may cost the merged checkpoint, per token
FORGOT_ABOVE, SURE_BELOW = 0.02, 0.1  # share of golden questions; probability of chance
FORGOT_FAR_ABOVE, OF_MANY = 0.05, 100  # a share of so many questions that chance excuses no more
KNOWN_AT_LEAST = 10  # golden questions that what serves gets right
WORSE_BY = 0.02  # share of answers with a fault
ALIKE_BY = 0.25  # share of different questions with the same answer; a manner makes some alike
REPEATED = 4  # times the same four words in one answer
LENGTHS = (0.5, 1.6)
NEAR = 2  # times a limit: what is no further beyond it may be right on a part of the way

THE_REST = "the rest"  # the name of the check that says that not all was asked
Remedy = Literal["", "halves", "nearer"]
"""What may help where a check refuses: to compare the halves of the votes (core.training.halves),
or to go back a part of the way that the training went (core.training.nearer)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question of the gate, and its answer in a sentence without a full stop.

    `words` go to logs and channels: figures, nobody's words, nor an operator's own questions.
    """

    name: str
    passed: bool | None
    words: str
    value: float | None = None
    hard: bool = True
    remedy: Remedy = ""


def votes(manifest: Mapping[str, Any]) -> Check:
    """Whose votes these are, and what those held out are worth: said, not judged.

    `manifest`: the data set's.
    """
    counts, split = manifest["counts"], manifest["split"]
    people = "1 person" if counts["people"] == 1 else f"{counts['people']} people"
    if manifest["most_from_one_person"] is None:
        people += ", fewer than five, so that one may have given more than a fifth"
    words = f"{counts['labels']} votes of {people}; {split['evidence']}"
    sound = counts["held_out"] > 0 and split["by"] == "conversation"
    return Check("votes", sound or None, words, counts["people"], hard=False)


def outvoted(people: int, votes: int) -> Check:
    """Whose votes count for nothing, because the others outvote them: said, not judged."""
    one = "1 person likes" if people == 1 else f"{people} people like"
    words = f"{one} what the others do not: nothing is learnt from {votes} of the votes"
    return Check("outvoted", None, words, people, hard=False)


def way(share: float) -> Check:
    """That it went back (core.training.nearer): said, not judged."""
    words = f"it goes {share:.0%} of the way that its training went, which was refused as too far"
    return Check("way", True, words, share, hard=False)


def _nearer(is_near: bool) -> Remedy:
    return "nearer" if is_near else ""


def drift(value: float, rival: str) -> Check:
    """G3. On-policy KL per token: the one number that sees a collapse every time."""
    passed = value <= GATE_KL  # not so for NaN
    words = f"it moved {value:.3f} nats per token from {rival}, of {GATE_KL} allowed"
    is_near = rival == "the base" and value <= NEAR * GATE_KL
    return Check(f"KL to {rival}", passed, words, value, remedy=_nearer(is_near))


def displacement(ratios: Sequence[float], rival: str) -> Check:
    """G2. `ratios`: how much likelier than the rival it finds each liked answer, per token.

    Their middle counts: what training displaces it displaces everywhere, and by the mean a few who
    like what the others do not would have a veto (LOG.md section 10).
    """
    if not ratios:
        return Check("liked answers", False, "there is no liked answer to check with")
    value = median(ratios) if all(map(isfinite, ratios)) else nan
    passed = value >= DISPLACED_BELOW
    more = "no less" if passed else "less"
    words = f"it finds liked answers {more} likely than {rival} does ({value:+.3f} per token in the"
    words += " middle)"
    # Nearer to the base is farther from a tune that serves.
    remedy = _nearer(rival == "the base" and value >= NEAR * DISPLACED_BELOW)
    return Check("liked answers", passed, words, value, remedy=remedy)


def margin(
    name: str,
    by_conversation: Mapping[str, Sequence[float]],
    rival: str,
    *,
    luck_below: float = COINS_BELOW,
    seen: int = 0,
    between: float | None = None,
    is_unproven: bool = False,
    remedy: Remedy = "",
) -> Check:
    """G1. `by_conversation`: log-ratios of held-out rows with the sign of the vote (`signed`).

    Refused: what votes by the toss of a coin agree with as well. `seen`: how many more are held out
    now, but the rival was trained on them. `between`: how likely coins agree as well between two
    halves of all votes (core.training.halves), which can only say that the votes are no coins'.
    `is_unproven`: the rival agreed with the votes no surer than luck when its time came; then to
    agree more than it does is enough.
    `remedy`: for what is only not sure enough.
    """
    values = [value for group in by_conversation.values() for value in group]
    if len(values) < MARGIN_FROM:
        words = f"too few answers were held out to say whether it is better: {len(values)}"
        words += f" (and {seen} that {rival} was trained on)" if seen else ""
        return Check(name, None, words)
    value = fmean(values)
    words = f"on {len(values)} held-out answers it agrees with the votes by {value:+.3f} per token"
    words += f" more than {rival} does"
    if not value > 0:  # so for NaN
        return Check(name, False, words, value)
    if len(by_conversation) < LUCK_FROM:
        return Check(name, None, f"{words}, too few to rule out luck", value)
    chance = luck.by_flips([sum(group) for group in by_conversation.values()])
    words += f"; luck does as well with a probability of {chance:.4f}, of {luck_below} allowed"
    passed: bool | None = chance < luck_below
    if not passed and between is not None:
        words += f"; between two halves of all votes it is {between:.4f}, of {HALVES_BELOW}"
        if between < HALVES_BELOW:
            passed = None
            words += ": the votes are no coins', and too few were held out to say more"
    if not passed and is_unproven:
        passed = None
        words += f"; {rival} is not proven either, so that is enough"
    return Check(name, passed, words, value, remedy=remedy)


def signed(ratios: Sequence[float], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Clipped, positive where they agree with the vote, by conversation. `rows`: the data set's."""
    found: dict[str, list[float]] = {}
    for ratio, row in zip(ratios, rows, strict=True):
        found.setdefault(row["group"], []).append(clipped(ratio, row["label"]))
    return found


def clipped(ratio: float, liked: bool) -> float:
    ratio = max(-1.0, min(1.0, ratio))
    return ratio if liked else -ratio


@dataclass(frozen=True, slots=True)
class Known:
    """One golden question: which answers to it were right, the first of them the greedy one."""

    must: bool
    rival: tuple[bool, ...]
    ours: tuple[bool, ...]


def golden(name: str, known: Sequence[Known], rival: str) -> Check:
    """G4 and G7. Does it still answer rightly what `rival` answers rightly?

    Refused: one `must` whose greedy answer went wrong; a share of right answers that fell by more
    than two points where chance does not explain it (exact McNemar over the questions), or by more
    than five points of a hundred questions and more, whatever explains it.
    """
    lost = [one for one in known if one.rival[0] and not one.ours[0]]
    won = [one for one in known if not one.rival[0] and one.ours[0]]
    before, after = (share([one.rival for one in known]), share([one.ours for one in known]))
    told = f"it answers {100 * after:.1f} % of {len(known)} {name} questions rightly"
    told += f", {rival} {100 * before:.1f} %"
    if must := sum(one.must for one in lost):
        told = f"it fails {must} of the {name} questions that it must not fail (`must: true`)"
        return Check(name, False, told, after)
    fell = before - after
    far = fell > FORGOT_FAR_ABOVE and len(known) >= OF_MANY
    if far or (fell > FORGOT_ABOVE and _by_chance(known) < SURE_BELOW):
        remedy = _nearer(name == "knowledge" and fell <= NEAR * FORGOT_FAR_ABOVE)
        return Check(name, False, f"it forgot: {told}", after, remedy=remedy)
    if sum(one.rival[0] for one in known) < KNOWN_AT_LEAST:
        told = f"{rival} answers too few of the {len(known)} {name} questions to tell"
        return Check(name, None, f"{told}; add your own (training.golden)", after)
    return Check(name, True, f"{told} ({len(lost)} lost, {len(won)} won)", after)


def share(right: Sequence[tuple[bool, ...]]) -> float:
    """Of all answers to all questions, the share that is right."""
    return fmean(fmean(one) for one in right) if right else 0.0


def _by_chance(known: Sequence[Known]) -> float:
    worse = sum(sum(one.ours) < sum(one.rival) for one in known)
    better = sum(sum(one.ours) > sum(one.rival) for one in known)
    return luck.of_tosses(worse, better)


def replay(risen: Sequence[float], rival: str) -> Check:
    """G5. By how many nats per token the base's own answers became less likely than to `rival`,
    of each question the answer that did the least."""
    if len(risen) < KNOWN_AT_LEAST:
        return Check("replay", None, "too few of the base's answers are known to be right")
    value = fmean(risen)
    bound = luck.bounds([[one] for one in risen])[1]
    passed = bound <= REPLAY_ABOVE
    words = f"the base's own answers surprise it {value:+.3f} nats per token more than {rival},"
    words += " by the answer to each question that does so the least"
    words += f" (at most {bound:+.3f}, of {REPLAY_ABOVE} allowed)"
    remedy = _nearer(bound <= NEAR * REPLAY_ABOVE)
    return Check("replay", passed, words, value, remedy=remedy)


def perplexity(nats: Sequence[float]) -> float:
    return exp(fmean(nats)) if nats else 1.0


def merged(value: float) -> Check:
    """`value`: how far the merged checkpoint is from the adapter on the base, nats per token."""
    passed = abs(value) <= SAME_KL
    words = "the merged checkpoint says what the adapter says"
    return Check("merged", passed, words if passed else f"not so: {words} ({value:.3f})", value)


def overlap(
    theirs: Mapping[str, float], ours: Mapping[str, float], luck: float, count: int, *, seen: bool
) -> Check:
    """G9. BLEU, chrF and ROUGE-L beside wanted answers. Other words may be as good, so it is only
    said; `seen`: it was trained on these answers, so that it proves nothing."""
    rose = ours["chrF"] - theirs["chrF"]
    words = ", ".join(f"{name} {theirs[name]:.1f} → {ours[name]:.1f}" for name in ours)
    words = f"beside {count} liked or corrected answers: {words}"
    if seen:
        return Check("overlap", None, f"{words}, but it was trained on them", rose, hard=False)
    return Check("overlap", rose >= 0 or luck >= SURE_BELOW, words, rose, hard=False)


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
    if "<|" in said.text or "\ufffd" in said.text:
        found.append("leaks special tokens")
    return found


def script(text: str) -> str:
    """The writing that most letters are of: the first word of their Unicode names, roughly."""
    found = Counter("latin" if ord(c) < 0x250 else hex(ord(c) >> 8) for c in text if c.isalpha())
    return found.most_common(1)[0][0] if found else ""


def degeneration(
    old: Sequence[Sequence[Said]], new: Sequence[Sequence[Said]], known: Sequence[int], rival: str
) -> Check:
    """G6. Each fault is hardly more frequent than in the rival's answers to the same questions.

    Both: all answers to each question, the greedy one first. `known`: the questions that the rival
    answers rightly; only of these does it mean something that answers are alike.
    """
    theirs, ours = ([one for some in said for one in some] for said in (old, new))
    before = Counter(fault for said in theirs for fault in faults(said))
    after = Counter(fault for said in ours for fault in faults(said))
    scripts = [(script(o.text), script(n.text)) for o, n in zip(theirs, ours, strict=True)]
    after["in another script"] = sum(bool(o and n) and o != n for o, n in scripts)
    worse = [
        f"{fault}: {count} of {len(ours)}, {rival} {before[fault]}"
        for fault, count in after.items()
        if count - before[fault] > WORSE_BY * len(ours)
    ]
    alike, usual = (_alike([said[n] for n in known]) for said in (new, old))
    if len(known) >= KNOWN_AT_LEAST and alike - usual > ALIKE_BY * len(known):
        worse.append(f"the same to different questions: {alike} of {len(known)}, {rival} {usual}")
    if worse:
        return Check("answers", False, f"its answers got worse ({'; '.join(worse)})")
    return Check("answers", True, f"its {len(ours)} answers are as sound as those of {rival}")


def _alike(said: Sequence[Sequence[Said]]) -> int:
    times = Counter(some[0].text for some in said)
    return sum(count for count in times.values() if count > 1)


def length(old: Sequence[Sequence[Said]], new: Sequence[Sequence[Said]], rival: str) -> Check:
    """G11. A taste for brevity halves lengths lawfully, so this is only said."""
    before, after = (max(1.0, fmean(len(some[0].text) for some in said)) for said in (old, new))
    value = after / before
    passed = LENGTHS[0] <= value <= LENGTHS[1]
    words = f"its answers are {value:.2f} times as long as those of {rival}"
    return Check("length", passed, words, value, hard=False)
