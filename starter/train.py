"""`make starter`: makes the starter model from nothing, in one process, the same each time.

The story from top to bottom: 1. write conversations, 2. make the tokenizer, 3. turn conversations
into rows of tokens, 4. train, 5. save the folder with its sums. A GPU is used where there is one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import random
import time
from pathlib import Path

import torch
import transformers
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from starter.conversation import Conversation, Writer
from starter.muon import Muon
from starter.tokens import (
    ASSISTANT,
    CONTEXT,
    END,
    PAD,
    SYSTEM,
    USER,
    make_tokenizer,
    save_tokenizer,
)

SEED = 20261
VOCABULARY = 4096
STEP_TOKENS = 2560  # in one step, padding included
TALKS = (90_000, 17_000)  # conversations of the first half (few turns) and of the second (many)
RECORD = "training.json"
MODEL = Path(__file__).parent / "model"

Row = tuple[list[int], list[bool]]


def few_turns(rng: random.Random) -> int:
    """Draws how many turns a conversation of the first half of the training has."""
    return 1 if rng.random() < 0.6 else rng.randint(2, 3)


def many_turns(rng: random.Random) -> int:
    """Draws how many turns a conversation of the second half has: some go on for thirty."""
    draw = rng.random()
    if draw < 0.30:
        return 1
    if draw < 0.70:
        return rng.randint(2, 6)
    if draw < 0.90:
        return rng.randint(7, 14)
    return rng.randint(15, 30) if draw < 0.98 else rng.randint(31, 60)


def number(tokenizer: Tokenizer, token: str) -> int:
    """Gives the number of a special token, which is always there."""
    found = tokenizer.token_to_id(token)
    assert found is not None
    return found


def row_of(talk: Conversation, tokenizer: Tokenizer) -> Row:
    """Gives a conversation's tokens, and which of them are the model's own to learn."""
    mark = {
        "system": number(tokenizer, SYSTEM),
        "user": number(tokenizer, USER),
        "assistant": number(tokenizer, ASSISTANT),
    }
    end = number(tokenizer, END)
    messages = talk.messages()
    ids: list[int] = []
    learn: list[bool] = []
    for message, text in zip(
        messages, tokenizer.encode_batch([m["content"] for m in messages]), strict=True
    ):
        own = message["role"] == "assistant"
        ids += [mark[message["role"]], *text.ids, end]
        learn += [False, *[own] * (len(text.ids) + 1)]
    return ids[:CONTEXT], learn[:CONTEXT]


def packs(rows: list[Row], rng: random.Random) -> list[list[Row]]:
    """Puts rows of like length together, so that little is padding; gives the packs shuffled."""
    rows = sorted(rows, key=lambda row: (len(row[0]), rng.random()))
    found: list[list[Row]] = [[]]
    for row in rows:
        if found[-1] and (len(found[-1]) + 1) * len(row[0]) > STEP_TOKENS:
            found.append([])
        found[-1].append(row)
    rng.shuffle(found)
    return found


def tensors(pack: list[Row], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives ids and targets (B, T); a target of -100 is not learnt."""
    width = max(len(ids) for ids, _ in pack)
    x = torch.full((len(pack), width), pad)
    y = torch.full((len(pack), width), -100)
    for i, (ids, learn) in enumerate(pack):
        x[i, : len(ids)] = torch.tensor(ids)
        for t in range(len(ids) - 1):
            if learn[t + 1]:
                y[i, t] = ids[t + 1]
    return x, y


def new_model(tokenizer: Tokenizer) -> LlamaForCausalLM:
    """Gives a fresh model with random weights."""
    end, pad = number(tokenizer, END), number(tokenizer, PAD)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
        initializer_range=0.02,
    )
    config._attn_implementation = "sdpa"
    return LlamaForCausalLM(config)  # type: ignore[no-untyped-call]


def optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Gives Muon for the matrices inside the layers, AdamW for the embedding and the norms."""
    inner = [p for p in model.model.layers.parameters() if p.ndim == 2]
    seen = {id(p) for p in inner}
    rest = [p for p in model.parameters() if id(p) not in seen]
    return [
        Muon(inner, lr=3e-3, decay=0.05),
        torch.optim.AdamW(rest, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.01),
    ]


def rate(done: float) -> float:
    """Gives the share of the learning rate at this share of the run: up, flat, then down."""
    if done < 0.02:
        return done / 0.02
    return max(0.02, min(1.0, (1 - done) / 0.6))


def train(
    model: LlamaForCausalLM,
    halves: list[list[list[Row]]],
    pad: int,
    seconds: float,
    bar: Progress,
    speed: float,
) -> tuple[float, int]:
    """Trains on the packs of the first half, then of the second; gives the last loss and tokens.

    First short conversations, where every question is easily found, then long ones. When the packs
    would take longer than the seconds, some of each half are left out, so that it ends well.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)  # type: ignore[arg-type]
    model.train()
    makers = optimizers(model)
    first = [maker.param_groups[0]["lr"] for maker in makers]
    began, loss_now, tokens, step, done = time.monotonic(), 8.0, 0, 0, 0.0
    sizes = [len(half) for half in halves]
    left = [iter(half) for half in halves]
    seen = [0, 0]
    task = bar.add_task("train", total=1.0)
    while True:
        half = 0 if done < 0.5 else 1
        pack = next(left[half], None)
        if pack is None or done >= 1:
            break
        seen[half] += 1
        x, y = (t.to(device) for t in tensors(pack, pad))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            hidden = model.model(input_ids=x, use_cache=False).last_hidden_state  # (B, T, D)
            at = y != -100
            logits = model.lm_head(hidden[at])  # (N, V)
        loss = torch.nn.functional.cross_entropy(logits.float(), y[at])
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for maker, lr in zip(makers, first, strict=True):
            maker.param_groups[0]["lr"] = lr * speed * rate(done)
            maker.step()
            maker.zero_grad()
        tokens += int((x != pad).sum())
        loss_now = 0.98 * loss_now + 0.02 * float(loss.detach())
        step += 1
        share = seen[half] / sizes[half] / 2 + half / 2
        done = max(done, share, (time.monotonic() - began) / seconds)
        bar.update(task, completed=done, description=f"train  loss {loss_now:.3f}")
        if step % 50 == 0:
            pace = tokens / (time.monotonic() - began)
            bar.console.print(f"step {step}  {done:.0%}  loss {loss_now:.4f}  {pace:.0f} tokens/s")
    return loss_now, tokens


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes the folder that a server loads: weights in bfloat16, tokenizer, template, settings."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    model.to("cpu", dtype=torch.bfloat16)  # type: ignore[arg-type]
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    end, pad = number(tokenizer, END), number(tokenizer, PAD)
    generation = {"eos_token_id": end, "pad_token_id": pad, "max_length": CONTEXT}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def write_sums(folder: Path) -> None:
    """Writes SHA256SUMS over all other files of the folder."""
    files = sorted(p for p in folder.iterdir() if p.name != "SHA256SUMS")
    sums = (f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files)
    (folder / "SHA256SUMS").write_text("".join(sums))


def main() -> None:
    """Runs the whole story."""
    parser = argparse.ArgumentParser(prog="python -m starter.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=MODEL, help="folder of the finished model")
    parser.add_argument("--minutes", type=float, default=28, help="of training, at most")
    parser.add_argument("--start", type=Path, help="go on from this folder with new conversations")
    parser.add_argument("--leg", type=int, default=0, help="which leg: other conversations in each")
    asked = parser.parse_args()
    began = time.monotonic()
    torch.manual_seed(SEED)
    rng = random.Random(SEED + asked.leg)
    writer = Writer(rng)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("write", total=sum(TALKS))
        talks: list[list[Conversation]] = []
        for many, draw in zip(TALKS, (few_turns, many_turns), strict=True):
            talks.append([])
            for _ in range(many):
                talks[-1].append(writer.conversation(draw(rng)))
                bar.advance(task)
        sample = (m["content"] for talk in talks[1][:5000] for m in talk.messages())
        if asked.start:
            tokenizer = Tokenizer.from_file(str(asked.start / "tokenizer.json"))
        else:
            tokenizer = make_tokenizer(sample, VOCABULARY)
        rows = [[row_of(talk, tokenizer) for talk in half] for half in talks]
        sizes = [sum(len(ids) for ids, _ in half) for half in rows]
        longest = max(len(ids) for ids, _ in rows[1])
        bar.console.print(f"tokens of the halves: {sizes}; longest conversation {longest}")
        model = new_model(tokenizer)
        if asked.start:
            model.load_state_dict(load_file(asked.start / "model.safetensors"), strict=False)
            model.tie_weights()
        halves = [packs(half, rng) for half in rows]
        if asked.start:  # no beginner any more: short and long ones mixed, in smaller steps
            mixed = packs(rows[0][: len(rows[0]) * 2 // 3] + rows[1][: len(rows[1]) * 2 // 3], rng)
            halves = [mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]]
        pad = number(tokenizer, PAD)
        speed = 0.5 if asked.start else 1.0
        loss, tokens = train(model, halves, pad, asked.minutes * 60, bar, speed)
    save(model, tokenizer, asked.out)
    leg = {
        "tokens": tokens,
        "final_loss": round(loss, 4),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "threads": torch.get_num_threads(),
        "device": "GPU" if torch.cuda.is_available() else "CPU",
    }
    before = json.loads((asked.start / RECORD).read_text())["legs"] if asked.start else []
    facts = {
        "seed": SEED,
        "parameters": sum(p.numel() for p in model.parameters()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "legs": [*before, leg],
    }
    if not math.isfinite(loss):
        raise SystemExit("The loss is not a number; nothing is kept. Try another seed.")
    (asked.out / RECORD).write_text(json.dumps(facts, indent=2) + "\n")
    write_sums(asked.out)


if __name__ == "__main__":
    main()
