"""Where the vendors' own descriptions of their platforms lie: outside the repository."""

from __future__ import annotations

import os
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "specs"
FOLDER = Path(os.environ.get("MYNAH_SPECS") or BESIDE)

SOURCES = {
    "discord-openapi.json": "github.com/discord/discord-api-spec",
    "slack": "github.com/slack-ruby/slack-api-ref and github.com/slackapi/manifest-schema",
    "telegram-bot-api.json": "github.com/PaulSonOfLars/telegram-bot-api-spec",
}


def missing(path: Path) -> str:
    """Why a test that needs `path` is skipped."""
    return (
        f"{path.name} is not at hand: put it from {SOURCES[path.relative_to(FOLDER).parts[0]]} into"
        " a folder and name that folder in MYNAH_SPECS"
    )
