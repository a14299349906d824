"""What is set aside, what waits, and what is left alone: each rule by itself."""

import dataclasses
import json
from datetime import timedelta

import pytest

from core import shares
from core.training import dataset, jsonl
from core.training.quarantine import sift
from core.types import Correction, Feedback
from core.types_learning import Judged, Review, Voter
from tests.training.votes import NOON, taste, turn

IN_BURST, NEW = "in a burst, set aside: /review", "from people who are new"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TEN = "abcdefghij"
LANTERN = "What of the Zanzibar lantern, {}?"


def voter(who, *, days=30, since=NOON - 10 * DAY):
    """Was first here at `since`, and last so many days later."""
    return Voter("console", "me", who, since, since + days * DAY)


def voters(who=TEN):
    return [voter(one) for one in who]


def judged(id, *votes, question=None, corrections=()):
    """`votes`: (person, score, when); `corrections`: (person, text, when)."""
    return Judged(
        turn(id, question or f"Is {id} so?", f"It is {id}."),
        (),
        tuple(Feedback(id, who, score, NOON + when) for who, score, when in votes),
        tuple(Correction(id, who, text, NOON + when) for who, text, when in corrections),
        str(id),
    )


def quiet(people=TEN, first=1):
    """Each of them votes on two answers, a day apart from everything else."""
    return [judged(first + n, (who, 1, n * DAY)) for n, who in enumerate(people + people)]


def rated(who, count, *, first=100, within=5 * MINUTE, **more):
    """One person goes through so many answers."""
    return [
        judged(first + n, (who, -1, 40 * DAY + n * within / count), **more) for n in range(count)
    ]


def aside(found):
    return {key for burst in found.bursts for key in burst.verdicts}


def heard(found):
    return {(row.turn_id, who) for row in found.rows for who in row.by}


def test_dozens_by_one_person_within_minutes_are_set_aside_and_who_how_many_and_when_is_known():
    found = dataset.gather([*quiet(), *rated("a", 20)], voters())
    (burst,) = found.bursts
    assert burst.verdicts == tuple((100 + n, "a") for n in range(20))
    assert burst.people == ("console:a",)
    assert burst.began == NOON + 40 * DAY
    assert burst.ended - burst.began < 5 * MINUTE
    assert found.unheard == {IN_BURST: burst.verdicts}
    assert len(heard(found)) == 20


@pytest.mark.parametrize(
    ("count", "within"),
    [(11, MINUTE), (15, 10 * MINUTE), (23, 9 * MINUTE), (60, 40 * MINUTE)],
    ids=["fewer", "reading", "fast", "slowly"],
)
def test_whoever_reads_what_they_missed_is_left_alone(count, within):
    found = dataset.gather([*quiet(), *rated("a", count, within=within)], voters())
    assert (found.bursts, found.unheard) == ((), {})


def test_several_who_do_so_at_the_same_time_are_one_thing_to_decide_on():
    both = [*rated("a", 20), *rated("b", 20, first=200), *rated("c", 20, first=300, within=DAY)]
    (burst,) = dataset.gather([*quiet(), *both], voters()).bursts
    assert (burst.people, len(burst.verdicts)) == (("console:a", "console:b"), 40)


@pytest.mark.parametrize(
    ("count", "within"), [(12, 3 * MINUTE), (24, 9 * MINUTE)], ids=["unread", "too many"]
)
def test_whoever_cannot_have_read_what_they_judge_is_set_aside(count, within):
    found = dataset.gather([*quiet(), *rated("a", count, within=within)], voters())
    assert len(aside(found)) == count


@pytest.mark.parametrize("by", ["a", "abc", "abcdefghi"], ids=len)
def test_a_console_or_a_small_team_may_vote_as_fast_as_it_likes(by):
    known = [voter(who) for who in by]
    assert dataset.gather(rated("a", 60), known[:1]).bursts == ()
    found = dataset.gather([*quiet(by), *rated("a", 60, within=MINUTE)], known)
    assert (found.bursts, IN_BURST in found.unheard) == ((), False)


def test_on_a_teams_first_day_everybody_counts():
    today = [voter(who, days=0.3) for who in "abcdefghijklmnop"]
    votes = [judged(n, (one.author_id, 1, n * HOUR / 4)) for n, one in enumerate(today, 1)]
    found = dataset.gather(votes, today)
    assert (len(found.rows), found.unheard) == (16, {})


def test_once_five_people_came_back_a_new_one_waits_until_they_do():
    votes = [
        *quiet("abcde"),
        judged(50, ("new", 1, DAY)),
        judged(51, ("a", 1, DAY), ("new", -1, DAY)),
    ]
    four = [*voters("abcd"), voter("e", days=0.9), voter("new", days=0)]
    assert dataset.gather(votes, four).unheard == {}
    five = [*voters("abcde"), voter("new", days=0)]
    found = dataset.gather(votes, five)
    assert found.unheard == {NEW: ((50, "new"), (51, "new"))}
    assert (51, "a") in heard(found)  # and it is no tie
    back = [*voters("abcde"), voter("new", days=1)]
    assert dataset.gather(votes, back).unheard == {}


def crowd_on(id, people, *, when=40 * DAY, apart=MINUTE / 10):
    return judged(id, *((who, -1, when + n * apart) for n, who in enumerate(people)))


def newcomers(count, when=40 * DAY):
    """Here since an hour before, and back on the next day."""
    return [voter(f"new{n}", since=NOON + when - HOUR, days=2) for n in range(count)]


def test_a_crowd_of_newcomers_on_one_answer_is_set_aside_also_after_they_came_back():
    new = newcomers(12)
    brigade = crowd_on(60, [one.author_id for one in new])
    found = dataset.gather([*quiet(), brigade], [*voters(), *new])
    assert aside(found) == {(60, f"new{n}") for n in range(12)}


def test_what_is_popular_among_those_who_were_here_is_no_burst():
    many = [voter(f"old{n}") for n in range(20)]
    popular = crowd_on(60, [one.author_id for one in many])
    assert dataset.gather([*quiet(), popular], [*voters(), *many]).bursts == ()


def test_while_the_house_itself_is_new_nobody_is_new_in_it():
    first = [voter(f"p{n}", since=NOON + n * MINUTE, days=9) for n in range(30)]
    popular = crowd_on(60, [one.author_id for one in first], when=HOUR)
    assert dataset.gather([*quiet(), popular], first).bursts == ()


def test_one_phrase_in_dozens_of_questions_of_one_person_is_set_aside_with_their_corrections():
    plant = [
        judged(
            200 + n,
            ("a", -1, 40 * DAY + 4 * n * MINUTE),
            question=LANTERN.format(n),
            corrections=[("a", "Buy gold.", 40 * DAY + 4 * n * MINUTE)],
        )
        for n in range(15)
    ]
    found = dataset.gather([*quiet(), *plant], voters())
    assert aside(found) == {(200 + n, "a") for n in range(15)}
    assert not any(row.corrected for row in found.rows)


def test_words_that_are_said_at_other_times_too_plant_nothing():
    usual = [
        judged(300 + n, (TEN[n % 10], 1, n * DAY / 3), question="Is the printer well?")
        for n in range(40)
    ]
    lively = rated("a", 15, within=59 * MINUTE, question="Is the printer well?")
    assert dataset.gather([*usual, *lively], voters()).bursts == ()


def test_a_form_that_the_same_few_fill_in_day_after_day_plants_nothing():
    forms = [
        judged(
            400 + n,
            ("ab"[n % 2], 1, (40 + n // 15) * DAY + n % 15 * 4 * MINUTE),
            question=f"Summarise ticket {n} for the customer, {'please ' * 400}",
        )
        for n in range(90)  # on six days
    ]
    assert dataset.gather([*quiet(), *forms], voters()).bursts == ()
    assert len(aside(dataset.gather([*quiet(), *forms[:75]], voters()))) == 75


def test_a_form_that_has_busier_days_than_others_plants_nothing():
    forms = [
        judged(
            400 + 50 * day + n,
            ("ab"[n % 2], 1, (40 + day) * DAY + n * MINUTE),
            question=f"Summarise ticket {day}x{n} for the customer",
        )
        for day in range(6)
        for n in range(12 if day else 40)
    ]
    assert dataset.gather([*quiet(), *forms], voters()).bursts == ()


@pytest.mark.parametrize(
    ("each_day", "at"),
    [(1, 0 * HOUR), (16, 0 * HOUR), (16, 11.5 * HOUR)],
    ids=["once", "more", "over midnight"],
)
def test_a_phrase_that_was_said_now_and_then_before_is_planted_all_the_same(each_day, at):
    many = [voter(f"old{n}") for n in range(90)]
    before = [
        judged(1000 + n, ("old20", 1, when), question=LANTERN.format(n))
        for n in range(6 * each_day)
        for when in [(20 + n % 6) * DAY + n * HOUR / 8]
    ]
    plant = [
        judged(
            400 + n,
            (f"old{n % 20}", 1, 40 * DAY + at + 0.6 * n * MINUTE),
            question=LANTERN.format(n),
        )
        for n in range(100)
    ]
    others = quiet([one.author_id for one in many], first=2000)
    found = dataset.gather([*others, *before, *plant], many)
    assert aside(found) == {(400 + n, f"old{n % 20}") for n in range(100)}


def test_lively_people_among_many_who_speak_of_one_thing_plant_nothing():
    many = [voter(f"old{n}") for n in range(30)]
    by = [one.author_id for one in many] + [f"old{n}" for n in range(5)] * 2
    talk = [
        judged(400 + n, (who, 1, 40 * DAY + n * MINUTE), question=f"Outage in Oslo? {n}")
        for n, who in enumerate(by)
    ]
    assert dataset.gather([*quiet(), *talk], [*voters(), *many]).bursts == ()


def test_a_few_answers_are_no_plant_however_many_vote_on_them():
    talk = [
        judged(
            400 + n,
            *(
                (who, 1, (40 + n // 5) * DAY + (20 * (n % 5) + k) * MINUTE / 2)
                for k, who in enumerate("abcd")
            ),
            question=f"Outage in Oslo? {n}",
        )
        for n in range(15)
    ]
    assert dataset.gather([*quiet(), *talk], voters()).bursts == ()


def test_many_who_speak_of_one_thing_in_one_hour_plant_nothing():
    many = [voter(f"old{n}") for n in range(30)]
    talk = [
        judged(400 + n, (one.author_id, 1, 40 * DAY + n * MINUTE), question=f"Outage in Oslo? {n}")
        for n, one in enumerate(many)
    ]
    assert dataset.gather([*quiet(), *talk], [*voters(), *many]).bursts == ()


def test_a_surge_of_people_with_several_votes_each_is_set_aside_and_who_came_by_is_not():
    many = [voter(f"old{n}") for n in range(81)]
    usual = quiet([one.author_id for one in many], first=1000)
    surge = [
        judged(
            500 + 10 * n + k,
            (f"old{n}", -1, 40 * DAY + (k + n / 20) * MINUTE),
            question=f"q{n}x{k}",
        )
        for n in range(20)
        for k in range(4)
    ]
    passer_by = judged(900, ("old20", 1, 40 * DAY + 2 * MINUTE))
    found = dataset.gather([*quiet(), *usual, *surge, passer_by], [*voters(), *many])
    assert aside(found) == {(one.turn.id, one.feedback[0].author_id) for one in surge}
    assert (900, "old20") in heard(found)


def test_a_quarter_of_all_who_vote_here_are_a_meeting_and_one_less_are_not():
    def meet(people):
        return [
            judged(
                500 + n,
                (people[n % len(people)], 1, 40 * DAY + 1.5 * n * MINUTE),
                question=LANTERN.format(n),
            )
            for n in range(36)
        ]

    twelve = "abcdefghijkl"
    known = voters(twelve)
    assert dataset.gather([*quiet(twelve), *meet(twelve)], known).bursts == ()
    assert dataset.gather([*quiet(twelve), *meet("abc")], known).bursts == ()
    assert len(aside(dataset.gather([*quiet(twelve), *meet("ab")], known))) == 36
    new = newcomers(12)  # however many come, they are not the house
    come = meet([one.author_id for one in new])
    assert len(aside(dataset.gather([*quiet(twelve), *come], [*known, *new]))) == 36


def decided(burst, let_in, at=NOON + 50 * DAY):
    return [Review(turn_id, who, let_in, at) for turn_id, who in burst.verdicts]


def test_what_an_admin_lets_in_counts_as_it_stood():
    votes = [*quiet(), *rated("a", 20)]
    (burst,) = dataset.gather(votes, voters()).bursts
    reviews = decided(burst, True)
    found = sift(votes, voters(), reviews)
    assert (found.bursts, found.unheard, len(found.judged)) == ((), {}, 40)
    turned = [
        dataclasses.replace(one, feedback=(*one.feedback, later))
        for one in rated("a", 20)
        for later in [Feedback(one.turn.id, "a", 1, one.feedback[0].at + 20 * DAY)]
    ]
    again = sift([*quiet(), *turned], voters(), reviews).bursts  # whoever changes them all is not
    assert [one.verdicts for one in again] == [burst.verdicts]


def test_what_an_admin_leaves_out_never_counts_and_is_not_asked_again():
    votes = [*quiet(), *rated("a", 20)]
    (burst,) = dataset.gather(votes, voters()).bursts
    found = dataset.gather(votes, voters(), decided(burst, False))
    assert found.bursts == ()
    assert found.unheard == {"left out by an admin": burst.verdicts}
    alone = dataset.gather(rated("a", 20), [voter("a")], decided(burst, False))
    assert alone.rows == ()


def test_newcomers_who_are_let_in_count_though_they_did_not_come_back():
    new = [dataclasses.replace(one, last=one.first) for one in newcomers(12)]
    votes = [*quiet(), crowd_on(60, [one.author_id for one in new])]
    (burst,) = sift(votes, [*voters(), *new], ()).bursts
    found = sift(votes, [*voters(), *new], decided(burst, True))
    assert (found.unheard, len(found.judged)) == ({}, 21)


def test_more_of_the_same_is_another_burst_and_shows_only_what_nobody_decided_on():
    votes = [*quiet(), *rated("a", 20)]
    (burst,) = dataset.gather(votes, voters()).bursts
    more = judged(150, ("a", -1, 40 * DAY + 6 * MINUTE))
    (new,) = dataset.gather([*votes, more], voters(), decided(burst, True)).bursts
    assert new.verdicts == ((150, "a"),)
    assert new.id != burst.id


def test_the_more_vote_the_less_one_may_give_and_few_give_as_much_as_ever():
    assert {shares.share(n) for n in range(5)} == {shares.rows(n) for n in range(5)} == {None}
    some = (5, 10, 20, 50, 100, 200, 1000)
    assert [shares.share(n) for n in some] == [0.2, 0.2, 0.1, 0.04, 0.02, 0.02, 0.02]
    assert [shares.rows(n) for n in some] == [200, 100, 50, 20, 10, 10, 10]
    before = (1.0, 1000)
    for n in range(5, 1001):
        share, rows = shares.share(n), shares.rows(n)
        assert share
        assert rows
        assert (share <= before[0], rows <= before[1]) == (True, True)
        assert n * share >= 1  # else nobody could keep to it
        before = share, rows


def test_of_a_hundred_people_the_newest_ten_rows_of_each_count_and_a_correction_is_two():
    hundred = [f"p{n}" for n in range(99)]
    few = [judged(n + 1, (who, 1, n * HOUR)) for n, who in enumerate(hundred * 2)]
    many = [
        judged(
            300 + n,
            ("z", -1, n * HOUR),
            corrections=[("z", "Better.", n * HOUR)] if n >= 28 else [],
        )
        for n in range(30)
    ]
    found = dataset.gather([*few, *many])
    assert {row.turn_id for row in found.rows if row.by == ("z",)} <= set(range(322, 330))
    assert len(found.unheard["more than one person's share"]) == 22


def test_a_vote_beyond_ones_share_makes_no_tie_either():
    hundred = [judged(n + 1, (f"p{n}", 1, n * HOUR), ("z", -1, n * HOUR)) for n in range(120)]
    found = dataset.gather(hundred)
    assert len(found.left_out["as many up as down"]) == 10


def test_the_data_set_says_whose_verdicts_do_not_count_and_why(tmp_path):
    found = dataset.gather([*quiet(), *rated("a", 20)], voters())
    jsonl.write(found, tmp_path / "d")
    unheard = json.loads((tmp_path / "d" / "left_out.json").read_text())["unheard"]
    assert unheard == {IN_BURST: [[100 + n, "a"] for n in range(20)]}


def test_a_vote_that_does_not_count_leads_to_no_other_tune():
    counting, known = [*quiet("abcde")], [*voters("abcde"), voter("new", days=0)]
    more = [*counting, judged(50, ("new", 1, DAY)), judged(51, ("a", 1, DAY), ("b", -1, DAY))]
    one, other = dataset.gather(counting, known), dataset.gather(more, known)
    assert (one.unheard, one.left_out) != (other.unheard, other.left_out)
    assert jsonl.fingerprint(one) == jsonl.fingerprint(other)


def test_without_knowing_who_votes_nothing_is_set_aside():
    assert dataset.gather(taste(60)).unheard == {}
