"""The console without a terminal: lines in, answers out. Real pipes and a real store."""

import asyncio
import os
import select
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from blockbuster import blockbuster_ctx

from adapters.console import CHANNEL, NOTHING_YET, ConsoleAdapter, Settings
from core.answer import Answer
from core.commands import Commands, said
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.line import Line
from core.phrases import Phrases
from core.types import Author, IncomingMessage, MessageRef, Prompt, ThreadRef
from storage.repositories import SqlStore
from tests.fakes import ListInbox, ScriptedGenerator, notice, until


@pytest.fixture(autouse=True)
def no_blocking_call_on_the_loop():
    """As everywhere, but for reads and writes that happen when the pipe is known to be ready."""
    with blockbuster_ctx(scanned_modules=["adapters", "core", "storage"]) as watch:
        watch.functions["os.read"].can_block_in("adapters/console.py", {"_fill"})
        watch.functions["os.write"].can_block_in("adapters/console.py", {"_write"})
        for name in ("stat", "remove", "unlink", "mkdir", "path.abspath"):
            watch.functions[f"os.{name}"].deactivate()
        for name in ("io.TextIOWrapper.write", "io.BufferedWriter.write"):
            watch.functions[name].can_block_in("adapters/console.py", {"note"})
        yield


class Pipes:
    """A console on three pipes, of which we hold the other ends."""

    def __init__(self, stack, longest_wait_s):
        (source, self.typing), (self.out, sink), (self.err, notes) = [os.pipe() for _ in range(3)]
        for file in (self.out, self.err):
            os.set_blocking(file, False)
            stack.callback(os.close, file)
        stack.callback(self.end)
        self.source = source
        self.written = {self.out: b"", self.err: b""}
        self.console = ConsoleAdapter(
            Settings(),
            stack.enter_context(os.fdopen(source, encoding="utf-8")),
            stack.enter_context(os.fdopen(sink, "w", encoding="utf-8")),
            stack.enter_context(os.fdopen(notes, "w", encoding="utf-8")),
            longest_wait_s=longest_wait_s,
        )

    def type(self, text):
        os.write(self.typing, text.encode() if isinstance(text, str) else text)

    def end(self):
        if self.typing >= 0:
            os.close(self.typing)
        self.typing = -1

    def _read(self, file):
        try:
            while data := os.read(file, 65536):
                self.written[file] += data
        except BlockingIOError:
            pass
        return self.written[file].decode()

    @property
    def answers(self):
        return self._read(self.out)

    @property
    def notes(self):
        return self._read(self.err)


@pytest.fixture
def pipes(request):
    with ExitStack() as stack:
        yield Pipes(stack, longest_wait_s=getattr(request, "param", 600))


def engine_of(store, generator):
    phrases = Phrases()
    return Engine(
        store,
        generator,
        Commands(store, None, phrases, ()),
        BotSettings(retry_for_h=24, turns_per_minute=1000, longest_question_tokens=100_000),
        model="base",
        max_tokens=100,
        temperature=0,
        line=Line(1),
        phrases=phrases,
    )


async def talk(pipes, store, generator, text):
    """Type it all, end the input, and wait until the last answer is out."""
    pipes.type(text)
    pipes.end()
    engine = engine_of(store, generator)
    await serve(engine, pipes.console)
    return engine


PROMPT = Prompt((("user", "go"),), "base", 100, 0)


def echo(question):
    return ["You said: ", question]


async def test_every_line_is_a_question_and_every_answer_ends_with_one_newline(pipes, store):
    await talk(pipes, store, ScriptedGenerator(echo), "one\n\n  \ntwo\r\nthree")
    assert pipes.answers == "You said: one\nYou said: two\nYou said: three\n"
    assert pipes.notes == ""


async def test_newlines_inside_an_answer_stay_and_those_at_its_end_do_not(pipes, store):
    await talk(pipes, store, ScriptedGenerator(["a\n", "\n", " b", "\n", "\n"]), "go\n")
    assert pipes.answers == "a\n\n b\n"


async def test_an_answer_streams(pipes, store):
    generator = ScriptedGenerator(["The begin", "ning"], hangs=True)
    engine = engine_of(store, generator)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, pipes.console, grace_s=0))
        pipes.type("go\n")
        await until(lambda: pipes.answers == "The beginning")
        engine.close()


async def test_the_next_line_is_read_when_the_answer_is_out(pipes, store):
    go = asyncio.Event()

    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            self.prompts.append(prompt)
            yield "slow"
            await go.wait()

    generator = Slow([])
    engine = engine_of(store, generator)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, pipes.console, grace_s=0))
        pipes.type("first\n+\nsecond\n")
        await until(lambda: generator.prompts)
        await asyncio.sleep(0.05)  # time in which a wrong one would have been read
        assert len(generator.prompts) == 1
        assert pipes.notes == ""
        go.set()
        await until(lambda: len(generator.prompts) == 2)
        assert pipes.notes == "Voted up.\n"
        engine.close()


async def test_votes_and_corrections_are_kept_under_the_last_answer(pipes, store):
    said = "one\n+\ntwo\n-\nthree\n- say four\nfour\n- say five\n+\n"  # and thought better of it
    await talk(pipes, store, ScriptedGenerator(echo), said)
    found = await store.judged(["console"])
    assert [j.turn.message.text for j in found] == ["one", "two", "three", "four"]
    assert [[f.score for f in j.feedback] for j in found] == [[1], [-1], [-1], [1]]
    assert [[c.text for c in j.corrections] for j in found] == [[], [], ["say four"], []]
    assert pipes.answers.count("\n") == 4
    assert len(pipes.notes.splitlines()) == 5


async def test_a_vote_is_about_the_models_last_answer_and_not_about_a_commands(pipes, store):
    await talk(pipes, store, ScriptedGenerator(echo), "/help\n+\none\n/help\n-\n")
    assert pipes.notes.splitlines()[0] == NOTHING_YET
    [one] = await store.judged(["console"])
    assert one.turn.message.text == "one"
    assert [f.score for f in one.feedback] == [-1]


async def test_what_only_begins_like_a_vote_is_a_question(pipes, store):
    generator = ScriptedGenerator(echo)
    await talk(pipes, store, generator, "+1 please\n-x\n-- what?\n")
    asked = [prompt.messages[-1][1] for prompt in generator.prompts]
    assert asked == ["+1 please", "-x", "-- what?"]


async def test_a_vote_before_the_first_answer_says_so_and_asks_nothing(pipes, store):
    generator = ScriptedGenerator(echo)
    await talk(pipes, store, generator, "+\n-\n- better\n")
    assert generator.prompts == []
    assert pipes.answers == ""
    assert pipes.notes.count("no answer yet") == 3


async def test_the_place_of_an_answer_is_kept_before_its_first_character_is_shown(pipes, store):
    seen = []

    class Watching(SqlStore):
        async def placed(self, turn_id, reply):
            seen.append(pipes.answers)
            await super().placed(turn_id, reply)

    store.__class__ = Watching
    await talk(pipes, store, ScriptedGenerator(echo), "one\n")
    assert seen == [""]


async def test_bytes_that_are_no_text_are_replaced(pipes, store):
    generator = ScriptedGenerator(echo)
    await talk(pipes, store, generator, b"caf\xe9 \xff ol\xc3\xa9\n")
    assert generator.prompts[0].messages[-1][1] == "caf\ufffd \ufffd olé"
    assert pipes.answers == "You said: caf\ufffd \ufffd olé\n"


async def test_a_line_may_arrive_in_pieces(pipes):
    inbox = ListInbox()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(pipes.console.run(inbox))
        for piece in ("o", "n", "e\nmore"):
            pipes.type(piece)
            await until(lambda: not select.select([pipes.source], [], [], 0)[0])
        await until(lambda: [message.text for message in inbox.messages] == ["one"])
        running.cancel()


async def test_a_very_long_line_and_a_very_long_answer_go_through(pipes, store):
    question = "x" * 1_000_000
    generator = ScriptedGenerator(echo)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve(engine_of(store, generator), pipes.console))
        await asyncio.to_thread(pipes.type, question)
        pipes.end()
        await until(lambda: serving.done() or not pipes.answers)
        while not serving.done():
            assert pipes.answers is not None  # keeps reading, as a pipe holds 64 KiB
            await asyncio.sleep(0.001)
    assert pipes.answers == f"You said: {question}\n"


async def test_control_characters_do_no_harm(pipes, store):
    pieces = ["a\x1b[2Jb\x1b", "]0;t\x07\r\n\tc\x9b31m \u202ed\u2066\x00\x7f\n\x08e"]
    await talk(pipes, store, ScriptedGenerator(pieces), "go\n")
    assert pipes.answers == "a[2Jb]0;t\n\tc31m d\ne\n"


async def test_a_failed_answer_ends_in_a_sentence_and_the_next_line_is_read(pipes, store):
    engine = await talk(pipes, store, ScriptedGenerator(["Half"], fails=True), "one\n/help\n")
    assert pipes.answers.startswith("Half\n\n_My answer was interrupted")
    assert "Ask me anything" in pipes.answers
    assert engine.failures == 1


async def test_a_message_that_cannot_be_kept_is_told_and_the_next_line_is_read(pipes):
    inbox = ListInbox()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(pipes.console.run(inbox))
        await until(lambda: inbox.accounts == ["local"])
        inbox.full = True
        pipes.type("one\n")
        await until(lambda: "Make room" in pipes.notes)
        inbox.full = False
        pipes.type("two\n")
        await until(lambda: [m.text for m in inbox.messages] == ["two"])
        running.cancel()


async def test_what_was_left_unanswered_is_answered_at_the_next_start(pipes, store):
    left = IncomingMessage(
        MessageRef(CHANNEL, "of-the-last-run"),
        ThreadRef(CHANNEL),
        Author("you", "you"),
        "left",
        True,
        datetime.now(UTC),
    )
    await store.hear(left)
    await talk(pipes, store, ScriptedGenerator(echo), "next\n")
    assert pipes.answers == "You said: left\nYou said: next\n"
    assert pipes.notes == "You asked before: left\n"


async def test_what_is_announced_is_a_note_and_no_answer(pipes):
    await pipes.console.tell("here", notice("There is \x1b[31mnews."))
    assert pipes.notes == "There is [31mnews.\n"
    assert pipes.answers == ""


async def test_an_answer_that_was_whole_is_shown_again_in_its_old_place(pipes):
    placed = []

    class Record:
        async def placing(self): ...

        async def placed(self, ref):
            placed.append(ref)

        async def settle(self, text, outcome): ...

    inbox = ListInbox()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(pipes.console.run(inbox))
        pipes.type("q\n")
        await until(lambda: inbox.messages)
        old = MessageRef(CHANNEL, "old")
        async with Answer(said("A"), refs=[old], record=Record()) as answer:
            await pipes.console.reply(inbox.messages[0], answer)
        pipes.type("+\n")
        await until(lambda: inbox.reactions)
        assert inbox.reactions[0].target == old
        assert placed == []
        running.cancel()


async def test_nothing_asks_twice_under_one_id(pipes):
    inbox = ListInbox()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(pipes.console.run(inbox))
        for number in range(3):
            pipes.type("same\n")
            await until(lambda: len(inbox.messages) > number)  # noqa: B023
            async with Answer(said("")) as answer:
                await pipes.console.reply(inbox.messages[-1], answer)
        running.cancel()
    assert len({message.ref for message in inbox.messages}) == 3
    assert all(len(message.ref.id) == 32 for message in inbox.messages)
    assert pipes.answers == "\n\n\n"


@pytest.mark.parametrize("pipes", [0.05], indirect=True)
async def test_it_waits_for_an_answer_that_began_but_not_for_ever_for_one_that_does_not(pipes):
    inbox = ListInbox()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(pipes.console.run(inbox))
        pipes.type("one\ntwo\nthree\n")
        await until(lambda: len(inbox.messages) == 2)
        assert pipes.notes.count("No answer came") == 1
        generator = ScriptedGenerator(["slow"], hangs=True)
        async with Answer(generator.stream(PROMPT)) as answer:
            replying = group.create_task(pipes.console.reply(inbox.messages[1], answer))
            await generator.waiting.wait()
            await asyncio.sleep(0.1)  # more than it waits for a beginning
            assert len(inbox.messages) == 2
            answer.stop()
            await replying
        await until(lambda: len(inbox.messages) == 3)
        assert pipes.notes.count("No answer came") == 1
        running.cancel()


async def test_run_ends_soon_after_it_is_cancelled_and_leaves_no_task(pipes):
    for line in ("", "go\n"):
        running = asyncio.create_task(pipes.console.run(ListInbox()))
        pipes.type(line)
        await asyncio.sleep(0.02)
        running.cancel()
        async with asyncio.timeout(2):
            await asyncio.wait([running])
        assert running.cancelled()
        assert not asyncio.get_running_loop().remove_reader(pipes.source)
    assert asyncio.all_tasks() == {asyncio.current_task()}
