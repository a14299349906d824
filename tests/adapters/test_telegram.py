"""The Telegram adapter keeps the contract of all platforms."""

from collections.abc import AsyncIterator

import pytest

from tests.adapters.telegram_served import TelegramRig, served
from tests.contract import AdapterContract


class TestTelegram(AdapterContract):
    @pytest.fixture
    async def rig(self) -> AsyncIterator[TelegramRig]:
        async with served() as rig:
            yield rig
