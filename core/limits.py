"""How much one person may ask of us in a minute."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from core.types import Turn

WINDOW = timedelta(minutes=1)
MOST_PEOPLE = 10_000  # whose last minute is remembered


class Pace:
    """Counts each person's turns in the minute before each, by the messages' own times.

    So a backlog that is answered in one go after an outage is not too many.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._turns: OrderedDict[tuple[str, str, str], dict[int, datetime]] = OrderedDict()

    def allows(self, turn: Turn) -> bool:
        """Count the turn; False: it is one too many. Asking again about a turn changes nothing."""
        channel, at = turn.message.ref.channel, turn.message.at
        person = (channel.platform, channel.account, turn.message.author.id)
        times = self._turns.setdefault(person, {})
        self._turns.move_to_end(person)
        if len(self._turns) > MOST_PEOPLE:
            self._turns.popitem(last=False)
        for other in [i for i, time in times.items() if time <= at - WINDOW]:
            del times[other]
        if turn.id not in times and len(times) >= self.per_minute:
            return False
        times[turn.id] = at
        return True
