"""What people have of their votes before anything is trained: examples ahead of conversations."""

import asyncio
import dataclasses
from datetime import timedelta
from itertools import pairwise

from core.conversation import asked as asked_in
from core.conversation import digest, render
from core.desk import serve
from core.examples import MOST, nearest, worth_showing
from core.training import dataset
from core.types import (
    ChannelRef,
    Correction,
    Example,
    Exchange,
    Feedback,
    IncomingMessage,
    MessageRef,
    ThreadRef,
    person,
)
from core.types_learning import Canary, Tune
from storage.repositories import Settings, SqlStore
from tests.core.room import (
    ANN,
    BOB,
    NOW,
    ROOM,
    ListAdapter,
    asked,
    engine_on,
    held,
    serve_tune,
)
from tests.fakes import ScriptedGenerator, until

PUMP, KEYS, LUNCH = "Where is the pump?", "Who has the keys?", "What is for lunch?"


def echo(question):
    return [f"To {question}"]


async def say(store, text, id, thread="", generator=None, **how):
    """One message, answered after a restart of everything but the store."""
    generator = generator or ScriptedGenerator(echo)
    await serve(engine_on(store, generator), ListAdapter(asked(text, id, thread, **how)))
    return generator


async def ahead_of(store, text, id, thread=""):
    """What the model is shown between the system text and this question."""
    return (await say(store, text, id, thread)).prompts[0].messages[1:-1]


async def vote(store, id, score=1, who="ann"):
    turn = await store.turn_behind(MessageRef(ROOM, f"answer to {id}"))
    await store.put_feedback(Feedback(turn.id, who, score, NOW))
    return turn.id


async def correct(store, id, text, who="ann"):
    turn_id = await vote(store, id, -1, who)
    await store.put_correction(Correction(turn_id, who, text, NOW))
    return turn_id


async def day_one(store):
    """A liked answer, a corrected one, a disliked one; then the conversation begins anew."""
    for id, text in (("pump", PUMP), ("keys", KEYS), ("lunch", LUNCH)):
        await say(store, text, id, author=BOB)
    ids = await vote(store, "pump"), await correct(store, "keys", "Carol has.")
    await vote(store, "lunch", -1)
    await say(store, "/reset", "reset")
    return ids


OF_PUMP = (("user", PUMP), ("assistant", f"To {PUMP}"))
OF_KEYS = (("user", KEYS), ("assistant", "Carol has."))


async def test_liked_answers_and_corrections_lead_a_new_conversation_the_likest_last(store):
    await day_one(store)
    assert await ahead_of(store, "where's the PUMP", "1", "A") == OF_KEYS + OF_PUMP
    assert await ahead_of(store, "who has got the keys", "2", "B") == OF_PUMP + OF_KEYS


async def test_a_reset_does_not_promise_that_liked_answers_are_shown_no_more(store):
    await say(store, PUMP, "pump")
    await vote(store, "pump")
    adapter = ListAdapter(asked("/reset", "reset"), asked(PUMP, "1"))
    generator = await held(store, "ok", adapter=adapter)
    assert generator.prompts[0].messages[1:-1] == OF_PUMP
    assert "liked or corrected answers from here may still be shown" in adapter.shown["reset"]


async def test_what_stands_ahead_of_a_thread_anyway_is_no_example_too(store):
    await say(store, PUMP, "pump", "pump")
    await vote(store, "pump")
    assert await ahead_of(store, PUMP, "1", "1") == OF_PUMP


async def test_a_vote_changes_nothing_in_the_conversation_in_which_it_was_given(store):
    await say(store, PUMP, "pump")
    await vote(store, "pump")
    assert await ahead_of(store, KEYS, "keys") == OF_PUMP  # once, as history


async def test_prompts_of_a_conversation_begin_with_the_one_before_also_after_a_restart(tmp_path):
    settings = Settings(url=f"sqlite:///{tmp_path}/again.db")
    prompts = []
    for n in range(6):
        store = await SqlStore.open(settings, holder="test")
        if n == 0:
            await day_one(store)
        adapter = ListAdapter(asked(f"{PUMP} {n}", f"{n}", "A"), asked(f"so {n}", f"{n}b", "A"))
        generator = await held(store, "An answer.", adapter=adapter)
        prompts += [prompt.messages for prompt in generator.prompts]
        await say(store, f"{KEYS} {n}", f"o{n}", f"O{n}")
        await vote(store, f"o{n}")  # nearer ones come up, and are not taken
        await store.close()
    assert len(prompts) == 12
    assert prompts[0][1:5] == OF_KEYS + OF_PUMP
    for before, after in pairwise(prompts):
        assert after[: len(before)] == before


async def test_examples_stay_when_the_conversation_is_cut_and_take_an_eighth(store):
    class Small(ScriptedGenerator):
        async def context(self):
            return 500  # 400 for the prompt, 50 of them for examples: two of these

    long = " ".join(["very"] * 50)
    await say(store, f"{long} {PUMP}", "long")
    await vote(store, "long")  # alone too much: the others are shown
    await day_one(store)
    generator = Small(["word " * 20])
    for n in range(30):
        await say(store, f"{PUMP} {n}", f"{n}", "A", generator)
    prompts = [prompt.messages for prompt in generator.prompts]
    assert len({messages[5] for messages in prompts}) > 1  # it was cut
    assert {messages[1:5] for messages in prompts} == {OF_KEYS + OF_PUMP}
    for messages in prompts:
        assert sum(len(text.split()) + 6 for _, text in messages) <= 400


async def test_a_conversation_keeps_its_model_and_examples_also_when_its_beginning_is_cut(store):
    """Whoever tries the canary asks so much in a channel that others' turns are shown no more."""

    class Small(ScriptedGenerator):
        async def context(self):
            return 500

    await day_one(store)
    generator = Small(["word " * 20])
    await say(store, PUMP, "bobs", generator=generator, author=BOB)
    tune = Tune(await store.next_tune(), "base", "x", "passed", (), "Learnt.", NOW)
    await store.put_tune(tune)
    await store.begin_canary(Canary(tune.name, 1.0, person(ROOM, ANN.id), NOW))
    for n in range(20):
        await say(store, f"{PUMP} {n}", f"a{n}", generator=generator)
    await vote(store, "a19")  # would be an example by now
    await say(store, PUMP, "bobs too", generator=generator, author=BOB)
    first, *anns, last = generator.prompts
    assert {prompt.model for prompt in anns} == {tune.name}
    assert ("user", PUMP) not in last.messages[5:-1]  # it was cut
    assert last.model == "base"
    assert first.messages[1:5] == last.messages[1:5] == OF_KEYS + OF_PUMP


async def test_an_example_that_grew_since_the_conversation_began_goes_rather_than_its_turns(store):
    class Small(ScriptedGenerator):
        async def context(self):
            return 500

    await day_one(store)
    generator = Small(echo)
    await say(store, f"{PUMP} 1", "1", "A", generator)
    await store.change(MessageRef(ROOM, "pump"), "very " * 200)
    await say(store, "and?", "2", "A", generator)
    first, then = [prompt.messages[1:-1] for prompt in generator.prompts]
    assert first == OF_KEYS + OF_PUMP
    assert then == (*OF_KEYS, ("user", f"{PUMP} 1"), ("assistant", f"To {PUMP} 1"))


async def test_a_question_that_leaves_no_room_for_them_is_answered_without(store):
    class Small(ScriptedGenerator):
        async def context(self):
            return 200  # 100 for the prompt

    await day_one(store)
    generator = Small(["ok"])
    await say(store, "word " * 78, "1", "A", generator)
    await say(store, "short", "2", "A", generator)
    assert all(PUMP not in str(prompt.messages) for prompt in generator.prompts)


async def test_where_a_channel_is_the_conversation_eight_silent_hours_begin_a_new_one(store):
    def at(hours):
        return NOW + timedelta(hours=hours)

    await say(store, PUMP, "pump")
    await vote(store, "pump")
    await say(store, "/reset", "reset")
    led = []
    for n, hours in enumerate((1, 8.9, 17)):
        generator = await say(store, "What is there for lunch?", f"{n}", at=at(hours))
        led.append(generator.prompts[0].messages[1:-1])
        await say(store, LUNCH, f"l{n}", f"L{n}", at=at(hours))
        await vote(store, f"l{n}")
    of_lunch = (("user", LUNCH), ("assistant", f"To {LUNCH}"))
    assert led[0] == OF_PUMP
    assert led[1][: len(OF_PUMP) + 1] == (*OF_PUMP, ("user", "What is there for lunch?"))
    assert led[2][: 2 * len(OF_PUMP)] == OF_PUMP + of_lunch


async def test_while_a_tune_answers_there_are_none_and_after_it_the_same_stand_there(store):
    await day_one(store)
    assert await ahead_of(store, PUMP, "1", "A") == OF_KEYS + OF_PUMP
    await serve_tune(store)
    before = await ahead_of(store, "And?", "2", "A")
    assert before == (("user", PUMP), ("assistant", f"To {PUMP}"))  # what was said there
    assert await store.roll_back(await store.serving(), NOW)
    assert (await ahead_of(store, KEYS, "3", "A"))[:4] == OF_KEYS + OF_PUMP


async def test_there_are_as_many_as_the_settings_say_and_as_suit_the_base(store):
    await day_one(store)
    for n, (settings, suit, shown) in enumerate(
        [
            ({}, 0, ()),
            ({"examples": 1}, 0, OF_PUMP),
            ({}, 3, OF_KEYS + OF_PUMP),
            ({"examples": 0}, 3, ()),
        ]
    ):
        generator = ScriptedGenerator(echo)
        engine = engine_on(store, generator, suit=suit, **settings)
        await serve(engine, ListAdapter(asked(PUMP, f"{n}", f"T{n}")))
        assert generator.prompts[0].messages[1:-1] == shown


async def test_why_names_the_questions_whose_answers_were_shown(store):
    await day_one(store)
    adapter = ListAdapter(asked(PUMP, "1", "A"), asked("/why", "2", "A"))
    await held(store, "ok", adapter=adapter)
    assert f"from this channel, to `{KEYS}`, `{PUMP}`" in adapter.shown["2"]
    await serve_tune(store)
    adapter = ListAdapter(asked(PUMP, "3", "B"), asked("/why", "4", "B"))
    await held(store, "ok", adapter=adapter)
    assert PUMP not in adapter.shown["4"]


async def test_another_channel_shows_nothing_of_this_one(store):
    await day_one(store)
    other = ChannelRef("list", "me", "other")
    there = IncomingMessage(MessageRef(other, "1"), ThreadRef(other), ANN, PUMP, True, NOW)
    generator = await held(store, "ok", adapter=ListAdapter(there))
    assert generator.prompts[0].messages[1:] == (("user", PUMP),)


async def test_words_that_are_forgotten_or_deleted_go_with_the_conversations_next_turn(store):
    await day_one(store)
    assert await ahead_of(store, PUMP, "1", "A") == OF_KEYS + OF_PUMP
    await store.change(MessageRef(ROOM, "pump"), None)
    assert (await ahead_of(store, "and?", "2", "A"))[:2] == OF_KEYS
    await store.forget_person("list", "me", "ann")  # who corrected, and asked here
    assert await ahead_of(store, "so?", "3", "A") == ()


async def test_words_that_are_forgotten_while_a_turn_waits_in_line_are_not_shown(store):
    await day_one(store)
    generator = ScriptedGenerator(echo, hangs=True)
    engine = engine_on(store, generator, at_once=1)
    adapter = ListAdapter(asked("first", "1", "A"), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter))
        await generator.waiting.wait()
        await adapter.deliver(asked(PUMP, "2", "B"))
        await until(lambda: engine.line.waiting == 1)
        await store.change(MessageRef(ROOM, "pump"), None)
        generator.hangs = False
        await adapter.deliver(asked("stop", "3", "A"))
        await until(lambda: "2" in adapter.shown)
        adapter.stays.set()
    assert generator.prompts[-1].messages[1:-1] == OF_KEYS


async def test_prompts_with_examples_are_made_again_byte_for_byte(store):
    pump, keys = await day_one(store)
    adapter = ListAdapter(asked(PUMP, "1", "A"), asked("and?", "2", "A"))
    generator = await held(store, "ok", adapter=adapter)
    first = await vote(store, "1")
    await vote(store, "2")
    found = [one for one in await store.judged(["list"]) if one.turn.message.thread.thread]
    for one, prompt in zip(found, generator.prompts, strict=True):
        recipe = one.turn.recipe
        again = render(recipe.system, one.shown, asked_in(one.turn), recipe.examples)
        assert again == prompt.messages
        assert digest(again) == recipe.digest
    rows = dataset.gather(found).rows
    assert [row.shown for row in rows] == [(keys, pump), (keys, pump, first)]
    assert [row.prompt[1:] for row in rows] == [  # a tune is asked without examples
        (("user", PUMP),),
        (("user", PUMP), ("assistant", "ok"), ("user", "and?")),
    ]
    assert dataset.gather(found).used == tuple(sorted({pump, keys, *(f.turn.id for f in found)}))


async def test_an_example_that_changed_leaves_its_turns_out_of_training(store):
    await day_one(store)
    await held(store, "ok", adapter=ListAdapter(asked(PUMP, "1", "A")))
    turn_id = await vote(store, "1")

    async def left_out():
        return dataset.gather(await store.judged(["list"])).left_out.get("prompt changed since", ())

    assert turn_id not in await left_out()
    await correct(store, "keys", "Dan has.")
    assert turn_id in await left_out()
    await correct(store, "keys", "Carol has.")
    assert turn_id not in await left_out()
    await store.set_training("list", "me", "person", "ann", False)
    await store.set_training("list", "me", "person", "ann", True)
    assert turn_id not in await left_out()
    await store.change(MessageRef(ROOM, "pump"), "Where was the pump?")
    assert turn_id in await left_out()


def exchange(id, question, *scores, corrections=()):
    said = tuple(Correction(id, *one) for one in corrections)
    by = {f"p{n}": score for n, score in enumerate(scores)}
    return Exchange(id, question, f"answer {id}", by, said)


def test_most_people_decide_and_the_last_correction_counts():
    later = NOW + timedelta(minutes=1)
    said = [("p0", "late", later), ("p1", "early", NOW)]
    liked, late = Example(1, "q", "answer 1"), Example(1, "q", "late", "p0")
    assert worth_showing(exchange(1, "q", 1, 1, -1)) == liked
    assert worth_showing(exchange(1, "q", 1, -1)) is None
    assert worth_showing(exchange(1, "q")) is None
    # Who corrects takes their thumb up back by it.
    assert worth_showing(exchange(1, "q", 1, 1, corrections=said)) == late
    assert worth_showing(exchange(1, "q", -1, -1, *[1] * 5, corrections=said)) == liked
    assert worth_showing(exchange(1, "q", 1, corrections=[("p0", " answer 1 ", NOW)])) == liked


def test_the_nearest_questions_are_found_each_once_in_any_words_and_script():
    said = [
        exchange(5, "how do i ROLL BACK a tune", 1),
        exchange(4, "Где лежат настройки?", 1),
        exchange(3, "How do I roll back a tune?", 1),
        exchange(2, "What is the weather like?", 1),
        exchange(1, "Where do settings live?", 1),
        exchange(0, "", 1),
    ]
    assert nearest("roll a tune back, how do I?", said)[-1].turn_id == 5
    assert nearest("где настройки лежат", said)[-1].turn_id == 4
    assert len(nearest("?!", said)) <= MOST
    many = [dataclasses.replace(said[0], turn_id=n, question=f"Question {n}") for n in range(9)]
    assert len(nearest("question 7", many)) == MOST
    assert nearest("question 7", many)[-1].turn_id == 7
    assert nearest("anything", [exchange(1, "q", -1)]) == ()
