"""Whose question a canary answers, and what votes make of it."""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from bench.canary import fates
from core.canary import (
    Count,
    at_last,
    by_votes,
    chosen,
    counted,
    is_drawn,
    is_over,
    not_worse,
)
from core.types import ChannelRef, MessageRef, Recipe, ThreadRef, Turn, person
from core.types_learning import Canary, Label, Voter
from tests.core.room import BOB, NOW, ROOM, asked

CANARY = Canary("mynah@000002", 0.2, person(ROOM, "bob"), NOW)
SERVING = "mynah@000001"
DAY = timedelta(days=1)


def threads(many):
    return [ThreadRef(ROOM, str(number)) for number in range(many)]


def drawn(canary=CANARY, is_so=True):
    """A thread that the lot falls on, or does not."""
    return next(one for one in threads(1000) if is_drawn(canary, one) == is_so)


def before(model, at=NOW, **where):
    """A turn before in a conversation, answered by this model, as all there were."""
    return (Turn(1, asked(at=at, **where), recipe=Recipe(model, "", None, "digest")),)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_lot_falls_on_the_share_of_conversations(share):
    found = sum(is_drawn(replace(CANARY, share=share), one) for one in threads(4000))
    assert abs(found / 4000 - share) < 0.03


def test_all_or_none_are_drawn_at_the_ends():
    assert all(is_drawn(replace(CANARY, share=1.0), one) for one in threads(100))
    assert not any(is_drawn(replace(CANARY, share=1e-9), one) for one in threads(100))


def test_another_canary_draws_anew():
    other = replace(CANARY, tune="mynah@000003")
    both = Counter((is_drawn(CANARY, one), is_drawn(other, one)) for one in threads(4000))
    assert abs(both[True, True] / 4000 - 0.04) < 0.02


def test_a_new_conversation_is_answered_by_lot_and_the_lot_stays():
    for thread in threads(50):
        message = asked(thread=thread.thread)
        model = chosen(CANARY, message, (), SERVING)
        assert model == (CANARY.tune if is_drawn(CANARY, thread) else SERVING)
        assert model == chosen(CANARY, message, (), SERVING)


@pytest.mark.parametrize("is_lot", [True, False])
@pytest.mark.parametrize(
    ("last", "now"),
    [(CANARY.tune, CANARY.tune), (SERVING, SERVING), ("mynah@000000", SERVING), ("base", SERVING)],
)
def test_a_conversation_keeps_its_model_while_that_is_one_of_the_two(last, now, is_lot):
    thread = drawn(is_so=is_lot).thread
    message = asked(thread=thread, at=NOW + 2 * DAY)
    assert chosen(CANARY, message, before(last, thread=thread), SERVING) == now


def test_who_started_the_run_hears_it_at_once_and_no_stranger_does():
    thread = drawn(is_so=False).thread
    theirs = asked(thread=thread, author=BOB)
    assert chosen(CANARY, theirs, before(SERVING, thread=thread), SERVING) == CANARY.tune
    assert chosen(replace(CANARY, by=None), theirs, (), SERVING) == SERVING
    elsewhere = ChannelRef("list", "other", "room")  # another workspace's bob
    stranger = replace(theirs, ref=MessageRef(elsewhere, "1"), thread=ThreadRef(elsewhere, thread))
    assert person(elsewhere, "bob") != CANARY.by
    assert chosen(CANARY, stranger, before(SERVING), SERVING) == SERVING


def test_who_started_the_run_moves_no_conversation():
    for lot, thread in ((CANARY.tune, drawn().thread), (SERVING, drawn(is_so=False).thread)):
        bobs = before(CANARY.tune, thread=thread, author=BOB)
        assert chosen(CANARY, asked(thread=thread), bobs * 2, SERVING) == lot
        for model in (CANARY.tune, SERVING):
            others = before(model, thread=thread) + bobs
            assert chosen(CANARY, asked(thread=thread), others, SERVING) == model
    earlier = before(SERVING, thread=thread) + before(CANARY.tune, thread=thread)
    assert chosen(CANARY, asked(thread=thread), earlier + bobs, SERVING) == CANARY.tune


def test_in_a_chat_that_who_started_the_run_began_the_lot_falls_by_how_they_began_it():
    room = ThreadRef(ROOM)
    long_ago = before(CANARY.tune, at=NOW - DAY)
    for n in range(100):
        lot = CANARY.tune if is_drawn(CANARY, room, str(n)) else SERVING
        began = before(CANARY.tune, id=str(n), author=BOB)
        more = before(CANARY.tune, id="more", author=BOB, at=NOW + timedelta(hours=7))
        message = asked(id="last", at=NOW + timedelta(hours=14))
        assert chosen(CANARY, message, long_ago + began + more, SERVING) == lot
    theirs = before(SERVING, id="theirs")  # seven hours before more: the same conversation
    assert chosen(replace(CANARY, share=1.0), message, theirs + more, SERVING) == SERVING


def test_of_what_they_said_before_the_canary_the_newest_began_it_as_labels_say():
    room, hour = ThreadRef(ROOM), timedelta(hours=1)
    message = asked(id="last", at=NOW + hour)
    for n in range(100):
        lot = CANARY.tune if is_drawn(CANARY, room, f"b{n}") else SERVING
        first = before(SERVING, id=f"a{n}", author=BOB, at=NOW - 2 * hour)
        newest = before(SERVING, id=f"b{n}", author=BOB, at=NOW - hour)
        since = before(CANARY.tune, id=f"c{n}", author=BOB, at=NOW)
        assert chosen(CANARY, message, first + newest, SERVING) == lot
        assert chosen(CANARY, message, first + newest + since, SERVING) == lot


def test_where_the_channel_is_the_conversation_eight_silent_hours_begin_another():
    canary = replace(CANARY, share=1.0)
    later = {"at": NOW + timedelta(hours=9)}
    assert chosen(canary, asked(**later), before(SERVING), SERVING) == CANARY.tune
    assert chosen(canary, asked(at=NOW + timedelta(hours=7)), before(SERVING), SERVING) == SERVING
    in_thread = before(SERVING, thread="t")
    assert chosen(canary, asked(thread="t", **later), in_thread, SERVING) == SERVING


def test_in_a_chat_each_conversation_is_drawn_anew_and_keeps_what_it_drew():
    drawn = [
        chosen(CANARY, asked(id=str(n)), before(SERVING, at=NOW - DAY), SERVING)
        for n in range(2000)
    ]
    assert abs(drawn.count(CANARY.tune) / 2000 - 0.2) < 0.04
    assert chosen(CANARY, asked(id="1"), (), SERVING) == drawn[1]


def label(thread, model, score=1, *, voter="ann", asked_by="ann", at=NOW, opening=""):
    return Label(model, thread, asked_by, at, voter, score, opening)


OURS, THEIRS = drawn(), drawn(is_so=False)


def test_the_first_vote_of_each_person_in_each_conversation_counts():
    labels = [
        label(OURS, CANARY.tune, 1),
        label(OURS, CANARY.tune, -1),  # the same person again
        label(OURS, CANARY.tune, -1, voter="cy"),
        label(THEIRS, SERVING, 1),
    ]
    assert counted(CANARY, labels, SERVING) == [(True, True), (True, False), (False, True)]


@pytest.mark.parametrize(("people", "each"), [(4, 12), (5, 2), (10, 2), (20, 1), (200, 1)])
def test_no_known_person_is_a_days_ten_votes_alone(people, each):
    names = [f"person {n}" for n in range(people)]
    voters = [Voter(ROOM.platform, ROOM.account, name, NOW - 2 * DAY, NOW) for name in names]
    ours = [one for one in threads(200) if is_drawn(CANARY, one)]
    own = [label(thread, CANARY.tune, -1, voter=names[0]) for thread in ours[:12]]
    assert len(counted(CANARY, own, SERVING, voters)) == each
    other = label(ours[0], CANARY.tune, 1, voter=names[1])
    theirs = label(THEIRS, SERVING, voter=names[0])  # of what serves they may give as many
    later = label(ours[13], CANARY.tune, voter=names[0], at=NOW + DAY)
    assert len(counted(CANARY, [*own, other, theirs, later], SERVING, voters)) == each + 3


def test_where_the_channel_is_the_conversation_a_vote_counts_again_after_eight_silent_hours():
    room = ThreadRef(ROOM)
    canary = replace(CANARY, share=1.0)
    times = [NOW, NOW + timedelta(hours=7), NOW + timedelta(hours=9)]
    labels = [label(room, CANARY.tune, at=at) for at in times]
    assert len(counted(canary, labels, SERVING)) == 2


def test_in_a_chat_a_vote_counts_where_the_lot_fell_on_its_conversation():
    room = ThreadRef(ROOM)
    labels = [
        label(room, chosen(CANARY, asked(id=str(n)), (), SERVING), opening=str(n))
        for n in range(100)
    ]
    assert len(counted(CANARY, labels, SERVING)) == 100
    started = [replace(one, model=CANARY.tune) for one in labels]
    assert 5 <= len(counted(CANARY, started, SERVING)) <= 40


@pytest.mark.parametrize(
    "one",
    [
        label(THEIRS, CANARY.tune),
        label(OURS, SERVING),  # it went on as it began before the canary
        replace(label(THEIRS, SERVING), is_older=True),  # the same, with luck
        label(OURS, CANARY.tune, asked_by="bob"),  # the starter's own
        label(THEIRS, SERVING, asked_by="bob"),
        label(THEIRS, "mynah@000000"),
        label(THEIRS, "base"),
    ],
)
def test_what_the_lot_did_not_decide_does_not_count(one):
    assert counted(CANARY, [one], SERVING) == []


def test_the_base_is_compared_with_where_it_serves():
    labels = [label(THEIRS, "Qwen/Qwen3-8B"), label(THEIRS, "mynah@000000"), label(OURS, "base")]
    assert counted(CANARY, labels, None) == [(False, True)]


def votes(up_canary, of_canary, up_other, of_other):
    found = [(True, n < up_canary) for n in range(of_canary)]
    return found + [(False, n < up_other) for n in range(of_other)]


def test_the_probability_is_exact_for_what_can_be_worked_out_by_hand():
    # Two uniform shares: the triangle where the canary's is lower by more than .05.
    assert not_worse(Count()) == pytest.approx(1 - 0.95**2 / 2, abs=1e-5)
    # One thumb up against nothing, density 2x: P(c > s - m) is 2 x (m + x) up to 1 - m, then 2 x.
    m = 0.05
    worked_out = (1 - m) ** 2 * m + 2 * (1 - m) ** 3 / 3 + 1 - (1 - m) ** 2
    assert not_worse(Count(1, 1, 0, 0)) == pytest.approx(worked_out, abs=1e-5)


@pytest.mark.parametrize(
    "counts",
    [(12, 9, 40, 22), (40, 12, 40, 30), (3, 3, 90, 10), (150, 101, 150, 99), (300, 0, 0, 0)],
)
def test_the_probability_is_what_drawing_from_both_posteriors_gives(counts):
    count = Count(*counts)
    dice = random.Random(7)
    draws = 40_000
    found = sum(
        dice.betavariate(1 + count.up_canary, 1 + count.of_canary - count.up_canary)
        > dice.betavariate(1 + count.up_other, 1 + count.of_other - count.up_other) - 0.05
        for _ in range(draws)
    )
    assert not_worse(count) == pytest.approx(found / draws, abs=0.01)


def test_ten_bad_votes_of_its_own_drop_it_and_nine_do_not():
    assert by_votes(votes(0, 10, 28, 30), 0 * DAY) == "dropped"
    assert by_votes(votes(0, 9, 28, 31), DAY) is None


def test_good_votes_promote_it_from_forty_on():
    assert by_votes(votes(39, 39, 60, 101), DAY) is None
    assert by_votes(votes(40, 40, 60, 100), DAY) == "promoted"


def test_nothing_promotes_it_on_its_first_day():
    nearly = DAY - timedelta(seconds=1)
    assert by_votes(votes(40, 40, 60, 100), nearly) is None
    assert not is_over(votes(160, 160, 80, 160), nearly)
    assert is_over(votes(160, 160, 80, 160), DAY)


def test_labels_are_looked_at_by_the_ten():
    undecided = votes(6, 10, 20, 30)
    for more in range(10):
        assert by_votes(undecided + votes(0, more, 0, 0), DAY) is None
    assert not_worse(Count.of(undecided + votes(0, 9, 0, 0))) < 0.05
    assert by_votes(undecided + votes(0, 10, 0, 0), DAY) == "dropped"


@pytest.mark.parametrize(
    ("labels", "is_clean", "fate"),
    [
        (votes(8, 12, 30, 50), True, "promoted"),
        (votes(8, 12, 30, 50), False, "dropped"),
        (votes(6, 12, 40, 50), True, "dropped"),
        (votes(10, 10, 0, 0), True, "promoted"),
        (votes(9, 9, 0, 50), True, "dropped"),  # too few of its own
        ([], True, "dropped"),
    ],
)
def test_after_fourteen_days_the_mean_decides_where_the_gate_was_clean(labels, is_clean, fate):
    assert not is_over(labels, 13 * DAY)
    assert is_over(labels, 14 * DAY)
    assert at_last(labels, is_clean=is_clean, is_proven=False) == fate


@pytest.mark.parametrize(
    ("labels", "proven", "clean", "fate"),
    [
        ([], True, True, "promoted"),
        (votes(9, 9, 0, 50), True, True, "promoted"),
        (votes(4, 8, 50, 50), True, True, "promoted"),
        (votes(4, 9, 0, 0), True, True, "dropped"),  # most of the few disliked it
        (votes(9, 9, 0, 50), True, False, "dropped"),
        (votes(4, 10, 50, 50), True, True, "dropped"),  # heard enough
    ],
)
def test_one_that_hardly_anybody_heard_goes_on_if_it_was_proven(labels, proven, clean, fate):
    assert at_last(labels, is_clean=clean, is_proven=proven) == fate


def test_after_three_hundred_labels_the_mean_decides():
    labels = votes(19, 32, 160, 268)
    assert not is_over(labels[1:], DAY)
    assert by_votes(labels, DAY) is None
    assert is_over(labels, DAY)
    assert at_last(labels, is_clean=True, is_proven=True) == "dropped"


@pytest.mark.parametrize(
    ("serving", "canary", "share", "promoted", "dropped"),
    [
        (0.6, 0.6, 0.2, 0.36, 0.07),
        (0.6, 0.7, 0.5, 0.95, 0.02),
        (0.6, 0.3, 0.2, 0.00, 1.00),
        (0.8, 0.6, 0.2, 0.00, 0.88),
    ],
)
def test_the_rule_is_right_as_often_as_was_simulated_before(
    serving, canary, share, promoted, dropped
):
    found = fates(serving, canary, share, runs=100, seed=3)
    assert found.promoted == pytest.approx(promoted, abs=0.12)
    assert found.dropped == pytest.approx(dropped, abs=0.12)
