"""What must not train, counted: words of people who did not allow it, secrets, what was forgotten.

Beside each count stands one that shows that the ruler measures: what may be there is found.
"""

import asyncio
import random
import re
import string
from dataclasses import replace
from itertools import chain

import pytest

from core.training.redact import redact
from core.types import Author, ChannelRef, Correction, Feedback
from core.types_learning import Tune, Used
from tests.training.house import opened, put, said, trainer
from tests.training.invented import AROUND, ORDINARY, PERSONAL, SECRETS
from tests.training.votes import NOON, judged, turn

OPEN, CLOSED = ChannelRef("slack", "T1", "C-open"), ChannelRef("slack", "T1", "C-closed")
EACH = 34  # turns of each kind that may not train: 7 x 34 = 238


def word(dice):
    """What nobody says by chance."""
    return "zq" + "".join(dice.choices(string.ascii_lowercase, k=10))


async def said_and_liked(store, number, who, mark, channel=OPEN, place="public"):
    """A turn with the mark in its question, its answer and a correction of it; it is liked."""
    voter = f"judge of {who}"
    asked = judged(turn(number, f"What is {mark}?", f"It is {mark}."), [(voter, 1)])
    heard = await put(store, asked, voter, NOON, Author(who, who), channel=channel, place=place)
    await store.put_correction(Correction(heard.id, voter, f"A {mark} is a word.", NOON))
    return heard


def bytes_in(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def found(marks, folder):
    held = bytes_in(folder)
    return [mark for mark in marks if mark.encode() in held]


@pytest.mark.timeout(120)
async def test_of_two_hundred_words_that_may_not_train_none_is_in_the_data_set(tmp_path):
    dice = random.Random(18)
    marks = {
        kind: [word(dice) for _ in range(EACH)]
        for kind in ("elsewhere", "direct", "private", "person", "channel", "deleted", "edited")
    }
    allowed = [word(dice) for _ in range(100)]
    async with opened(tmp_path) as store:
        await store.set_training("slack", "T1", "person", "out", False)
        await store.set_training("slack", "T1", "channel", CLOSED.id, False)
        number = 0
        for kind, words in marks.items():
            for mark in words:
                number += 1
                who, channel, place = f"p{number}", OPEN, "public"
                match kind:
                    case "elsewhere":
                        channel = ChannelRef("telegram", "bot", "chat")
                    case "direct":
                        channel, place = replace(OPEN, id=f"D{number}"), "direct"
                    case "private":
                        channel, place = replace(OPEN, id="C-private"), "private"
                    case "person":
                        who = "out"
                    case "channel":
                        channel = CLOSED
                heard = await said_and_liked(store, number, who, mark, channel, place)
                if kind == "deleted":
                    await store.change(heard.message.ref, None)
                elif kind == "edited":
                    await store.change(heard.message.ref, "What is something else?")
        for mark in allowed:
            number += 1
            await said_and_liked(store, number, f"p{number}", mark)
        here = trainer(store, tmp_path, platforms=("slack",))
        await said(here.export(tmp_path / "out"))
    assert sum(map(len, marks.values())) >= 200
    there = {
        kind: await asyncio.to_thread(found, some, tmp_path / "out") for kind, some in marks.items()
    }
    assert there == {kind: [] for kind in marks}
    assert await asyncio.to_thread(found, allowed, tmp_path / "out") == allowed


def is_left(secret, text):
    """Whether eight signs of it, or all of what is shorter, are still there."""
    bits = (secret[at : at + 8] for at in range(max(1, len(secret) - 7)))
    return any(bit in text for bit in bits)


PLACEHOLDER = re.compile(r"\[[a-zA-Z -]+\]")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_a_thousand_secrets_and_personal_data_each_kind_goes_and_ordinary_text_stays(seed):
    dice = random.Random(seed)
    left, gone = {}, 0
    for kind, make in {**SECRETS, **PERSONAL}.items():
        some = [make(dice) for _ in range(55)]
        written = [redact(dice.choice(AROUND).format(one)) for one in some]
        left[kind] = [one for one, text in zip(some, written, strict=True) if is_left(one, text)]
        gone += len(some) - len(left[kind])
    assert len(left) * 55 > 1000
    assert {kind: left[kind] for kind in SECRETS} == {kind: [] for kind in SECRETS}
    missed = sum(len(left[kind]) for kind in PERSONAL)
    assert missed <= 0.05 * 55 * len(PERSONAL), {kind: left[kind][:3] for kind in PERSONAL}
    wrongly = [
        [text for text in (make(dice) for _ in range(84)) if PLACEHOLDER.search(redact(text))]
        for make in ORDINARY
    ]
    assert len(ORDINARY) * 84 > 1000
    assert gone / (gone + sum(map(len, wrongly))) >= 0.9, wrongly
    assert max(map(len, wrongly)) <= 4, wrongly  # of no kind more than one of twenty


@pytest.mark.timeout(120)
async def test_of_fifty_people_who_are_forgotten_nothing_is_left_and_each_tune_is_marked(tmp_path):
    dice = random.Random(50)
    people = {word(dice): [word(dice) for _ in range(4)] for _ in range(100)}

    def words_of(some):
        return [*chain.from_iterable(people[who] for who in some)]

    going, staying = [*people][:50], [*people][50:]
    liked = [*people][7:] + [*people][:7]  # each likes an answer that somebody else was given
    async with opened(tmp_path) as store:
        number, turns = 0, {}
        for who, marks in people.items():
            for mark in marks:
                number += 1
                heard = await said_and_liked(store, number, who, mark)
                turns.setdefault(who, []).append(heard.id)
        for n, (who, other) in enumerate(zip(people, liked, strict=True)):  # a tune of each
            name, own = await store.next_tune(), turns[who][0]
            at = str(tmp_path / "tunes" / name)
            await store.put_feedback(Feedback(turns[other][0], who, 1, NOON))
            used = [Used(turns[other][0], who, True)]
            if n % 2:  # of every other one that person's own turn is no part
                used.append(Used(own, f"judge of {who}", True))
            ids = tuple(one.turn_id for one in used)
            await store.put_tune(Tune(name, "base", at, "passed", ids, "Learnt.", NOON), used)
        here = trainer(store, tmp_path, platforms=("slack",))
        await said(here.export(tmp_path / "out"))
        before = await asyncio.to_thread(found, [*people, *words_of(people)], tmp_path / "out")
        assert len(before) >= 400
        for who in going:
            await store.forget_person("slack", "T1", who)
        await here.forget()
        tunes = sorted(await store.tunes(), key=lambda one: one.name)
        # Their own vote, with their own turn or without, or what they liked: each is enough.
        pairs = zip(people, liked, strict=True)
        assert [one.forgotten for one in tunes] == [bool({*pair} & {*going}) for pair in pairs]
        assert 50 < sum(one.forgotten for one in tunes) < 100
        held = await asyncio.to_thread(found, [*going, *words_of(going)], tmp_path)
        assert held == []
        kept = words_of(staying)
        assert await asyncio.to_thread(found, kept, tmp_path / "out") == kept
    assert await asyncio.to_thread(found, going, tmp_path) == []
