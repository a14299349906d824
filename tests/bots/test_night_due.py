"""When a night is due, and what of it is set."""

import os
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bots.config import load
from bots.night import Settings, due
from bots.wiring import nights

TOP = Path(__file__).resolve().parents[2]
BERLIN = ZoneInfo("Europe/Berlin")
THREE = time(3)
MONDAY, TUESDAY = date(2026, 5, 4), date(2026, 5, 5)


def at(text, zone=BERLIN):
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-05-04 02:59", date(2026, 5, 3)),
        ("2026-05-04 03:00", MONDAY),
        ("2026-05-04 23:59", MONDAY),
        ("2026-05-05 02:59", MONDAY),
        ("2026-05-05 03:00", TUESDAY),
    ],
)
def test_the_night_that_is_due_is_the_newest_that_should_have_begun(now, day):
    assert due(at(now), THREE, BERLIN) == day


def test_a_night_older_than_a_day_is_not_made_up_for():
    """Only one that 25 hours follow can be."""
    begins = at("2026-10-25 02:30")
    for hours, day in ((24, date(2026, 10, 25)), (24.5, None), (25, date(2026, 10, 26))):
        assert due(begins + timedelta(hours=hours), time(2, 30), BERLIN) == day


@pytest.mark.parametrize(
    ("first", "day", "begins"),
    [
        ("2026-03-29", time(2, 30), "2026-03-29T01:30+00:00"),  # 03:30 there: there is no 02:30
        ("2026-10-25", time(2, 30), "2026-10-25T00:30+00:00"),  # the first of two
        ("2026-10-25", THREE, "2026-10-25T02:00+00:00"),
    ],
)
def test_where_the_clocks_change_a_night_begins_once(first, day, begins):
    this, moment = date.fromisoformat(first), datetime.fromisoformat(begins)
    minutes = [moment + timedelta(minutes=n) for n in range(-300, 300)]
    expected = [n for n in minutes if n >= moment]
    assert [n for n in minutes if due(n, day, BERLIN) == this] == expected
    # By whichever clock: Python compares two times of one zone by what its clocks show.
    assert [n for n in minutes if due(n.astimezone(BERLIN), day, BERLIN) == this] == expected


def test_a_night_has_a_time_and_a_zone():
    assert Settings().at == "03:00"
    assert Settings(at=None).clock() is None
    assert Settings(at="22:30", zone="Europe/Berlin").clock() == (time(22, 30), BERLIN)


def test_where_nights_are_switched_off_nothing_waits_for_one(tmp_path):
    (tmp_path / "config.yaml").write_text("night: {at: null}\nplatforms: {console: {}}\n")
    config = load(tmp_path / "config.yaml", env={})
    here: Any = None
    assert isinstance(nights(config, here), nullcontext)


def test_without_a_zone_it_is_the_machines(monkeypatch):
    import tzlocal

    # The machine's zone is read from outside; tzlocal reads it once for a process.
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    try:
        tzlocal.reload_localzone()
        assert Settings().clock() == (THREE, ZoneInfo("Asia/Kolkata"))
    finally:
        monkeypatch.undo()
        tzlocal.reload_localzone()


def test_a_machine_that_does_not_know_its_zone_is_told_what_to_write(tmp_path):
    (tmp_path / "config.yaml").write_text("platforms: {console: {}}\n")
    run = subprocess.run(
        [sys.executable, "-m", "bots.run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOP), "TZ": "Nowhere/Land"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert "Write its name, such as `zone: Europe/Berlin`" in run.stderr
    assert "Traceback" not in run.stderr
