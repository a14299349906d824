"""The chat platforms: one file each, loaded only when it is served."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from core.errors import ConfigError
from core.ports import Adapter


@dataclass(frozen=True)
class Platform:
    """Where a platform's adapter is, and what must be installed for it."""

    module: str  # holds the adapter's class and its `Settings`
    adapter: str
    extra: str | None = None  # of pyproject.toml; None: nothing more than the core's packages


PLATFORMS = {
    "console": Platform("adapters.console", "ConsoleAdapter"),
    "slack": Platform("adapters.slack", "SlackAdapter", extra="slack"),
    "discord": Platform("adapters.discord", "DiscordAdapter", extra="discord"),
    "telegram": Platform("adapters.telegram", "TelegramAdapter", extra="telegram"),
}


def settings_of(name: str) -> type[BaseModel]:
    """What the section `platforms.<name>` of config.yaml may hold. Raises ConfigError."""
    settings: type[BaseModel] = _module(name).Settings
    return settings


def load(name: str, settings: BaseModel) -> Adapter:
    """The platform's adapter, not connected yet. Raises ConfigError."""
    adapter: Adapter = getattr(_module(name), PLATFORMS[name].adapter)(settings)
    return adapter


def _module(name: str) -> Any:
    platform = PLATFORMS.get(name)
    if platform is None:
        raise ConfigError(unknown(name, PLATFORMS))
    try:
        return importlib.import_module(platform.module)
    except ModuleNotFoundError as error:
        if platform.extra is None or (error.name or "").split(".")[0] in ("adapters", "core"):
            raise
        raise ConfigError(
            f"{name} needs packages that are not installed ({error.name}):"
            f" {sys.executable} -m pip install -e '.[{platform.extra}]' -c constraints.txt"
        ) from error


def unknown(name: str, known: Collection[str]) -> str:
    """What to say of a platform that is none of the known ones."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"it has: {', '.join(known)}"
    return f"there is no platform `{name}` in this version; {hint}"


async def who_am_i(name: str, settings: BaseModel) -> str:
    """Whom the platform takes us for, asked of the platform itself. Raises AdapterError."""
    who: str = await _module(name).who_am_i(settings)
    return who


async def missing(name: str, settings: BaseModel) -> list[str]:
    """What is not set up there yet, asked of the platform: a sentence each that says what to do.

    Raises AdapterError.
    """
    sentences: list[str] = await _module(name).missing(settings)
    return sentences
