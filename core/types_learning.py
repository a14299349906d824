"""What is learnt from what people said: the values of training, of tunes and of canaries.

As in core/types.py, they are frozen and know no platform.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from core.types import Correction, Feedback, Score, ThreadRef, Turn


@dataclass(frozen=True, slots=True)
class Judged:
    """A turn with all that people said of it, for training.

    `shown`: the turns in its prompt, those of its channel that stood ahead first. `opening`: the id
    of the message that began its conversation, which SILENCE and resets tell apart.
    """

    turn: Turn
    shown: tuple[Turn, ...]
    feedback: tuple[Feedback, ...]
    corrections: tuple[Correction, ...]
    opening: str = ""


@dataclass(frozen=True, slots=True)
class Voter:
    """Somebody who said what they think of an answer: when they first and last asked or said so.

    A verdict that was found after an absence says nothing of the first time; whoever gave such
    alone has the last one there too.
    """

    platform: str
    account: str
    author_id: str
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """What an admin decided on one person's verdict on one turn, which had been set aside.

    Let in, it counts as it stood then; left out, it never does, whatever it is changed to.
    """

    turn_id: int
    author_id: str
    let_in: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Used:
    """That a run used what somebody said of a turn: their vote, a correction, or both.

    `learnt`: the tune learnt from it; else its checks alone heard it, or it was left out.
    `corrected`: it learnt the correction's own words.
    """

    turn_id: int
    author_id: str
    learnt: bool = False
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Shaped:
    """How many votes and corrections a tune learnt from, of how many people; `own`: those of one.

    `not_learnt`, `own_not_learnt`: how many more its run used. `asked`: the questions that the
    newest of `own` in one channel are about, newest first.
    """

    votes: int
    people: int
    own: int
    not_learnt: int = 0
    own_not_learnt: int = 0
    asked: tuple[str, ...] = ()


TuneStatus = Literal["passed", "refused"]

TUNE_NAME = re.compile(r"[a-z0-9_-]+@[0-9]{6,}")


def tune_name(name: str) -> str:
    """`name`, if it is one that goes into a path or a request: vLLM joins what it is asked for to
    the folder of tunes and looks there, also at "../..". Raises ValueError.
    """
    if not TUNE_NAME.fullmatch(name):
        raise ValueError("that is no tune's name")
    return name


@dataclass(frozen=True, slots=True)
class Tune:
    """A trained LoRA. Its name is never used again, its folder never changed."""

    name: str  # "mynah@000042"
    base: str
    path: str
    status: TuneStatus  # what the gate said
    turns: tuple[int, ...]  # that it used: judged ones, and those that their prompts showed
    summary: str  # one or two sentences for a person
    at: datetime
    forgotten: bool = False  # of what it used, something is: it goes when another serves


CanaryOutcome = Literal["promoted", "dropped", "replaced", "rolled back"]
"""How a canary ended. dropped: by votes, by its health, or since somebody forgot."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A tune that passed and answers a share of new conversations, until it is known how it does.

    `by`: the `person` who started the run that made it; None: nobody did.
    """

    tune: str
    share: float  # of new conversations, above 0
    by: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Label:
    """A verdict on an answer, for the comparison of a canary with what serves beside it."""

    model: str  # what answered
    thread: ThreadRef
    asked_by: str  # the author's id; need not be the voter's
    asked_at: datetime
    voter: str
    score: Score
    opening: str = ""  # the id of the message that began the conversation; "": a thread did
    is_older: bool = False  # others than who started the run were answered in it before the canary


@dataclass(frozen=True, slots=True)
class Night:
    """A night that began, by its local date."""

    day: date
    began: datetime
    outcome: str | None  # one line for a person; None: it is under way, or was broken off
