"""`make starter`: makes the starter model from nothing, in two processes where there are two cores.

The story from top to bottom: 1. make the tokenizer, 2. let the first layer alone learn what is
asked, 3. let the whole model learn to answer, 4. save the folder with its sums. Conversations are
written while it learns. A GPU is used where there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

import torch
import transformers
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from torch import distributed
from torch.multiprocessing.spawn import ProcessExitedException, spawn
from torch.nn import Parameter
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from starter.conversation import Writer
from starter.course import Course
from starter.folder import put, save, write_sums
from starter.look import EPSILON, HEAD_DIM, HEADS, WIDTH, FirstLook
from starter.muon import Muon
from starter.rows import IGNORED, Row, packs, subjects, tensors, token_id
from starter.tokens import (
    ASSISTANT,
    CONTEXT,
    END,
    PAD,
    SPECIAL,
    make_tokenizer,
)

SEED = 20261
PROCESSES = 2
VOCABULARY = 2048
LAYERS, INNER = 3, 704
LOOKING = 0.1  # of the time
LOOKS = 480  # answers of a process in one step of looking
NEAR, FAR = 112, 896  # tokens that are looked at: most questions need few, and all must find them
OFTEN_FAR = 0.25
HIDDEN = 0.2  # of the tokens at the most while it looks, so that no single word decides
SHORT = 0.25  # of the time to speak: until here one turn or two
LONGER = 0.6  # until here few turns
FROZEN = 0.4  # until here the first layer stays as it looks
STEP_TOKENS = 1408  # of a process in one step of speaking, padding included
ABOUT = 0.3  # what the subjects count beside the words
RECORD = "training.json"
MODEL = Path(__file__).parent / "model"

Optimizer = tuple[torch.optim.Optimizer, float]  # and its learning rate at the most


# 1. Words


def new_tokenizer() -> Tokenizer:
    """Makes the tokenizer from conversations of all lengths; the same each time."""
    rng = Random(SEED)
    writer = Writer(rng)
    talks = (writer.conversation(many_turns(rng)) for _ in range(5000))
    return make_tokenizer((m["content"] for talk in talks for m in talk.messages()), VOCABULARY)


def some_turns(rng: Random) -> int:
    """Draws how many turns a conversation has where little of it is looked at."""
    draw = rng.random()
    return 1 if draw < 0.35 else rng.randint(2, 6) if draw < 0.75 else rng.randint(7, 16)


def many_turns(rng: Random) -> int:
    """Draws how many turns a conversation has in the end: some go on for thirty."""
    draw = rng.random()
    if draw < 0.30:
        return 1
    if draw < 0.70:
        return rng.randint(2, 6)
    if draw < 0.90:
        return rng.randint(7, 14)
    return rng.randint(15, 30) if draw < 0.98 else rng.randint(31, 60)


def turns(rng: Random, done: float) -> int:
    """Draws how many turns a conversation has at this share of the time to speak."""
    if done < SHORT:
        return 1 if rng.random() < 0.8 else 2
    if done < LONGER:
        return 1 if rng.random() < 0.6 else rng.randint(2, 3)
    return many_turns(rng)


# 2. What is asked


def learn_to_look(first: FirstLook, course: Course, seconds: float) -> None:
    """Trains the embedding and the first layer to name what each answer is about."""
    params = [*first.parameters()]
    optimizers = _optimizers(_matrices(first.layer), params, 2e-2, 3e-2, 0.1)
    for done in course.time("look", seconds):
        far = course.rng.random() < OFTEN_FAR
        reach, count = (FAR, many_turns) if far else (NEAR, some_turns)
        talks = [course.writer.conversation(count(course.rng)) for _ in range(12 if far else 100)]
        ids, at, start, about = in_line([course.reader.row(talk) for talk in talks])
        hidden = torch.rand(len(ids)) < HIDDEN * course.rng.random()
        ids[hidden & (ids >= len(SPECIAL))] = course.reader.pad
        some = torch.randperm(len(at))[: LOOKS * NEAR // reach]
        ids, at, start, about = (
            t.to(course.device) for t in (ids, at[some], start[some], about[some])
        )
        loss = cross_entropy(first(ids, at, start, reach), about, label_smoothing=0.05)
        course.learn(loss, params)
        course.note(loss)
        _step(optimizers, min(done / 0.02, (1 - done) / 0.5, 1.0))


def in_line(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """All rows in one line (T,); where each answer and its row begin, its subject (N,)."""
    ids: list[int] = []
    answers = []
    for row in rows:
        answers += [(len(ids) + at, len(ids), subject) for at, subject in row.begins]
        ids += row.ids
    at, start, about = torch.tensor(answers).unbind(1)
    return torch.tensor(ids), at, start, about


# 3. What is answered


def new_model(tokenizer: Tokenizer) -> LlamaForCausalLM:
    """Gives a fresh model, in which each layer but the first begins as nothing."""
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=HEAD_DIM,
        rms_norm_eps=EPSILON,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=token_id(tokenizer, END),
        pad_token_id=token_id(tokenizer, PAD),
        initializer_range=WIDTH**-0.5,
    )
    config._attn_implementation = "sdpa"
    model = LlamaForCausalLM(config)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        model.lm_head.weight.zero_()
        for n, layer in enumerate(model.model.layers):
            layer.mlp.down_proj.weight.zero_()
            if n:
                layer.self_attn.o_proj.weight.zero_()
                layer.self_attn.q_proj.weight.mul_(0.3)
                layer.self_attn.k_proj.weight.mul_(0.3)
    return model


def learn_to_speak(
    model: LlamaForCausalLM, first: FirstLook, course: Course, seconds: float
) -> None:
    """Trains the whole model to answer; its first layer joins in when the others can use it."""
    low = [*first.parameters()]
    own = {id(p) for p in low}
    high = [p for p in model.parameters() if id(p) not in own]
    upper = [p for layer in model.model.layers[1:] for p in _matrices(layer)]
    above = _optimizers(upper, high, 2e-3, 3e-3, 0.05)
    below = _optimizers(_matrices(first.layer), low, 6e-4, 3e-4, 0.0)
    model.train()
    ready: list[list[Row]] = []
    for done in course.time("speak", seconds):
        looks_too = done >= FROZEN
        for p in low:
            p.requires_grad_(looks_too)
        if not ready:
            many = 150 if done >= LONGER else 400
            talks = [course.writer.conversation(turns(course.rng, done)) for _ in range(many)]
            ready = packs([course.reader.row(t) for t in talks], STEP_TOKENS, course.rng)
        pack = ready.pop()
        x, y, about = (t.to(course.device) for t in tensors(pack, course.reader.pad))
        with torch.autocast(course.device.type, torch.bfloat16, enabled=x.is_cuda):
            seen = model.model(input_ids=x, use_cache=False, output_hidden_states=True)
            said = model.lm_head(seen.last_hidden_state[y != IGNORED])  # (N, V)
        loss = words = cross_entropy(said.float(), y[y != IGNORED])
        if looks_too:
            begins = about != IGNORED
            named = first.named(seen.hidden_states[1][begins].float())
            loss = words + ABOUT * cross_entropy(named, about[begins])
        course.learn(loss, [*high, *low] if looks_too else high)
        course.note(words)
        course.tokens += sum(len(row.ids) for row in pack)
        factor = max(0.02, min(done / 0.02, (1 - done) / 0.6, 1.0))
        _step(above, factor)
        if looks_too:
            _step(below, min(factor, (done - FROZEN) / 0.03))


def _matrices(layer: torch.nn.Module) -> list[Parameter]:
    return [p for p in layer.parameters() if p.ndim == 2]


def _optimizers(
    matrices: Sequence[Parameter],
    params: Iterable[Parameter],
    muon_rate: float,
    adamw_rate: float,
    decay: float,
) -> list[Optimizer]:
    """Gives Muon for the matrices inside the layers, AdamW for all else."""
    seen = {id(p) for p in matrices}
    rest = [p for p in params if id(p) not in seen]
    adamw = torch.optim.AdamW(rest, lr=adamw_rate, betas=(0.9, 0.99), weight_decay=decay)
    return [(Muon(matrices, lr=muon_rate, decay=decay), muon_rate), (adamw, adamw_rate)]


def _step(optimizers: list[Optimizer], factor: float) -> None:
    for optimizer, rate in optimizers:
        optimizer.param_groups[0]["lr"] = rate * factor
        optimizer.step()
        optimizer.zero_grad()


# 4. All of it


def work(rank: int, processes: int, out: Path, seconds: float, meet: str, parent: int) -> None:
    """Runs the whole story in one of the processes; the first of them shows it, and saves it into
    the folder `out`. `seconds` are all that it may take, but for the saving.
    """
    began = time.monotonic()
    if processes > 1:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", meet, rank=rank, world_size=processes)
    torch.manual_seed(SEED)  # all begin with the same weights
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=rank > 0) as bar:
        tokenizer = new_tokenizer()
        course = Course(rank, processes, Random(SEED + rank), tokenizer, bar, parent)
        model = new_model(tokenizer)
        first = FirstLook(model, len(subjects()), token_id(tokenizer, ASSISTANT))
        first.begin()
        model.to(course.device)  # type: ignore[arg-type]
        first.to(course.device)
        torch.manual_seed(SEED + rank)
        left = max(1.0, seconds - (time.monotonic() - began))
        learn_to_look(first, course, LOOKING * left)
        learn_to_speak(model, first, course, (1 - LOOKING) * left)
    if rank:
        return
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise SystemExit("A weight is not a number; nothing is kept. Change SEED in train.py.")
    save(model, tokenizer, out)
    facts = {
        "seed": SEED,
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens": processes * course.tokens,
        "final_loss": round(course.loss, 4),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "processes": processes,
        "device": course.device.type,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    (out / RECORD).write_text(json.dumps(facts, indent=2) + "\n")
    write_sums(out)


def main() -> None:
    """Runs the story in as many processes as there are cores for, two at the most."""
    parser = argparse.ArgumentParser(prog="python -m starter.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=MODEL, help="folder of the finished model")
    parser.add_argument("--minutes", type=float, default=29, help="that it may take")
    asked = parser.parse_args()
    asked.out = asked.out.resolve()  # it is put in its place by its name, not by way of a link
    if asked.minutes <= 0:
        parser.error("--minutes must be more than 0")
    if asked.out.is_mount():
        parser.error(f"{asked.out} is where a disk is mounted; name a folder in it by --out")
    if asked.out.exists() and not asked.out.is_dir():
        parser.error(f"{asked.out} is a file; name an empty or a new folder by --out")
    if asked.out.exists() and [*asked.out.iterdir()] and not (asked.out / RECORD).exists():
        parser.error(f"{asked.out} holds something else; name an empty or a new folder by --out")
    alone = torch.cuda.is_available() or (os.cpu_count() or 1) < PROCESSES
    processes = 1 if alone else PROCESSES
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.out.parent, prefix=".starter-") as folder:
        made = Path(folder) / "model"
        made.mkdir()
        args = (processes, made, asked.minutes * 60, f"file://{folder}/meet", os.getpid())
        try:
            spawn(work, args, nprocs=processes)  # type: ignore[no-untyped-call]
        except ProcessExitedException as error:  # it has said why
            raise SystemExit(error.exit_code) from None
        except KeyboardInterrupt:
            raise SystemExit("Stopped: nothing is kept, and nothing was overwritten.") from None
        put(made, asked.out)


if __name__ == "__main__":
    main()
