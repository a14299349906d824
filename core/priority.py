"""Who goes first where Linux shares the processors out by session (sched(7), autogroup)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

SESSION = Path("/proc/self/autogroup")  # not there: the kernel does not know such groups


def session_behind(nice: int) -> None:
    """Give this process's session a nice value, where it leads one; nothing changes where it may
    not.

    With autogroups, as most distributions have them, nice(2) counts inside of one session alone,
    and sessions are equals: a program at nice 19 in a session of its own takes as much as the bot.
    Worse (Linux 6.18 on two cores): beside vLLM for CPUs, one process of which is bound to a
    core, what else was ready to run waited up to 8 seconds; at 1, 3 and 5 a tenth at most.
    """
    if os.getsid(0) != os.getpid():
        return
    with suppress(OSError):
        try:
            SESSION.write_text(str(nice))
        except BlockingIOError:  # sched(7): ten changes a second, for all users together
            time.sleep(0.2)
            SESSION.write_text(str(nice))
