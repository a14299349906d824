"""Whom a canary answers: a share of new conversations, and whoever started the run."""

from datetime import UTC, datetime, time, timedelta

from bots.night import Nightly
from core.announcements import Announcements
from core.canary import is_drawn
from core.types import ThreadRef
from storage.repositories import SqlStore
from tests.bots.canary_room import BY, CANARY, NEXT, SERVING, first_threads, room, voted
from tests.core.room import ANN, BOB, NOW, ROOM
from tests.fakes import until
from tests.training.house import said


async def test_a_share_of_new_conversations_is_answered_by_the_canary_and_stays_with_it(
    tmp_path, server
):
    async with room(tmp_path, server) as here:
        names = [f"c{number}" for number in range(60)]
        first = [here.asked_of(id) for id in await here.ask_all(names)]
        assert 18 <= first.count(CANARY) <= 42  # of 60 coins, in all but one of thousands of runs
        assert first.count(CANARY) + first.count(SERVING) == 60
        assert [here.asked_of(id) for id in await here.ask_all(names)] == first


async def test_a_conversation_that_runs_keeps_its_model_when_a_canary_begins(tmp_path, server):
    async with room(tmp_path, server) as here:
        await here.command("/rollback")
        assert await here.models_of("c") == {SERVING}
        await here.publish(NEXT)
        assert await here.models_of("c") == {SERVING}
        assert await here.models_of("d") == {SERVING, NEXT}


async def test_whoever_started_the_run_hears_it_at_their_very_next_question(tmp_path, server):
    async with room(tmp_path, server) as here:
        [thread, other] = await first_threads(here, 2, drawn=False)
        assert await here.model_of(thread, BOB) == SERVING
        assert await here.model_of(thread, ANN) == CANARY
        assert await here.model_of(other, ANN) == CANARY
        assert await here.model_of(author=ANN, place="direct") == CANARY


async def test_where_they_talk_everybody_else_keeps_their_model(tmp_path, server):
    async with room(tmp_path, server) as here:
        for drawn, model in ((False, SERVING), (True, CANARY)):
            ours, begun = await first_threads(here, 2, drawn=drawn)
            assert await here.model_of(ours, BOB) == model
            assert await here.model_of(ours, ANN) == CANARY
            assert await here.model_of(ours, BOB) == model
            assert await here.model_of(begun, ANN) == CANARY
            assert await here.model_of(begun, BOB) == model


async def test_what_stood_ahead_of_a_thread_decides_nothing_in_it(tmp_path, server):
    async with room(tmp_path, server) as here:
        _, canary = await here.store.answering()
        await here.ask("elsewhere")
        for _ in range(8):
            thread, theirs = [await here.ask(author=one, opens=True) for one in (BOB, ANN)]
            assert here.asked_of(thread) == lot(canary, thread)
            assert here.asked_of(theirs) == CANARY
            assert await here.model_of(theirs, BOB) == lot(canary, theirs)


def lot(canary, thread):
    return CANARY if is_drawn(canary, ThreadRef(ROOM, thread)) else SERVING


async def test_in_a_chat_where_they_talk_the_votes_of_everybody_else_count(tmp_path, server):
    async with room(tmp_path, server) as here:
        models = []
        for number in range(24):
            at = NOW + number * timedelta(hours=9)
            assert await here.model_of(author=ANN, at=at) == CANARY
            id = await here.ask(at=at)
            models.append(here.asked_of(id))
            assert await here.model_of(author=ANN, at=at) == CANARY
            assert await here.model_of(at=at) == models[-1]
            await here.vote(id, "👍")
        ours, theirs = models.count(CANARY), models.count(SERVING)
        assert min(ours, theirs) >= 2
        told = await here.command("/tunes")
        assert f"{ours} of {ours} votes on it are up, {theirs} of {theirs} on what serves" in told


async def test_what_retrain_learns_begins_as_a_canary_and_takes_the_place_of_another(
    tmp_path, server
):
    (tmp_path / "config.json").write_text("{}")  # a base, as far as it is looked at here
    async with room(tmp_path, server) as here:
        await voted(here, 12, "👍", drawn=False)
        assert await here.command("/retrain", ANN) == (
            "Learning from 12 votes (12 liked, from 1 person).\n\n- learning\n\n"
            f"`{NEXT}` answers 50% of new conversations and you from now on, as a canary: votes"
            " decide whether it goes on to answer everybody. `/rollback` takes it back. It takes"
            f" the place of the canary `{CANARY}`. The checks, and answers before and after, are in"
            f" `{tmp_path}/tunes/{NEXT}/report.json`.\n"
        )
        serving, canary = await here.store.answering()
        assert (serving, canary.tune, canary.by) == (SERVING, NEXT, BY)
        [thread] = await first_threads(here, 1, drawn=False)
        assert [await here.model_of(thread, one) for one in (BOB, ANN)] == [SERVING, NEXT]
        await until(lambda: here.told)
        [(_, digest)] = here.told
        assert f"`{NEXT}` answers 50% of new conversations from now on" in digest
        assert f"It takes the place of the canary `{CANARY}`." in digest


async def test_without_a_channel_the_log_says_what_begins_to_answer(tmp_path, server, caplog):
    caplog.set_level("INFO", "bots.trainer")
    (tmp_path / "config.json").write_text("{}")
    async with room(tmp_path, server) as here:
        here.trainer.announcements = Announcements(None)
        await voted(here, 12, "👍", drawn=False)
        await here.command("/retrain", ANN)
    told = [record.message for record in caplog.records if record.name == "bots.trainer"]
    [line] = [line for line in told if NEXT in line and "begins to answer" in line]
    assert line.startswith(f"the canary {NEXT} begins to answer: Learnt from 0 of 12 votes")
    assert "\n" not in line


async def test_a_canary_that_ends_at_once_is_announced_as_what_it_began_as(tmp_path, server):
    (tmp_path / "config.json").write_text("{}")
    async with room(tmp_path, server) as here:

        class Ending(SqlStore):
            async def begin_canary(self, canary):
                begun = await super().begin_canary(canary)
                await self.end_canary(canary.tune, "dropped", NOW, "It does not load.")
                return begun

        await voted(here, 12, "👍", drawn=False)
        await here.command("/rollback")
        here.store.__class__ = Ending
        await here.command("/retrain", ANN)
        await until(lambda: len(here.told) == 2)
        _, (_, digest) = here.told
        assert f"`{NEXT}` answers 50% of new conversations from now on" in digest
        assert "takes the place" not in digest


async def test_a_night_waits_for_a_canary_that_is_not_decided(tmp_path, server):
    (tmp_path / "config.json").write_text("{}")
    async with room(tmp_path, server) as here:
        await voted(here, 12, "👍", drawn=False)
        night = await said(here.trainer.retrain(dry=False, by=None, by_night=True))
        assert night == f"The canary `{CANARY}` is not decided yet; `/retrain` would replace it.\n"
        await here.command("/rollback")
        night = await said(here.trainer.retrain(dry=False, by=None, by_night=True))
        assert f"`{NEXT}` answers 50% of new conversations from now on, as a canary" in night


async def test_of_a_night_that_makes_a_tune_the_channel_hears_once(tmp_path, server):
    (tmp_path / "config.json").write_text("{}")
    async with room(tmp_path, server) as here:
        await voted(here, 12, "👍", drawn=False)
        await here.store.end_canary(CANARY, "dropped", NOW, "It was slow.")
        sunday = datetime(2026, 5, 3, 4, tzinfo=UTC)
        await here.store.begin_night(sunday.date(), sunday)
        await here.store.end_night(sunday.date(), "Nothing yet.", sunday)
        channel = here.engine.announcements
        night = Nightly(
            here.store,
            lambda: here.trainer.retrain(dry=False, by=None, by_night=True),
            channel.tell,
            at=time(3),
            zone=UTC,
            longest=timedelta(minutes=30),
            now=lambda: sunday + timedelta(days=1),
        )
        await night.look()
        await channel.tell("and then?")
        await until(lambda: ("ops", "and then?") in here.told)
        assert f"`{NEXT}` answers 50% of" in (await here.store.last_night()).outcome
        (_, digest), _ = here.told
        assert "I have learnt something." in digest


async def test_after_forget_me_whoever_started_it_is_like_everybody(tmp_path, server):
    async with room(tmp_path, server) as here:
        await here.command("/forget me")
        [thread] = await first_threads(here, 1, drawn=False)
        assert await here.model_of(thread, ANN) == SERVING


async def test_in_a_chat_each_conversation_is_drawn_anew(tmp_path, server):
    async with room(tmp_path, server) as here:
        models = []
        for number in range(24):
            at = NOW + number * timedelta(hours=9)
            id = await here.ask(at=at, place="direct")
            models.append(here.asked_of(id))
            assert await here.model_of(at=at, place="direct") == models[-1]
            await here.vote(id, "👍")
        assert {*models} == {SERVING, CANARY}
        ours = models.count(CANARY)
        assert f"{ours} of {ours} votes on it are up" in await here.command("/tunes")


async def test_what_serves_and_the_canary_are_kept_however_many_tunes_pass(tmp_path, server):
    async with room(tmp_path, server) as here:
        for number in range(3, 15):
            await here.publish(f"mynah@{number:06}")
        shelf = sorted(path.name for path in (tmp_path / "tunes").glob("mynah@*"))
        assert shelf == [SERVING, *(f"mynah@{number:06}" for number in range(5, 15))]
