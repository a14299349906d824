# ruff: noqa: E501  (patterns of wording read best on one line)
"""Every way to ask that the corpus knows, read from wording/*.txt.

In those files "= id" begins a subject; below it "t:" is its name, "x:" its example, and every other
line a pattern: "a:" something to do, "d:" something to explain, "c:" a command or a setting,
"q:" a whole question. wording/*.tsv hold questions that were worded one by one: id, tab, question.
A tenth of these sentences is set aside (`reserved`), but for the plainest ones, plain.tsv, and none
that is in heldout/ is used.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from starter.facts import FACTS
from starter.grammar import ONE_BY_ONE, expand, one_by_one
from starter.noise import other_words

_HERE = Path(__file__).parent / "wording"
_PLAIN = one_by_one(_HERE / "plain.tsv")
_PLAINEST = frozenset(chain.from_iterable(_PLAIN.values()))
_PLAINLY = 0.12  # of the questions
_FRAMES: dict[str, tuple[str, ...]] = {
    "a": (
        "{how|how} {do|can|do|would|could|should|may} {i|i|i|we|one|you|a person} #",
        "{how to|how does one|how does a user|how exactly do i|how do people} #",
        "what {do i do|do i type|must i do|should i do|do i have to do|can i do|do i write|do i need|do i say|is needed} to #",
        "{is there|do you have|is there any|is there not} {a way|a command|something|an option|an easy way|a trick|a possibility} to #",
        "{is it possible|am i able|are we able|would it be possible|is it allowed} to #",
        "{can|could|may} {i|we|one|somebody} #",
        "{i want|i would like|i'd like|i need|we want|we need|i wish|i have|i am trying|i am looking for a way|my boss wants me|my team wants|we'd like} to #",
        "{please tell me|tell me|show me|explain|explain to me|can you tell me|do you know|could you explain|i don't know|please explain|any idea|i wonder|i forgot} how {to|i can|i} #",
        "what {is|'s} the {way|best way|command|right way|easiest way|trick|procedure} to #",
        "which {command|setting|option|key|thing} {do i use|do i need|is there|lets me|should i use|would i use} to #",
        "#",
        "# {how|please|, how|, is that possible|- how}",
        "{where|where exactly} {do i|can i|would i} #",
        "{what if|suppose|say} i {want|need|have} to #",
        "{help me|i need help to|please help me to|assist me to} #",
    ),
    "d": (
        "{what is|what's|what exactly is|so what is|what is actually|what, please, is|what on earth is|and what is} #",
        "{what does|what would} # mean",
        "{explain|define|describe|please explain|tell me about|tell me more about|explain to me|talk about|tell me something about} #",
        "#",
        "{what do you mean by|what is meant by|what do people mean by|what do you understand by|what should i understand by} #",
        "{can you explain|could you explain|would you explain|can you tell me about|can you describe} #",
        "{i don't understand|i do not understand|i don't get|i have never heard of|i know nothing about|i keep reading about|somebody mentioned} # {|, what is it|, please explain}",
        "{meaning of|definition of|explanation of|the meaning of|give me a definition of} #",
        "{can you tell me|do you know|i wonder|i'd like to know|please tell me|any idea|could you say|i want to know|tell me} what # is",
        "what is # {in mynah|here|about|exactly|for|good for|in simple words|in short|supposed to be|used for}",
        "{how would you describe|how would you explain|how do you define|how does one define|help me understand} #",
    ),
    "c": (
        "{what does|what will|so what does} # do",
        "{what is|what's|what exactly is} # {for|good for|used for|||about}",
        "#",
        "{explain|describe|tell me about|please explain|can you explain|i don't understand} #",
        "{when|why|when exactly} {do i use|would i use|should i use|should one use|do people use} #",
        "{how does|how do i use|how would i use|how can i use|how should i use} # {|work}",
        "{what happens|what will happen|what would happen} {when|if|after|once} i {type|use|write|enter|set|say|give|send|change} #",
        "{what does|what is the meaning of} # {mean|}",
        "{what is the use of|what is the purpose of|what can i do with|the point of|what is the effect of|what is the function of} #",
        "{i saw|i read about|i found|there is|somebody told me about} # {, what is it|, what does it do|and wonder what it does|but don't know what it is for|, what is that for}",
        "{can you tell me|do you know|i wonder|i'd like to know|tell me|please tell me} what # {does|is|is for|means}",
    ),
}
# A subject's own words: "how to ..." is something to do, anything else a clause to be explained.
_TRIES = 1000
_CLAUSE = (
    "#", "tell me #", "i want to know #", "can you tell me #", "do you know #", "i wonder #", "please explain #",
    "explain #", "i would like to know #", "i was asking myself #", "could you say #", "my question is #",
    "i need to know #", "nobody could tell me #", "what about this: #",
)  # fmt: skip
_BEFORE = (
    "hi, ", "hey, ", "hello, ", "hi! ", "mynah, ", "@mynah ", "please, ", "a question: ", "so ", "ok, ", "and ",
    "quick question: ", "i have a question: ", "tell me, ", "one more thing: ", "sorry, ", "now ", "well, ",
    "just wondering, ", "can you tell me: ", "do you know: ", "i was wondering, ", "my colleague asks: ",
    "we are new here. ", "i just installed you. ", "i am new to this. ", "i am confused. ", "excuse me, ",
    "good morning, ", "next: ", "next question: ", "maybe a silly question, ", "i did not find it: ", "but ",
    "hey bot, ", "say, ", "by the way, ", "btw ", "um, ", "hello there, ", "dear mynah, ", "be honest: ",
    "i'm curious, ", "can i ask you something? ", "ok so ", "good, ", "thanks. ", "great. ", "hm, ", "wait, ",
    "let me ask: ", "for my understanding: ", "i read the manual but still wonder: ", "in mynah, ", "with this bot, ",
)  # fmt: skip
_AFTER = (
    " please", ", please", " thanks", " exactly", ", mynah", " here", ", do you know", ", any idea", " then",
    " in short", " actually", " in mynah", " with this bot", " on this bot", " again", " by the way", " at all",
    ", if i may ask", " in general", " normally", " these days", ", thank you", " and why", " or not",
)  # fmt: skip
_MACROS = {
    "$write": "{write|write me|give me|show me|i need|can you write|please write|could you write|make|create|can i have|i want|please give me}",
    "$in_py": "{python code|a python program|a python script|some python|a python function|a short python program|python|a bit of python|a piece of python code}",
    "$in_sh": "{a shell command|a bash command|a command|a shell one-liner|a linux command|a terminal command|shell code|bash}",
    "$in_sql": "{a sql query|sql|an sql query|a query|an sql statement|some sql|a sql statement|sql code}",
}


@dataclass(slots=True)
class Subject:
    """What may be asked about one id: its name, its example, its patterns by kind, what was worded
    by itself, by whether it is set aside, and the few plainest ways, each of which is drawn more
    often than any of these.
    """

    name: str = ""
    example: str = ""
    patterns: list[tuple[str, str]] = field(default_factory=list)
    worded: dict[bool, list[str]] = field(default_factory=lambda: {True: [], False: []})
    plain: list[str] = field(default_factory=list)


def reserved(question: str) -> bool:
    """Whether this wording is set aside for evaluation; the same for ever for one wording.

    What config.yaml names as understood is never set aside, nor are the plainest ways.
    """
    if question in ("Be terse.", "Be friendly.", "Give an example."):
        return False
    if question.lower() in _PLAINEST:
        return False
    return hashlib.blake2b(question.lower().encode(), digest_size=2).digest()[0] % 10 == 0


def flat(question: str) -> str:
    """Gives the question without letter case and marks, for comparing."""
    return " ".join(re.findall(r"[a-z0-9/@_+.-]+", question.lower())).rstrip(".")


def held_out_by_people() -> frozenset[str]:
    """Gives the questions of heldout/, so that none of them is trained on.

    Only those of five words and more: "hello" or "what is a tune" cannot belong to one person alone.
    """
    asked = {flat(turn) for row in held_out() for turn in row["turns"]}
    return frozenset(text for text in asked if len(text.split()) >= 5)


def held_out() -> list[dict[str, Any]]:
    """Reads heldout/, as starter/facts.py says what is in it."""
    files = sorted((Path(__file__).parent / "heldout").glob("*.jsonl"))
    return [
        json.loads(line)
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]


class Wordings:
    """All subjects, and questions about them."""

    def __init__(self) -> None:
        self.lists: dict[str, list[str]] = {}
        self.subjects: dict[str, Subject] = {}
        self._held = held_out_by_people()
        for path in sorted(_HERE.glob("*.txt")):
            self._read(path)
        for path in sorted(_HERE.glob("asked_*.tsv")):
            for id_, texts in one_by_one(path).items():
                worded = self.subjects.setdefault(id_, Subject()).worded
                for text in texts:
                    if not self.is_held_out(text):
                        worded[reserved(text)].append(text)
        for id_, texts in _PLAIN.items():
            self.subjects[id_].plain = [text for text in texts if not self.is_held_out(text)]
        for fact in FACTS:
            if fact.kind != "talk":
                self.subjects[fact.id].patterns += _from_subject(fact.subject)

    def is_held_out(self, text: str) -> bool:
        """Whether it is a question of heldout/, which is not used: whatever is put around it."""
        return flat(text) in self._held

    def _read(self, path: Path) -> None:
        subject = self.subjects.setdefault(path.stem, Subject())
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("= "):
                subject = self.subjects.setdefault(line[2:].strip(), Subject())
                continue
            if line.startswith("@"):
                name, _, words = line[1:].partition(":")
                self.lists[name] = [w.strip() for w in words.split(",")]
                continue
            kind, _, text = line.partition(": ")
            for macro, meaning in _MACROS.items():
                text = text.replace(macro, meaning)
            if kind == "t":
                subject.name = text
            elif kind == "x":
                subject.example = text
            elif kind in ("a", "c", "d", "q"):
                subject.patterns.append((kind, text))

    def question(self, id_: str, rng: Random, held_out: bool = False, plain: bool = False) -> str:
        """Gives a question about the subject, in small letters and without a mark at the end.

        `held_out` gives one of the wordings that training never sees, the default one of the others;
        `plain` leaves away what people say around a question. Raises LookupError where there is none.
        """
        subject = self.subjects[id_]
        patterns, worded = subject.patterns, subject.worded[held_out]
        if subject.plain and not held_out and rng.random() < _PLAINLY:
            return self._around(rng.choice(subject.plain), rng, plain)
        if worded and (not patterns or rng.random() < ONE_BY_ONE):  # of some there are no patterns
            return self._around(rng.choice(worded), rng, plain)
        weights = [_weight(kind, text) for kind, text in patterns]
        for _ in range(_TRIES):
            kind, pattern = rng.choices(patterns, weights)[0]
            if kind != "q":
                frame = expand(rng.choice(_FRAMES.get(kind, _CLAUSE)), rng)
                core = frame.replace("#", expand(pattern, rng, self.lists)).replace(" ,", ",")
            else:
                core = expand(pattern, rng, self.lists)
            if reserved(core) == held_out and not self.is_held_out(core):
                break
        else:
            raise LookupError(f"No wording of {id_!r} is left; add patterns to wording/.")
        return self._around(core, rng, plain)

    def _around(self, core: str, rng: Random, plain: bool) -> str:
        if plain:
            return core
        core = other_words(core, rng)
        if rng.random() < 0.28:
            core = rng.choice(_BEFORE) + core
        if rng.random() < 0.1:
            core += rng.choice(_AFTER)
        return core


def _from_subject(subject: str) -> list[tuple[str, str]]:
    """Makes patterns of the words with which the list of facts says what a fact is about."""
    found = []
    for part in re.sub(r" \([^)]*\)", "", subject).lower().split("; "):
        if part.startswith("how to "):
            found.append(("a", part.removeprefix("how to ")))
        elif part.split()[0] in ("what", "whether", "who", "why", "how", "which", "where", "when"):
            found.append(("s", part))
        else:
            found.append(("d", part))
    return found


def _weight(kind: str, pattern: str) -> float:
    """More for patterns with more sentences in them, so that no single wording is seen too often."""
    count = 1.0
    for part in pattern.split("{")[1:]:
        count *= part.split("}")[0].count("|") + 1
    if kind != "q":
        count *= 15 if kind == "s" else 30
    return float(min(count, 3000) ** 0.4)
