"""How a canary ends: promoted or dropped, by votes, health, time, people or another tune."""

import asyncio
import itertools
import json
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from bots.config import load
from bots.wiring import house
from core.jury import ASKED_EVERY
from core.regulars import ENOUGH
from core.training.publish import publish
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, ThreadRef
from core.types_learning import Tune
from storage.repositories import SqlStore
from tests.bots.canary_room import CANARY, NEXT, SERVING, Clock, first_threads, room, voted
from tests.core.room import ANN, BOB, NOW, asked
from tests.fake_model import Behaviour
from tests.fakes import until
from tests.training.test_publish import candidate_of


async def test_good_votes_promote_it_and_every_conversation_goes_over(tmp_path, server):
    time = [NOW + timedelta(days=1)]
    async with room(tmp_path, server, now=lambda: time[0]) as here:
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


async def test_good_votes_of_its_first_hours_promote_it_when_a_day_went_by(tmp_path, server):
    clock = Clock(NOW + timedelta(hours=23))
    async with room(tmp_path, server, now=clock) as here:
        await voted(here, 20, "👎", drawn=False)
        await voted(here, 40, "👍", drawn=True)
        await clock.sees_some_looks()
        assert (await here.store.answering())[1]
        clock.at = NOW + timedelta(hours=24)
        await here.ends()
        assert await here.store.serving() == CANARY


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


async def was_here(here, author, at):
    turn = await here.store.hear(asked(f"of {author.id}", f"{author.id} then", "", author, at))
    await here.store.finish(turn.id)


async def test_accounts_made_for_it_decide_nothing_where_people_are_known(tmp_path, server):
    clock = Clock(NOW)
    async with room(tmp_path, server, now=clock) as here:
        for n, thread in enumerate(await first_threads(here, ENOUGH, drawn=False)):
            of_old = Author(f"old {n}", "Known")
            await was_here(here, of_old, NOW - timedelta(days=2))
            await here.vote(await here.ask(thread, of_old), "👍", of_old)
        threads = await first_threads(here, 15, drawn=True)
        sybils = [Author(f"made {n}", "Made") for n in range(15)]
        for thread, sybil in zip(threads, sybils, strict=True):
            await here.vote(await here.ask(thread, sybil), "👎", sybil)
        await clock.sees_some_looks()
        assert (await here.store.answering())[1]
        why = f"0 of 0 votes on it are up, {ENOUGH} of {ENOUGH} on what serves"
        assert why in await here.command("/tunes")
        for sybil in sybils:  # but not who stays
            await was_here(here, sybil, NOW + timedelta(days=1))
        clock.at = NOW + ASKED_EVERY
        await here.ends()
        assert f"was dropped: 0 of 15 votes on it are up, {ENOUGH} of" in await here.summary()


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
    clock = Clock(NOW)
    async with room(tmp_path, server, now=clock) as here:
        await voted(here, 10, "👍", drawn=True)
        await voted(here, 3, "👎", drawn=False)
        clock.at = NOW + timedelta(days=13)
        await clock.sees_some_looks()
        assert (await here.store.answering())[1]
        clock.at = NOW + timedelta(days=14)
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
        assert "The gate had found something against it: fine." in await here.summary()


async def test_that_its_answers_are_shorter_is_nothing_against_it(tmp_path, server):
    time = [NOW]
    async with room(tmp_path, server, now=lambda: time[0]) as here:
        report = tmp_path / "tunes" / CANARY / "report.json"
        said = json.loads(report.read_text())
        said["checks"].append({"name": "length", "passed": False, "words": "short", "hard": False})
        report.write_text(json.dumps(said))
        await voted(here, 10, "👍", drawn=True)
        time[0] = NOW + timedelta(days=14)
        await here.ends()
        assert await here.store.serving() == CANARY


@pytest.mark.parametrize(
    ("proven", "serves", "why"),
    [
        (
            True,
            CANARY,
            "promoted: Too few votes to tell, but held-out votes proved that it learnt:",
        ),
        (False, SERVING, "dropped: Too few votes to tell:"),
    ],
)
async def test_one_that_few_voted_on_goes_on_if_it_was_proven(
    tmp_path, server, proven, serves, why
):
    time = [NOW]
    async with room(tmp_path, server, now=lambda: time[0]) as here:
        report = tmp_path / "tunes" / CANARY / "report.json"
        said = report.read_text().replace('"proven": true', f'"proven": {str(proven).lower()}')
        report.write_text(said)
        await voted(here, 9, "👍", drawn=True)
        time[0] = NOW + timedelta(days=14)
        await here.ends()
        assert await here.store.serving() == serves
        assert f"{why} 9 of 9 votes on it" in await here.summary()


async def test_a_vote_that_comes_while_they_are_counted_counts_before_it_is_over(tmp_path, server):
    clock = Clock(NOW)
    async with room(tmp_path, server, now=clock) as here:
        await voted(here, 9, "👍", drawn=True)
        [*_, last] = await first_threads(here, 10, drawn=True)
        tenth = await here.ask(last)

        class Meanwhile(SqlStore):
            async def labels(self):
                found = await super().labels()
                if clock.at == NOW:
                    clock.at = NOW + timedelta(days=14)
                    await here.vote(tenth, "👍")
                return found

        here.store.__class__ = Meanwhile
        await here.ends()
        assert "10 of 10 votes on it are up" in await here.summary()


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
        await until(lambda: len(here.told) == 2)
        words = f"The tune `{CANARY}` was a canary and is taken back by hand: the tune `{SERVING}`"
        more = f"The tune `{SERVING}` is taken back by hand: the base answers everybody."
        assert here.told == [("ops", f"{words} answers everybody."), ("ops", more)]


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
        why = "It learnt from words that were deleted or forgotten since."
        assert await here.summary() == f"Learnt. As a canary it was dropped: {why}"
        await until(lambda: here.told)
        words = f"The tune `{CANARY}` was a canary and is dropped, and the tune `{SERVING}` answers"
        assert here.told == [("ops", f"{words}: {why}")]


async def test_what_used_something_that_was_deleted_is_dropped_at_once(tmp_path, server):
    async with room(tmp_path, server) as here:
        id = await here.ask("mine", BOB)
        turn = await here.store.heard(asked(id=id).ref)
        [_, tune] = await here.store.tunes()
        await here.store.put_tune(replace(tune, turns=(turn.id,)))
        await here.store.change(turn.message.ref, None)
        await here.ends()
        assert await here.store.serving() == SERVING
        assert "It learnt from words that were deleted or forgotten since." in await here.summary()


async def config_of(folder, server, platforms="console: {}"):
    (folder / "config.yaml").write_text(
        f"generation: {{url: '{server.url}', model: base}}\n"
        f"storage: {{url: 'sqlite:///{folder}/mynah.db'}}\n"
        f"training: {{folder: '{folder}/tunes', canary: 0.5}}\n"
        "bot: {turns_per_minute: 1000}\n"
        f"platforms: {{{platforms}}}\n"
    )
    return await asyncio.to_thread(load, folder / "config.yaml", ["console"], env={})


async def test_in_the_house_it_ages_by_the_clock_that_the_house_is_given(tmp_path, server):
    config = await config_of(tmp_path, server)
    later = NOW + timedelta(days=14)
    async with house(config, holder="a test", on_status=print, now=lambda: later) as here:
        shelf = here.trainer.shelf
        tune = Tune(CANARY, "base", "", "refused", (), "Learnt.", NOW)
        made, speaker = candidate_of(shelf, CANARY), here.engine.generator
        await publish(here.store, speaker, made, shelf, tune, base="base", at=NOW, share=0.5)
        async with asyncio.timeout(10):
            while (await here.store.answering())[1]:
                await asyncio.sleep(0.05)
        [tune] = await here.store.tunes()
        assert "Too few votes to tell" in tune.summary


async def test_in_the_house_nobody_at_the_console_is_drawn_for_it(tmp_path, server):
    config = await config_of(tmp_path, server, "console: {}, slack: {}")
    async with house(config, holder="a test", on_status=print, now=lambda: NOW) as here:
        ids = itertools.count(1)

        async def models(platform, author):
            found = set()
            for id in itertools.islice(ids, 24):
                channel = ChannelRef(platform, "me", str(id))
                message = IncomingMessage(
                    MessageRef(channel, "1"), ThreadRef(channel), author, "Hi", True, NOW
                )
                turn = await here.store.hear(message)
                assert turn
                question = await here.engine.question(turn)
                assert not isinstance(question, str)
                found.add(question[0].model)
            return found

        shelf, speaker = here.trainer.shelf, here.engine.generator
        for name, by in ((CANARY, None), (NEXT, "console:me:ann")):
            tune = Tune(name, "base", "", "refused", (), "Learnt.", NOW)
            made, share = candidate_of(shelf, name), here.trainer.share
            await publish(
                here.store, speaker, made, shelf, tune, base="base", at=NOW, share=share, by=by
            )
            assert await models("console", BOB) == {"base"}
            assert await models("slack", BOB) == {"base", name}
        assert await models("console", ANN) == {NEXT}  # who started the run hears it there too
