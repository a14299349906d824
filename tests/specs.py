"""Where the vendors' own descriptions of their platforms lie: outside the repository."""

from __future__ import annotations

import os
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "specs"
FOLDER = Path(os.environ.get("MYNAH_SPECS") or BESIDE)


def missing(path: Path) -> str:
    """Why a test that needs `path` is skipped."""
    return f"{path.name} is not at hand (MYNAH_SPECS), so nothing can be held against it"
