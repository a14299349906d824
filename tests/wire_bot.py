"""The bot as a real process on the small test platform: `python -m tests.wire_bot --config F`."""

import sys

from adapters import PLATFORMS, Platform
from bots.run import main

PLATFORMS["wire"] = Platform("tests.wire", "WireAdapter")

if __name__ == "__main__":
    sys.exit(main())
