"""python -m bots.run: connect platforms to the engine, until interrupted.

As shipped, `--platform console` opens a conversation in the terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import random
import signal
import sys
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING

from bots import program

if TYPE_CHECKING:  # heavy: `--help` does without
    from collections.abc import Callable

    from pydantic import BaseModel

    from bots.config import Config
    from bots.wiring import House
    from core.engine import Engine

    BeginNights = Callable[[Config, House], AbstractAsyncContextManager[object]]

logger = logging.getLogger(__name__)

FIRST_RESTART_S, LONGEST_RESTART_S = 1.0, 60.0
CONSOLES_PATIENCE_S = 5.0  # with a disk that takes nothing: there a person or a script waits


def main(argv: list[str] | None = None) -> int:
    """Exit code 0; 1: a turn failed (piped console); 2: the settings, the store or the place where
    answers go are at fault.
    """
    arguments = parser().parse_args(argv)
    from bots.config import load
    from core.errors import BotError

    try:
        config = load(arguments.config, arguments.platform)
        set_up_logging(config)
        if arguments.check:
            from bots.check import check

            return asyncio.run(check(config))
        return asyncio.run(run(config))
    except BotError as error:
        print(f"mynah: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    out = program.parser("bots.run", __doc__)
    out.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="NAME",
        help="serve this platform; may be given several times (default: all in the config file)",
    )
    out.add_argument(
        "--check",
        action="store_true",
        help="show the settings, ask the model's server and each platform who they are, and stop",
    )
    return out


async def run(config: Config, begin_nights: BeginNights | None = None) -> int:
    """`begin_nights`: in place of bots.wiring.nights, such as with another clock."""
    from rich.console import Console

    from bots.wiring import house, nights
    from core.errors import BotError

    if unheard := config.unheard_announcements():
        logger.warning("%s", unheard)
    interactive = is_interactive(config)
    status = Console(stderr=True).status("Starting the model...")
    holder = " ".join(f"--platform {name}" for name in config.platforms)
    refused: list[str] = []
    async with (
        house(config, holder=holder, on_status=status.update) as here,
        (begin_nights or nights)(config, here),
    ):
        for number in program.ending_signals(signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end, here.engine)
        if "console" in config.platforms:  # a person or a script waits; nobody's time runs out
            with status if interactive else nullcontext():
                await ready_or_told_to_end(here)
        async with asyncio.TaskGroup() as group:
            for name, settings in config.platforms.items():
                group.create_task(supervise(here.engine, name, settings, refused), name=name)
        if len(refused) == len(config.platforms):
            raise BotError("; ".join(refused))
        if here.engine.damage:
            raise here.engine.damage
        stopped = here.engine.closing.is_set()
        return 1 if here.engine.failures and not stopped and not interactive else 0


def end(engine: Engine) -> None:
    engine.close()
    logger.info("ending: nothing more is heard, answers under way are finished")


async def ready_or_told_to_end(here: House) -> None:
    """Return when the model is loaded, or at `engine.close()`. Raises Unreachable."""
    try:
        async with asyncio.TaskGroup() as group:
            loading = group.create_task(here.ready())
            closing = group.create_task(here.engine.closing.wait())
            await asyncio.wait({loading, closing}, return_when=asyncio.FIRST_COMPLETED)
            loading.cancel()
            closing.cancel()
    except ExceptionGroup as errors:
        raise leaf(errors) from errors


def leaf(error: Exception) -> Exception:
    """The first exception in a group that may hold groups: what a person can be told."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def is_interactive(config: Config) -> bool:
    """A person sits at the console: then logs go to a file."""
    both = sys.stdin, sys.stdout  # None: closed
    return "console" in config.platforms and all(file and file.isatty() for file in both)


def set_up_logging(config: Config) -> None:
    """One line per event. Beside a conversation they go to a file, else to stderr; where only a
    pipe is talked with, only warnings do.
    """
    from bots.wiring import LOG_FOLDER

    handler: logging.Handler = logging.StreamHandler()
    level = logging.WARNING if [*config.platforms] == ["console"] else logging.INFO
    problem: OSError | None = None
    if is_interactive(config):
        try:
            LOG_FOLDER.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(LOG_FOLDER / "mynah.log", encoding="utf-8")
            level = logging.INFO
        except OSError as error:
            problem = error
    logging.basicConfig(
        handlers=[handler], level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it tells of each tick
    if problem:
        logger.warning("no log can be kept in %s: %s", LOG_FOLDER, problem.strerror)


async def supervise(engine: Engine, name: str, settings: BaseModel, refused: list[str]) -> None:
    """Serve one platform; start it anew when it fails, ever more slowly. `Refused` is final."""
    from adapters import load
    from core.desk import serve
    from core.errors import BotError, Refused

    patience_s = CONSOLES_PATIENCE_S if name == "console" else math.inf
    wait_s = FIRST_RESTART_S
    loop = asyncio.get_running_loop()
    while not engine.closing.is_set():
        started, is_final = loop.time(), False
        try:
            await serve(engine, load(name, settings), patience_s=patience_s)
            return
        except* Refused as errors:
            is_final = True
            refused.append(f"{name}: {leaf(errors)}")
            logger.error("%s is not served any more: %s", name, leaf(errors))
        except* BotError as errors:
            logger.error("%s: %s", name, leaf(errors))
        except* Exception:  # one platform's fault must not take the others down
            logger.exception("%s failed", name)
        if is_final or engine.closing.is_set():
            return
        if loop.time() - started > LONGEST_RESTART_S:
            wait_s = FIRST_RESTART_S
        logger.info("%s starts again in about %.0f s", name, wait_s)
        try:
            async with asyncio.timeout(wait_s * random.uniform(0.8, 1.2)):
                await engine.closing.wait()
        except TimeoutError:
            wait_s = min(2 * wait_s, LONGEST_RESTART_S)


if __name__ == "__main__":
    sys.exit(main())
