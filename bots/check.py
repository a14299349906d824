"""What `python -m bots.run --check` says: the settings as they are, and who answers."""

from __future__ import annotations

import time

import yaml
from rich.console import Console

from adapters import missing, who_am_i
from bots.config import Config, shown
from bots.wiring import model_server
from core.errors import BotError


async def check(config: Config) -> int:
    """Print it all; never opens the store. Exit code 0, or 1 when something does not answer."""
    out = Console(highlight=False, soft_wrap=True)
    out.print(yaml.safe_dump(config.shown(), sort_keys=False, allow_unicode=True), markup=False)
    wrong = 0

    def tell(what: str, answer: str | BotError) -> None:
        nonlocal wrong
        wrong += isinstance(answer, BotError)
        sign = "[red]x[/]" if isinstance(answer, BotError) else "[green]ok[/]"
        out.print(f"{sign} {what}: ", end="")
        out.print(str(answer), markup=False)

    tell("model's server", await the_model(config, out))
    for name, settings in config.platforms.items():
        try:
            tell(name, await who_am_i(name, settings))
            sentences = await missing(name, settings)
        except BotError as error:
            tell(name, error)
            continue
        for sentence in [*sentences, *config.unused_votes(name)]:
            out.print(f"[yellow]![/] {name}: ", end="")
            out.print(sentence, markup=False)
    return 1 if wrong else 0


async def the_model(config: Config, out: Console) -> str | BotError:
    where = shown(config.generation.url) or "embedded"
    started = time.monotonic()
    try:
        with out.status("Asking the model's server...") as status:
            # A log of its own: a bot may run beside us, and write to the other.
            async with model_server(config, status.update, log="check.log") as (server, ready):
                await ready()
                names = await server.models()
    except BotError as error:
        return error
    if config.generation.model not in names:
        return BotError(
            f"{where} answers, but has no model {config.generation.model!r}; it has:"
            f" {', '.join(names)}. Set generation.model to one of them."
        )
    return f"{where}, {config.generation.model}, after {time.monotonic() - started:.1f} s"
