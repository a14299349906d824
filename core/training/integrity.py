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

# All that the recipe sets of a LoRA; everything else is as PEFT has it. Other values change how the
# weights are read, or what else is loaded.
CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": RANK,
    "lora_alpha": ALPHA,
    "inference_mode": True,
}
# The tensors say it better; the last says nothing of the weights.
FREE = {"target_modules", "layers_to_transform", "peft_version"}


class Damaged(Exception):
    """Why the candidate is no tune."""


def check(candidate: Path, base: Path, dataset: Path) -> None:
    """Raises Damaged unless `candidate` is a whole tune made from this base and this data set."""
    if candidate.is_symlink() or not (candidate / "manifest.json").is_file():
        raise Damaged("it has no manifest: the trainer did not finish it")
    paths = sorted(candidate.rglob("*"))
    for path in paths:
        if path.is_symlink():
            raise Damaged(f"{path.name} is a link")
        if path == candidate / "merged" and path.is_dir():
            continue
        if not path.is_file() or path.suffix not in ALLOWED_ENDINGS:
            raise Damaged(f"{path.name} is a kind of file that no tune has")
    manifest, config = (_read(candidate / name) for name in ("manifest.json", ADAPTER_FILES[0]))
    files = manifest.get("files")
    there = {str(path.relative_to(candidate)) for path in paths if path.is_file()}
    if not isinstance(files, dict) or there - {"manifest.json"} != set(files):
        raise Damaged("its files are not those that its manifest names")
    if not set(ADAPTER_FILES) <= there:
        raise Damaged("it holds no adapter")
    for name, expected in files.items():
        if sha256(candidate / name) != expected:
            raise Damaged(f"{name} is not what its manifest says")
    if manifest.get("base_sha256") != base_hash(base):
        raise Damaged("it was made from another base")
    if manifest.get("dataset_sha256") != sha256(dataset / "manifest.json"):
        raise Damaged("it was made from another data set")
    _check_config(config, base)
    _check_tensors(candidate / ADAPTER_FILES[1], base)
    if (candidate / "merged").is_dir():
        _check_merged(candidate / "merged", base)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{path.name} cannot be read") from error
    if not isinstance(found, dict):
        raise Damaged(f"{path.name} cannot be read")
    return found


def stands_on(serving: Path, base: Path) -> bool:
    """Whether the tune that serves is there and can be compared with: whole, and of this base."""
    try:
        if _read(serving / "manifest.json").get("base_sha256") != base_hash(base):
            return False
        _check_config(_read(serving / ADAPTER_FILES[0]), base)
        _check_tensors(serving / ADAPTER_FILES[1], base)
    except Damaged:
        return False
    return True


def _check_config(config: dict[str, Any], base: Path) -> None:
    from peft import LoraConfig

    usual = json.loads(json.dumps(LoraConfig().to_dict(), default=str))  # type: ignore[no-untyped-call]
    expected = usual | CONFIG | {"base_model_name_or_path": str(base)}
    for key in sorted((config.keys() | CONFIG.keys()) - FREE):
        if key not in expected or config.get(key) != expected[key]:
            raise Damaged(f"its configuration says {key[:40]} = {json.dumps(config.get(key))[:60]}")


def _check_merged(merged: Path, base: Path) -> None:
    """Its weights have the base's names and shapes; all the rest is the base's, byte for byte."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in merged.iterdir():
        if file.suffix == ".safetensors":
            shapes |= _check_finite(file)
        elif not (base / file.name).is_file() or sha256(file) != sha256(base / file.name):
            raise Damaged(f"merged/{file.name} is not the base's")
    if shapes != _shapes(base):
        raise Damaged("the merged checkpoint does not have the base's shape")


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
            raise Damaged(f"the adapter has a layer that the base has not: {name[:80]}")
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
