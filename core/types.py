"""The values that flow through the house: frozen, comparable, free of any platform's SDK. Those of
training and tunes are in core/types_learning.py.

Times are aware UTC datetimes; names that end in `_s` are seconds; text is CommonMark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
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


Consenting = Literal["person", "channel"]
"""Who may say that what is said does not train."""


def person(channel: ChannelRef, author_id: str) -> str:
    """One name for a person of a platform's account, for the record."""
    return f"{channel.platform}:{channel.account}:{author_id}"


@dataclass(frozen=True, slots=True)
class Announcement:
    """What nobody asked for and is not told yet, with the messages that tell a part of it."""

    id: str
    channel: str  # "platform:id"
    text: str
    at: datetime
    replies: tuple[MessageRef, ...] = ()
    placing: bool = False  # one more may have been posted
