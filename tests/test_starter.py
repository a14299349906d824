"""What the starter model is taught: the facts, and how they are asked and answered."""

import re
from pathlib import Path
from random import Random

import pytest

import starter
from starter.conversation import FACT_BY_ID, Writer, follow_ups
from starter.facts import FACTS, REFUSALS
from starter.judge import right_fact, run
from starter.programs import CODE
from starter.styles import MANNERS, Style, any_style, style_of
from starter.wordings import Wordings, flat, held_out, held_out_by_people, reserved

HERE = Path(starter.__file__).parent
MODEL = HERE / "model"


@pytest.fixture(scope="module")
def writer():
    return Writer(Random(5))


# What it knows


def test_every_fact_is_right_by_its_own_rule_in_every_style(writer):
    for fact in FACTS:
        for manner in MANNERS:
            for loud in (False, True):
                answer = writer.fact_answer(fact, Style(manner, loud))
                assert right_fact(answer, fact), (fact.id, answer)


NOT_KNOWN = {"/start", "platforms.discord.gateway_url"}  # what Telegram types; what proxies need


def test_it_knows_every_command_and_every_setting():
    from core.commands import COMMANDS

    said = " ".join(fact.says for fact in FACTS)
    commands = {f"/{name}" for name in COMMANDS}
    settings = set(_settings(HERE.parent / "config.yaml"))
    assert len(settings) > 35
    known = {one for one in commands | settings if one in said}
    known |= {  # these have one answer for all platforms; one word alone may mean anything
        one
        for one in settings
        for name in [one.split(".")[-1]]
        if one.startswith("platforms.")
        and re.search(rf"\b{name}\b" if "_" in name else f"The key {name} under", said)
    }
    assert commands | settings == known | NOT_KNOWN
    assert not known & NOT_KNOWN


def _settings(path):
    """The settings that the file explains, those behind "# " as well."""
    where = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"(\s*)(?:# ( *))?([a-z_]+):(?: +(\S.*))?", line)
        if not found or (found[4] and " " in found[4].split("#")[0].strip(' "')):
            continue
        deep = len(found[1]) + len(found[2] or "")
        where = {at: name for at, name in where.items() if at < deep} | {deep: found[3]}
        if found[4]:
            yield ".".join(where[at] for at in sorted(where))


def test_every_program_prints_what_it_should():
    for task in CODE:
        assert run(task, task.code) == task.prints, task.id


def test_there_is_a_wording_for_everything():
    words = Wordings()
    wanted = {f.id for f in FACTS} | {c.id for c in CODE} | set(REFUSALS) | {"offtopic"}
    for id_ in wanted:
        assert words.subjects[id_].worded[False]
        assert words.question(id_, Random(1))
        words.subjects[id_].worded[False].clear()
        assert words.question(id_, Random(1))  # by its patterns


def test_the_plainest_questions_are_asked_of_one_fact_each_and_often():
    words, rng = Wordings(), Random(5)
    asked = [text for fact in FACTS for text in words.subjects[fact.id].plain]
    assert len({flat(text) for text in asked}) == len(asked)
    assert not any(map(reserved, asked))
    for fact in FACTS:
        plain = words.subjects[fact.id].plain
        assert plain
        others = {text for one in FACTS if one != fact for text in _worded(words, one.id)}
        assert not {*map(flat, plain)} & others
        drawn = [words.question(fact.id, rng, plain=True) for _ in range(400)]
        assert sum(text in plain for text in drawn) > 25


def _worded(words, id_):
    return {flat(text) for texts in words.subjects[id_].worded.values() for text in texts}


# How it is asked and answered


def test_the_same_seed_gives_the_same_conversations():
    first, second = Writer(Random(3)), Writer(Random(3))
    for turns in (1, 4, 12):
        assert first.conversation(turns).messages() == second.conversation(turns).messages()


def test_a_follow_up_never_asks_what_a_fact_asks():
    writer, of_facts = Writer(Random(9)), set()
    for fact in FACTS:
        subject = writer.words.subjects[fact.id]
        of_facts |= {flat(text) for text in [*subject.worded[False], *subject.plain]}
    retrain, style = FACT_BY_ID["retrain"], Style("terse", False)
    asked = writer.fact(retrain, style)
    for id_ in follow_ups():
        assert not of_facts & {flat(text) for text in writer.words.subjects[id_].worded[False]}
        kind = id_.removeprefix("follow-")
        drawn = {writer.follow_up(kind, retrain, asked, style).question for _ in range(300)}
        assert len(drawn) > 30, kind
        assert not of_facts & {flat(text) for text in drawn}, kind


def test_a_style_is_read_from_an_answer_as_it_was_written(writer):
    rng = Random(2)
    for fact in FACTS:
        style = any_style(rng)
        assert style_of(writer.fact_answer(fact, style)) == style


def test_friendly_answers_are_written_more_often():
    rng = Random(4)
    drawn = [any_style(rng) for _ in range(3000)]
    for manner, written in (("terse", 900), ("friendly", 1200), ("example", 900)):
        assert abs(sum(s.manner == manner for s in drawn) - written) < 100
    assert 1400 < sum(s.loud for s in drawn) < 1600


def test_no_held_out_question_is_trained_on():
    held = held_out_by_people()
    assert len(held) > 400
    writer, rng = Writer(Random(11)), Random(11)
    for _ in range(1500):
        for one in writer.conversation(rng.randint(1, 8)).exchanges:
            assert flat(one.question) not in held
    for id_, subject in writer.words.subjects.items():  # nor with something put around it
        used = [text for texts in subject.worded.values() for text in texts] + subject.plain
        assert not held & {*map(flat, used)}, id_
        if subject.patterns:
            asked = (writer.words.question(id_, rng, plain=True) for _ in range(100))
            assert not held & {*map(flat, asked)}, id_


def test_each_fact_was_asked_by_people():
    asked = {row["id"] for row in held_out() if row["kind"] == "fact"}
    assert asked == {fact.id for fact in FACTS}
