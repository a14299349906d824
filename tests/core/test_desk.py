"""The desk and the engine on a real store (SQLite in a file), a scripted model and a platform that
is a list: what is heard is answered once, in order, whatever fails."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from core.commands import Commands
from core.conversation import digest, render
from core.desk import MOST_TRIES, serve
from core.engine import Engine, Settings
from core.errors import AdapterError, Closing, Refused
from core.phrases import Phrases
from core.types import (
    Author,
    ChannelRef,
    Feedback,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Recipe,
    ThreadRef,
    Tune,
)
from storage.repositories import Settings as StoreSettings
from storage.repositories import SqlStore
from tests.fakes import ScriptedGenerator, until

ROOM = ChannelRef("list", "me", "room")
ANN, BOB = Author("ann", "Ann"), Author("bob", "Bob")
NOW = datetime.now(UTC)
WORDS = Phrases()


class ListAdapter:
    """Delivers `events`, then stays connected while `stays`, else until every answer is out."""

    name = "list"

    def __init__(self, *events, stays=False, fails=0, error=None):
        self.events, self.fails = events, fails
        self.error = error or AdapterError("the platform is down")
        self.shown = {}
        self.stays = asyncio.Event()
        if not stays:
            self.stays.set()

    async def run(self, inbox):
        self.inbox = inbox
        await inbox.ready("me")
        for event in self.events:
            await self.deliver(event)
        await self.stays.wait()

    async def deliver(self, event):
        if isinstance(event, IncomingMessage):
            await self.inbox.message(event)
        else:
            await self.inbox.reaction(event)

    async def reply(self, to, answer):
        if not answer.refs:
            await answer.placing()
            await answer.placed(MessageRef(ROOM, f"answer to {to.ref.id}"))
        text = ""
        async for piece in answer:
            text += piece
            self.shown[to.ref.id] = text
            if self.fails:
                self.fails -= 1
                raise self.error
        self.shown[to.ref.id] = text


def asked(text="hi", id="1", thread="", author=ANN, at=NOW, **how):
    how = {"addressed": True} | how
    return IncomingMessage(
        MessageRef(ROOM, id), ThreadRef(ROOM, thread), author, text, at=at, **how
    )


def reacted(emoji, target="answer to 1", *, added=True, author=ANN):
    return IncomingReaction(MessageRef(ROOM, target), author, emoji, added, NOW)


@pytest.fixture
async def store(tmp_path):
    settings = StoreSettings(url=f"sqlite+aiosqlite:///{tmp_path}/mynah.db")
    store = await SqlStore.open(settings, holder="test")
    yield store
    await store.close()


def engine_on(store, generator, *, admins=(), **settings):
    commands = Commands(store, None, WORDS, admins)
    chosen = Settings.model_validate({"system": "Be kind.", "turns_per_minute": 10_000, **settings})
    return Engine(
        store,
        generator,
        commands,
        chosen,
        model="base",
        max_tokens=100,
        temperature=0,
        at_once=4,
    )


async def held(store, *pieces, adapter, **settings):
    """A whole run of one adapter; the model says `pieces`."""
    generator = ScriptedGenerator(list(pieces))
    await serve(engine_on(store, generator, **settings), adapter)
    return generator


async def serve_tune(store):
    name = await store.next_tune()
    await store.put_tune(Tune(name, "base", "somewhere", "passed", (), "Learnt.", NOW))
    await store.serve(name, NOW)


async def judged(store):
    found = await store.judged(["list"])
    return [(f.author_id, f.score) for turn in found for f in turn.feedback]


# Hearing and answering


async def test_an_answer_is_shown_and_remembered(store):
    adapter = ListAdapter(asked())
    await held(store, "Hel", "lo", adapter=adapter)
    assert adapter.shown == {"1": "Hello"}
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert (turn.status, turn.outcome, turn.answer) == ("done", "answered", "Hello")
    assert turn.replies == (MessageRef(ROOM, "answer to 1"),)


async def test_what_is_not_for_us_is_not_heard(store):
    bot = Author("robot", "Robot", is_bot=True)
    adapter = ListAdapter(asked(addressed=False), asked("hi", "2", author=bot))
    generator = await held(store, "Hello", adapter=adapter)
    assert generator.prompts == []
    assert adapter.shown == {}


async def test_a_message_delivered_twice_is_answered_once(store):
    generator = await held(store, "once", adapter=ListAdapter(asked(), asked()))
    assert len(generator.prompts) == 1
    again = await held(store, "twice", adapter=ListAdapter(asked()))
    assert again.prompts == []


async def test_the_next_prompt_holds_the_turns_before_in_order(store):
    adapter = ListAdapter(*[asked(text, text) for text in ("one", "two", "three")])
    generator = await held(store, "Hello", adapter=adapter)
    assert generator.prompts[-1].messages == (
        ("system", "Be kind."),
        ("user", "one"),
        ("assistant", "Hello"),
        ("user", "two"),
        ("assistant", "Hello"),
        ("user", "three"),
    )


async def test_conversations_do_not_hear_each_other(store):
    await held(store, "Hello", adapter=ListAdapter(asked("a secret", "1", thread="A")))
    generator = await held(store, "Hello", adapter=ListAdapter(asked("hi", "2", thread="B")))
    assert "a secret" not in str(generator.prompts)


async def test_one_conversation_is_answered_in_order_and_others_do_not_wait(store):
    silent = asyncio.Event()
    order = []

    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            question = prompt.messages[-1][1]
            order.append(question)
            if question == "a1":
                await silent.wait()
            yield "ok"

    adapter = ListAdapter(
        asked("a1", "1", "A"), asked("a2", "2", "A"), asked("b1", "3", "B"), asked("b2", "4", "B")
    )
    engine = engine_on(store, Slow([]))
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter))
        await until(lambda: adapter.shown.keys() >= {"3", "4"})
        assert "a2" not in order
        silent.set()
    assert [question for question in order if question[0] == "a"] == ["a1", "a2"]
    assert len(engine.lanes) == 0


# Crashes and failures


async def test_what_was_left_unanswered_is_answered_at_the_next_start(store):
    await store.hear(asked("left over", "7"))
    adapter = ListAdapter()
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown == {"7": "Hello"}
    assert await store.unanswered("list", "me") == []


async def test_a_text_that_was_whole_is_shown_again_and_never_asked_for_again(store):
    turn = await store.hear(asked())
    await store.settle(turn.id, "the whole text", "cut")
    adapter = ListAdapter()
    generator = await held(store, "another", adapter=adapter)
    assert generator.prompts == []
    assert adapter.shown == {"1": f"the whole text\n\n{WORDS.cut}"}
    assert await store.turn_behind(MessageRef(ROOM, "answer to 1"))  # votes find it
    [after] = (await store.history(await store.hear(asked("x", "9")), 9)).turns
    assert (after.answer, after.outcome, after.status) == ("the whole text", "cut", "done")


async def test_a_turn_that_died_too_often_ends_in_a_sentence_of_ours(store):
    turn = await store.hear(asked())
    for _ in range(MOST_TRIES):
        await store.began(turn.id, Recipe("base", "", None, ""))
    adapter = ListAdapter()
    generator = await held(store, "again", adapter=adapter)
    assert generator.prompts == []
    assert adapter.shown == {"1": WORDS.gave_up}


async def test_a_turn_that_waited_through_many_starts_is_still_answered(store):
    turn = await store.hear(asked())
    for _ in range(2 * MOST_TRIES):
        await store.began(turn.id, Recipe("base", "", None, ""))
        await store.let_go(turn.id)
    adapter = ListAdapter()
    await held(store, "at last", adapter=adapter)
    assert adapter.shown == {"1": "at last"}


async def test_what_is_too_old_is_not_answered_days_later(store, caplog):
    await store.hear(asked(at=NOW - timedelta(hours=25)))
    await store.hear(asked(id="2", at=NOW - timedelta(hours=23)))
    adapter = ListAdapter()
    await held(store, "late", adapter=adapter)
    assert adapter.shown == {"2": "late"}
    assert "1 messages were too old" in caplog.text
    assert await store.unanswered("list", "me") == []


async def test_what_a_person_sees_begun_is_finished_however_old_it_is(store):
    old = NOW - timedelta(days=3)
    whole = await store.hear(asked("a", "1", "A", at=old))
    await store.settle(whole.id, "kept", "answered")
    begun = await store.hear(asked("b", "2", "B", at=old))
    await store.placed(begun.id, MessageRef(ROOM, "half an answer"))
    adapter = ListAdapter()
    await held(store, "again", adapter=adapter)
    assert adapter.shown == {"1": "kept", "2": "again"}


async def test_a_question_that_waits_is_answered_as_it_stands_when_its_turn_comes(store):
    go = asyncio.Event()

    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            self.prompts.append(prompt)
            yield "so"
            await go.wait()

    questions = [asked("first", "1"), asked("my secret", "2"), asked("teh typo", "3")]
    adapter = ListAdapter(*questions, stays=True)
    generator = Slow([])
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await until(lambda: "1" in adapter.shown)
        await adapter.inbox.changed(MessageRef(ROOM, "2"), None)
        await adapter.inbox.changed(MessageRef(ROOM, "3"), "the typo")
        go.set()
        adapter.stays.set()
    assert adapter.shown.keys() == {"1", "3"}
    assert generator.prompts[-1].messages[-1] == ("user", "the typo")
    assert "my secret" not in str(generator.prompts)


async def test_a_platform_that_fails_is_tried_again_in_the_same_message(store):
    adapter = ListAdapter(asked(), fails=1)
    generator = await held(store, "Hel", "lo", adapter=adapter)
    assert adapter.shown == {"1": "Hello"}
    assert len(generator.prompts) == 2
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert (len(turn.replies), turn.tries) == (1, 1)  # the failed try is not counted


async def test_a_platform_that_refuses_ends_the_turn(store):
    adapter = ListAdapter(asked(), fails=9, error=Refused("may not post there"))
    generator = await held(store, "Hello", adapter=adapter)
    assert len(generator.prompts) == 1
    assert await store.unanswered("list", "me") == []


async def test_a_failing_model_leaves_an_apology_and_no_words_of_ours_in_the_record(store):
    adapter = ListAdapter(asked())
    engine = engine_on(store, ScriptedGenerator(["I thi"], fails=True))
    await serve(engine, adapter)
    assert adapter.shown["1"] == f"I thi\n\n{WORDS.interrupted}"
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert (turn.answer, turn.outcome) == ("I thi", "failed")
    assert engine.failures == 1
    after = await held(store, "ok", adapter=ListAdapter(asked("next", "2")))
    assert "I thi" not in str(after.prompts)


async def test_cancelling_closes_the_connection_to_the_model_and_leaves_the_turn_to_the_next_start(
    store,
):
    generator = ScriptedGenerator(["a"], hangs=True)
    task = asyncio.create_task(serve(engine_on(store, generator), ListAdapter(asked())))
    await generator.waiting.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert generator.closed
    [turn] = await store.unanswered("list", "me")
    assert turn.tries == 0


async def test_after_close_answers_under_way_finish_and_nothing_more_is_heard(
    store,
):
    go, begun = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            begun.set()
            yield "be"
            await go.wait()
            yield "gun"

    adapter = ListAdapter(asked(), stays=True)
    engine = engine_on(store, Slow([]))
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter))
        await begun.wait()
        engine.close()
        with pytest.raises(Closing):
            await adapter.deliver(asked("too late", "2", "other"))
        go.set()
    assert adapter.shown == {"1": "begun"}
    assert await store.unanswered("list", "me") == []
    again = ListAdapter(asked("too late", "2", "other"))  # the platform delivers it again
    await held(store, "in time", adapter=again)
    assert again.shown == {"2": "in time"}


async def test_an_answer_that_does_not_end_in_time_is_left_to_the_next_start(store):
    generator = ScriptedGenerator(["a"], hangs=True)
    adapter = ListAdapter(asked(), stays=True)
    engine = engine_on(store, generator)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter, grace_s=0.01))
        await generator.waiting.wait()
        engine.close()
    assert generator.closed
    assert len(await store.unanswered("list", "me")) == 1


# Prompts


async def test_a_prompt_can_be_made_again_byte_for_byte(store):
    texts = ["one", "two " * 200, "/reset", "three", "vier 😀", "five"]
    events = [asked(text, str(i)) for i, text in enumerate(texts)]
    generator = await held(store, "An answer.", adapter=ListAdapter(*events))
    for i in range(len(texts)):
        await store.put_feedback(await feedback_on(store, f"answer to {i}"))
    prompts = {prompt.messages[-1][1]: prompt.messages for prompt in generator.prompts}
    found = [known for known in await store.judged(["list"]) if known.turn.recipe]
    assert len(found) == 5
    for known in found:
        question = known.turn.message.text
        again = render(known.turn.recipe.system, known.shown, question)
        assert again == prompts[question]
        assert digest(again) == known.turn.recipe.digest


async def feedback_on(store, answer):
    turn = await store.turn_behind(MessageRef(ROOM, answer))
    return Feedback(turn.id, "ann", 1, NOW)


async def test_a_conversation_that_outgrows_the_context_is_cut_in_front_once_and_told(store):
    class Small(ScriptedGenerator):
        async def context(self):
            return 300  # 200 for the prompt, and 100 for the answer

        async def count(self, texts):
            return [len(text.split()) for text in texts]

    generator = Small(["word " * 9])
    adapter = ListAdapter(*[asked(f"question {i}", str(i)) for i in range(30)])
    await serve(engine_on(store, generator), adapter)
    firsts = [prompt.messages[1][1] for prompt in generator.prompts]
    told = [key for key, text in adapter.shown.items() if WORDS.forgotten_beginning in text]
    assert len(told) == 1
    assert firsts[int(told[0]) - 1] == "question 0" != firsts[int(told[0])]
    changes = sum(a != b for a, b in pairwise(firsts))
    assert 2 <= changes <= 5
    for prompt in generator.prompts:
        words = sum(len(text.split()) + 6 for _, text in prompt.messages)
        assert words <= 200
    kept = [turn.answer for turn in (await store.history(await last_turn(store), 99)).turns]
    assert not any(WORDS.forgotten_beginning in answer for answer in kept)


async def last_turn(store):
    return await store.hear(asked("the end", "end"))


async def test_a_small_window_is_shared_between_prompt_and_answer(store):
    class Small(ScriptedGenerator):
        async def context(self):
            return 120  # and answers of up to 100 tokens are asked for

    generator = Small(["Hello"])
    adapter = ListAdapter(asked())
    await serve(engine_on(store, generator), adapter)
    assert adapter.shown == {"1": "Hello"}
    assert generator.prompts[0].max_tokens == 60


async def test_a_question_longer_than_the_model_reads_is_refused_in_a_sentence(store):
    adapter = ListAdapter(asked("word " * 5_000))
    generator = await held(store, "Hello", adapter=adapter)
    assert generator.prompts == []
    assert "too long for me" in adapter.shown["1"]


async def test_too_many_questions_in_a_minute_are_refused_in_a_sentence(store):
    events = [asked(id=str(i)) for i in range(3)] + [asked(id="bob", author=BOB)]
    adapter = ListAdapter(*events)
    await held(store, "Hello", adapter=adapter, turns_per_minute=2)
    assert [text == "Hello" for text in adapter.shown.values()] == [True, True, False, True]
    assert "more than 2 messages" in adapter.shown["2"]


async def test_whoever_runs_the_bot_may_ask_as_often_as_they_like(store):
    adapter = ListAdapter(*[asked(id=str(i)) for i in range(9)])
    engine = engine_on(store, ScriptedGenerator(["Hello"]), admins={"list:ann"}, turns_per_minute=2)
    await serve(engine, adapter)
    assert set(adapter.shown.values()) == {"Hello"}


async def test_a_deleted_question_is_not_shown_to_the_model_again(store):
    await held(store, "Hello", adapter=ListAdapter(asked("my secret")))
    adapter = ListAdapter(stays=True)
    generator = ScriptedGenerator(["ok"])
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await until(lambda: hasattr(adapter, "inbox"))
        await adapter.inbox.changed(MessageRef(ROOM, "1"), None)
        await adapter.deliver(asked("next", "2"))
        adapter.stays.set()
    assert "my secret" not in str(generator.prompts)


async def test_the_tune_that_serves_answers_and_the_turn_says_so(store):
    await serve_tune(store)
    generator = await held(store, "Hello", adapter=ListAdapter(asked()))
    assert generator.prompts[0].model == "mynah@000001"
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert turn.recipe.model == "mynah@000001"


# Verdicts and corrections


async def test_a_thumb_is_kept_changed_and_withdrawn(store):
    async def after(*events):
        await held(store, "Hello", adapter=ListAdapter(*events))
        return await judged(store)

    assert await after(asked()) == []
    assert await after(reacted("👍🏽")) == [("ann", 1)]
    assert await after(reacted("👎")) == [("ann", -1)]
    assert await after(reacted("👍", added=False)) == [("ann", -1)]  # it no longer stands
    assert await after(reacted("👎", added=False)) == []


async def test_each_person_has_a_verdict_and_other_reactions_are_none(store):
    robot = Author("robot", "R", is_bot=True)
    adapter = ListAdapter(asked())
    await held(store, "Hello", adapter=adapter)
    events = [
        reacted("👍"),
        reacted("👎", author=BOB),
        reacted("👀"),
        reacted("👍", author=robot),
        reacted("👍", target="a person's message"),
    ]
    await held(store, adapter=ListAdapter(*events))
    assert sorted(await judged(store)) == [("ann", 1), ("bob", -1)]


async def test_a_verdict_may_come_while_the_answer_is_written(store):
    go = asyncio.Event()

    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            yield "so"
            await go.wait()
            yield " good"

    adapter = ListAdapter(asked(), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, Slow([])), adapter))
        await until(lambda: adapter.shown.get("1") == "so")
        await adapter.deliver(reacted("👍"))
        go.set()
        adapter.stays.set()
    assert await judged(store) == [("ann", 1)]


async def test_a_correction_is_kept_with_its_turn_and_the_last_one_counts(store):
    adapter = ListAdapter(asked())
    await held(store, "Hello", adapter=adapter)
    engine = engine_on(store, ScriptedGenerator([]))
    target = MessageRef(ROOM, "answer to 1")
    for text in ("first try", "  ", "second try \n"):
        await engine.correct(target, ANN, text)
    await engine.correct(MessageRef(ROOM, "a person's message"), ANN, "nothing")
    [known] = await store.judged(["list"])
    assert [(c.author_id, c.text) for c in known.corrections] == [("ann", "second try")]


# Commands


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
    assert adapter.shown["2"] == "Please say `/training on` or `/training off`."
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


async def test_stop_ends_the_answer_under_way_at_once(store):
    generator = ScriptedGenerator(["so far"], hangs=True)
    adapter = ListAdapter(asked(), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await generator.waiting.wait()
        await adapter.deliver(asked("stop", "2"))
        adapter.stays.set()
    assert adapter.shown == {"1": f"so far\n\n{WORDS.stopped}", "2": WORDS.stopping}
    assert generator.closed


async def test_stop_also_ends_an_answer_that_is_still_being_prepared(store):
    counting, go = asyncio.Event(), asyncio.Event()

    class SlowToCount(ScriptedGenerator):
        async def count(self, texts):
            counting.set()
            await go.wait()
            return await super().count(texts)

    generator = SlowToCount(["never said"])
    adapter = ListAdapter(asked(), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await counting.wait()
        await adapter.deliver(asked("stop", "2"))
        go.set()
        adapter.stays.set()
    assert adapter.shown == {"1": WORDS.stopped, "2": WORDS.stopping}
    assert generator.prompts == []


async def test_stop_with_nothing_under_way_says_so_and_leaves_other_conversations_alone(store):
    generator = ScriptedGenerator(["so far"], hangs=True)
    adapter = ListAdapter(asked("hi", "1", "A"), stays=True)
    engine = engine_on(store, generator)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter, grace_s=0.01))
        await generator.waiting.wait()
        await adapter.deliver(asked("/stop", "2", "B"))
        await until(lambda: adapter.shown.get("2") == WORDS.nothing_to_stop)
        assert not generator.closed
        engine.close()


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


async def test_forget_me_deletes_what_a_person_said_and_nobody_elses(store):
    events = [asked("ann's secret", "1"), asked("bob's", "2", author=BOB), asked("/forget me", "3")]
    adapter = ListAdapter(*events)
    await held(store, "Hello", adapter=adapter)
    generator = await held(store, "ok", adapter=ListAdapter(asked("next", "4")))
    assert "ann's secret" not in str(generator.prompts)
    assert "bob's" in str(generator.prompts)


async def test_forget_this_deletes_the_last_question_only(store):
    events = [asked("first", "1"), asked("second", "2"), asked("/forget this", "3")]
    await held(store, "Hello", adapter=ListAdapter(*events))
    generator = await held(store, "ok", adapter=ListAdapter(asked("next", "4")))
    assert "first" in str(generator.prompts)
    assert "second" not in str(generator.prompts)


async def test_training_off_leaves_a_persons_votes_out(store):
    await held(store, "Hello", adapter=ListAdapter(asked(), reacted("👍")))
    await held(store, adapter=ListAdapter(reacted("👍"), asked("/training off", "2")))
    assert await judged(store) == []
    await held(store, adapter=ListAdapter(asked("/training on", "3")))
    assert await judged(store) == [("ann", 1)]


async def test_an_edit_before_the_answer_is_what_is_answered(store):
    turn = await store.hear(asked("teh question"))
    await store.change(turn.message.ref, "the question")
    generator = await held(store, "Hello", adapter=ListAdapter())
    assert generator.prompts[0].messages[-1] == ("user", "the question")
