"""A rig: a fake platform with one adapter's own `run` connected to it, and what it can do.

On one side it speaks the platform's language, on the other only the core's. It keeps its own
rulers: it imports nothing from the adapter but the adapter and its settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import pytest

from core.ports import Adapter
from tests.fakes import ListInbox

Room = Literal["direct", "public", "private", "thread"]
"""Where people speak: alone with the bot; in a channel that all can read; in one that few can; in a
thread of the first one, which people began."""

Ability = Literal[
    "again",  # what could not be stored is tried again, by the platform or the adapter
    "acknowledgements",  # the platform is told "received", and delivers again until it is
    "backfill",  # what was said while the adapter was not running can be had
    "bots",  # other bots are heard at all
    "buttons",
    "connection",  # there is one that can be cut
    "corrections",
    "cosmetics",  # "is typing", a status
    "credentials",
    "deletions",  # the platform says that a person deleted a message
    "doubts",  # the platform can be asked whether a message was posted
    "edits",  # the platform says that a person edited a message
    "faults",
    "files",
    "limits",  # of a message's length
    "lines",  # a message can have several
    "mentions",
    "messages",  # an answer stands in messages that can be edited; a terminal has lines
    "pings",
    "rates",
    "reactions",
    "replies",  # outside of threads a message can reply to another
    "removals",  # somebody can delete an answer
    "rooms",  # public and private ones
    "threads",
    "uploads",  # the bot can send a file
    "whispers",  # something that one person alone can see; slash commands answer so
]


class Rig(Protocol):
    """A platform with one bot and some people. What `lacks` an ability is not called for it."""

    adapter: Adapter
    inbox: ListInbox
    lacks: Mapping[Ability, str]  # why: the clauses that need it are skipped, and say so
    person_id: str
    bot_id: str
    secrets: Sequence[str]  # that the adapter was given, and must never log
    limit: int  # the longest text of one message, as the vendor says it
    every_s: float  # how often edits go out, as the adapter was made; be quick: 0.05
    calls: int  # posts and edits so far, refused ones too
    acknowledged: int  # events for which the platform was told "received"
    mistakes: list[str]  # calls that the platform refused, or that its description does not know

    # The adapter

    async def start(self) -> None:
        """Run the adapter again; return when it hears."""
        ...

    async def stop(self) -> None:
        """Cancel its `run` and return when it has ended."""
        ...

    async def run_with_wrong_token(self) -> None:
        """Run another adapter, whose bot token the platform does not know, to its end."""
        ...

    # What people do; each returns when it is on its way. `by`: "" is the person, "bob" somebody
    # else, "a bot" another bot, `bot_id` ourselves, where the platform echoes what we post.

    async def say(
        self,
        text: str,
        *,
        room: Room = "direct",
        mention: bool = False,
        by: str = "",
        files: Mapping[str, bytes] | None = None,
        to: str = "",
    ) -> str:
        """The new message's id, as in MessageRef. `mention`: of the bot, at the beginning. `to`:
        the id of the message that it replies to.
        """
        ...

    async def command(self, text: str) -> None:
        """A slash command, "/retrain dry", typed in the public room."""
        ...

    async def edit(self, message_id: str, text: str) -> None: ...

    async def delete(self, message_id: str) -> None:
        """A person's own message; or an answer of the bot, by an admin."""
        ...

    async def react(
        self, message_id: str, emoji: str = "👍", *, added: bool = True, by: str = ""
    ) -> None: ...

    async def press(self, message_id: str, emoji: str = "👍", *, by: str = "") -> None:
        """The voting button under this message of the bot."""
        ...

    async def correct(self, message_id: str, text: str) -> None:
        """Vote it down, take the offer "What should I have said?", and send `text`."""
        ...

    # What there is to see

    def visible(self) -> list[str]:
        """The bot's messages that others see too, as a person sees them now, oldest first."""
        ...

    def whispered(self) -> list[str]:
        """What the person alone was shown: replies, notes and toasts, oldest first."""
        ...

    def with_buttons(self) -> list[str]:
        """The ids of the messages that show voting buttons."""
        ...

    def sent_files(self) -> list[str]:
        """The texts of files that the bot sent."""
        ...

    def pinged(self) -> list[str]:
        """Who was notified by what the bot wrote, "everyone" included."""
        ...

    def thread_of(self, message_id: str) -> str:
        """Where a message stands; "": in no thread."""
        ...

    # What goes wrong

    def refuse_next(self, *, retry_after_s: float, times: int = 1) -> None:
        """So many posts and edits are told to come again later."""
        ...

    def fail_next(self, times: int = 1, *, done: bool = False) -> None:
        """So many posts and edits fail as on a bad day: 5xx, or a connection that is cut.

        `done`: the platform does them, and only its answer is lost.
        """
        ...

    def stall_cosmetics(self) -> None:
        """Calls that show "is typing" and the like are never answered."""
        ...

    def shut_out(self) -> None:
        """From now on the bot may not write to the person: blocked, removed, not a member."""
        ...

    async def drop(self) -> None:
        """Cut the connection, as a network does."""
        ...

    async def redeliver(self) -> None:
        """Deliver the last event again, as the platform does after a lost acknowledgement."""
        ...

    async def nonsense(self) -> None:
        """Events of unknown types, with missing, null and surprising fields."""
        ...


def need(rig: Rig, *abilities: Ability) -> None:
    for ability in abilities:
        if ability in rig.lacks:
            pytest.skip(f"{rig.adapter.name}: {rig.lacks[ability]}")
