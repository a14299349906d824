"""Breaks a step of the trainer from within: Python runs this file first where PYTHONPATH names its
folder. A file `fault` beside it says how; without one nothing happens.

It knows nothing of the product but how a step is started: `python -m core.training.<step> RUN`.
"""

import errno
import mmap
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def soon(deed):
    """Do it within two seconds, while the step works."""

    def work():
        time.sleep(2 * random.random())
        deed()

    threading.Thread(target=work, daemon=True).start()


def out_of_memory():
    while resource.getrlimit(resource.RLIMIT_DATA)[0] < 0:  # until it has settled in
        time.sleep(0.01)
    kept = []
    while True:
        try:
            kept.append(mmap.mmap(-1, 1 << 26, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        except OSError:
            time.sleep(0.01)


def many_out_of_memory():
    """Each process within its bound, all of them together not; the pages are the same ones."""
    block = bytearray(b"x" * (700 << 20))
    children = [os.fork() for _ in range(1)]
    while 0 not in children and len(children) < 10:
        children.append(os.fork())
    time.sleep(600)
    del block


def fork_children():
    for alone in (False, True):
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=alone
        )


def full_disk(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and "candidate.making" in arguments[0]:
        raise OSError(errno.ENOSPC, "No space left on device", arguments[0])


def stop_for_ever():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGSTOP)


def fill_folder(run):
    for n in range(1000):
        with open(run / "scratch" / f"junk{n}", "wb") as file:
            file.truncate(1 << 28)
    time.sleep(600)


def fill_log():
    while True:
        sys.stderr.write("x" * 100_000)


def break_step(fault, run):
    match fault:
        case "out of memory":
            threading.Thread(target=out_of_memory, daemon=True).start()
        case "many out of memory":
            many_out_of_memory()
        case "SIGKILL":
            soon(lambda: os.kill(os.getpid(), signal.SIGKILL))
        case "SIGSEGV":
            soon(lambda: os.kill(os.getpid(), signal.SIGSEGV))
        case "hang":
            soon(stop_for_ever)
        case "full disk":
            sys.addaudithook(full_disk)
        case "full folder":
            fill_folder(run)
        case "full log":
            fill_log()
        case "children that fork":
            fork_children()
            soon(lambda: os._exit(3))
        case "corrupt data set":
            os.truncate(run / "dataset" / "train.jsonl", 100)
        case "nothing written":
            fork_children()
            os._exit(0)


told = Path(__file__).with_name("fault")
for step in ("core.training.tune", "core.training.evaluate"):
    if step in sys.orig_argv and told.exists():
        words = told.read_text().split(" in ")
        if words[1] == step.rsplit(".", 1)[1]:
            break_step(words[0], Path(sys.orig_argv[-1]))
