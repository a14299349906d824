"""Lines that are cut, absences, and what an adapter leaves behind when it ends."""

from __future__ import annotations

import asyncio

from core.types import Seen
from tests.contract.rig import Rig, need
from tests.contract.talk import asked, shown
from tests.fakes import until


class Connections:
    async def test_a_dropped_connection_comes_back_and_nothing_is_lost(self, rig: Rig):
        need(rig, "connection")
        await asked(rig, "before")
        await rig.drop()
        await rig.say("meanwhile")
        await until(lambda: any(one.text == "meanwhile" for one in rig.inbox.messages), within_s=15)
        await shown(rig, "here I am", text="after")
        assert rig.visible() == ["here I am"]

    async def test_what_was_said_while_nobody_listened_is_heard(self, rig: Rig):
        need(rig, "backfill")
        message = await asked(rig, "before")
        await rig.stop()
        await rig.say("meanwhile")
        rig.inbox.seen = [Seen(message.thread, message.ref.id, message.at)]
        await rig.start()
        await until(lambda: any(one.text == "meanwhile" for one in rig.inbox.messages), within_s=10)
        heard = next(one for one in rig.inbox.messages if one.text == "meanwhile")
        assert heard.addressed
        assert heard.author.id == rig.person_id

    async def test_nothing_of_it_is_left_when_it_ends(self, rig: Rig):
        await shown(rig, "goodbye")
        async with asyncio.timeout(2):
            await rig.stop()
        ours = ("/adapters/", "/core/", "/slack_", "/discord/", "/telegram/")
        left = [
            task
            for task in asyncio.all_tasks()
            if (code := getattr(task.get_coro(), "cr_code", None))
            and "/tests/" not in code.co_filename
            and any(place in code.co_filename for place in ours)
        ]
        assert left == []
        await rig.start()  # for the fixture, which stops it
