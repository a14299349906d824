"""A meter at work on a client of the fake model's server, and a clock that stands still."""

from contextlib import asynccontextmanager

from core.meter import Meter


class Clock:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


@asynccontextmanager
async def meter(model, in_line=lambda: 0, every_s=0.05):
    async with Meter(model.metrics_page, model.tally, in_line, every_s=every_s) as figures:
        yield figures
