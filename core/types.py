"""The values that flow through the house: frozen, comparable, free of any platform's SDK.

Times are aware UTC datetimes; names that end in `_s` are seconds; text is CommonMark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """Where messages live: a channel, a direct message, the console."""

    platform: str
    account: str  # who we are there, so that two bots or a new token never share a key
    id: str


@dataclass(frozen=True, slots=True)
class ThreadRef:
    """One conversation: the unit of history, of order, and of forgetting.

    `thread` is "" where the channel itself is the conversation.
    """

    channel: ChannelRef
    thread: str = ""


SILENCE = timedelta(hours=8)
"""So long a silence ends a conversation where the channel itself is the conversation."""


@dataclass(frozen=True, slots=True)
class MessageRef:
    """One message, and the key against double delivery.

    It names no thread, because a reaction event names none either.
    """

    channel: ChannelRef
    id: str


@dataclass(frozen=True, slots=True)
class Author:
    id: str
    name: str
    is_bot: bool = False


Place = Literal["public", "private", "direct"]
"""Who can read it: everybody there; a closed group or channel; two alone."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """What somebody, or we, said before we were asked: in the thread, or what is replied to."""

    ref: MessageRef
    author: Author
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """`follows`: said in a thread where, once we answered in it, nobody has to mention us.

    `replies_to`: the message of the same channel that it replies to, where that is none of ours and
    no thread holds both. A turn has it until its recipe keeps what was quoted.
    """

    ref: MessageRef
    thread: ThreadRef  # where the answer will appear
    author: Author
    text: str  # the mention of the bot is already cut off
    addressed: bool  # a direct message, a mention, a reply to us, or a command
    at: datetime
    private: bool = False  # the answer is for the author's eyes only (a slash command)
    follows: bool = False
    place: Place = "public"
    unread: tuple[str, ...] = ()  # names of attachments that cannot be read
    replies_to: Quoted | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A conversation in which we were spoken to in the last seven days."""

    thread: ThreadRef
    last: str  # the id of the newest message that we heard there
    at: datetime  # its time


@dataclass(frozen=True, slots=True)
class IncomingReaction:
    """A reaction, or a press of a feedback button, which adapters report as one."""

    target: MessageRef
    author: Author
    emoji: str  # Unicode, skin tone or not: "👍🏽"
    added: bool
    at: datetime
    found: bool = False  # after an absence: given nobody knows when, but not before `at`


Score = Literal[-1, 1]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many turns were emptied, and the tunes with files that had used what is gone."""

    turns: int
    tunes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Noted:
    """What became of a reaction, for the person who reacted and for nobody else."""

    score: Score | None  # their verdict that stands now; None: none, or not about our answer
    words: str = ""  # what to tell this person alone, where the platform can; "" for nothing


Role = Literal["system", "user", "assistant"]


class Aside(str):
    """Words of ours among the pieces of an answer. They are shown behind what was said until the
    next piece comes, or the end; they are not kept, and never the model's.
    """


class Ahead(str):
    """Words of ours ahead of what the model says. They stay; they are not kept, and never the
    model's.
    """


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is shown, and how it is to answer. `model` is the base's name or a tune's.

    `conversation`: the same for all turns of one, so that a router before several servers sends
    them to one (`core.conversation.key`); "": of none.
    """

    messages: tuple[tuple[Role, str], ...]
    model: str
    max_tokens: int
    temperature: float
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """What somebody asked, and the answer that people liked, or what somebody said it should be.

    `corrected_by`: whose correction the answer is; "": nobody's, the model said it.
    """

    turn_id: int
    question: str
    answer: str
    corrected_by: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a prompt was made of, by id, so that it can be made again byte for byte.

    `first` is the oldest turn that was shown (None: the question stood alone); every later turn of
    the conversation was shown too. `digest` is `core.conversation.digest` of the exact messages.
    `quotes`: what the question was shown of what others said before it, oldest first. `ahead`: the
    turns of the channel that stood at the front where the question opened a thread, oldest first.
    `examples`: what stood between the system text and all of that.
    """

    model: str
    system: str
    first: int | None
    digest: str
    quotes: tuple[Quoted, ...] = ()
    ahead: tuple[int, ...] = ()
    examples: tuple[Example, ...] = ()


Status = Literal["heard", "final", "done"]
"""How far a turn has come. heard: to be answered. final: its text is whole and stored, and the
model is never asked again. done: the platform shows it. The turns not yet done are the inbox."""

Outcome = Literal["answered", "cut", "stopped", "failed", "refused", "expired", "command"]
"""How a turn ended. cut: at its length limit. stopped: a person said so. failed: the model's server
did. refused: we say why not. expired: too old when we came back. command: the words are ours.
History shows what the model said: answered, cut and stopped."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A message that we answer, from the moment it is heard. `id` grows in the order of hearing."""

    id: int
    message: IncomingMessage
    status: Status = "heard"
    outcome: Outcome | None = None  # set together with `final`
    answer: str = ""  # what the model said, without our own notes; for a command, our words
    recipe: Recipe | None = None
    replies: tuple[MessageRef, ...] = ()  # the messages that carry the answer, in order
    placing: bool = False  # a further message was about to be posted when the process ended
    tries: int = 0  # how often answering it began and did not end in an orderly way


@dataclass(frozen=True, slots=True)
class History:
    """What a prompt may show, oldest first. `whole`: it begins where the conversation did.

    `ahead`: turns of the channel that stand at the front, without recipes. `examples`: those of the
    last prompt, which stand nowhere else here, as far as they may still be shown.
    """

    turns: tuple[Turn, ...]
    whole: bool
    ahead: tuple[Turn, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's verdict on one turn; the last one counts."""

    turn_id: int
    author_id: str
    score: Score
    at: datetime


@dataclass(frozen=True, slots=True)
class Correction:
    """What the bot should have said; one per person and turn, the last one counts."""

    turn_id: int
    author_id: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer with all that people said of it. `scores`: by person."""

    turn_id: int
    question: str
    answer: str
    scores: Mapping[str, int]
    corrections: tuple[Correction, ...] = ()


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


Consenting = Literal["person", "channel"]
"""Who may say that what is said does not train."""

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


def person(channel: ChannelRef, author_id: str) -> str:
    """One name for a person of a platform's account, for the record."""
    return f"{channel.platform}:{channel.account}:{author_id}"


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
class Announcement:
    """What nobody asked for and is not told yet, with the messages that tell a part of it."""

    id: str
    channel: str  # "platform:id"
    text: str
    at: datetime
    replies: tuple[MessageRef, ...] = ()
    placing: bool = False  # one more may have been posted


@dataclass(frozen=True, slots=True)
class Night:
    """A night that began, by its local date."""

    day: date
    began: datetime
    outcome: str | None  # one line for a person; None: it is under way, or was broken off
