"""A disk that is full for a while: the callers are told, and afterwards it works again."""

import asyncio
import shutil

import pytest

from storage.repositories import Settings, SqlStore
from tests.storage.processes import child

pytestmark = pytest.mark.skipif(
    not shutil.which("strace"), reason="strace is not installed: apt-get install strace"
)


@pytest.mark.parametrize(
    ("call", "says"), [("fdatasync", "The disk under"), ("pwrite64", "There is no room left for")]
)
async def test_a_full_disk_is_told_to_the_callers_and_ends(sqlite_url, call, says):
    store = await SqlStore.open(Settings(url=sqlite_url), holder="the tests")
    await store.close()
    count = 60
    fault = f"inject={call}:error=ENOSPC:when={WHEN[call]}"
    under = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", fault]
    with child(sqlite_url, str(count), under=under) as process:
        said = (await asyncio.to_thread(process.stdout.read)).splitlines()
    assert said.pop() == "closed"
    words = [line.split(maxsplit=2) for line in said]
    assert [int(number) for _, number, *_ in words] == list(range(count))
    states = [state for state, *_ in words]
    assert states[0] == "heard"
    assert states[-1] == "heard"
    failed = [rest for state, _, *rest in words if state == "failed"]
    assert 3 <= len(failed) <= 40
    assert all(rest[0].startswith(says) for rest in failed)
    store = await SqlStore.open(Settings(url=sqlite_url), holder="the tests")
    stored = {turn.message.ref.id for turn in await store.unanswered("slack", "T1/B1")}
    await store.close()
    assert stored >= {number for state, number, *_ in words if state == "heard"}


WHEN = {"fdatasync": "20..30", "pwrite64": "100..130"}  # of the process's calls, of each thread
