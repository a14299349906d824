"""The folder of the starter model, as servers load it, with its sums."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from starter.rows import token_id
from starter.tokens import CONTEXT, END, PAD, save_tokenizer


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes the folder that a server loads: weights in bfloat16, tokenizer, template, settings."""
    model.to("cpu", dtype=torch.bfloat16)  # type: ignore[arg-type]
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    end, pad = token_id(tokenizer, END), token_id(tokenizer, PAD)
    generation = {"eos_token_id": end, "pad_token_id": pad, "max_length": CONTEXT}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def write_sums(folder: Path) -> None:
    """Writes SHA256SUMS over all other files of the folder."""
    files = sorted(p for p in folder.iterdir() if p.name != "SHA256SUMS")
    sums = (f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files)
    (folder / "SHA256SUMS").write_text("".join(sums))


def put(made: Path, folder: Path) -> None:
    """Lets `made`, on the same disk, be the folder. Killed between, the old one lies beside it."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    made.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
