"""What `python -m bots.run --check` says: the settings as they are, and who answers."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing, suppress

import yaml
from rich.console import Console

from adapters import missing, who_am_i
from bots.config import Config, shown
from bots.door import ask
from bots.wiring import model_server, socket_of
from core.errors import BotError, ConfigError, GenerationError
from core.generation import ModelServer
from core.model_metrics import ModelMetrics, reading, since

METRICS_WITHIN_S = 10.0


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

    if unheard := config.unheard_announcements():
        tell("announcements", ConfigError(unheard))
    tell("model's server", await the_model(config, out))
    tell("nights", the_nights(config))
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
                answered = time.monotonic()
                figures = in_words(await the_figures(config, server))
    except BotError as error:
        return error
    if config.generation.model not in names:
        return BotError(
            f"{where} answers, but has no model {config.generation.model!r}; it has:"
            f" {', '.join(names)}. Set generation.model to one of them."
        )
    return f"{where}, {config.generation.model}, after {answered - started:.1f} s{figures}"


def the_nights(config: Config) -> str | BotError:
    try:
        clock = config.night.clock()
    except BotError as error:
        return error
    return f"each at {clock[0]:%H:%M} ({clock[1]})" if clock else "none (night.at)"


async def the_figures(config: Config, server: ModelServer) -> ModelMetrics:
    """Of the last minutes, from the bot that runs; else the server's own, since its start. Never
    raises.
    """
    with suppress(BotError, OSError, ValueError, TypeError):  # also: it is of another version
        said = ask(await asyncio.to_thread(socket_of, config.storage), "metrics")
        async with asyncio.timeout(METRICS_WITHIN_S), aclosing(said) as pieces:
            return ModelMetrics(**json.loads("".join([piece async for piece in pieces])))
    with suppress(GenerationError):
        page = await server.metrics_page()
        return since(None, await asyncio.to_thread(reading, page, time.monotonic()))
    return ModelMetrics()


def in_words(figures: ModelMetrics) -> str:
    """A line of its own with what is known; "" where nothing is."""
    if figures == ModelMetrics():
        return ""
    errors = None
    if figures.errors is not None:
        kinds = ", ".join(f"{count} {kind}" for kind, count in figures.errors.items())
        errors = f"errors: {kinds}" if kinds else "no errors"
    parts = (
        ("first token after {:.3f} s", figures.first_token_median_s),
        ("for 95 of 100 within {:.3f} s", figures.first_token_p95_s),
        ("{:,} tokens", figures.tokens),
        ("{:,.1f} tokens/s", figures.tokens_per_s),
        ("{} running", figures.running),
        ("{} waiting", figures.waiting),
        ("{} in line", figures.in_line),
        ("{:.0%} of the prompts from the cache", figures.cache_hit_share),
        ("{}", errors),
    )
    told = ", ".join(words.format(value) for words, value in parts if value is not None)
    over = "since its start" if figures.over_s is None else f"in the last {figures.over_s:.0f} s"
    return f"\n   {over}: {told}"
