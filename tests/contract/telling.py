"""What nobody asked for is told in a channel: once, readable, and without calling anybody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from core.errors import AdapterError, Refused
from core.notice import Notice
from core.streaming import MOST_FAILURES
from core.types import Announcement
from tests.contract.rig import Rig, need
from tests.contract.speaking import plain
from tests.contract.talk import asked
from tests.fakes import notice


async def told(rig: Rig, *texts: str) -> None:
    """Told in the public room, one after the other."""
    channel = await public(rig)
    for text in texts:
        await rig.adapter.tell(channel, notice(text))


async def public(rig: Rig) -> str:
    return (await asked(rig, room="public", mention=True)).ref.channel.id


async def told_in_further_tries(rig: Rig, *, done: bool) -> None:
    """The first fails behind the first page. `done`: the second was posted, and nobody said so."""
    channel = await public(rig)
    lines = [f"x{n} = {n}\n" for n in range(rig.limit // 6)]

    async def fail_behind_the_first(now: Announcement) -> None:
        if now.placing and len(now.replies) == 1 and not failed:
            failed.append(now)
            if done:
                rig.fail_next(done=True)
            rig.fail_next(MOST_FAILURES - int(done))

    failed: list[Announcement] = []
    at = datetime.now(UTC)
    words = Notice(Announcement("7", "", "".join(lines), at), fail_behind_the_first)
    with pytest.raises(AdapterError):
        await rig.adapter.tell(channel, words)
    for _ in range(MOST_FAILURES):  # where each kind of call fails so often, in some more tries
        with suppress(AdapterError):
            await rig.adapter.tell(channel, words)
            break
    assert plain(rig.visible()) == plain(lines)


class Telling:
    async def test_what_nobody_asked_is_told_as_a_message_of_its_own(self, rig: Rig):
        need(rig, "rooms")
        before = rig.calls
        await told(rig, "Good morning: 1 < 2 & snake_case.")
        assert rig.visible() == ["Good morning: 1 < 2 & snake_case."]
        assert rig.with_buttons() == rig.whispered() == []
        assert rig.calls - before == 1  # what people are notified of is the text itself

    async def test_the_same_words_are_told_as_often_as_they_are_meant(self, rig: Rig):
        need(rig, "rooms")
        await told(rig, "Nothing new.", "Nothing new.")
        assert rig.visible() == ["Nothing new.", "Nothing new."]

    async def test_code_is_told_as_it_is(self, rig: Rig):
        need(rig, "rooms")
        code = "if a < b && c > d: print('&lt;b&gt; *x* _y_')"
        await told(rig, f"Like so:\n\n```\n{code}\n```")
        [text] = rig.visible()
        assert code in text

    async def test_what_is_told_notifies_nobody(self, rig: Rig):
        need(rig, "rooms", "pings")
        words = (
            f"@everyone @here <!channel> <!here> <@{rig.person_id}> <@&1> <!subteam^S1> @channel"
        )
        await told(rig, words)
        assert len(rig.visible()) == 1
        assert rig.pinged() == []

    async def test_what_is_long_is_told_in_further_messages(self, rig: Rig):
        need(rig, "rooms", "limits")
        lines = [f"x{n} = {n}\n" for n in range(rig.limit // 6)]
        await told(rig, f"```py\n{''.join(lines)}```")
        pages = rig.visible()
        assert len(pages) > 1
        assert plain(page.replace("```py", "") for page in pages) == plain(lines)

    async def test_what_is_told_waits_where_the_platform_says_so(self, rig: Rig):
        need(rig, "rooms", "rates")
        channel = await public(rig)
        rig.refuse_next(retry_after_s=1, times=2)
        started = asyncio.get_running_loop().time()
        await rig.adapter.tell(channel, notice("patience"))
        assert rig.visible() == ["patience"]
        assert asyncio.get_running_loop().time() - started >= 1

    async def test_what_was_told_all_the_same_is_not_told_twice(self, rig: Rig):
        need(rig, "rooms", "faults")
        channel = await public(rig)
        rig.fail_next(done=True)
        await rig.adapter.tell(channel, notice("once"))
        strays = 1 if "doubts" in rig.lacks else 0
        assert set(rig.visible()) == {"once"}
        assert len(rig.visible()) <= 1 + strays

    async def test_what_was_told_in_part_goes_on_in_the_next_try(self, rig: Rig):
        need(rig, "rooms", "limits", "faults")
        await told_in_further_tries(rig, done=False)

    async def test_a_part_that_was_told_all_the_same_is_none_of_the_next_try(self, rig: Rig):
        need(rig, "rooms", "limits", "faults", "doubts")
        await told_in_further_tries(rig, done=True)

    async def test_a_platform_that_is_away_is_said_to_be(self, rig: Rig):
        need(rig, "rooms", "faults")
        channel = await public(rig)
        rig.fail_next(30)
        with pytest.raises(AdapterError) as caught:
            await rig.adapter.tell(channel, notice("hello?"))
        assert not isinstance(caught.value, Refused)
        assert rig.visible() == []

    async def test_where_we_may_not_write_nothing_is_told(self, rig: Rig):
        need(rig, "rooms", "credentials")
        channel = (await asked(rig)).ref.channel.id
        rig.shut_out()
        with pytest.raises(Refused):
            await rig.adapter.tell(channel, notice("hello?"))
        rig.mistakes.clear()
