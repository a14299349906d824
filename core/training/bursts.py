"""Bursts of verdicts: many in a short time that few people gave, or mostly newcomers. Pure.

Where a quarter of all who vote and are not new vote together, it is the house: a team that looks
back on its week.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.regulars import DAY, Who
from core.training.planted import shared

SHORT, HOUR = timedelta(minutes=10), timedelta(hours=1)
MANY = 12  # verdicts
OF_ONE = 24  # by one person within SHORT; who reads up what they missed gives fifteen
UNREAD = timedelta(seconds=20) * MANY  # MANY within it: hardly an answer was read
FEW = 3  # verdicts for each person on average, and few are behind them
SURGE, USUAL, TIMES = 24, 0.95, 3  # everywhere: so many, and thrice what 95 of 100 busy times saw
LOOKED_AT = 20  # times as many at once: ten thousand may come within minutes
USUAL_DAYS = 5  # a phrase that is said on more is a form, or a habit
AS_OFTEN = 4  # of such days each saw at least one in so many of what the busiest 24 hours saw
THE_HOUSE = 4  # one in so many who vote here is not few: three of twelve are a meeting

Key = tuple[int, str]
"""A verdict: its turn and its person. A correction belongs to its author's verdict."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Verdicts that are set aside together, and why, as half a sentence."""

    verdicts: tuple[Key, ...]
    people: tuple[str, ...]  # as config.yaml names them
    began: datetime
    ended: datetime
    why: str

    @property
    def id(self) -> str:
        """Of exactly these verdicts: where one came or went, the burst is another."""
        return hashlib.blake2b(repr(self.verdicts).encode(), digest_size=3).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    key: Key
    who: Who  # platform, account, id
    at: datetime
    is_new: bool  # its person was when they gave it, and others were not
    question: str
    correction: str
    cost: int  # rows


Run = tuple[list[Verdict], str]
"""Verdicts that belong together, and why."""


def bursts(verdicts: Sequence[Verdict], decided: Collection[Key] = ()) -> list[Burst]:
    """Oldest first; each verdict is in one at most, and those that an admin decided on in none,
    though they help to see it.
    """
    rest = sorted(verdicts, key=lambda verdict: (verdict.at, verdict.key))
    found: list[Burst] = []
    # Those of one person first, so that they hide no others.
    for rule in (_of_one_person, _on_one_answer, _with_one_phrase, _everywhere):
        for run, why in list(rule(rest)):
            taken = {verdict.key for verdict in run}
            rest = [verdict for verdict in rest if verdict.key not in taken]
            if left := [verdict for verdict in run if verdict.key not in decided]:
                found.append(_burst(left, why))
    return sorted(found, key=lambda burst: (burst.began, burst.verdicts))


def _of_one_person(verdicts: Sequence[Verdict]) -> Iterator[Run]:
    runs = [run for own in _grouped(verdicts, _who) for run in _dense(own, SHORT, MANY, _unread)]
    for together in _at_once(runs):
        yield together, f"{MANY} and more by one person within minutes, faster than one reads"


def _on_one_answer(verdicts: Sequence[Verdict]) -> Iterator[Run]:
    about = _grouped(verdicts, lambda verdict: verdict.key[0])
    runs = [run for one in about for run in _dense(one, SHORT, MANY, _mostly_new)]
    for together in _at_once(runs):
        yield together, f"{MANY} and more on one answer within minutes, mostly by people then new"


def _everywhere(verdicts: Sequence[Verdict]) -> Iterator[Run]:
    """Of a surge only those who were new or gave several: others happened to vote meanwhile."""
    busy = sorted(
        Counter(int(v.at.timestamp() // SHORT.total_seconds()) for v in verdicts).values()
    )
    usual = busy[int(USUAL * (len(busy) - 1))] if busy else 0
    old = _old(verdicts)
    for run in _dense(verdicts, SHORT, max(SURGE, TIMES * usual)):
        each = Counter(verdict.who for verdict in run)
        house = _is_the_house(run, old)
        some = [v for v in run if v.is_new or (each[v.who] >= FEW and not house)]
        if len(some) >= MANY:
            yield some, "within minutes, far more than is usual, several by each person"


def _with_one_phrase(verdicts: Sequence[Verdict]) -> Iterator[Run]:
    """A phrase that few repeat within an hour, of many answers, and hardly at other times.

    Not seen: what comes less than a dozen times an hour, or as often at other times, or in bursts
    on six days, the sixth a quarter of the largest. There only each person's share bounds it.
    """
    old = _old(verdicts)
    texts: dict[int, str] = {}
    on: dict[int, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        turn_id = verdict.key[0]
        texts[turn_id] = texts.get(turn_id, verdict.question) + verdict.correction
        on[turn_id].append(verdict)
    runs = []
    for turn_ids in shared(texts, MANY):
        about = sorted(_joined(on[id] for id in turn_ids), key=lambda one: (one.at, one.key))
        if _is_the_house(about, old) or _is_usual(about):
            continue
        run = list(_joined(_dense(about, HOUR, MANY, _few)))
        if 2 * len(run) > len(about):
            runs.append(run)
    taken: set[Key] = set()
    for run in sorted(runs, key=lambda run: (-len(run), run[0].at)):
        left = [verdict for verdict in run if verdict.key not in taken]
        if len(left) >= MANY:
            taken |= {verdict.key for verdict in left}
            yield left, "within an hour, by few people, about the same words"


def _is_usual(about: Sequence[Verdict]) -> bool:
    """Said on many days about as often; rare forerunners excuse no burst. `about`: oldest first."""
    days = Counter(verdict.at.date() for verdict in about)
    times = [verdict.at for verdict in about]
    # Not of a date: who begins before midnight would halve it.
    busiest = max(n + 1 - bisect_left(times, at - DAY) for n, at in enumerate(times))
    return sum(AS_OFTEN * count >= busiest for count in days.values()) > USUAL_DAYS


def _dense(
    verdicts: Sequence[Verdict],
    within: timedelta,
    many: int,
    fits: Callable[[Sequence[Verdict]], bool] = lambda verdicts: True,
) -> Iterator[list[Verdict]]:
    """The stretches of `verdicts`, oldest first, where so many lie so close and fit."""
    first, end, begin = 0, 0, 0
    for last, verdict in enumerate(verdicts):
        while verdict.at - verdicts[first].at > within or last - first >= LOOKED_AT * many:
            first += 1
        if last + 1 - first < many or not fits(verdicts[first : last + 1]):
            continue
        if first >= end:
            if end:
                yield list(verdicts[begin:end])
            begin = first
        end = last + 1
    if end:
        yield list(verdicts[begin:end])


def _who(verdict: Verdict) -> Who:
    return verdict.who


def _at_once(runs: Iterable[list[Verdict]]) -> Iterator[list[Verdict]]:
    """Those that overlap in time as one: they hardly came by chance."""
    together: list[Verdict] = []
    for run in sorted(runs, key=lambda run: (run[0].at, run[0].key)):
        if together and run[0].at > max(verdict.at for verdict in together):
            yield together
            together = []
        together = together + run
    if together:
        yield together


def _old(verdicts: Iterable[Verdict]) -> set[Who]:
    """Who of them was not new."""
    return {verdict.who for verdict in verdicts if not verdict.is_new}


def _is_the_house(run: Sequence[Verdict], old: Collection[object]) -> bool:
    """`old`: all who vote here and were not new; however many newcomers come, it stays the house's.

    Also those who aged twenty accounts would be, in a house of eighty.
    """
    return THE_HOUSE * len(_old(run)) >= len(old) > 0


def _unread(verdicts: Sequence[Verdict]) -> bool:
    """So many, or so fast at the end, that hardly an answer was read."""
    return len(verdicts) >= OF_ONE or verdicts[-1].at - verdicts[-MANY].at <= UNREAD


def _mostly_new(verdicts: Sequence[Verdict]) -> bool:
    return 2 * sum(verdict.is_new for verdict in verdicts) > len(verdicts)


def _few(verdicts: Sequence[Verdict]) -> bool:
    """By few people, or mostly new ones, of many answers."""
    if len({verdict.key[0] for verdict in verdicts}) < MANY:
        return False
    people = {verdict.who for verdict in verdicts}
    return len(verdicts) >= FEW * len(people) or _mostly_new(verdicts)


def _joined(runs: Iterable[list[Verdict]]) -> Iterator[Verdict]:
    return (verdict for run in runs for verdict in run)


def _grouped(
    verdicts: Iterable[Verdict], by: Callable[[Verdict], object]
) -> Iterable[list[Verdict]]:
    found: dict[object, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found[by(verdict)].append(verdict)
    return found.values()


def _burst(verdicts: Sequence[Verdict], why: str) -> Burst:
    people = {f"{verdict.who[0]}:{verdict.who[2]}" for verdict in verdicts}
    times = [verdict.at for verdict in verdicts]
    keys = tuple(sorted(verdict.key for verdict in verdicts))
    return Burst(keys, tuple(sorted(people)), min(times), max(times), why)
