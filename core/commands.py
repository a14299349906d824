"""The commands: a table of words, and what each one says.

Every adapter hands a command over as a message whose text is the command; it is heard, answered and
remembered like any other. With a slash the first word decides; without one the whole text must be a
command, so that "help me with this" stays a question, and so does "why".
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from core.announcements import Announcements
from core.digest import changes
from core.jury import Jury
from core.phrases import Phrases
from core.ports import Exported, Trainer
from core.serving import roll_back, tunes
from core.store import Store
from core.types import Forgotten, IncomingMessage, Turn, person
from core.types_learning import Tune
from core.welcome import Welcome
from core.why import why

LONGEST_NAME = 32  # of what may be a command
# Zero-width signs and marks of direction: a text of nothing else is empty (Unicode, Cf).
_INVISIBLE = dict.fromkeys(
    [0xAD, 0x61C, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
)


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a command: by whom and where (`turn`), with which words behind it."""

    turn: Turn
    words: str
    did_stop: bool = False  # an answer was under way when the message was heard, and was stopped


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    help: str
    run: Callable[[Commands, Call], AsyncGenerator[str]]
    words: tuple[str, ...] = ("",)  # what may stand behind the name; ID: any one word
    admin: bool = False
    slow: bool = False  # takes minutes: its words are shown as they come
    at_once: bool = False  # waits for no answer of its conversation
    hidden: bool = False  # help does not list it
    slashed: bool = False  # without a slash it is something that people say

    def takes(self, words: str) -> bool:
        """Whether `words` may stand behind the name."""
        head, _, last = words.rpartition(" ")
        return words in self.words or bool(last and f"{head} ID".lstrip() in self.words)

    @property
    def usage(self) -> str:
        return " or ".join(f"`{f'/{self.name} {words}'.rstrip()}`" for words in self.words)


class Commands:
    """Finds a command in a text, and runs it."""

    def __init__(
        self,
        store: Store,
        trainer: Trainer | None,
        phrases: Phrases,
        admins: Collection[str],
        *,
        name: str = "Mynah",
        trained: Collection[str] = (),
        announcements: Announcements | None = None,
        jury: Jury | None = None,
    ) -> None:
        """`admins`: "platform:id" of each. `trained`: the platforms whose votes train. `jury`: of
        canaries, where there are any.
        """
        self.welcome = Welcome(store, phrases, name=name, trained=trained)
        self._store = store
        self._trainer = trainer
        self._phrases = phrases
        self._admins = frozenset(admins)
        self._announcements = announcements or Announcements(None)
        self._jury = jury or Jury(store, ())

    def find(self, text: str) -> tuple[Command, str] | None:
        """The command that `text` is, with the words behind it; None: it is a question."""
        slash, name, words = parted(text)
        if not slash and not name:
            return COMMANDS["help"], ""
        command = COMMANDS.get(name)
        if command and command.takes(words) and (slash or not command.slashed):
            return command, words
        if slash and command:
            return Command(name, "", Commands._misused), command.usage
        if slash and name.isalpha() and len(name) <= LONGEST_NAME:
            return Command(name, "", Commands._unknown), ""
        return None

    def is_admin(self, message: IncomingMessage) -> bool:
        return f"{message.ref.channel.platform}:{message.author.id}" in self._admins

    def run(self, command: Command, call: Call) -> AsyncGenerator[str]:
        """What the command says, piece by piece. Only admins get past here where it takes one."""
        if command.admin and not self.is_admin(call.turn.message):
            return said(self._phrases.admins_only.format(command=f"`/{command.name}`"))
        return command.run(self, call)

    async def _unknown(self, call: Call) -> AsyncGenerator[str]:
        name = call.turn.message.text.split()[0]
        yield self._phrases.unknown_command.format(command=f"`{name}`")

    async def _misused(self, call: Call) -> AsyncGenerator[str]:
        yield self._phrases.misused_command.format(usage=call.words)

    async def _start(self, call: Call) -> AsyncGenerator[str]:
        yield await self.welcome.greeting(call.turn.message)

    async def _help(self, call: Call) -> AsyncGenerator[str]:
        yield "Ask me anything. I understand these commands:\n\n"
        for command in COMMANDS.values():
            if command.hidden:
                continue
            only = " (admins)" if command.admin else ""
            yield f"- {command.usage}: {command.help}{only}\n"
        yield "\nA thumb up or down on an answer is a vote, and votes are what I learn from."

    async def _reset(self, call: Call) -> AsyncGenerator[str]:
        await self._store.reset(call.turn.id)
        yield self._phrases.reset

    async def _stop(self, call: Call) -> AsyncGenerator[str]:
        yield self._phrases.stopping if call.did_stop else self._phrases.nothing_to_stop

    async def _retrain(self, call: Call) -> AsyncGenerator[str]:
        if self._trainer is None:
            yield self._phrases.cannot_train
            return
        message = call.turn.message
        by = person(message.ref.channel, message.author.id)
        async with aclosing(self._trainer.retrain(dry=call.words == "dry", by=by)) as lines:
            async for line in lines:
                yield line

    async def _review(self, call: Call) -> AsyncGenerator[str]:
        if self._trainer is None:
            yield self._phrases.cannot_train
            return
        async with aclosing(self._trainer.review(call.words)) as lines:
            async for line in lines:
                yield line

    async def _rollback(self, call: Call) -> AsyncGenerator[str]:
        yield await roll_back(self._store, self._announcements)

    async def _tunes(self, call: Call) -> AsyncGenerator[str]:
        yield await tunes(self._store, self._jury)
        serving, canary = await self._store.answering()
        newest = canary.tune if canary else serving
        for tune in await self._store.tunes():
            report = await self._report(tune) if tune.name == newest else None
            if report:
                yield self._phrases.changed.format(tune=tune.name, changes=changes(report))

    async def _report(self, tune: Tune) -> Mapping[str, Any] | None:
        return await self._trainer.report(tune) if self._trainer else None

    async def _forget(self, call: Call) -> AsyncGenerator[str]:
        message = call.turn.message
        channel = message.ref.channel
        if call.words == "me":
            gone = await self._store.forget_person(
                channel.platform, channel.account, message.author.id
            )
            yield self._phrases.forgot_person.format(turns=gone.turns)
            yield await self._let_go(gone)
            return
        last = await self._own_last_question(call.turn)
        gone = Forgotten(0)
        if last is not None:
            gone = await self._store.forget_turn(last, message.author.id)
        if not gone.turns:
            yield self._phrases.nothing_to_forget
            return
        yield self._phrases.forgot_turn
        yield await self._let_go(gone)

    async def _own_last_question(self, turn: Turn) -> int | None:
        """A command may have ended as questions do: too old, or broken off."""
        commands: list[int] = []
        while (id := await self._store.own_last(turn, commands)) is not None:
            if not self.find((await self._store.turn(id)).message.text):
                break
            commands.append(id)
        return id

    async def _why(self, call: Call) -> AsyncGenerator[str]:
        said = (await self._store.history(call.turn, limit=1)).turns
        if not said and call.turn.message.private:  # a slash command, beside the threads
            said = await self._store.latest(call.turn, limit=1)
        if not said:
            yield self._phrases.why_nothing
            return
        answered = await self._store.turn(said[-1].id)
        yield await why(self._store, self._report, self._phrases, answered, call.turn.message)

    async def forgotten(self) -> Exported:
        """Something was: have the trainer let go of it, too. Never raises."""
        return await self._trainer.forget() if self._trainer else "none"

    async def _let_go(self, gone: Forgotten) -> str:
        """What becomes of the tunes and of the data sets that used it."""
        exported = await self.forgotten()
        kept = {tune.name for tune in await self._store.tunes() if tune.path}
        going, taken = sorted(gone.tunes & kept), sorted(gone.tunes - kept)
        words = ""
        if going:
            words += self._phrases.tunes_marked.format(tunes=_listed(going))
        if taken:
            words += self._phrases.tunes_gone.format(tunes=_listed(taken))
        told: dict[Exported, str] = {
            "none": "",
            "all cut": self._phrases.exports_cut,
            "some left": self._phrases.exports_left,
        }
        return words + told[exported]

    async def _training(self, call: Call) -> AsyncGenerator[str]:
        message = call.turn.message
        channel = message.ref.channel
        on = call.words.endswith("on")
        if call.words in ("on", "off"):
            await self._store.set_training(
                channel.platform, channel.account, "person", message.author.id, on
            )
            yield self._phrases.training_on if on else self._phrases.training_off
        elif self.is_admin(message) or message.place != "public":  # its own people say
            await self._store.set_training(
                channel.platform, channel.account, "channel", channel.id, on
            )
            yield self._phrases.channel_on if on else self._phrases.channel_off
        else:
            yield self._phrases.admins_only.format(command=f"`/training {call.words}`")


COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command("start", "what I am", Commands._start, ("", "ID"), hidden=True),
        Command("help", "what I understand", Commands._help),
        Command("reset", "begin the conversation anew", Commands._reset),
        Command("stop", "stop the answer under way", Commands._stop),
        Command(
            "retrain",
            "learn from the votes now, or only say what would be used",
            Commands._retrain,
            ("", "dry"),
            admin=True,
            slow=True,
        ),
        Command(
            "review",
            "votes that came in bursts and are set aside; let them in, or leave them out",
            Commands._review,
            ("", "in ID", "out ID"),
            admin=True,
        ),
        Command(
            "rollback",
            "go back to what answered before",
            Commands._rollback,
            admin=True,
            at_once=True,
        ),
        Command(
            "tunes", "what I have learnt, and which tune serves", Commands._tunes, at_once=True
        ),
        Command("why", "what shaped my last answer here", Commands._why, slashed=True),
        Command(
            "forget",
            "delete all that you said to me, or only your last question",
            Commands._forget,
            ("me", "this"),
        ),
        Command(
            "training",
            "whether what you say may train me; for the whole channel, admins say",
            Commands._training,
            ("on", "off", "channel on", "channel off"),
        ),
    )
}
"""The table, in the order in which help lists it."""


def parted(text: str) -> tuple[bool, str, str]:
    """Whether it begins with a slash, its first word and those behind it: in small letters, without
    what nobody sees.
    """
    visible = text.translate(_INVISIBLE).lower().split()
    first, words = " ".join(visible[:1]), " ".join(visible[1:])
    return first.startswith("/"), first.removeprefix("/"), words


def is_empty(text: str) -> bool:
    """Whether nobody sees anything of it: blanks, signs without width, marks of direction."""
    return not text.translate(_INVISIBLE).strip()


def is_command(text: str) -> bool:
    """Whether all of it is a command with a slash, and not words that begin with one. The name
    alone is one, too, of what takes words: Telegram's menu sends it so.
    """
    slash, name, words = parted(text)
    command = COMMANDS.get(name) if slash else None
    return command is not None and (not words or command.takes(words))


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


async def said(text: str) -> AsyncGenerator[str]:
    """One piece: words that are there already."""
    yield text
