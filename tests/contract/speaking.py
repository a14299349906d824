"""An answer grows where the question was asked: whole, readable, and without calling anybody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable

from core.answer import Answer
from core.errors import Broken
from core.types import Aside
from tests.contract.rig import Rig, need
from tests.contract.talk import asked, replied, shown
from tests.fakes import until


class Speaking:
    async def test_the_whole_answer_is_shown_once(self, rig: Rig):
        answer = await shown(rig, "Hello", ", ", "world.")
        assert rig.visible() == ["Hello, world."]
        assert len(answer.refs) == 1
        assert answer.outcome == "answered"

    async def test_the_first_words_are_shown_before_the_end(self, rig: Rig):
        message, seen = await asked(rig), asyncio.Event()

        async def pieces() -> AsyncGenerator[str]:
            yield "first words"
            await seen.wait()
            yield " and the rest"

        async with Answer(pieces()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(lambda: "first words" in " ".join(rig.visible()))
            seen.set()
        assert rig.visible() == ["first words and the rest"]

    async def test_what_is_said_while_it_waits_goes_when_the_answer_comes(self, rig: Rig):
        need(rig, "messages")
        message, before = await asked(rig), rig.calls

        async def pieces() -> AsyncGenerator[str]:
            yield Aside("Questions ahead of yours: 7.")
            await until(lambda: rig.calls > before)
            yield "The answer."

        async with Answer(pieces()) as answer:
            await rig.adapter.reply(message, answer)
        assert rig.visible() == [answer.text] == ["The answer."]

    async def test_an_empty_answer_shows_nothing(self, rig: Rig):
        need(rig, "messages")
        assert (await shown(rig)).refs == []
        assert (await shown(rig, " ", "\n")).refs == []
        assert rig.visible() == []

    async def test_a_thousand_pieces_cost_few_calls(self, rig: Rig):
        need(rig, "messages")
        before, started = rig.calls, asyncio.get_running_loop().time()
        await shown(rig, *["a "] * 1_000)
        took_s = asyncio.get_running_loop().time() - started
        assert rig.calls - before <= 3 + len(rig.visible()) + took_s / rig.every_s

    async def test_a_long_answer_goes_on_in_further_messages(self, rig: Rig):
        need(rig, "limits")
        words = [f"word{n} " for n in range(rig.limit // 3)]
        answer = await shown(rig, *words)
        assert len(answer.refs) == len(rig.visible()) > 1
        assert "\n".join(rig.visible()).split() == "".join(words).split()  # cut between words

    async def test_the_limit_is_measured_as_the_platform_measures(self, rig: Rig):
        need(rig, "limits")
        await shown(rig, "<&😀\n" * (rig.limit // 4))
        assert "".join("".join(rig.visible()).split()) == "<&😀" * (rig.limit // 4)

    async def test_long_code_is_code_on_every_page(self, rig: Rig):
        need(rig, "limits")
        lines = [f"x{n} = {n}\n" for n in range(rig.limit // 6)]
        await shown(rig, "Like so:\n\n```py\n", *lines, "```\n\nThat is **it**.")
        pages = rig.visible()
        assert len(pages) > 1
        assert all(page.count("```") % 2 == 0 for page in pages)
        read = plain(page.replace("```py", "") for page in pages)
        assert [word for word in read if word not in ("**it**.", "it.")] == plain(
            ["Like so:", *lines, "That is"]
        )

    async def test_a_long_table_has_its_head_on_every_page(self, rig: Rig):
        need(rig, "limits")
        rows = [f"| town{n} | {n} |\n" for n in range(rig.limit // 12)]
        await shown(rig, "Towns:\n\n| Town | Souls |\n|---|--:|\n", *rows, "\nThat is all.")
        pages = rig.visible()
        assert len(pages) > 1
        towns = [re.findall(r"town(\d+)", page) for page in pages]
        assert [int(n) for page in towns for n in page] == [*range(len(rows))]
        for page, there in zip(pages, towns, strict=True):
            assert page.count("Town ") == page.count("Souls") == bool(there)

    async def test_the_rest_of_a_very_long_answer_is_a_file(self, rig: Rig):
        need(rig, "uploads", "limits")
        words = [f"word{n}" for n in range(rig.limit * 2)]
        answer = await shown(rig, " ".join(words))
        [rest] = rig.sent_files()
        assert re.findall(r"word\d+", " ".join([*rig.visible(), rest])) == words
        assert len(answer.refs) > 1

    async def test_specials_arrive_as_they_are(self, rig: Rig):
        text = "1 < 2 & 3 > 2; snake_case * 2 = [x] ~ #1! @ $ ^ 100%"
        await shown(rig, text)
        assert rig.visible() == [text]

    async def test_code_arrives_as_it_is(self, rig: Rig):
        code = "if a < b && c > d: print('&lt;b&gt; <!channel> *x* _y_ \\\\n')"
        await shown(rig, f"```\n{code}\n```")
        assert code in rig.visible()[0]

    async def test_what_is_not_closed_yet_is_accepted(self, rig: Rig):
        need(rig, "messages")
        message = await asked(rig)
        halves = [
            "**bold",
            "** `code",
            "` [a link](http",
            "://x.y) \n\n```py\nx",
            " = 1\n``",
            "`\n\n| a",
        ]

        async def pieces() -> AsyncGenerator[str]:
            for piece in halves:
                before = rig.calls
                yield piece
                await until(lambda before=before: rig.calls > before)  # type: ignore[misc]

        async with Answer(pieces()) as answer:
            await rig.adapter.reply(message, answer)
        assert len(answer.refs) == 1
        assert "x = 1" in rig.visible()[0]

    async def test_two_answers_at_once_stay_apart(self, rig: Rig):
        need(rig, "messages")
        first, second = await asked(rig, "one?"), await asked(rig, "two?")
        async with asyncio.TaskGroup() as group:
            ones = group.create_task(replied(rig, first, *["one "] * 20))
            twos = group.create_task(replied(rig, second, *["two "] * 20))
        assert sorted(" ".join(text.split()) for text in rig.visible()) == [
            " ".join(["one"] * 20),
            " ".join(["two"] * 20),
        ]
        assert not set(ones.result().refs) & set(twos.result().refs)

    async def test_a_stopped_answer_keeps_what_was_said_and_says_so(self, rig: Rig):
        message = await asked(rig)

        async def endless() -> AsyncGenerator[str]:
            yield "so far"
            await asyncio.Event().wait()

        async with Answer(endless()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(lambda: "so far" in " ".join(rig.visible()))
            answer.stop()
        [text] = rig.visible()
        assert text.startswith("so far")
        assert "Stopped" in text
        assert answer.outcome == "stopped"

    async def test_a_model_that_fails_ends_in_a_sentence_in_the_same_message(self, rig: Rig):
        message = await asked(rig)

        async def broken() -> AsyncGenerator[str]:
            yield "so far"
            await until(lambda: "so far" in " ".join(rig.visible()))
            raise Broken("the stream ended")

        async with Answer(broken()) as answer:
            await rig.adapter.reply(message, answer)
        [text] = rig.visible()
        assert text.startswith("so far")
        assert "interrupted" in text
        assert "the stream ended" not in text

    async def test_a_question_that_is_gone_is_answered_all_the_same(self, rig: Rig):
        need(rig, "removals")
        message = await asked(rig)
        await rig.delete(message.ref.id)
        await replied(rig, message, "too late")
        assert rig.visible() == ["too late"]

    async def test_an_answer_stays_in_its_thread(self, rig: Rig):
        need(rig, "threads", "mentions")
        message = await asked(rig, room="thread", mention=True)
        answer = await replied(rig, message, *[f"word{n} " for n in range(rig.limit // 3)])
        there = rig.thread_of(message.ref.id)
        assert there
        assert {rig.thread_of(ref.id) for ref in answer.refs} == {there}

    async def test_an_answer_notifies_nobody(self, rig: Rig):
        need(rig, "pings")
        words = (
            f"@everyone @here <!channel> <!here> <@{rig.person_id}> <@&1> <!subteam^S1> @channel"
        )
        message = await asked(rig, room="public", mention=True)
        await replied(rig, message, words, " ", words)
        assert len(rig.visible()) == 1
        assert rig.pinged() == []

    async def test_nothing_cosmetic_is_waited_for(self, rig: Rig):
        need(rig, "cosmetics")
        message = await asked(rig)
        rig.stall_cosmetics()
        async with asyncio.timeout(5):
            await replied(rig, message, "no matter")
        assert rig.visible() == ["no matter"]


def plain(texts: Iterable[str]) -> list[str]:
    """Words without what cutting and rendering may change: whitespace and fences."""
    return " ".join(texts).replace("```", " ").split()
