"""A bot with a clock that others set: python -m tests.training.night_bot CONFIG CLOCK

What time it is stands in the file CLOCK, in ISO format. It serves the small test platform.
"""

import asyncio
import sys
from datetime import datetime
from functools import partial
from pathlib import Path

from adapters import PLATFORMS, Platform
from bots.config import load
from bots.run import run, set_up_logging
from bots.wiring import nights

PLATFORMS["wire"] = Platform("tests.wire", "WireAdapter")


def main(config, clock):
    settings = load(Path(config))
    set_up_logging(settings)
    begin = partial(
        nights, now=lambda: datetime.fromisoformat(Path(clock).read_text()), every_s=0.1
    )
    return asyncio.run(run(settings, begin))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
