"""Each platform's fake, and its adapter at work there: `house`, `here` and `rig`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.adapters.discord_served import Served, checked_discord
from tests.adapters.discord_served import served as discord_served
from tests.adapters.slack_served import House, checked_slack, moved_in
from tests.adapters.telegram_served import TelegramRig
from tests.adapters.telegram_served import served as telegram_served
from tests.fake_discord import FakeDiscord
from tests.fake_slack import FakeSlack


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeSlack]:
    async with checked_slack(monkeypatch) as slack:
        yield slack


@pytest.fixture
async def house(slack: FakeSlack) -> AsyncIterator[House]:
    async with moved_in(slack) as house:
        yield house


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with checked_discord() as discord:
        yield discord


@pytest.fixture
async def here(discord: FakeDiscord) -> AsyncIterator[Served]:
    async with discord_served(discord) as here:
        yield here


@pytest.fixture
async def rig() -> AsyncIterator[TelegramRig]:
    async with telegram_served() as rig:
        yield rig
        assert rig.mistakes == []
