"""A bot on platforms that refuse it: `python -m tests.bots.refused_bot --config FILE`."""

import asyncio
import sys

from pydantic import BaseModel, ConfigDict

from adapters import PLATFORMS, Platform
from bots.run import main
from core.errors import Refused


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pigeon:
    """Refused two groups deep, as adapters with tasks of their own are."""

    name = "pigeon"

    def __init__(self, settings):
        pass

    async def run(self, inbox):
        async with asyncio.TaskGroup() as outer:
            outer.create_task(self.fly())

    async def fly(self):
        async with asyncio.TaskGroup() as inner:
            inner.create_task(self.land())

    async def land(self):
        raise Refused("the pigeon's ring is missing: put one on")

    async def earlier(self, to):
        return ()

    async def tell(self, channel, notice):
        raise AssertionError("nothing is announced here")

    async def reply(self, to, answer):
        raise AssertionError("nobody was heard")


PLATFORMS["pigeon"] = Platform("tests.bots.refused_bot", "Pigeon")

if __name__ == "__main__":
    sys.exit(main())
