"""Slash commands on Discord, and their answers for one person alone."""

import asyncio

import pytest

from core.answer import Answer
from core.errors import Refused
from tests.adapters.discord_served import Served, served
from tests.fakes import ListInbox, until


async def command(here: Served, line: str, channel=None):
    await until(lambda: here.fake.commands)
    use = await here.fake.commands_(here.ada, channel or here.fake.general, line)
    await until(lambda: use.response)
    return use, next(one for one in here.inbox.messages if one.ref.id == use.id)


async def test_a_slash_command_is_a_private_message_and_its_answer_grows(here: Served):
    use, heard = await command(here, "/retrain dry")
    assert (heard.text, heard.private, heard.addressed) == ("/retrain dry", True, True)
    assert heard.place == "public"
    assert use.response == {"type": 5, "data": {"flags": 64}}
    answer = await here.answers(heard, "One.", " Two.", pause_s=0.1, outcome="command")
    assert use.shown.content == "One. Two."
    assert len(use.shown.versions) == 2
    assert answer.refs[0].id == use.shown.id
    assert here.fake.by_me(here.fake.general) == []  # nobody else saw anything


async def test_a_command_without_words_and_in_a_direct_message(here: Served):
    _, heard = await command(here, "/help", here.fake.direct(here.ada))
    assert (heard.text, heard.place) == ("/help", "direct")


async def test_an_answer_that_is_there_at_once_waits_for_the_response(discord):
    class Eager(ListInbox):
        async def message(self, message):
            await super().message(message)
            tasks.append(asyncio.ensure_future(here.answers(message, "Now.")))

    tasks: list[asyncio.Task[object]] = []
    discord.fail("POST", "/callback", "late", seconds=0.2)
    async with served(discord, Eager()) as here:
        await until(lambda: discord.commands)
        use = await discord.commands_(here.ada, discord.general, "/help")
        await until(lambda: tasks)
        await tasks[0]
        assert use.shown
        assert use.shown.content == "Now."
        assert discord.by_me(discord.direct(here.ada)) == []


async def test_a_long_answer_to_a_command_stays_with_the_asker(here: Served):
    use, heard = await command(here, "/help")
    answer = await here.answers(heard, "line\n" * 3_000, outcome="command")
    assert len(answer.refs) == 6
    assert all(one.flags & 64 for one in use.followups)
    assert [one["filename"] for one in use.followups[-1].files] == ["answer.md"]
    assert here.fake.by_me(here.fake.general) == []


async def test_an_answer_that_outlives_its_interaction_ends_in_a_direct_message(here: Served):
    use, heard = await command(here, "/retrain")

    async def pieces():
        yield "Began. "
        await until(lambda: use.shown)
        here.fake.expire_tokens()
        yield "Still at it. "
        await asyncio.sleep(0.2)
        yield "Done."

    async with Answer(pieces(), outcome="command") as answer:
        await here.adapter.reply(heard, answer)
    direct = here.fake.direct(here.ada)
    assert here.fake.visible(direct) == "Began. Still at it. Done."
    assert here.fake.by_me(here.fake.general) == []


async def test_after_a_restart_a_command_is_answered_in_a_direct_message(discord):
    async with served(discord) as here:
        _, heard = await command(here, "/tunes")
    async with served(discord) as here:
        await here.answers(heard, "The base answers.", outcome="command")
        assert discord.visible(discord.direct(here.ada)) == "The base answers."
        assert discord.by_me(discord.general) == []


async def test_where_no_direct_message_is_taken_the_command_is_refused(discord):
    async with served(discord) as here:
        _, heard = await command(here, "/tunes")
    async with served(discord) as here:
        discord.direct(here.ada).forbidden = True
        with pytest.raises(Refused):
            await here.answers(heard, "The base answers.", outcome="command")


async def test_a_command_that_is_not_stored_is_not_acknowledged(here: Served):
    await until(lambda: here.fake.commands)
    here.inbox.full = True
    use = await here.fake.commands_(here.ada, here.fake.general, "/retrain")
    await here.fake.says(here.ada, here.fake.general, "x")
    assert use.response is None
    here.inbox.full = False
    await until(lambda: use.response)
    assert here.inbox.messages


async def test_where_any_word_may_stand_behind_a_command_it_is_typed_not_chosen(here: Served):
    await until(lambda: here.fake.commands)
    (review,) = [one for one in here.fake.commands if one["name"] == "review"]
    assert [sorted(option) for option in review["options"]] == [
        ["description", "name", "required", "type"]
    ]
    _, heard = await command(here, "/review in 3f9a0c")
    assert heard.text == "/review in 3f9a0c"
