"""Steps of the trainer that misbehave, each a process of its own; the folder names what to do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def say(**words):
    print(json.dumps(words), flush=True)


def fork(run, *, alone):
    """A child that would live on; `alone`: in a session of its own."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=alone
    )
    (run / "child").write_text(str(child.pid))


def main():
    run = Path(sys.argv[1])
    (run / "pid").write_text(str(os.getpid()))
    match run.name:
        case "hangs":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say(step=1, of=2, what="hanging")
            time.sleep(600)
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "ends":
            sys.exit(3)
        case "gives up":
            say(failed="the votes contradict each other")
            sys.exit(1)
        case "babbles":
            print("not JSON", flush=True)
            time.sleep(600)
        case "shouts":
            while True:
                sys.stdout.write("x" * 100_000)
        case "fills its log":
            while True:
                sys.stderr.write("x" * 100_000)
        case "fills its folder":
            say(step=1, of=2, what="writing")
            for number in range(5):
                with (run / "scratch" / f"junk{number}").open("wb") as file:
                    file.truncate(1 << 28)
            time.sleep(600)
        case "takes memory":  # its children have the same pages, and each counts
            block = bytearray(b"x" * (700 << 20))
            for _ in range(12):
                if not os.fork():
                    break
            time.sleep(600)
            del block
        case "takes memory alone":
            from core.training.child import settle_in

            with settle_in(run).explaining():
                bytearray(1 << 40)
        case "finds the disk full":
            from core.training.child import settle_in

            (run / "full").symlink_to("/dev/full")
            with settle_in(run).explaining():
                (run / "full").write_text("words")
        case "forks" | "forks away":
            fork(run, alone=run.name == "forks away")
            say(step=1, of=1, what="forked")
        case "tells its environment":
            say(step=1, of=1, what=json.dumps(dict(os.environ)))
        case "settles in" | "settles in and forks":
            from core.training.child import settle_in

            reporter = settle_in(run)
            if run.name.endswith("forks"):
                fork(run, alone=False)
            print("from a library", flush=True)
            reporter.step(1, 1, f"nice {os.nice(0)}")
            time.sleep(600)


if __name__ == "__main__":
    main()
