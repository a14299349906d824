"""What is asked in a sweep, what the model says to it, and what is wrong with what people see."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from dataclasses import dataclass

from tests.fake_model import FakeModel
from tests.sweep_houses import Place

STRAYS = ("…", "...")


class Echo(FakeModel):
    """Says the question's line, in so many pieces that a kill can hit between two."""

    def echo(self, body):
        text = right(body["messages"][-1]["content"].rpartition("\n")[2])
        size = max(12, len(text) // 30)
        return tuple(text[at : at + size] for at in range(0, len(text), size))


@dataclass
class Question:
    number: int
    place: Place
    text: str  # one line of marks that name its number, and nothing else
    is_answered: bool = False


def pages_in(house, place):
    """What was said there, by the question's number; under None what names no question."""
    found = defaultdict(list)
    for text in house.shown(place):
        found[number_in(text)].append(text)
    return found


def number_in(text):
    mark = re.search(r"q(\d+)\.", text)
    return int(mark[1]) if mark else None


def right(question):
    return f"You said: {question}"


def is_right(question, texts):
    """Page by page what was asked. A person's first turn alone with the bot begins with a hello."""
    words = " ".join(texts).split()
    hello = " ".join(words).partition("You said:")[0]
    is_greeted = question.place.is_direct and hello.startswith("Hello, I am ")
    said = words[len(hello.split()) :]
    return (not hello or is_greeted) and said == right(question.text).split()


def judged(house, questions):
    """By what is wrong: the numbers of the questions, or the words that no question has."""
    wrong = {what: [] for what in ("lost", "cut", "twice", "out of order", "odd", "stray")}
    for place in house.places:
        pages, asked = pages_in(house, place), [q for q in questions if q.place is place]
        for text in pages.pop(None, []):
            wrong["stray" if text in STRAYS else "odd"].append(text)
        for question in asked:
            texts = pages.pop(question.number, [])
            if not texts:
                wrong["lost"].append(question.number)
            elif sum("You said:" in text for text in texts) > 1:
                wrong["twice"].append(question.number)
            elif not is_right(question, texts):
                wrong["cut"].append(question.number)
        wrong["odd"] += [text for texts in pages.values() for text in texts]  # of another place
        numbers = map(number_in, house.shown(place))
        order = [number for number in numbers if number is not None]
        wrong["out of order"] += [b for a, b in itertools.pairwise(order) if b < a]
    return wrong
