"""Runs the gate on folders and tells whether anything in them was executed, by Python's audit hook.

`python -m tests.training.audited [--control] RUN...`: prints what it saw as JSON. With `--control`
the first candidate's weights are opened as a pickle, as a careless gate would: that must be seen.
"""

import io
import json
import pickle
import sys
from importlib import import_module
from pathlib import Path

from core.training.child import Reporter
from core.training.evaluate import evaluate
from tests.training.candidates import PLANTED, WEIGHTS

RUNS = [Path(name) for name in sys.argv[1:] if name != "--control"]
SEEN = []
WATCHED = False


def watch(event, arguments):
    if not WATCHED:
        return
    if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork"):
        SEEN.append(event)
    elif event == "pickle.find_class":
        SEEN.append(f"{event} {arguments[1]}")
    elif event in ("exec", "compile", "import"):
        what = arguments[0]
        code = f"{what} {getattr(what, 'co_consts', '')} {getattr(what, 'co_filename', '')}"
        code += f" {arguments[1]}" if len(arguments) > 1 else ""
        if PLANTED in code or any(str(run / "candidate") in code for run in RUNS):
            SEEN.append(event)


def main():
    global WATCHED
    for library in ("peft", "torch", "transformers"):  # what they start is not the candidate's
        import_module(library)
    sys.addaudithook(watch)
    WATCHED = True
    if "--control" in sys.argv:
        with (RUNS[0] / "candidate" / WEIGHTS).open("rb") as file:
            pickle.load(file)
    else:
        for run in RUNS:
            evaluate(run, Reporter(io.StringIO()))
    WATCHED = False
    print(json.dumps(SEEN))


if __name__ == "__main__":
    main()
