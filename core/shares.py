"""Who is behind how many rows, and the most that one person may give. Pure.

Whoever votes most would else decide how the bot speaks to everybody. Of few people each may give a
fifth; the more vote, the less one of them may give, down to a fiftieth and ten rows:

    people who vote    1-4     5    10    20    50   100   200
    of all rows       all   1/5   1/5  1/10  1/25  1/50  1/50
    rows              all   200   100    50    20    10    10

A share is twice an even one, so that the rows of those who vote little need not be thrown away for
the sake of those who vote hardly at all. The rows of all together come to a thousand, more than
learning needs (core.training.recipe); a few dozen by one hand can plant an answer behind a phrase,
however many honest ones stand beside them, and so the count is bounded as well as the share (Souly
et al., 2025: 50 to 90 of a thousand or of a hundred thousand rows did it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

CAPPED_FROM = 5  # people
MOST, LEAST = 0.2, 0.02  # of the rows
EVEN_SHARES = 2
MOST_OF_FEW = 0.5  # where five vote, and of some nothing is learnt
ROWS, LEAST_ROWS = 1000, 10  # of all together; of one person at the least


def share(people: int) -> float | None:
    """The most that one of so many who vote may give of all rows; None: all."""
    if people < CAPPED_FROM:
        return None
    return min(MOST, max(LEAST, EVEN_SHARES / people))


def rows(people: int) -> int | None:
    """The same as a number of rows."""
    return None if people < CAPPED_FROM else max(LEAST_ROWS, ROWS // people)


def too_many(people: Sequence[Sequence[str]], voters: int = 0) -> set[int]:
    """Which rows to leave out, given the people behind each, oldest row first.

    `voters`: how many voted, of whom some may be behind no row: ties give none. A row counts to
    each of its people in equal parts. Afterwards nobody has more than their share of what is left
    (half of it, where five voted and fewer are behind a row: a fifth could not be reached); but one
    row's worth is always allowed. Where fewer than five voted nobody is capped. Of those who gave
    too much the oldest rows go, and first those that nobody else is behind.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    weight: dict[str, float] = defaultdict(float)
    for number, behind in enumerate(people):
        for person in behind:
            rows_of[person].append(number)
            weight[person] += 1 / len(behind)
    if not rows_of or max(voters, len(rows_of)) < CAPPED_FROM:
        return set()
    few = len(rows_of)
    allowed = share(few) or max(1 / few, min(MOST_OF_FEW, EVEN_SHARES / few))
    for numbers in rows_of.values():
        numbers.sort(key=lambda number: (len(people[number]), number), reverse=True)
    gone: set[int] = set()
    while True:
        person = max(weight, key=lambda one: (weight[one], one))
        most = max(1.0, allowed * (len(people) - len(gone)))
        if weight[person] <= most + 1e-9:
            return gone
        number = rows_of[person].pop()
        if number not in gone:
            gone.add(number)
            for other in people[number]:
                weight[other] -= 1 / len(people[number])
