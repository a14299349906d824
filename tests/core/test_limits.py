"""So many turns a minute per person, by the messages' own times."""

from datetime import UTC, datetime, timedelta

from core.limits import Pace
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, ThreadRef, Turn

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def turn(number, after_s, who="ann", account="me"):
    room = ChannelRef("wire", account, "room")
    at = NOON + timedelta(seconds=after_s)
    author = Author(who, who)
    return Turn(
        number,
        IncomingMessage(MessageRef(room, str(number)), ThreadRef(room), author, "q", True, at),
    )


def test_one_too_many_in_a_minute_is_refused_and_the_next_minute_is_open():
    pace = Pace(3)
    assert [pace.allows(turn(n, n)) for n in range(4)] == [True, True, True, False]
    assert pace.allows(turn(9, 61))


def test_a_refused_turn_does_not_count():
    pace = Pace(1)
    assert [pace.allows(turn(n, 10 * n)) for n in range(7)] == [True, *[False] * 5, True]


def test_people_and_accounts_do_not_share_a_limit():
    pace = Pace(1)
    assert pace.allows(turn(1, 0, "ann"))
    assert pace.allows(turn(2, 0, "bob"))
    assert pace.allows(turn(3, 0, "ann", account="other"))
    assert not pace.allows(turn(4, 0, "ann"))


def test_a_second_try_of_the_same_turn_is_not_counted_twice():
    pace = Pace(1)
    assert pace.allows(turn(1, 0))
    assert pace.allows(turn(1, 0))


def test_a_backlog_from_an_outage_is_not_too_many():
    pace = Pace(2)
    assert all(pace.allows(turn(n, 31 * n)) for n in range(100))
