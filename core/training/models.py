"""Base and adapter on disk and in memory. The heavy libraries are imported inside the functions."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from core.training.limits import GIB, in_gb
from core.training.recipe import ALPHA, RANK, TINY_BELOW

# Everything beside the weights that a server needs of a model's folder.
BESIDE_WEIGHTS = ("*.json", "*.jinja", "*.model", "*.txt")

ROW_TOKENS = 2048  # no row is longer (core.training.measure)

# The tunes' folder is read by servers that take what is there; these are all that may be.
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def base_hash(folder: Path) -> str:
    """One hash of the configuration and all weights; FileNotFoundError where there are none."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    if len(files) == 1:
        raise FileNotFoundError(f"no .safetensors file in {folder}")
    return hashlib.sha256("".join(sha256(file) for file in files).encode()).hexdigest()


@cache
def known_hash(folder: Path) -> str:
    """The same as it was when somebody first asked: of a large base it takes a while, and one that
    is being copied anew meanwhile is not another one. A new base is met at the next start.
    """
    return base_hash(folder)


def missing_on_gpu(folder: Path, *, merge: bool = False) -> str | None:
    """How much memory a run would lack beside whatever else is on the GPU, for a person.

    None where it fits, or where there is no GPU. The weights as they are (`merge`: the gate
    compares them with a merged checkpoint's), the logits of one row of the longest kind in both
    precisions with their gradients, CUDA itself, and the keys and values of answers
    (core.training.measure).
    """
    import torch
    from transformers import AutoConfig

    if not torch.cuda.is_available():
        return None
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    weights = (1 + merge) * sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    logits = ROW_TOKENS * config.get_text_config().vocab_size * 12
    needed = weights + logits + 3 * GIB  # CUDA: 2
    free = torch.cuda.mem_get_info(_gpu())[0]
    if free >= needed:
        return None
    return (
        f"the GPU has {in_gb(free)} free and a run needs about {in_gb(needed)}:"
        f" {in_gb(needed - free)} are missing. Give the model's server less of it"
        " (--gpu-memory-utilization), or stop it while this runs"
    )


def _gpu() -> int:
    """The GPU of this process; under `accelerate launch` each has its own."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def load_base(folder: Path) -> tuple[Any, Any]:
    """The model and its tokenizer; on a processor in full precision. No code from the folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gpu = torch.cuda.is_available()
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.bfloat16 if gpu else torch.float32,
        device_map=f"cuda:{_gpu()}" if gpu else None,
        use_safetensors=True,
        local_files_only=True,
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def linear_layers(model: Any) -> list[str]:
    """The names of those that a tune adapts: all but the output's."""
    import torch

    output = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not output
    ]


def stored_otherwise(folder: Path, model: Any) -> str:
    """A linear layer's weight that the files in the model's folder do not have by its name; "":
    they have all. Some models are renamed while they are loaded.
    """
    from safetensors import safe_open

    stored: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            stored |= {*file.keys()}
    wanted = (f"{name}.weight" for name in linear_layers(model))
    return next((name for name in wanted if name not in stored), "")


def is_tiny(model: Any) -> bool:
    return bool(model.num_parameters() < TINY_BELOW)


def save_adapter(model: Any, base: Path, folder: Path) -> None:
    """Write the adapter as vLLM wants it; its `base` must equal what vLLM was started with."""
    folder.mkdir(parents=True)
    model.save_pretrained(folder, selected_adapters=["default"])
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = str(base)
    config["target_modules"] = sorted(config["target_modules"])  # a set: order changes by run
    path.write_text(json.dumps(config, indent=1, sort_keys=True))


def merge(base: Path, adapter: Path, folder: Path) -> None:
    """Write the base with the adapter added to its weights, in the base's own precision.

    Tensor by tensor, so that it takes no more memory than the largest file of the base.
    """
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    folder.mkdir(parents=True)
    deltas = load_file(adapter / "adapter_model.safetensors")
    left = {name for name in deltas if ".lora_A." in name}
    for file in sorted(base.glob("*.safetensors")):
        tensors = load_file(file)
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata()
        for name, weight in tensors.items():
            a = f"base_model.model.{name.removesuffix('.weight')}.lora_A.weight"
            if a not in left:
                continue
            left.remove(a)
            b = a.replace(".lora_A.", ".lora_B.")
            delta = deltas[b].float() @ deltas[a].float() * (ALPHA / RANK)  # (out, in)
            tensors[name] = (weight.to(torch.float32) + delta).to(weight.dtype)
        save_file(tensors, folder / file.name, metadata=metadata)
    if left:
        raise ValueError(f"{len(left)} of the adapter's layers are not in the base's files")
    for pattern in BESIDE_WEIGHTS:
        for file in base.glob(pattern):
            shutil.copyfile(file, folder / file.name)
