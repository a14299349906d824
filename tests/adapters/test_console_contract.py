"""The console keeps those clauses of the contract that a terminal can keep."""

import asyncio
from contextlib import ExitStack, suppress
from typing import ClassVar

import pytest

from tests.adapters.test_console import Pipes, no_blocking_call_on_the_loop
from tests.contract import AdapterContract
from tests.fakes import ListInbox, until

__all__ = ["no_blocking_call_on_the_loop"]  # the fixture, for this file too


class ConsoleRig:
    person_id, bot_id, secrets = "you", "mynah", ()
    limit, every_s, calls, acknowledged = 1_000, 0.05, 0, 0
    lacks: ClassVar = {
        **dict.fromkeys(
            ["backfill", "bots", "buttons", "cosmetics", "deletions", "edits", "files", "mentions"],
            "a terminal has none",
        ),
        **dict.fromkeys(
            [
                "connection",
                "corrections",
                "credentials",
                "doubts",
                "faults",
                "limits",
                "messages",
                "removals",
                "removals",
            ],
            "what a terminal shows is written once",
        ),
        **dict.fromkeys(
            ["pings", "rates", "replies", "rooms", "threads", "uploads", "whispers"],
            "one person sits at a terminal",
        ),
        "acknowledgements": "the person sees what was not stored",
        "again": "the person sees what was not stored, and says it again",
        "lines": "Enter ends what is said",
        "reactions": "a vote is about the last answer, and taken back by the other one",
    }

    def __init__(self, pipes):
        self.pipes, self.adapter = pipes, pipes.console
        self.inbox, self.mistakes = ListInbox(), []

    async def start(self):
        before = len(self.inbox.accounts)
        self.running = asyncio.create_task(self.adapter.run(self.inbox))
        await until(lambda: len(self.inbox.accounts) > before)

    async def stop(self):
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def say(self, text, *, room="direct", mention=False, by="", files=None):
        if by == self.bot_id:
            return ""  # nobody hears what is printed
        before = len(self.inbox.messages)
        self.pipes.type(f"{text}\n")
        await until(lambda: len(self.inbox.messages) > before)
        return self.inbox.messages[-1].ref.id

    def visible(self):
        return [shown] if (shown := self.pipes.answers.removesuffix("\n")) else []

    async def nonsense(self):
        self.pipes.type(b"\n\n+\n-\n\xff\xfe\n")
        await until(lambda: self.inbox.messages)
        self.inbox.messages.clear()

    # What a terminal has not, and is not asked for.

    async def run_with_wrong_token(self): ...
    async def command(self, text): ...
    async def edit(self, message_id, text): ...
    async def delete(self, message_id): ...
    async def react(self, message_id, emoji="👍", *, added=True, by=""): ...
    async def press(self, message_id, emoji="👍", *, by=""): ...
    async def correct(self, message_id, text): ...
    async def drop(self): ...
    async def redeliver(self): ...
    def refuse_next(self, *, retry_after_s, times=1): ...
    def fail_next(self, times=1, *, done=False): ...
    def stall_cosmetics(self): ...
    def shut_out(self): ...

    def whispered(self):
        return []

    def with_buttons(self):
        return []

    def sent_files(self):
        return []

    def pinged(self):
        return []

    def thread_of(self, message_id):
        return ""


class TestConsole(AdapterContract):
    @pytest.fixture
    async def rig(self):
        with ExitStack() as stack:
            rig = ConsoleRig(Pipes(stack, longest_wait_s=0.1))
            await rig.start()
            yield rig
            await rig.stop()
