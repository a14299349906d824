"""How people are met: greeted, told what was not read, told how votes train."""

import pytest

from core.desk import serve
from core.types import Noted
from tests.core.room import (
    BOB,
    WORDS,
    ListAdapter,
    asked,
    engine_on,
    held,
    reacted,
)
from tests.fakes import ScriptedGenerator

TEXT_ONLY = "I read text files in UTF-8 or UTF-16 of up to 100 kB, 5 at a time."


class Met(ListAdapter):
    def __init__(self, *events):
        super().__init__(*events)
        self.model = ScriptedGenerator(["Hello"])


async def met(store, *events, trained=("list",), **settings):
    """A run of an adapter; the model says Hello."""
    adapter = Met(*events)
    await serve(engine_on(store, adapter.model, trained=trained, **settings), adapter)
    return adapter


def direct(text="hi", id="1", **how):
    return asked(text, id, place="direct", **how)


async def test_the_first_answer_to_a_person_alone_is_opened_by_two_sentences(store):
    adapter = await met(store, direct(), direct("more", "2"), asked("hi", "3"))
    greeting, answer = adapter.shown["1"].split("\n\n")
    assert "I am Mynah" in greeting
    assert "`help`" in greeting
    assert "A thumb up or down" in greeting
    assert answer == adapter.shown["2"] == adapter.shown["3"] == "Hello"
    assert "I am Mynah" not in str(adapter.model.prompts)


async def test_start_greets_and_nothing_greets_again(store):
    adapter = await met(store, direct("/start"), direct("hi", "2"))
    assert adapter.shown["1"].count("I am Mynah") == 1
    assert adapter.shown["2"] == "Hello"
    link = asked("/start from-our-site", "5")  # t.me/mynah_bot?start=from-our-site
    helped = await met(store, asked("/help", "3"), asked("/start", "4"), link)
    assert "/start" not in helped.shown["3"]
    assert "I am Mynah" in helped.shown["4"]
    assert "I am Mynah" in helped.shown["5"]


async def test_whoever_begins_with_a_command_is_greeted_too(store):
    adapter = await met(store, direct("/help"), direct("hi", "2"))
    assert adapter.shown["1"].startswith("Hello, I am Mynah")
    assert "`/reset`" in adapter.shown["1"]
    assert adapter.shown["2"] == "Hello"


async def test_a_greeting_is_shown_once_also_when_showing_it_failed(store):
    adapter = ListAdapter(direct(), fails=1)
    await serve(engine_on(store, ScriptedGenerator(["Hello"])), adapter)
    assert adapter.shown["1"].count("I am Mynah") == 1


@pytest.mark.parametrize(
    ("place", "said", "told"),
    [
        ("direct", "", WORDS.votes_may_train),
        ("direct", "/training on", WORDS.votes_train),
        ("direct", "/training off", WORDS.votes_may_train),
        ("private", "", WORDS.votes_of_channel_may_train),
        ("private", "/training on", WORDS.votes_of_channel_may_train),
        ("private", "/training channel off", WORDS.votes_are_kept),
        ("private", "/training channel on", WORDS.votes_train),
        ("public", "", WORDS.votes_train),
        ("public", "/training off", WORDS.votes_may_train),
    ],
)
async def test_the_greeting_says_whether_votes_train_here(store, place, said, told):
    events = [asked(said, "1", place=place)] if said else []
    adapter = await met(store, *events, asked("/start", "2", place=place))
    assert told in adapter.shown["2"]
    elsewhere = await met(store, asked("/start", "3", place=place), trained=("console",))
    assert WORDS.votes_are_kept in elsewhere.shown["3"]


async def votes(store, place, *more, trained=("list",)):
    """What the voters are told, one after the other."""
    await met(store, asked(place=place))
    reactions = [reacted("👍"), reacted("👎"), reacted("👎", author=BOB)]
    return (await met(store, *more, *reactions, trained=trained)).noted


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("public", ""),
        ("private", WORDS.switch_on_private),
        ("direct", WORDS.switch_on_direct),
    ],
)
async def test_the_first_vote_in_private_is_answered_once_with_how_to_let_it_train(
    store, place, told
):
    assert await votes(store, place) == [Noted(1, told), Noted(-1), Noted(-1)]


async def test_where_the_platform_trains_nothing_or_somebody_chose_nothing_is_said(store):
    assert (await votes(store, "direct", trained=()))[0] == Noted(1)
    chose = asked("/training off", "2", place="direct")
    assert (await votes(store, "direct", chose))[0] == Noted(1)


async def test_its_own_people_switch_a_private_channel_on(store):
    await met(store, asked(place="private"))
    await met(store, reacted("👍"))
    assert await store.judged(["list"]) == []
    said = asked("/training channel on", "2", place="private", author=BOB)
    assert (await met(store, said)).shown["2"] == WORDS.channel_on
    assert len(await store.judged(["list"])) == 1


async def test_a_voter_hears_what_stands(store):
    await met(store, asked())
    events = [reacted("👎"), reacted("👍", added=False), reacted("👎", added=False)]
    others = [reacted("👀"), reacted("👍", target="a person's message")]
    adapter = await met(store, *events, *others)
    assert adapter.noted == [Noted(-1), Noted(-1), Noted(None), Noted(None), Noted(None)]


async def test_what_cannot_be_read_is_said_ahead_of_the_answer_and_kept_out_of_it(store):
    names = ("photo.png", "b_*`<@U1>.bin")
    adapter = await met(store, asked("look", unread=names), asked("and?", "2"))
    told = f"I cannot read photo.png and b_____U1_.bin: {TEXT_ONLY}"
    assert adapter.shown == {"1": f"{told}\n\nHello", "2": "Hello"}
    assert "photo" not in str(adapter.model.prompts)


@pytest.mark.parametrize("place", ["public", "direct"])
async def test_nothing_but_what_cannot_be_read_gets_that_sentence_alone(store, place):
    adapter = await met(store, asked(" ", place=place, unread=("photo.png",)))
    assert adapter.shown == {"1": f"I cannot read photo.png: {TEXT_ONLY}"}
    assert adapter.model.prompts == []


async def test_the_sentence_stands_there_again_after_a_restart(store):
    turn = await store.hear(asked(unread=("photo.png",)))
    await store.settle(turn.id, "whole", "answered")
    alone = await store.hear(asked("", "2", "T", unread=("photo.png",)))
    await store.settle(alone.id, WORDS.cannot_read(["photo.png"]), "refused")
    adapter = await met(store)
    told = f"I cannot read photo.png: {TEXT_ONLY}"
    assert adapter.shown == {"1": f"{told}\n\nwhole", "2": told}


@pytest.mark.parametrize("text", ["", " \n", "\u200b\u2060", "\ufeff\u200e ", "\u2067\u2069\u202e"])
async def test_a_mention_and_nothing_else_is_helped(store, text):
    adapter = await met(store, asked(text))
    assert adapter.shown["1"].startswith("Ask me anything")
    assert adapter.model.prompts == []


async def test_a_hundred_thousand_signs_are_refused_before_anybody_counts_them(store):
    class Counting(ScriptedGenerator):
        async def count(self, texts):
            raise AssertionError("it was counted")

    adapter = ListAdapter(asked("x" * 100_000))
    await serve(engine_on(store, Counting(["Hello"])), adapter)
    assert "too long for me: about 25000 tokens" in adapter.shown["1"]


async def test_nobody_is_told_of_a_command_with_an_endless_name(store):
    adapter = await met(store, asked("/" + "x" * 50_000))
    assert adapter.shown == {"1": "Hello"}


async def test_a_text_of_another_script_is_answered_as_it_is(store):
    text = "\u202bمرحبا\u202c 👩‍👩‍👧 \u200bhi"
    generator = await held(store, "Hello", adapter=ListAdapter(asked(text)))
    assert generator.prompts[0].messages[-1] == ("user", text)
