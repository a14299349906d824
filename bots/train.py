"""python -m bots.train: learn from the votes, list the tunes, take one back, and more.

While the bot runs it is asked to do it; else this opens the store itself, and leaves what there is
to announce for the bot's next start. Either way the four steps of core/training run in processes of
their own, and nothing here imports a library that trains.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from bots import program
from core.errors import BotError

logger = logging.getLogger(__name__)

LIVELY_S = 1.0  # between two signs of life in a terminal


def parser() -> argparse.ArgumentParser:
    out = program.parser("bots.train", __doc__)
    what = out.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="only say what it would use")
    what.add_argument("--list", action="store_true", help="all tunes, and which of them serves")
    what.add_argument("--rollback", action="store_true", help="go back to what answered before")
    what.add_argument(
        "--review", action="store_true", help="votes that came in bursts and are set aside"
    )
    what.add_argument("--let-in", metavar="ID", help="learn from one of these bursts")
    what.add_argument("--leave-out", metavar="ID", help="never learn from one of these bursts")
    what.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="write the data set to a new folder, which loses what people have forgotten later",
    )
    return out


def asked_for(arguments: argparse.Namespace) -> tuple[str, dict[str, object]]:
    """The verb and its arguments."""
    if arguments.list:
        return "tunes", {}
    if arguments.rollback:
        return "rollback", {}
    if arguments.export:
        return "export", {"folder": str(arguments.export.resolve())}
    if arguments.let_in is not None:
        return "review", {"decided": f"in {arguments.let_in}"}
    if arguments.leave_out is not None:
        return "review", {"decided": f"out {arguments.leave_out}"}
    if arguments.review:
        return "review", {"decided": ""}
    lively = {"every_s": LIVELY_S} if sys.stdout.isatty() else {}
    return "retrain", {"dry": arguments.dry_run, **lively}


async def main(argv: Sequence[str]) -> int:
    """Ask the bot that runs; where none does, do it here. Exit code 0 or 2.

    SIGTERM, Ctrl-C and a terminal that closes stop a run: its processes and its folder are gone
    when this ends.
    """
    task = asyncio.current_task()
    assert task
    for number in program.ending_signals(signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, cancel_once, task)
    arguments = parser().parse_args(argv)
    verb, values = asked_for(arguments)
    from bots.config import load
    from bots.door import NobodyHome, ask
    from bots.wiring import house, only_store, socket_of

    try:
        config = load(arguments.config, ["console"])  # no platform is served: no secrets needed
        try:
            path = await asyncio.to_thread(socket_of, config.storage)
            await show(ask(path, verb, **values))
            return 0
        except NobodyHome:
            pass
        holder = "python -m bots.train"
        if verb == "retrain" and not values["dry"]:
            async with house(config, holder=holder, on_status=logger.info) as here:
                await show(here.trainer.verbs()[verb](values))
        else:
            async with only_store(config, holder=holder) as trainer:
                await show(trainer.verbs()[verb](values))
    except BotError as error:
        print(f"mynah: {error}", file=sys.stderr)
        return 2
    return 0


def cancel_once(task: asyncio.Task[int]) -> None:
    """A second time would break the clearing up."""
    if not task.cancelling():
        task.cancel()


async def show(pieces: AsyncGenerator[str]) -> None:
    """Print what is said. In a terminal a run's progress stays on one line that lives."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    if not console.is_terminal:
        async with aclosing(pieces) as said:
            async for piece in said:
                print(piece, end="", flush=True)
        return
    with console.status("") as status:
        async with aclosing(pieces) as said:
            async for piece in said:
                if piece.startswith("- "):
                    status.update(piece.removeprefix("- ").strip())
                else:
                    console.print(Markdown(piece))


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit(130)
    except asyncio.CancelledError:
        sys.exit(143)
