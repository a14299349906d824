"""Patterns of wording: "{a|b}" is a choice, "[x]" may be left out, "<name>" is one of a list.

A pattern is one line of text; `expand` gives one sentence of it. It knows nothing about facts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

ONE_BY_ONE = 0.5  # of what is asked, where some was worded one by one and not by a pattern
_CHOICE = re.compile(r"\{([^{}]*)\}")
_OPTION = re.compile(r"\[([^\[\]]*)\]")
_LIST = re.compile(r"<(\w+)>")
_SYLLABLES = str.split(
    "ba be bo bu da do dra fa fi flo ga gle gri ha ho ja ka ki klu la lo mi mo na nu pa plo "
    "qua ra ri sa ski so sta ta ti tro va vo wa wu xa ya zi zo ble zor nix fle mup gart lind"
)


def one_by_one(path: Path) -> dict[str, list[str]]:
    """Gives what a file says was worded one by one, by id; a line is an id, a tab, words."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        id_, _, words = line.partition("\t")
        found.setdefault(id_, []).append(words)
    return found


def nonsense(rng: Random) -> str:
    """Gives a word that does not exist, of two or three syllables."""
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.choice((2, 2, 3))))


def expand(pattern: str, rng: Random, lists: Mapping[str, Sequence[str]] | None = None) -> str:
    """Gives one sentence of the pattern, with single spaces and no list name left.

    Raises KeyError for a list that is not there.
    """
    text = pattern
    while found := _CHOICE.search(text):
        text = text[: found.start()] + rng.choice(found[1].split("|")) + text[found.end() :]
    text = _OPTION.sub(lambda m: rng.choice(m[1].split("|")) if rng.random() < 0.4 else "", text)

    def fill(match: re.Match[str]) -> str:
        if match[1] == "nonsense":
            return nonsense(rng)
        return rng.choice((lists or {})[match[1]])

    text = " ".join(_LIST.sub(fill, text).split())
    return text.replace(" .", ".").replace(" ,", ",")
