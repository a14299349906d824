"""Who is new: whoever did not come back a day after they were first heard of, or later. Pure.

Accounts can be made for a vote. Where some people are known, votes of new ones wait: they neither
train nor decide about a canary.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from core.types_learning import Label, Voter

DAY = timedelta(days=1)
ENOUGH = 5  # people who came back; where fewer did, a team on its first day say, nobody is new

Who = tuple[str, str, str]
"""Platform, account and id."""


def by_who(voters: Iterable[Voter]) -> dict[Who, Voter]:
    return {(one.platform, one.account, one.author_id): one for one in voters}


def regulars(voters: Iterable[Voter]) -> dict[Who, Voter]:
    """Those who came back."""
    return by_who(one for one in voters if one.last - one.first >= DAY)


def who_gave(label: Label) -> Who:
    channel = label.thread.channel
    return channel.platform, channel.account, label.voter


def of_regulars(labels: Sequence[Label], known: Collection[Who]) -> Sequence[Label]:
    """Without those of people who are new, where somebody can be. `known`: who came back."""
    return labels if len(known) < ENOUGH else [one for one in labels if who_gave(one) in known]
