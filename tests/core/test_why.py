"""`/why`: what shaped an answer, in counts; and telling once whoever corrected."""

from dataclasses import replace

from core.desk import serve
from core.errors import AdapterError
from core.types import Correction, Feedback, MessageRef
from core.types_learning import Tune, Used
from tests.core.room import (
    ANN,
    BOB,
    NOW,
    ROOM,
    WORDS,
    ListAdapter,
    asked,
    engine_on,
    held,
)
from tests.core.test_line_waits import waiting
from tests.fakes import ScriptedGenerator

CHECK = {"name": "files", "passed": True, "words": "its files are whole", "hard": True}
UNSURE = {"name": "better", "passed": None, "words": "0 answers were held out", "hard": True}
ASIDE = {"name": "overlap", "passed": None, "words": "for eyes only", "hard": False}


class Reports:
    """A trainer that keeps one report for every tune; None: it is gone."""

    def __init__(self, *checks):
        self.found = {"checks": checks} if checks else None

    async def report(self, tune):
        return self.found


async def corrected(store, id="1", author=ANN):
    """Ann's question, and what this person says of its answer."""
    await held(store, "Too loud!", adapter=ListAdapter(asked("hi", id, f"T{id}")))
    turn = await store.turn_behind(MessageRef(ROOM, f"answer to {id}"))
    await store.put_feedback(Feedback(turn.id, author.id, -1, NOW))
    await store.put_correction(Correction(turn.id, author.id, "A secret of mine.", NOW))
    return turn.id, author.id


async def tuned(store, *verdicts, checked=(), **more):
    """A tune that learnt from these serves from now on; its checks alone heard `checked`."""
    name = await store.next_tune()
    tune = Tune(name, "base", "x", "passed", tuple(t for t, _ in verdicts), "Learnt.", NOW, **more)
    learnt = [Used(turn, who, True, True) for turn, who in verdicts]
    await store.put_tune(tune, [*learnt, *(Used(*one) for one in checked)])
    await store.serve(name, NOW)
    return name


async def why(store, *before, trainer=None, ask=None):
    """What /why says where this was said before."""
    ask = ask or asked("/why", "9", "T")
    adapter = ListAdapter(*before, ask)
    engine = engine_on(store, ScriptedGenerator(["An answer."]), trainer=trainer)
    await serve(engine, adapter)
    return adapter.shown[ask.ref.id]


async def test_where_nothing_was_answered_there_is_nothing_to_explain(store):
    assert await why(store, asked("hi", "2", "another thread")) == WORDS.why_nothing


async def test_of_the_base_it_says_that_no_vote_shaped_it(store):
    assert await why(store, asked("hi", "2", "T")) == WORDS.why_base


async def test_of_a_tune_it_says_which_and_how_many_votes_of_how_many_people_made_it(store):
    used = [await corrected(store), await corrected(store, "2"), await corrected(store, "3", BOB)]
    name = await tuned(store, *used)
    told = await why(store, asked("hi", "7", "T"), trainer=Reports(CHECK, UNSURE, ASIDE))
    assert f"`{name}`, made on {NOW:%Y-%m-%d %H:%M} UTC from 3 votes and corrections of" in told
    assert "of 2 people, 2 of them yours. Yours that were given here, the newest first," in told
    assert "are on my answers to `hi`, `hi`. Before it answered anybody" in told
    assert "it had 2 checks, and none spoke against it." in told
    assert "could not tell: 0 answers were held out." in told
    assert "eyes" not in told
    assert "secret" not in told
    assert "learnt nothing" not in told


async def test_what_was_kept_for_the_checks_is_said_apart_from_what_it_learnt_from(store):
    used = [await corrected(store), await corrected(store, "2", BOB), await corrected(store, "3")]
    await tuned(store, *used[:1], checked=used[1:])
    told = await why(store, asked("hi", "7", "T"), trainer=Reports(CHECK))
    assert "from 1 vote or correction of 1 person, 1 of them yours. It learnt" in told
    assert "nothing from 2 more, 1 of them yours: kept for its checks, or left out. Yours" in told


async def test_who_gave_nothing_is_told_of_nothing_of_theirs(store):
    await tuned(store, await corrected(store))
    ask = asked("/why", "9", "T", author=BOB)
    told = await why(store, asked("hi", "7", "T"), ask=ask)
    assert "from 1 vote or correction of 1 person. It passed its checks" in told


async def test_it_is_about_what_answered_then_and_not_what_serves_now(store):
    await held(store, "Hello", adapter=ListAdapter(asked("hi", "7", "T")))
    await tuned(store, await corrected(store))
    assert await why(store) == WORDS.why_base


async def test_a_report_that_is_gone_and_words_that_were_forgotten_are_said_to_be(store):
    await tuned(store, await corrected(store, author=BOB))
    adapter = ListAdapter(asked("hi", "7", "T"))
    await held(store, "Hello", adapter=adapter)
    await store.forget_person("list", "me", "bob")
    told = await why(store, trainer=Reports())
    assert "from 0 votes and corrections of 0 people." in told
    assert told.endswith(f"{WORDS.why_no_report} {WORDS.why_forgotten}")
    (tune,) = await store.tunes()
    await store.put_tune(replace(tune, path=""))
    told = await why(store, trainer=Reports(), ask=asked("/why", "10", "T"))
    assert told.endswith(WORDS.why_gone)


async def test_a_slash_command_beside_the_threads_is_about_the_channels_last_answer(store):
    name = await tuned(store, await corrected(store))
    await held(store, "Hello", adapter=ListAdapter(asked("hi", "7", "T")))
    assert f"`{name}`" in await why(store, ask=asked("/why", "9", private=True))


async def test_why_without_a_slash_is_a_question(store):
    adapter = ListAdapter(asked("why"), asked("Why", "2"), asked("/why", "3"), asked("/Why", "4"))
    generator = await held(store, "Because.", adapter=adapter)
    assert len(generator.prompts) == 2
    assert adapter.shown["2"] == "Because."
    assert adapter.shown["3"] == adapter.shown["4"] == WORDS.why_base


def credited(name, count=1):
    return WORDS.credited.format(tune=name, count=count)


async def test_whoever_corrected_is_told_once_ahead_of_an_answer_by_the_tune_that_used_it(store):
    used = await corrected(store), await corrected(store, "2", BOB)
    questions = [asked("hi", "5", "T"), asked("hi", "6", "T"), asked("hi", "7", "T", author=BOB)]
    before = ListAdapter(*questions[:1])
    await held(store, "Hello", adapter=before)
    assert before.shown["5"] == "Hello"  # the base answers yet
    name = await tuned(store, *used)
    adapter = ListAdapter(asked("/tunes", "4"), *questions[1:], asked("again", "8", "T"))
    generator = await held(store, "Hello", adapter=adapter)
    assert WORDS.credited[:20] not in adapter.shown["4"]
    assert adapter.shown["6"] == credited(name) + "Hello"
    assert adapter.shown["7"] == credited(name) + "Hello"  # of Bob's own
    assert adapter.shown["8"] == "Hello"
    assert "learnt from your" not in str(generator.prompts[-1].messages)  # the model never hears it


async def test_whoever_corrected_what_was_kept_for_the_checks_is_told_when_a_tune_learns_it(store):
    used = await corrected(store), await corrected(store, "2", BOB)
    await tuned(store, used[1], checked=used[:1])
    adapter = ListAdapter(asked("hi", "6", "T"))
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown["6"] == "Hello"
    name = await tuned(store, *used)
    adapter = ListAdapter(asked("hi", "7", "T"), asked("hi", "8", "T"))
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown["7"] == credited(name) + "Hello"
    assert adapter.shown["8"] == "Hello"


async def test_an_answer_that_never_comes_credits_nobody(store):
    name = await tuned(store, await corrected(store))
    adapter = ListAdapter(asked("hi", "6", "T"))
    await serve(engine_on(store, ScriptedGenerator([], fails=True)), adapter)
    assert adapter.shown["6"] == WORDS.apology
    adapter = ListAdapter(asked("hi", "7", "T"))
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown["7"] == credited(name) + "Hello"


async def test_an_answer_that_is_shown_a_second_time_says_it_again(store):
    name = await tuned(store, await corrected(store))
    adapter = ListAdapter(asked("hi", "6", "T"), fails=1, error=AdapterError("down"))
    await held(store, "Hello", adapter=adapter)
    assert adapter.replied == ["6", "6"]
    assert adapter.shown["6"] == credited(name) + "Hello"


async def test_a_tune_that_goes_while_a_turn_waits_in_line_is_not_told_of_there_but_later(store):
    name = await tuned(store, await corrected(store, author=BOB))
    async with waiting(store, asked("hi", "6", "T", author=BOB)) as (speaker, adapter):
        await store.serve(None, NOW)
    assert [prompt.model for prompt in speaker.prompts] == [name, "base"]
    assert adapter.shown["6"] == "fine"
    await store.serve(name, NOW)
    adapter = ListAdapter(asked("hi", "7", "T", author=BOB))
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown["7"] == credited(name) + "Hello"


async def test_a_tune_that_comes_while_a_turn_waits_in_line_is_told_of_there(store):
    name = await tuned(store, await corrected(store, author=BOB))
    await store.serve(None, NOW)
    async with waiting(store, asked("hi", "6", "T", author=BOB)) as (speaker, adapter):
        await store.serve(name, NOW)
    assert [prompt.model for prompt in speaker.prompts] == ["base", name]
    assert adapter.shown["6"] == credited(name) + "fine"
    assert (await store.heard(MessageRef(ROOM, "6"))).answer == "fine"


async def test_so_does_one_that_was_whole_when_the_house_went_down(store):
    name = await tuned(store, await corrected(store))

    class Broken(ListAdapter):
        async def reply(self, to, answer):
            async for _ in answer:
                pass  # its text is whole and stored, and is never shown
            self.stays.set()
            raise AdapterError("down")

    engine = engine_on(store, ScriptedGenerator(["Hello"]))
    await serve(engine, Broken(asked("hi", "6", "T")), patience_s=0)
    adapter = ListAdapter()
    await held(store, adapter=adapter)
    assert adapter.shown["6"] == credited(name) + "Hello"
