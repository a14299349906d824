"""Who goes first where Linux shares the processors out by session (sched(7), autogroup)."""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from pathlib import Path

SESSION = Path("/proc/self/autogroup")  # not there: the kernel does not know such groups
TRIES = 8


def session_behind(nice: int) -> None:
    """Give this process's session a nice value, where it leads one; nothing changes where it may
    not.

    With autogroups nice(2) counts inside of one session alone, and sessions are equals: a program
    at nice 19 in a session of its own takes as much as the bot. Worse (bench/waits.py, Linux 6.18):
    beside vLLM for CPUs, one process of which is bound to a core, what else was ready to run waited
    seconds. Where a control group shares the processor out (containers, systemd's CPUWeight=)
    autogroups have no say, and this changes nothing.
    """
    if os.getsid(0) != os.getpid():
        return
    with suppress(OSError):
        for _ in range(TRIES):
            with suppress(BlockingIOError):  # one in .1 s for all users (autogroup.c)
                SESSION.write_text(str(nice))
                return
            time.sleep(random.uniform(0.1, 0.3))
