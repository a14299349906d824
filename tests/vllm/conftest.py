"""Adapters for the starter model, with which the tests of vLLM serve tunes."""

import json
from pathlib import Path

import pytest

from tests.vllm.served import ROOT

STARTER = ROOT / "starter" / "model"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.vllm)
            item.add_marker(pytest.mark.timeout(900))


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
