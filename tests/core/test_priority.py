"""A session steps behind the others only where the process leads it."""

import subprocess
import sys

import pytest

from tests.sessions import session_nice

PROGRAM = """
from core.priority import session_behind
session_behind(7)
print("done", flush=True)
input()
"""


@pytest.mark.parametrize("leads", [True, False])
def test_only_the_process_that_leads_a_session_sets_it_behind(leads, request):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=request.config.rootpath,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=leads,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "done\n"
        nice = session_nice(process.pid)
        process.communicate("\n")
    assert (nice == 7) == leads
