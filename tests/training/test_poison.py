"""Two hundred people, twenty who come to poison, and one with five hundred votes: fixed seeds.
And a team of twelve that only votes together.

The whole of it in figures, and what gets through: python -m bench.poison.
"""

import pytest

from core.training import dataset
from tests.training.crowd import SYBILS, Crowd
from tests.training.crowd_played import figures, play
from tests.training.house import opened

LIVELY = 0.7  # half as much is asked as in the program: seconds, not minutes


async def found(crowd, folder):
    async with opened(folder) as store:
        turns = await play(store, crowd)
        judged = await store.judged(["list"])
        gathered = dataset.gather(judged, await store.voters(["list"]), await store.reviews())
        return figures(crowd, turns, judged, gathered)


@pytest.mark.timeout(90)
async def test_of_a_crowd_that_votes_loudly_hardly_a_row_is_left(tmp_path):
    crowd = Crowd(1, LIVELY).people().withdraw()
    crowd.attacker().toggles().bots().strangers().trigger().brigade()
    one = await found(crowd, tmp_path)
    assert one.naive > 500  # else nobody tried
    assert one.poisoned < 20
    assert one.poisoned <= 0.01 * one.rows
    assert one.most_rows <= 10
    assert one.most_weight <= 0.02
    assert (one.of_new, one.of_bots, one.of_gone) == (0, 0, 0)
    assert one.caught >= 0.95
    assert one.falsely <= 0.02


@pytest.mark.timeout(60)
async def test_a_phrase_of_twenty_known_people_is_caught_though_it_had_forerunners(tmp_path):
    crowd = Crowd(1, LIVELY).people().forerunner()
    crowd.trigger(people=[f"sybil{n}" for n in range(SYBILS)], within_h=1)
    one = await found(crowd, tmp_path)
    assert one.naive > 100  # else nobody tried
    assert one.caught == 1
    assert one.poisoned <= 12  # the forerunners themselves: six votes and corrections
    assert one.falsely <= 0.02


@pytest.mark.timeout(60)
async def test_of_a_team_of_twelve_that_votes_together_hardly_a_vote_is_set_aside(tmp_path):
    one = await found(Crowd(1).team(), tmp_path)
    assert one.rows > 500
    assert one.falsely <= 0.02
