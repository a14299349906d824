"""The commands, as people use them on a platform."""

import pytest

from core.announcements import Announcements
from core.desk import serve
from core.serving import roll_back
from core.types import MessageRef
from core.types_learning import Canary
from storage.repositories import SqlStore
from tests.core.room import (
    BOB,
    NOW,
    ROOM,
    WORDS,
    ListAdapter,
    asked,
    engine_on,
    held,
    serve_tune,
)
from tests.fakes import ScriptedGenerator, until


async def test_help_lists_every_command_and_asks_no_model(store):
    adapter = ListAdapter(asked("/help"), asked("help", "2"), asked("  ", "3"))
    generator = await held(store, "Hello", adapter=adapter)
    assert generator.prompts == []
    assert adapter.shown["1"] == adapter.shown["2"] == adapter.shown["3"]
    words = (
        "help",
        "reset",
        "stop",
        "retrain dry",
        "rollback",
        "tunes",
        "forget me",
        "training off",
    )
    assert all(f"`/{word}`" in adapter.shown["1"] for word in words)


async def test_words_that_only_begin_like_a_command_are_a_question(store):
    texts = ["help me with this", "stop words in search", "what is /etc/passwd", "/etc/passwd?"]
    adapter = ListAdapter(*[asked(text, str(i)) for i, text in enumerate(texts)])
    generator = await held(store, "Hello", adapter=adapter)
    assert len(generator.prompts) == len(texts)


async def test_a_command_with_other_words_behind_it_says_how_it_is_used(store):
    adapter = ListAdapter(asked("/forget everything"), asked("/training", "2"), asked("/HELP", "3"))
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown["1"] == "Please say `/forget me` or `/forget this`."
    assert adapter.shown["2"].startswith("Please say `/training on` or `/training off` or")
    assert adapter.shown["3"].startswith("Ask me anything")


async def test_an_unknown_command_says_where_the_known_ones_are(store):
    adapter = ListAdapter(asked("/dance now"))
    await held(store, "Hello", adapter=adapter)
    assert "`/dance`" in adapter.shown["1"]
    assert "/help" in adapter.shown["1"]


async def test_after_a_reset_the_model_sees_nothing_of_before_and_it_stays_stored(store):
    adapter = ListAdapter(asked("secret", "1"), asked("/reset", "2"), asked("next", "3"))
    generator = await held(store, "Hello", adapter=adapter)
    assert adapter.shown["2"] == WORDS.reset
    assert generator.prompts[-1].messages == (("system", "Be kind."), ("user", "next"))
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert turn.message.text == "secret"


async def test_only_admins_may_retrain_and_roll_back(store):
    commands = ("/retrain", "/rollback", "retrain dry")
    adapter = ListAdapter(*[asked(text, str(i)) for i, text in enumerate(commands)])
    await held(store, adapter=adapter)
    assert all("only the people who run me" in text for text in adapter.shown.values())
    engine = engine_on(store, ScriptedGenerator([]), admins={"list:bob"})
    allowed = ListAdapter(asked("/rollback", "9", author=BOB))
    await serve(engine, allowed)
    assert "nothing to roll back" in allowed.shown["9"]


async def test_rollback_brings_back_what_answered_before(store):
    await serve_tune(store)
    await serve_tune(store)
    engine = engine_on(store, ScriptedGenerator([]), admins={"list:ann"})
    adapter = ListAdapter(asked("/rollback", "1"), asked("rollback", "2"), asked("/tunes", "3"))
    await serve(engine, adapter)
    assert "mynah@000001" in adapter.shown["1"]
    assert await store.serving() is None
    assert "base answers" in adapter.shown["3"]


async def test_a_deed_is_done_once_however_often_its_words_are_shown(store):
    for _ in range(3):
        await serve_tune(store)
    engine = engine_on(store, ScriptedGenerator([]), admins={"list:ann"})
    adapter = ListAdapter(asked("/rollback"), fails=1)
    await serve(engine, adapter)
    assert "instead of `mynah@000003`" in adapter.shown["1"]
    assert await store.serving() == "mynah@000002"


@pytest.mark.parametrize("text", ["/rollback", "/retrain", "/forget this"])
async def test_a_command_that_died_with_the_process_is_not_done_a_second_time(store, text):
    await serve_tune(store)
    await held(store, "Hello", adapter=ListAdapter(asked("keep me", "0")))
    turn = await store.hear(asked(text))
    await store.began(turn.id, None)
    engine = engine_on(store, ScriptedGenerator([]), admins={"list:ann"})
    adapter = ListAdapter()
    await serve(engine, adapter)
    assert "interrupted" in adapter.shown["1"]
    assert await store.serving() == "mynah@000001"
    assert (await store.turn_behind(MessageRef(ROOM, "answer to 0"))).message.text == "keep me"


async def test_a_roll_back_passes_over_what_used_something_forgotten(store):
    await held(store, "Hello", adapter=ListAdapter(asked("mine", "1")))
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    for turns in ((), (turn.id,), ()):
        await serve_tune(store, turns=turns)
    await store.forget_turn(turn.id, "ann")
    engine = engine_on(store, ScriptedGenerator([]), admins={"list:ann"})
    await serve(engine, ListAdapter(asked("/rollback", "2")))
    assert await store.serving() == "mynah@000001"


class ChangesMeanwhile(SqlStore):
    """Right after somebody looked at what answers, the canary is promoted, or the first serves."""

    promotes = False

    async def answering(self):
        found = await super().answering()
        if self.promotes:
            await self.end_canary("mynah@000002", "promoted", NOW, "Liked.")
        else:
            await self.serve("mynah@000001", NOW)
        return found


@pytest.mark.parametrize(
    ("promotes", "words", "serving"),
    [
        (True, "Rolled back: the tune `mynah@000003` answers instead", "mynah@000003"),
        (False, "What answers changed just now: the tune `mynah@000001` answers.", "mynah@000001"),
    ],
)
async def test_a_roll_back_takes_back_what_was_judged(store, promotes, words, serving):
    for _ in range(3):
        await serve_tune(store)
    if promotes:
        await store.begin_canary(Canary("mynah@000002", 0.2, None, NOW))
    store.__class__ = ChangesMeanwhile
    store.promotes = promotes
    adapter = ListAdapter()
    async with Announcements("list:news") as announcements:
        announcements.ready(adapter)
        assert words in await roll_back(store, announcements)
        await announcements.tell("That is all.")
        await until(lambda: adapter.told and adapter.told[-1][1] == "That is all.")
    assert await store.serving() == serving
    taken = "The tune `mynah@000002` is taken back by hand: the tune `mynah@000003` answers"
    assert adapter.told[:-1] == ([("news", f"{taken} everybody.")] if promotes else [])


async def test_an_edit_before_the_answer_is_what_is_answered(store):
    turn = await store.hear(asked("teh question"))
    await store.change(turn.message.ref, "the question")
    generator = await held(store, "Hello", adapter=ListAdapter())
    assert generator.prompts[0].messages[-1] == ("user", "the question")


class Reviewer:
    """Says what it is asked to decide."""

    async def review(self, decided):
        yield f"asked: {decided!r}"


@pytest.mark.parametrize(
    ("text", "decided"),
    [("/review", ""), ("review in 3F9A0C", "in 3f9a0c"), ("/review out 3f9a0c", "out 3f9a0c")],
)
async def test_an_admin_reviews_what_is_set_aside(store, text, decided):
    here = engine_on(store, ScriptedGenerator([]), admins={"list:ann"}, trainer=Reviewer())
    adapter = ListAdapter(asked(text), asked(text, "2", author=BOB))
    await serve(here, adapter)
    assert adapter.shown["1"] == f"asked: {decided!r}"
    assert "only the people who run me" in adapter.shown["2"]


async def test_a_review_of_nothing_says_how_it_is_used_and_a_sentence_is_a_question(store):
    adapter = ListAdapter(asked("/review in"), asked("review in the morning, please", "2"))
    generator = await held(store, "Hello", adapter=adapter)
    assert adapter.shown["1"].startswith("Please say `/review` or `/review in ID`")
    assert len(generator.prompts) == 1
