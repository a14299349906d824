"""Reactions and buttons are votes on the answer that they stand under; corrections follow them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.answer import Answer
from core.types import Noted
from tests.contract.rig import Rig, need
from tests.contract.talk import asked, shown
from tests.fakes import until


class Votes:
    async def test_a_reaction_names_the_message_that_carries_the_answer(self, rig: Rig):
        need(rig, "reactions")
        answer = await shown(rig, "like it?")
        await rig.react(answer.refs[0].id)
        await until(lambda: len(rig.inbox.reactions) == 1)
        await rig.react(answer.refs[0].id, added=False)
        await until(lambda: len(rig.inbox.reactions) == 2)
        assert [reaction.added for reaction in rig.inbox.reactions] == [True, False]
        assert {reaction.target for reaction in rig.inbox.reactions} == {answer.refs[0]}
        assert {reaction.emoji[0] for reaction in rig.inbox.reactions} == {"👍"}
        assert {reaction.author.id for reaction in rig.inbox.reactions} == {rig.person_id}

    @pytest.mark.parametrize("emoji", ["👎", "👍🏽", "👎🏿", "🎉"])
    async def test_every_emoji_is_reported_as_what_it_is(self, rig: Rig, emoji):
        need(rig, "reactions")
        answer = await shown(rig, "like it?")
        await rig.react(answer.refs[0].id, emoji)
        await rig.react(answer.refs[0].id, "👍", by="bob")
        await until(lambda: any(one.author.id != rig.person_id for one in rig.inbox.reactions))
        mine = [one.emoji for one in rig.inbox.reactions if one.author.id == rig.person_id]
        assert [one[0] for one in mine] == [emoji[0]] or (emoji == "🎉" and mine == [])

    async def test_a_vote_may_come_while_the_answer_is_written(self, rig: Rig):
        need(rig, "reactions")
        message, voted = await asked(rig), asyncio.Event()

        async def pieces() -> AsyncGenerator[str]:
            yield "so far "
            await voted.wait()
            yield "so good"

        async with Answer(pieces()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(lambda: answer.refs)
            await rig.react(answer.refs[0].id)
            await until(lambda: rig.inbox.reactions)
            voted.set()
        assert rig.inbox.reactions[0].target == answer.refs[0]

    async def test_every_part_of_a_long_answer_can_be_voted_on(self, rig: Rig):
        need(rig, "reactions", "limits")
        answer = await shown(rig, *[f"word{n} " for n in range(rig.limit // 3)])
        for ref in (answer.refs[0], answer.refs[-1]):
            await rig.react(ref.id)
        await until(lambda: len(rig.inbox.reactions) == 2)
        assert [one.target for one in rig.inbox.reactions] == [answer.refs[0], answer.refs[-1]]

    async def test_buttons_stand_under_the_end_of_a_whole_answer_only(self, rig: Rig):
        need(rig, "buttons", "limits")
        message, go_on, early = await asked(rig), asyncio.Event(), list[str]()

        async def pieces() -> AsyncGenerator[str]:
            yield "so far "
            await go_on.wait()
            for n in range(rig.limit // 3):
                yield f"word{n} "

        async with Answer(pieces()) as answer, asyncio.TaskGroup() as group:
            group.create_task(rig.adapter.reply(message, answer))
            await until(rig.visible)
            early.extend(rig.with_buttons())
            go_on.set()
        assert early == []
        assert rig.with_buttons() == [answer.refs[-1].id]

    async def test_a_press_is_a_vote_and_the_voter_alone_is_told(self, rig: Rig):
        need(rig, "buttons")
        answer = await shown(rig, "like it?")
        rig.inbox.noted = Noted(1, "Votes here do not train.")
        before = rig.visible()
        await rig.press(answer.refs[-1].id, "👍")
        await until(lambda: rig.inbox.reactions)
        [press] = rig.inbox.reactions
        assert (press.emoji, press.added, press.target) == ("👍", True, answer.refs[-1])
        assert press.author.id == rig.person_id
        if "whispers" not in rig.lacks:
            await until(lambda: any("Votes here do not train." in one for one in rig.whispered()))
        assert rig.visible() == before

    async def test_buttons_work_after_a_restart(self, rig: Rig):
        need(rig, "buttons")
        answer = await shown(rig, "like it?")
        await rig.stop()
        await rig.start()
        rig.inbox.noted = Noted(-1)
        await rig.press(answer.refs[-1].id, "👎")
        await until(lambda: rig.inbox.reactions)
        assert rig.inbox.reactions[-1].target == answer.refs[-1]

    async def test_after_a_thumb_down_a_person_can_say_what_was_right(self, rig: Rig):
        need(rig, "corrections")
        answer = await shown(rig, "2 + 2 = 5")
        rig.inbox.noted = Noted(-1)
        await rig.correct(answer.refs[-1].id, "2 + 2 = 4")
        await until(lambda: rig.inbox.corrections)
        [(target, author, text)] = rig.inbox.corrections
        assert target in answer.refs
        assert (author.id, text) == (rig.person_id, "2 + 2 = 4")
        assert [one.emoji for one in rig.inbox.reactions] == ["👎"]
        assert all(heard.text != "2 + 2 = 4" for heard in rig.inbox.messages)
