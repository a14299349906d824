"""python -m tests.contract_table: which platform keeps which clause, as a Markdown table.

yes: it passed; no: it failed; —: the platform has nothing like it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.contract import AdapterContract

HERE = Path(__file__).resolve().parent
SIGNS = {"passed": "yes", "failed": "**no**", "skipped": "—"}
WORST = ["skipped", "passed", "failed"]  # of a clause's cases, the last of these counts


class Notes:
    """Hears of every test and keeps what became of each clause, by platform."""

    def __init__(self) -> None:
        self.clauses: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._names: dict[str, tuple[str, str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if is_clause(item)]
        for item in items:
            assert isinstance(item, pytest.Function)
            assert item.cls
            clause = item.originalname.removeprefix("test_").replace("_", " ")
            self._names[item.nodeid] = clause, item.cls.__name__.removeprefix("Test")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            clause, platform = self._names[report.nodeid]
            known = self.clauses[clause].get(platform, report.outcome)
            self.clauses[clause][platform] = max(known, report.outcome, key=WORST.index)

    def table(self) -> list[str]:
        platforms = list(dict.fromkeys(name for one in self.clauses.values() for name in one))
        rows = [
            [clause, *(SIGNS[became.get(platform, "skipped")] for platform in platforms)]
            for clause, became in self.clauses.items()
        ]
        head = [["clause", *platforms], ["---"] * (len(platforms) + 1)]
        return [f"| {' | '.join(row)} |" for row in (*head, *rows)]


def is_clause(item: pytest.Item) -> bool:
    cls = getattr(item, "cls", None)
    return cls is not None and issubclass(cls, AdapterContract)


def main() -> int:
    notes = Notes()
    files = sorted((HERE / "adapters").glob("test_*.py"))
    code = pytest.main(["-q", "--no-header", "--tb=line", *map(str, files)], plugins=[notes])
    print("\n".join(["", *notes.table()]))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
