"""Candidates as a broken trainer, a full disk or an attacker would leave them; and honest ones.

A function that breaks one changes its run's folder in place. Those that break files make the
manifest fit where the break is not about the manifest, so that every one is refused for what it is.
At the end: how the gate is asked of a run.
"""

import io
import json
import os
import pickle
import random
import re
import shutil
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

from core.training import dataset, jsonl
from core.training.child import Reporter
from core.training.evaluate import evaluate
from core.training.models import merge, save_adapter, sha256
from tests.training.votes import SYSTEM, taste, turned_round

WEIGHTS = "adapter_model.safetensors"
PLANTED = "PLANTED_BY_AN_ATTACKER"


def sign(run):
    """Make the manifest name the files that are there."""
    candidate = run / "candidate"
    manifest = json.loads((candidate / "manifest.json").read_text())
    manifest["files"] = {
        str(path.relative_to(candidate)): sha256(path)
        for path in sorted(candidate.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    (candidate / "manifest.json").write_text(json.dumps(manifest))


def write(run, name, content):
    """One file of the candidate, and the manifest after it."""
    path = run / "candidate" / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    sign(run)


def rewrite(run, change, name=WEIGHTS):
    """`change` of every tensor: (name, tensor) -> tensor or None, which drops it."""
    from safetensors.torch import load_file, save_file

    path = run / "candidate" / name
    tensors = {key: change(key, tensor) for key, tensor in load_file(path).items()}
    kept = {key: tensor.contiguous() for key, tensor in tensors.items() if tensor is not None}
    save_file(kept, path, metadata={"format": "pt"})
    sign(run)


def configure(run, name="adapter_config.json", **values):
    path = run / "candidate" / name
    write(run, name, json.dumps(json.loads(path.read_text()) | values))


def tell_manifest(run, **values):
    path = run / "candidate" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def tell_recipe(run, **values):
    path = run / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def put_dataset(run, gathered):
    """Another data set under the run, as if it had been made from it."""
    shutil.rmtree(run / "dataset")
    jsonl.write(gathered, run / "dataset")
    tell_manifest(run, dataset_sha256=sha256(run / "dataset" / "manifest.json"))


def slip(run):
    """The run is of other votes, of which every fourth held out is turned round."""
    votes = taste(60, each=1)
    held = [row.turn_id for row in dataset.gather(votes).rows if row.held_out]
    turned = [turned_round(one) if one.turn.id in held[::4] else one for one in votes]
    put_dataset(run, dataset.gather(turned))


def cut(run, share):
    data = (run / "candidate" / WEIGHTS).read_bytes()
    write(run, WEIGHTS, data[: int(share * len(data))])


def weaken(run, factor):
    """The same tune, with less of its effect, merged anew."""
    rewrite(run, lambda key, t: t * factor if "lora_B" in key else t)
    candidate = run / "candidate"
    base = Path(json.loads((run / "recipe.json").read_text())["base"])
    shutil.rmtree(candidate / "merged")
    merge(base, candidate, candidate / "merged")
    sign(run)


def huge(run):
    """A header that promises a tensor of petabytes."""
    header = json.dumps(
        {"a": {"dtype": "F32", "shape": [1 << 25, 1 << 25], "data_offsets": [0, 1 << 52]}}
    ).encode()
    write(run, WEIGHTS, struct.pack("<Q", len(header)) + header)


class Bomb:
    """A pickle that leaves a sign when it is opened."""

    def __init__(self, sign):
        self.sign = str(sign)

    def __reduce__(self):
        return exec, (f"open({self.sign!r}, 'w').write({PLANTED!r})",)


def bomb(run):
    return pickle.dumps(Bomb(run / "executed"))


def link(run, name=WEIGHTS):
    path = run / "candidate" / name
    os.rename(path, run / "elsewhere")
    path.symlink_to(run / "elsewhere")


def lose(run):
    (run / "candidate" / WEIGHTS).unlink()
    sign(run)


def nan(run, name=WEIGHTS, value="nan"):
    """One single number."""

    def spoil(key, tensor):
        tensor = tensor.clone()
        tensor.view(-1)[-1] = float(value)
        return tensor

    rewrite(run, spoil, name)


def rank_8(run):
    rewrite(run, lambda key, t: t[:8] if "lora_A" in key else t[:, :8])


def foreign_layer(run):
    """A layer of the adapter once more, under the number of one that the base has not."""
    from safetensors.torch import load_file, save_file

    path = run / "candidate" / WEIGHTS
    tensors = load_file(path)
    foreign = {re.sub(r"layers\.\d+", "layers.9", key): t.clone() for key, t in tensors.items()}
    save_file(tensors | foreign, path)
    sign(run)


BY_FILES: dict[str, Callable[[Path], object]] = {
    **{f"cut at {share:.0%}": partial(cut, share=share) for share in
       (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)},
    "zero bytes": lambda run: write(run, WEIGHTS, b""),
    "only zeros": lambda run: write(run, WEIGHTS, bytes(100_000)),
    "NaN": nan,
    "infinite": lambda run: nan(run, value="inf"),
    "NaN where it is merged": lambda run: nan(run, "merged/model.safetensors"),
    "another base": lambda run: tell_manifest(run, base_sha256="0" * 64),
    "another data set": lambda run: tell_manifest(run, dataset_sha256="0" * 64),
    "rank 8": rank_8,
    "rank 8 in the configuration": lambda run: configure(run, r=8),
    "a layer too many": foreign_layer,
    "half of a pair": lambda run: rewrite(
        run, lambda key, t: None if "mlp.up_proj.lora_B" in key else t
    ),
    "no tensors": lambda run: rewrite(run, lambda key, t: None),
    "a shape of petabytes": huge,
    "weights that initialise the base anew": lambda run: configure(run, init_lora_weights="pissa"),
    "another class": lambda run: configure(
        run, auto_mapping={"base_model_class": "X", "parent_library": "os"}
    ),
    "modules beside the LoRA": lambda run: configure(run, modules_to_save=["lm_head"]),
    "a pickle as weights": lambda run: write(run, "adapter_model.bin", bomb(run)),
    "a pickle under the right name": lambda run: write(run, WEIGHTS, bomb(run)),
    "a program": lambda run: write(run, "modeling.py", f"print({PLANTED!r})"),
    "a template that is not the base's": lambda run: write(
        run, "merged/chat_template.jinja", "{{ ''.__class__.__mro__ }}"
    ),
    "code that a configuration asks for": lambda run: configure(
        run, "merged/config.json", auto_map={"AutoModelForCausalLM": "modeling.Evil"}
    ),
    "a link": link,
    "a link out of the house": lambda run: (run / "candidate" / "x.json").symlink_to("/etc/passwd"),
    "a tampered file": lambda run: (run / "candidate" / WEIGHTS).write_bytes(b"other"),
    "a file that the manifest does not name": lambda run: (
        (run / "candidate" / "more.json").write_text("{}")
    ),
    "a manifest that names a file outside": lambda run: tell_manifest(
        run, files={"../recipe.json": sha256(run / "recipe.json")}
    ),
    "a manifest of nonsense": lambda run: (
        (run / "candidate" / "manifest.json").write_text("[" * 100_000)
    ),
    "no manifest": lambda run: (run / "candidate" / "manifest.json").unlink(),
    "no adapter": lose,
}  # fmt: skip


def teach(run, pairs, *, steps=150, rate=2e-3, seed=0, away=()):
    """Train the candidate's adapter on (chat, answer) with no brake at all, and sign the result.

    `away`: pairs whose likelihood is driven down instead. The rate falls to nothing in a line: one
    that stays high may end in a bad step, and the candidate is then broken in another way.
    """
    import torch
    from peft import PeftModel

    from core.training.measure import row_ids
    from core.training.models import load_base

    recipe = json.loads((run / "recipe.json").read_text())
    base, candidate = Path(recipe["base"]), run / "candidate"
    plain, tokenizer = load_base(base)
    model = PeftModel.from_pretrained(plain, candidate, is_trainable=True)
    torch.manual_seed(seed)
    dice = random.Random(seed)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    signed = [(pair, 1.0) for pair in pairs] + [(pair, -1.0) for pair in away]
    rows = [(row_ids(tokenizer, _row(*pair)), sign_) for pair, sign_ in signed]
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        some = [dice.choice(rows) for _ in range(16)]
        width = max(len(ids) for (ids, _), _ in some)
        ids = torch.zeros(len(some), width, dtype=torch.long)  # (B, T)
        labels = torch.full_like(ids, -100)
        for n, ((row, begin), _) in enumerate(some):
            ids[n, : len(row)] = torch.tensor(row)
            labels[n, begin : len(row)] = torch.tensor(row[begin:])
        logits = model(input_ids=ids).logits[:, :-1]
        each = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), labels[:, 1:], ignore_index=-100, reduction="none"
        )  # (B, T - 1)
        counted = (labels[:, 1:] != -100).sum(1)
        per_row = each.sum(1) / counted
        signs = torch.tensor([sign_ for _, sign_ in some])
        # Driven away, but not to infinity: the numbers stay numbers.
        loss = torch.where(signs > 0, per_row, -per_row.clamp(max=12.0)).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    making = run / "again"
    save_adapter(model, base, making)
    merge(base, making, making / "merged")
    shutil.copyfile(candidate / "manifest.json", making / "manifest.json")
    shutil.rmtree(candidate)
    making.rename(candidate)
    sign(run)


def _row(chat, answer):
    return {"prompt": chat, "completion": [{"role": "assistant", "content": answer}]}


def asked(text, system=SYSTEM):
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def report_of(run):
    """What the gate finds, asked now."""
    evaluate(run, Reporter(io.StringIO()))
    return json.loads((run / "report.json").read_text())


def checks(report):
    return {check["name"]: check for check in report["checks"]}
