"""A canary among people: whom it answers, and how it ends. A real store, a server over a socket."""

import asyncio
import itertools
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bots.canary import CanaryKeeper
from bots.loading import Loading
from bots.trainer import LocalTrainer
from core.announcements import Announcements
from core.breaker import Breaker
from core.canary import is_drawn
from core.connection import Settings
from core.desk import serve
from core.engine import Engine
from core.generation import ModelServer
from core.training.publish import publish
from core.training.settings import Settings as LearningSettings
from core.types import ThreadRef, Tune, person
from storage.repositories import SqlStore
from storage.rows import batched
from tests.core.room import ANN, BOB, NOW, ROOM, ListAdapter, asked, engine_on, reacted
from tests.fake_model import Behaviour, FakeModel
from tests.fakes import until
from tests.training.house import opened, said
from tests.training.test_publish import candidate_of

SERVING, CANARY, NEXT = "mynah@000001", "mynah@000002", "mynah@000003"
BY = person(ROOM, "ann")
ids = itertools.count(1)


class Prepared(LocalTrainer):
    """Its steps take no minutes: what they would leave lies ready."""

    async def _steps(self, run, log, every_s):
        yield "- learning\n"
        await asyncio.to_thread(candidate_of, self.shelf, run.name)


@dataclass
class Room:
    """People, the bot and a model's server."""

    folder: Path
    store: SqlStore
    engine: Engine
    model: ModelServer
    server: FakeModel
    adapter: ListAdapter
    trainer: LocalTrainer
    told: list[tuple[str, str]]

    async def ask(self, thread="", author=BOB, text="", **how):
        """The id of a question, once it is answered."""
        id = str(next(ids))
        message = asked(text or f"question {id}", id, thread, author, **how)
        await self.adapter.deliver(message)
        async with asyncio.timeout(5):
            while not (turn := await self.store.heard(message.ref)) or turn.status != "done":
                await asyncio.sleep(0.005)
        if not text:
            assert turn.recipe
            assert turn.recipe.model == self.asked_of(id)
        return id

    async def ask_all(self, threads):
        """Questions side by side, some at a time; their ids in the same order."""
        few_at_a_time = batched([*threads], 4)
        return [
            id
            for few in few_at_a_time
            for id in await asyncio.gather(*(self.ask(thread) for thread in few))
        ]

    def asked_of(self, id):
        """The model that this question was put to, as the server saw it."""
        said = f"question {id}"
        [model] = {
            one["model"] for one in self.server.requests if one["messages"][-1]["content"] == said
        }
        return model

    async def model_of(self, thread="", author=BOB, **how):
        return self.asked_of(await self.ask(thread, author, **how))

    async def models_of(self, name):
        """What answers in twenty conversations."""
        return {self.asked_of(id) for id in await self.ask_all([f"{name}{n}" for n in range(20)])}

    async def command(self, text, author=ANN):
        id = await self.ask(text=text, author=author, thread="commands")
        await until(lambda: id in self.adapter.shown)
        return self.adapter.shown[id]

    async def vote(self, id, emoji, voter=BOB):
        await self.adapter.deliver(reacted(emoji, f"answer to {id}", author=voter))

    async def publish(self, name, share=0.5, **how):
        shelf = self.folder / "tunes"
        tune = Tune(name, "base", "", "refused", (), "Learnt.", NOW)
        made = candidate_of(shelf, name)
        return await publish(
            self.store, self.model, made, shelf, tune, base="base", at=NOW, share=share, **how
        )

    async def summary(self, name=CANARY):
        return next(one.summary for one in await self.store.tunes() if one.name == name)

    async def ends(self):
        async with asyncio.timeout(10):
            while (await self.store.answering())[1]:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def room(folder, server, *, now=lambda: NOW):
    """Two tunes of which the first serves and the second is the canary, unless they are there."""
    settings = Settings(url=server.url, model="base", first_token_within_s=0.5)
    async with (
        opened(folder) as store,
        ModelServer(settings, breaker=Breaker(every_s=0.1), backoff_s=(0.01, 0.1)) as model,
        Announcements("list:ops") as announcements,
        asyncio.TaskGroup() as group,
    ):
        shelf = folder / "tunes"
        learns = LearningSettings(folder=str(shelf), platforms=("list",))
        prepared = Prepared(
            store, learns, generator=model, model="base", base=folder, share=0.5, now=now
        )
        engine = engine_on(
            store,
            model,
            admins=("list:ann",),
            trainer=prepared,
            announcements=announcements,
        )
        adapter = ListAdapter(stays=True)
        group.create_task(serve(engine, adapter))
        await until(lambda: adapter.seen is not None)
        here = Room(folder, store, engine, model, server, adapter, prepared, adapter.told)
        if not await store.tunes():
            await here.publish(SERVING, share=0)
            await here.publish(CANARY, by=BY)
        loading = Loading(model, lambda: engine.failures, base="base", shelf=shelf, merged=False)
        async with CanaryKeeper(
            store,
            engine.health,
            loading,
            base="base",
            shelf=shelf,
            announcements=announcements,
            every_s=0.01,
            now=now,
        ):
            yield here
        adapter.stays.set()


@pytest.fixture
async def server():
    async with FakeModel() as fake:
        yield fake


async def threads_of(here, drawn):
    """Names of threads on which the lot falls, or does not, without end."""
    _, canary = await here.store.answering()
    for number in itertools.count():
        if is_drawn(canary, ThreadRef(ROOM, f"t{number}")) == drawn:
            yield f"t{number}"


async def first_threads(here, many, *, drawn):
    names = threads_of(here, drawn)
    return [await anext(names) for _ in range(many)]


async def voted(here, many, emoji, *, drawn):
    """So many questions, each in a thread of its own, each voted on."""
    for id in await here.ask_all(await first_threads(here, many, drawn=drawn)):
        await here.vote(id, emoji)


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


async def test_a_night_waits_for_a_canary_that_is_not_decided(tmp_path, server):
    (tmp_path / "config.json").write_text("{}")
    async with room(tmp_path, server) as here:
        await voted(here, 12, "👍", drawn=False)
        night = await said(here.trainer.retrain(dry=False, by=None, by_night=True))
        assert night == f"The canary `{CANARY}` is not decided yet; `/retrain` would replace it.\n"
        await here.command("/rollback")
        night = await said(here.trainer.retrain(dry=False, by=None, by_night=True))
        assert f"`{NEXT}` answers 50% of new conversations from now on, as a canary" in night


async def test_after_forget_me_whoever_started_it_is_like_everybody(tmp_path, server):
    async with room(tmp_path, server) as here:
        await here.command("/forget me")
        [thread] = await first_threads(here, 1, drawn=False)
        assert await here.model_of(thread, ANN) == SERVING


async def test_good_votes_promote_it_and_every_conversation_goes_over(tmp_path, server):
    async with room(tmp_path, server) as here:
        await voted(here, 20, "👎", drawn=False)
        await voted(here, 20, "👍", drawn=True)
        told = await here.command("/tunes")
        assert f"The tune `{SERVING}` answers. The canary `{CANARY}` answers 50% of new" in told
        assert "20 of 20 votes on it are up, 0 of 20 on what serves." in told
        assert f"`{CANARY}` (" in told
        assert "**canary**" in told
        await voted(here, 39, "👍", drawn=True)  # of the first 20 they vote again: no new labels
        assert (await here.store.answering())[1]
        [*_, last] = await first_threads(here, 40, drawn=True)
        await here.vote(await here.ask(last), "👍")
        await here.ends()
        assert await here.store.serving() == CANARY
        assert await here.model_of("t0") == await here.model_of("new") == CANARY
        why = "40 of 40 votes on it are up, 0 of 20 on what serves."
        assert await here.summary() == f"Learnt. As a canary it was promoted: {why}"
        await until(lambda: here.told)
        words = f"The tune `{CANARY}` was a canary and answers everybody from now on: {why}"
        assert here.told == [("ops", words)]
        assert f"the tune `{SERVING}` answers instead of" in await here.command("/rollback")


async def test_bad_votes_drop_it_and_its_conversations_go_back(tmp_path, server):
    async with room(tmp_path, server) as here:
        await voted(here, 30, "👍", drawn=False)
        await voted(here, 10, "👎", drawn=True)
        await here.ends()
        assert await here.store.serving() == SERVING
        assert await here.models_of("t") == await here.models_of("e") == {SERVING}
        assert "was dropped: 0 of 10 votes on it are up, 30 of 30" in await here.summary()
        await until(lambda: here.told)
        [(_, words)] = here.told
        assert f"is dropped, and the tune `{SERVING}` answers: 0 of 10 votes" in words


async def test_votes_of_whoever_started_it_decide_nothing(tmp_path, server):
    async with room(tmp_path, server) as here:
        await voted(here, 30, "👍", drawn=False)
        for thread in await first_threads(here, 10, drawn=True):
            await here.vote(await here.ask(thread, ANN), "👎", ANN)
        assert "0 of 0 votes on it are up" in await here.command("/tunes")
        assert (await here.store.answering())[1]


async def test_a_restart_changes_nothing_and_the_votes_before_it_count(tmp_path, server):
    async with room(tmp_path, server) as here:
        await voted(here, 25, "👍", drawn=False)
        await voted(here, 9, "👎", drawn=True)
        before = {f"t{n}": await here.model_of(f"t{n}") for n in range(20)}
    async with room(tmp_path, server) as here:
        assert {f"t{n}": await here.model_of(f"t{n}") for n in range(20)} == before
        assert {*before.values()} == {SERVING, CANARY}
        names = await first_threads(here, 10, drawn=True)
        await here.vote(await here.ask(names[-1]), "👎")
        assert (await here.store.answering())[1]  # 35 labels: it looks at the first 30
        for id in await here.ask_all((await first_threads(here, 30, drawn=False))[25:]):
            await here.vote(id, "👍")
        await here.ends()
        assert await here.store.serving() == SERVING


async def test_after_fourteen_days_it_is_decided_by_what_is_there(tmp_path, server):
    time = [NOW]
    async with room(tmp_path, server, now=lambda: time[0]) as here:
        await voted(here, 10, "👍", drawn=True)
        await voted(here, 3, "👎", drawn=False)
        time[0] = NOW + timedelta(days=13)
        await asyncio.sleep(0.05)  # some looks
        assert (await here.store.answering())[1]
        time[0] = NOW + timedelta(days=14)
        await here.ends()
        assert await here.store.serving() == CANARY


async def test_after_fourteen_days_a_gate_that_found_something_drops_it(tmp_path, server):
    time = [NOW]
    async with room(tmp_path, server, now=lambda: time[0]) as here:
        report = tmp_path / "tunes" / CANARY / "report.json"
        report.write_text(
            report.read_text().replace('"passed": true}]', '"passed": false, "hard": false}]')
        )
        await voted(here, 10, "👍", drawn=True)
        time[0] = NOW + timedelta(days=14)
        await here.ends()
        assert await here.store.serving() == SERVING


async def test_after_fourteen_days_one_that_few_voted_on_is_dropped(tmp_path, server):
    time = [NOW]
    async with room(tmp_path, server, now=lambda: time[0]) as here:
        await voted(here, 9, "👍", drawn=True)
        time[0] = NOW + timedelta(days=14)
        await here.ends()
        assert await here.store.serving() == SERVING
        assert "dropped: Too few votes to tell: 9 of 9 votes on it" in await here.summary()


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


async def test_answers_that_are_cut_drop_it_before_anybody_voted(tmp_path, server, caplog):
    async with room(tmp_path, server) as here:
        server.of_model[CANARY] = Behaviour(finish="length")
        drawn = await first_threads(here, 10, drawn=True)
        await here.ask(drawn[0])
        await here.ask_all(await first_threads(here, 12, drawn=False))
        await here.ask_all(drawn[1:])
        await here.ends()
        assert await here.store.serving() == SERVING
        why = "10 of its last 10 answers were cut at their length limit, of what serves 0 of 12."
        assert await here.summary() == f"Learnt. As a canary it was dropped: {why}"
        assert f"the canary {CANARY} is dropped: {why}" in caplog.text
        await until(lambda: here.told)
        assert why in here.told[0][1]


@pytest.mark.parametrize(
    "fault", [Behaviour(status=404), Behaviour(status=500), Behaviour(cut_after=1)]
)
async def test_a_canary_that_cannot_answer_is_dropped_at_the_first_failure(tmp_path, server, fault):
    async with room(tmp_path, server) as here:
        [thread] = await first_threads(here, 1, drawn=True)
        assert await here.model_of(thread) == CANARY
        server.of_model[CANARY] = fault
        await here.ask(thread)
        await here.ends()
        assert await here.model_of(thread) == SERVING
        assert "As a canary it was dropped: It does not load." in await here.summary()


async def test_a_canary_whose_folder_went_is_dropped_and_nobody_notices(tmp_path, server):
    async with room(tmp_path, server) as here:
        [thread] = await first_threads(here, 1, drawn=True)
        assert await here.model_of(thread) == CANARY
        shutil.rmtree(tmp_path / "tunes" / CANARY)
        await here.ends()
        assert await here.model_of(thread) == SERVING
        assert await here.store.serving() == SERVING


async def test_a_server_that_is_down_is_not_the_canarys_fault(tmp_path, server):
    async with room(tmp_path, server) as here:
        server.behaviour = Behaviour(status=500)
        await here.ask_all(await first_threads(here, 2, drawn=True))
        server.behaviour = Behaviour()
        await here.ask_all(await first_threads(here, 4, drawn=True))
        assert (await here.store.answering())[1]


async def test_rollback_ends_a_canary_first_and_then_goes_further_back(tmp_path, server):
    async with room(tmp_path, server) as here:
        [thread] = await first_threads(here, 1, drawn=True)
        assert await here.model_of(thread) == CANARY
        assert await here.command("/rollback") == (
            f"The canary `{CANARY}` is taken back: the tune `{SERVING}` answers everybody, from the"
            " next answer on. Say it once more to go further back."
        )
        assert await here.model_of(thread) == await here.model_of(thread, ANN) == SERVING
        assert "by hand" in await here.summary()
        assert "the base answers instead" in await here.command("/rollback")


async def test_another_tune_that_passes_replaces_it_as_a_canary_or_for_everybody(tmp_path, server):
    async with room(tmp_path, server) as here:
        [thread] = await first_threads(here, 1, drawn=True)
        assert await here.model_of(thread) == CANARY
        await here.publish(NEXT, by=None)
        serving, canary = await here.store.answering()
        assert (serving, canary.tune, canary.by) == (SERVING, NEXT, None)
        assert await here.summary() == f"Learnt. `{NEXT}` replaced it."
        assert await here.model_of(thread) == SERVING  # it was begun by neither of the two
        await here.publish("mynah@000004", share=0)
        assert await here.store.answering() == ("mynah@000004", None)
        assert "`mynah@000004` replaced it" in await here.summary(NEXT)


async def test_forgetting_what_it_learnt_from_drops_it(tmp_path, server):
    async with room(tmp_path, server) as here:
        id = await here.ask("mine", BOB)
        turn = await here.store.heard(asked(id=id).ref)
        [_, tune] = await here.store.tunes()
        await here.store.put_tune(replace(tune, turns=(turn.id,)))
        await here.command("/forget me", BOB)
        assert await here.store.answering() == (SERVING, None)
        assert "had words forgotten" in await here.summary()


async def test_what_used_something_that_was_deleted_is_not_promoted(tmp_path, server):
    async with room(tmp_path, server) as here:
        id = await here.ask("mine", BOB)
        turn = await here.store.heard(asked(id=id).ref)
        [_, tune] = await here.store.tunes()
        await here.store.put_tune(replace(tune, turns=(turn.id,)))
        await here.store.change(turn.message.ref, None)
        await voted(here, 20, "👎", drawn=False)
        await voted(here, 40, "👍", drawn=True)
        await here.ends()
        assert await here.store.serving() == SERVING
        assert "It used what is forgotten." in await here.summary()


async def test_what_serves_and_the_canary_are_kept_however_many_tunes_pass(tmp_path, server):
    async with room(tmp_path, server) as here:
        for number in range(3, 15):
            await here.publish(f"mynah@{number:06}")
        shelf = sorted(path.name for path in (tmp_path / "tunes").glob("mynah@*"))
        assert shelf == [SERVING, *(f"mynah@{number:06}" for number in range(5, 15))]
