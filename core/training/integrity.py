"""Whether a candidate's files are what a tune may consist of. Nothing in them is executed.

Read before any library loads the folder: no links, no pickles, no file that the manifest does not
name, tensors of the right names and shapes with finite numbers in them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.training.models import ADAPTER_FILES, base_hash, sha256
from core.training.recipe import ALPHA, RANK

ALLOWED_ENDINGS = (".json", ".safetensors", ".jinja", ".model", ".txt")

# What the recipe writes and both servers accept. Other values change how the weights are read.
CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": RANK,
    "lora_alpha": ALPHA,
    "bias": "none",
    "use_dora": False,
    "use_rslora": False,
    "fan_in_fan_out": False,
}
EMPTY = (
    "modules_to_save",
    "auto_mapping",
    "rank_pattern",
    "alpha_pattern",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
)


class Damaged(Exception):
    """Why the candidate is no tune."""


def check(candidate: Path, base: Path, dataset: Path) -> None:
    """Raises Damaged unless `candidate` is a whole tune made from this base and this data set."""
    if not (candidate / "manifest.json").is_file():
        raise Damaged("it has no manifest: the trainer did not finish it")
    paths = sorted(candidate.rglob("*"))
    for path in paths:
        if path.is_symlink():
            raise Damaged(f"{path.name} is a link")
        if path.is_file() and path.suffix not in ALLOWED_ENDINGS:
            raise Damaged(f"{path.name} is a kind of file that no tune has")
    try:
        manifest = json.loads((candidate / "manifest.json").read_text(encoding="utf-8"))
        files: dict[str, str] = manifest["files"]
        made_from = (manifest["base_sha256"], manifest["dataset_sha256"])
        config = json.loads((candidate / ADAPTER_FILES[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged("its manifest or configuration cannot be read") from error
    there = {str(p.relative_to(candidate)) for p in paths if p.is_file()} - {"manifest.json"}
    if there != set(files) or not set(ADAPTER_FILES) <= there:
        raise Damaged("its files are not those that its manifest names")
    for name, expected in files.items():
        if sha256(candidate / name) != expected:
            raise Damaged(f"{name} is not what its manifest says")
    if made_from[0] != base_hash(base):
        raise Damaged("it was made from another base")
    if made_from[1] != sha256(dataset / "manifest.json"):
        raise Damaged("it was made from another data set")
    _check_config(config)
    _check_tensors(candidate / ADAPTER_FILES[1], base)
    for file in sorted((candidate / "merged").glob("*.safetensors")):
        _check_finite(file)


def stands_on(serving: Path, base: Path) -> bool:
    """Whether the tune that serves is there and can be compared with: whole, and of this base."""
    try:
        manifest = json.loads((serving / "manifest.json").read_text(encoding="utf-8"))
        if manifest["base_sha256"] != base_hash(base):
            return False
        _check_config(json.loads((serving / ADAPTER_FILES[0]).read_text(encoding="utf-8")))
        _check_tensors(serving / ADAPTER_FILES[1], base)
    except (OSError, ValueError, KeyError, TypeError, Damaged):
        return False
    return True


def _check_config(config: dict[str, Any]) -> None:
    for key, value in CONFIG.items():
        if config.get(key, value) != value:
            raise Damaged(f"its configuration says {key} = {config[key]!r}")
    for key in EMPTY:
        if config.get(key):
            raise Damaged(f"its configuration uses {key}")


def _check_tensors(adapter: Path, base: Path) -> None:
    """Every tensor is one half of a pair that belongs to a layer of the base and fits it."""
    tensors = _check_finite(adapter)
    layers = _shapes(base)
    names = {name.removesuffix(".weight").rsplit(".lora_", 1)[0] for name in tensors}
    if not names:
        raise Damaged("the adapter is empty")
    for name in names:
        layer = layers.get(name.removeprefix("base_model.model.") + ".weight")
        if layer is None or len(layer) != 2:
            raise Damaged(f"the adapter has a layer that the base has not: {name}")
        halves = [tensors.pop(f"{name}.lora_{half}.weight", None) for half in "AB"]
        if halves != [(RANK, layer[1]), (layer[0], RANK)]:
            raise Damaged(f"the adapter does not fit the base at {name}")
    if tensors:
        raise Damaged("the adapter has tensors that are none of a LoRA's")


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import safe_open

    found = {}
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118  (not a dictionary)
                found[name] = tuple(opened.get_slice(name).get_shape())
    return found


def _check_finite(file: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors. Raises Damaged where one is not finite or cannot be read."""
    import torch
    from safetensors import SafetensorError, safe_open

    shapes = {}
    try:
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118  (not a dictionary)
                tensor = opened.get_tensor(name)
                if not bool(torch.isfinite(tensor).all()):
                    raise Damaged(f"{file.name} holds numbers that are none (NaN or infinite)")
                shapes[name] = tuple(tensor.shape)
    except (SafetensorError, OSError, ValueError) as error:
        raise Damaged(f"{file.name} cannot be read: it is cut short or damaged") from error
    return shapes
