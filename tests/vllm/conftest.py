"""A real vLLM with the starter model, started by `python -m bots.serve` as an operator would."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from core.generation import ModelServer, Settings

ROOT = Path(__file__).resolve().parent.parent.parent
STARTER = ROOT / "starter" / "model"
READY_WITHIN_S = 600  # a busy machine; a quiet one takes a minute
KEY = "a key for the tests"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.vllm)
            item.add_marker(pytest.mark.timeout(900))


class Served:
    """One vLLM that can be killed and started anew. Must be stopped."""

    def __init__(self, folder):
        self.folder, self.shelf = folder, folder / "tunes"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        (folder / "config.yaml").write_text(
            f"generation: {{url: '{self.url}', model: starter, key_env: VLLM_TEST_KEY}}\n"
            f"training: {{folder: '{self.shelf}'}}\n"
        )
        if (ROOT / ".venv-vllm").is_dir():
            (folder / ".venv-vllm").symlink_to(ROOT / ".venv-vllm")
        self.process: Any = None

    def start(self):
        # Exact sums: what is answered must not depend on what else is in the batch.
        command = [sys.executable, "-m", "bots.serve", "--", "--dtype", "float32"]
        environment = {"PYTHONPATH": str(ROOT), "VLLM_TEST_KEY": KEY, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        if "ready" not in line:
            _, said = self.process.communicate()
            if "make vllm" in said:
                pytest.skip(f"vLLM is not installed: {said.splitlines()[-1]}")
            pytest.fail(said)

    def kill(self):
        """As the kernel does when memory runs out: at once, all of it."""
        self.process.kill()
        self.process.communicate()
        until = time.monotonic() + 20
        while self.answers():
            assert time.monotonic() < until, "vLLM outlived bots.serve"
            time.sleep(0.05)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=60)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @asynccontextmanager
    async def client(self, **settings):
        how = Settings(url=self.url, model="starter", key=SecretStr(KEY), **settings)
        async with ModelServer(how, folder=STARTER) as client:
            yield client

    @asynccontextmanager
    async def direct(self):
        """Straight to vLLM, without us."""
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            yield session

    async def metric(self, name):
        """The sum of one of vLLM's own figures."""
        async with (
            self.direct() as session,
            session.get(self.url.removesuffix("/v1") + "/metrics") as response,
        ):
            lines = (await response.text()).splitlines()
        found = [line for line in lines if line.startswith(f"vllm:{name}{{")]
        assert found, name
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    one = Served(tmp_path_factory.mktemp("vllm"))
    one.start()
    yield one
    one.stop()


def adapter(folder, seed):
    """A LoRA with random weights: each seed talks nonsense of its own, and much of it."""
    import torch
    from safetensors.torch import save_file

    shape = json.loads((STARTER / "config.json").read_text())
    random = torch.Generator().manual_seed(seed)
    hidden, rank = shape["hidden_size"], 8
    outs = {
        "q_proj": shape["num_attention_heads"] * shape["head_dim"],
        "v_proj": shape["num_key_value_heads"] * shape["head_dim"],
    }
    tensors = {}
    for layer in range(shape["num_hidden_layers"]):
        for name, out in outs.items():
            key = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{key}.lora_A.weight"] = 0.2 * torch.randn(rank, hidden, generator=random)
            tensors[f"{key}.lora_B.weight"] = 0.2 * torch.randn(out, rank, generator=random)
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(STARTER),
        "r": rank,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(outs),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "manifest.json").write_text("{}")
