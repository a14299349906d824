"""Who is behind how many rows, and the most that one person may give. Pure.

Whoever votes most would else decide how the bot speaks to everybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

CAPPED_FROM = 5  # people
MOST = 0.2  # of the rows


def too_many(people: Sequence[Sequence[str]]) -> set[int]:
    """Which rows to leave out, given the people behind each, oldest row first.

    A row counts to each of its people in equal parts. Afterwards nobody has more than a fifth of
    what is left; but one row's worth is always allowed. With fewer than five people nobody is
    capped: a fifth each could not be reached. Of those who gave too much the oldest rows go, and
    first those that nobody else is behind.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    weight: dict[str, float] = defaultdict(float)
    for number, behind in enumerate(people):
        for person in behind:
            rows_of[person].append(number)
            weight[person] += 1 / len(behind)
    if len(rows_of) < CAPPED_FROM:
        return set()
    for rows in rows_of.values():
        rows.sort(key=lambda number: (len(people[number]), number), reverse=True)
    gone: set[int] = set()
    while True:
        person = max(weight, key=lambda one: (weight[one], one))
        most = max(1.0, MOST * (len(people) - len(gone)))
        if weight[person] <= most + 1e-9:
            return gone
        number = rows_of[person].pop()
        if number not in gone:
            gone.add(number)
            for other in people[number]:
                weight[other] -= 1 / len(people[number])
