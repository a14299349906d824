"""Where the vendors' own descriptions of their platforms lie: outside the repository."""

from __future__ import annotations

import os
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "specs"
FOLDER = Path(os.environ.get("MYNAH_SPECS") or BESIDE)

SOURCES = {
    "discord-openapi.json": "github.com/discord/discord-api-spec",
    "slack/methods": "github.com/slack-ruby/slack-api-ref",
    "slack/events.json": "github.com/slack-ruby/slack-api-ref",
    "slack/manifest.schema.2.0.0.json": "github.com/slackapi/manifest-schema",
    "telegram-bot-api.json": "github.com/PaulSonOfLars/telegram-bot-api-spec",
}


def missing(path: Path) -> str:
    """Why a test that needs `path` is skipped."""
    name = path.relative_to(FOLDER).as_posix()
    return (
        f"{name} is not at hand: put it, from {SOURCES[name]}, under that name into a folder that"
        " MYNAH_SPECS names"
    )
