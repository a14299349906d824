"""How answers appear on Discord. What every platform must do is in the contract."""

import asyncio
import re

import pytest

from core.answer import Answer
from core.errors import Refused
from tests import fake_discord_spec, specs
from tests.adapters.discord_served import Served, served
from tests.fakes import until


async def test_an_answer_is_a_reply_that_grows_and_pings_nobody(here: Served):
    heard = await here.asked("tell me")
    pieces = ["Ask ", "@everyone", f" or <@{here.bob.id}>: ", "https://example.org"]
    answer = await here.answers(heard, *pieces, pause_s=0.06)
    message = here.fake.general.messages[answer.refs[0].id]
    assert message.content == "".join(pieces)
    assert message.reference == heard.ref.id
    assert message.pings == set()
    assert not message.unfurls
    assert len(message.versions) >= 2


async def test_no_message_is_too_long_however_discord_counts(here: Served):
    """It does not say whether a sign beyond the basic plane is one character or two."""
    heard = await here.asked("tell me")
    answer = await here.answers(heard, "🐦 " * 1_500)
    shown = [here.fake.general.messages[ref.id].content for ref in answer.refs]
    assert max(len(content.encode("utf-16-le")) // 2 for content in shown) <= 2_000


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("#### Mynahs\n### Birds", "**Mynahs**\n### Birds"),
        ("###### **Small** birds ##", "**Small birds**"),
        ("#### Examples in C#", "**Examples in C#**"),
        ("#### The `**` operator", "### The `**` operator"),
        ("~~~py\n#### no heading\n~~~\n", "```py\n#### no heading\n```"),
        ("- ~~~~\n  x = 1\n  ~~~~", "- ```\n  x = 1\n  ```"),
        ("````\ncode\n`````\n#### Then", "```\ncode\n```\n**Then**"),
        ("~~~\n```\n~~~\n#### Then", "~~~\n```\n~~~\n**Then**"),  # it cannot be said there
        ("~~struck~~ #### no", "~~struck~~ #### no"),
        ("```\n#### no heading\n~~~\n```", "```\n#### no heading\n~~~\n```"),
    ],
)
async def test_headings_and_code_are_written_as_discord_knows_them(here: Served, said, shown):
    answer = await here.answers(await here.asked("tell me"), said)
    assert here.fake.general.messages[answer.refs[0].id].content == shown


async def test_a_table_is_shown_as_aligned_text(here: Served):
    heard = await here.asked("tell me")
    answer = await here.answers(heard, "Look:\n\n| a | bird |\n|---|---|\n| 1 | mynah |\n")
    shown = here.fake.general.messages[answer.refs[0].id].content
    assert "```" in shown
    assert "|---|" not in shown
    assert "mynah" in shown


async def test_a_table_that_grows_when_it_is_aligned_still_fits(here: Served):
    rows = "".join(f"| {n} | b |\n" for n in range(60))
    table = f"| a | {'bird ' * 8} |\n|---:|---:|\n{rows}"
    answer = await here.answers(await here.asked("tell me"), table)
    shown = [here.fake.general.messages[ref.id].content for ref in answer.refs]
    assert len(table) < 1_000 < 2_000 < sum(map(len, shown))
    numbers = re.findall(r"\d+", " ".join(shown))
    assert numbers == [str(n) for n in range(60)]


async def test_a_code_block_that_is_still_open_is_closed_while_it_grows(here: Served):
    heard = await here.asked("tell me")
    answer = await here.answers(heard, "```\nfirst\n", "second\n", "```", pause_s=0.1)
    for version in here.fake.general.messages[answer.refs[0].id].versions:
        assert version.count("```") == 2


async def test_typing_is_shown_until_the_first_word_and_delays_nothing(here: Served):
    here.fake.fail("POST", "/typing", "slow", seconds=5)
    heard = await here.asked("tell me")

    async def pieces():
        await until(lambda: here.fake.rest.sent("POST", "/typing"))
        yield "A "
        yield "B"

    async with asyncio.timeout(3), Answer(pieces()) as answer:
        await here.adapter.reply(heard, answer)
    assert here.fake.general.messages[answer.refs[0].id].content == "A B"
    assert len(here.fake.rest.sent("POST", "/typing")) == 1


async def test_a_quick_answer_costs_no_call_to_say_that_it_comes(here: Served):
    await here.answers(await here.asked("tell me"), "A ", "B")
    await here.answers(await here.asked("tell me"), "A ", "B", pause_s=0.5)
    assert len(here.fake.rest.sent("POST", "/typing")) == 1  # for the second


async def test_a_message_of_a_dead_try_is_found_though_its_nonce_is_forgotten(here: Served):
    heard = await here.asked("tell me")
    for number in range(130):
        await here.fake.says(here.bob, here.fake.general, f"chat {number}")
    await here.answers(heard, "Half")
    here.fake.forget_nonces()
    answer = await here.answers(heard, "The whole.", placing=True)
    assert here.fake.visible(here.fake.general) == "The whole."
    assert len(answer.refs) == 1


async def test_what_somebody_replied_to_the_question_is_not_taken_for_the_answer(here: Served):
    said = await here.fake.says(here.ada, here.fake.general, f"{here.fake.mention} tell me")
    heard = await here.heard(said)
    await here.fake.says(here.bob, here.fake.general, "I know!", reply_to=said)
    await here.answers(heard, "It is so.", placing=True)
    assert here.fake.visible(here.fake.general) == "It is so."


async def test_the_answer_to_another_question_is_not_taken_for_this_one(here: Served):
    one, two = await here.asked("one"), await here.asked("two")
    await here.answers(two, "Two.")
    here.fake.forget_nonces()
    await here.answers(one, "One.", placing=True)
    assert sorted(message.content for message in here.fake.by_me(here.fake.general)) == [
        "One.",
        "Two.",
    ]


async def test_an_answer_goes_out_though_the_question_is_deleted(here: Served):
    said = await here.fake.says(here.ada, here.fake.general, f"{here.fake.mention} hm")
    heard = await here.heard(said)
    await here.fake.deletes(said)
    await here.answers(heard, "Yes?")
    assert here.fake.visible(here.fake.general) == "Yes?"


async def test_an_answer_is_finished_though_somebody_closes_its_thread(here: Served):
    thread = await here.fake.open_thread("birds")
    heard = await here.asked("tell me", thread)

    async def pieces():
        yield "The "
        await until(lambda: here.fake.by_me(thread))
        thread.archived = True
        yield "answer."

    async with Answer(pieces()) as answer:
        await here.adapter.reply(heard, answer)
    assert here.fake.visible(thread) == "The answer."


async def test_a_channel_that_is_gone_or_closed_is_refused(here: Served):
    heard = await here.asked("tell me")
    here.fake.general.forbidden = True
    with pytest.raises(Refused, match="View Channel"):
        await here.answers(heard, "Yes.")
    here.fake.general.forbidden = False
    here.fake.general.gone = True
    with pytest.raises(Refused):
        await here.answers(heard, "Yes.")


async def test_every_kind_of_request_is_as_discord_describes_it(discord):
    if not fake_discord_spec.FILE.exists():
        pytest.skip(specs.missing(fake_discord_spec.FILE))
    async with served(discord) as here:
        await here.answers(await here.asked("tell me"), "line\n" * 3_000, pause_s=0.5)
        await until(lambda: discord.commands)
    kinds = {(call.method, call.route) for call in discord.calls}
    assert len(kinds) >= 6
    assert fake_discord_spec.problems(discord.calls) == []
