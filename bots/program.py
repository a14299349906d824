"""What the programs of this room have in common: where their settings are, and what ends them."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path


def parser(module: str, doc: str | None) -> argparse.ArgumentParser:
    """Of `python -m MODULE`, with its --config."""
    out = argparse.ArgumentParser(prog=f"python -m {module}", description=doc)
    out.add_argument(
        "--config",
        type=Path,
        default=Path("config.yaml"),
        metavar="FILE",
        help="the settings (default: config.yaml)",
    )
    return out


def ending_signals(*asked: signal.Signals) -> list[signal.Signals]:
    """`asked`, and that of a terminal that closes; not under nohup, which is to outlive it."""
    outlives = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [*asked] if outlives else [*asked, signal.SIGHUP]
