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
ROW_TOKENS = 2048  # tokens in one forward pass, padding included
PASSES = 2  # forward passes per step
MODEL = Path(__file__).parent / "model"

Row = tuple[list[int], list[bool]]


def turns_wanted(rng: random.Random) -> int:
    """Draws how many turns a conversation has: most are short, some go on for thirty."""
    draw = rng.random()
    if draw < 0.40:
        return 1
    if draw < 0.75:
        return rng.randint(2, 5)
    if draw < 0.92:
        return rng.randint(6, 14)
    return rng.randint(15, 30) if draw < 0.985 else rng.randint(31, 60)


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
        if found[-1] and (len(found[-1]) + 1) * len(row[0]) > ROW_TOKENS:
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
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms.

    Muon (Jordan et al. 2024) needs about half of the tokens that AdamW needs.
    """
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
    model: LlamaForCausalLM, found: list[list[Row]], pad: int, seconds: float, bar: Progress
) -> tuple[float, int]:
    """Trains once over the packs, or as far as the seconds go; gives the last loss and tokens."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)  # type: ignore[arg-type]
    model.train()
    makers = optimizers(model)
    first = [maker.param_groups[0]["lr"] for maker in makers]
    began, loss_now, tokens = time.monotonic(), 0.0, 0
    task = bar.add_task("train", total=len(found))
    for step in range(0, len(found) - PASSES + 1, PASSES):
        spent = time.monotonic() - began
        done = max(step / len(found), spent / seconds)
        if done >= 1:
            break
        for maker, lr in zip(makers, first, strict=True):
            maker.param_groups[0]["lr"] = lr * rate(done)
        batch = [tensors(pack, pad) for pack in found[step : step + PASSES]]
        count = sum(int((y != -100).sum()) for _, y in batch)
        total = 0.0
        for x, y in batch:
            x, y = x.to(device), y.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                hidden = model.model(input_ids=x, use_cache=False).last_hidden_state  # (B, T, D)
                at = y != -100
                logits = model.lm_head(hidden[at])  # (N, V)
            loss = torch.nn.functional.cross_entropy(logits.float(), y[at], reduction="sum") / count
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
            tokens += int((x != pad).sum())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for maker in makers:
            maker.step()
            maker.zero_grad()
        loss_now = total if step == 0 else 0.98 * loss_now + 0.02 * total
        bar.update(task, completed=step + PASSES, description=f"train  loss {loss_now:.3f}")
        if step % (20 * PASSES) == 0:
            speed = tokens / (time.monotonic() - began)
            bar.console.print(f"step {step // PASSES}  loss {loss_now:.4f}  {speed:.0f} tokens/s")
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
    parser.add_argument("--conversations", type=int, default=26000)
    parser.add_argument("--minutes", type=float, default=60, help="end earlier, well annealed")
    asked = parser.parse_args()
    began = time.monotonic()
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    writer = Writer(rng)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("write", total=asked.conversations)
        talks = []
        for _ in range(asked.conversations):
            talks.append(writer.conversation(turns_wanted(rng)))
            bar.advance(task)
        sample = (m["content"] for talk in talks[:12000] for m in talk.messages())
        tokenizer = make_tokenizer(sample, VOCABULARY)
        rows = [row_of(talk, tokenizer) for talk in talks]
        found = packs(rows, rng)
        size = sum(len(ids) for ids, _ in rows)
        longest = max(len(ids) for ids, _ in rows)
        turns = sum(len(t.exchanges) for t in talks)
        bar.console.print(f"{turns} turns, {size} tokens, {len(found)} packs, longest {longest}")
        model = new_model(tokenizer)
        pad = number(tokenizer, PAD)
        loss, tokens = train(model, found, pad, asked.minutes * 60, bar)
    save(model, tokenizer, asked.out)
    facts = {
        "seed": SEED,
        "parameters": sum(p.numel() for p in model.parameters()),
        "conversations": len(talks),
        "turns": turns,
        "tokens": tokens,
        "final_loss": round(loss, 4),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "threads": torch.get_num_threads(),
        "device": "GPU" if torch.cuda.is_available() else "CPU",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if not math.isfinite(loss):
        raise SystemExit("The loss is not a number; nothing is kept. Try another seed.")
    (asked.out / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
    write_sums(asked.out)


if __name__ == "__main__":
    main()
