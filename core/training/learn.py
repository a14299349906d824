"""Rows in, an adapter on the base out, in memory: the training itself, by TRL and peft.

What is ours is the KL budget (core.training.budget) over all stages. On several GPUs each process
takes its share of every batch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.template import NO_THOUGHTS
from core.training.budget import FIRST, PROCESSES, Budget, agreed
from core.training.child import Reporter
from core.training.measure import goes_on, longest, row_ids, shortened
from core.training.models import (
    is_tiny,
    linear_layers,
    load_base,
    missing_on_gpu,
    stored_otherwise,
)
from core.training.recipe import (
    ALPHA,
    OF_EACH,
    RANK,
    Method,
    Plan,
    Stage,
    most_of_one_kind,
    plan,
    stretched,
    weights,
)
from core.training.replay import replay

SEED = 17
REFERENCE = "ref"  # TRL's name

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Learnt:
    """What `learn` leaves. `budget` says whether the weights are any good."""

    model: Any
    tokenizer: Any
    budget: Budget
    losses: list[dict[str, float]]
    too_long: int  # rows
    replayed: int  # rows
    taught: frozenset[int]  # which rows some stage trained on, from 0 on


def learn(
    base: Path,
    rows: Rows,
    pairs: Rows,
    counts: Mapping[str, int],
    scratch: Path,
    reporter: Reporter,
    wanted: Plan | None = None,
    longer: float = 1.0,
) -> Learnt:
    """An adapter on the base in memory, that learnt these rows. `counts`: of the whole data set,
    by whose size the recipe goes. `longer`: as core.training.recipe.stretched takes it. Ends the
    process with a reason where a person can mend it.
    """
    # 1. The base. Of long conversations the last turns are learnt. Rows that do not fit its window
    #    yet are left out here, not silently by the trainer; what is left decides how to train.
    reporter.step(0, 1, "loading the model")
    if missing := missing_on_gpu(base):
        reporter.fail(missing)
    model, tokenizer = load_base(base)
    if strange := stored_otherwise(base, model):
        reporter.fail(
            f"its files do not have {strange}, as transformers calls it: a tune of such a model"
            " could neither be checked nor merged. Name another model in training.base"
        )
    if not goes_on(tokenizer):
        reporter.fail(
            "its chat template asks for a thought before the answer, or leaves answers out: a tune"
            " would learn what it is never asked. Name another model in training.base"
        )
    window = longest(model)
    rows, pairs = ([shortened(model, tokenizer, one) for one in some] for some in (rows, pairs))
    fitting = [row for row in rows if len(row_ids(tokenizer, row)[0]) <= window]
    random.Random(SEED).shuffle(fitting)
    liked = [{k: row[k] for k in ("prompt", "completion")} for row in fitting if row["label"]]
    if len(liked) < OF_EACH:
        reporter.fail(
            f"only {len(liked)} of {OF_EACH} liked or corrected answers fit, with their question,"
            f" into the {window} tokens that training takes of this model"
        )
    pairs = [pair for pair in pairs if _longer(tokenizer, pair) <= window]
    left = {
        "labels": counts["labels"],
        "liked": len(liked),
        "corrections": 0,
        "disliked": len(fitting) - len(liked),
    }
    chosen = wanted or stretched(plan(left, model.num_parameters(), len(pairs)), longer)

    # 2. Each stage's rows; what the base says by itself comes from the base, so before all.
    remembered: Rows = []
    if chosen.replay and any(stage.method == "sft" for stage in chosen.stages):
        reporter.step(1, 1, "asking the base what it says by itself")
        count = round(chosen.replay * len(liked))
        remembered = agreed(replay(model, tokenizer, fitting, count) if FIRST else [])
    texts = liked + remembered
    random.Random(SEED).shuffle(texts)
    rows_of = {"sft": texts, "dpo": pairs, "kto": balanced(fitting)}

    # 3. Stage by stage, on one adapter. The budget is over all of them: KL is to the base.
    budget = Budget(tokenizer, fitting, reporter, limit=chosen.stop_at_kl)
    losses: list[dict[str, float]] = []
    taught: set[int] = set()  # by id(): two rows may say the same
    for stage in chosen.stages:
        if not budget.begin(stage):
            continue
        taught |= {id(row) for row in votes_of(stage.method, fitting, pairs)}
        some = rows_of[stage.method]
        _without_reference(model)
        trainer = _trainer(stage, model, tokenizer, some, scratch, chosen.last_third)
        trainer.add_callback(_watch(budget.after_step, reporter))
        trainer.train()
        model = trainer.model
        losses += [entry for entry in trainer.state.log_history if "loss" in entry]
        if budget.spent:
            break
    too_long = len(rows) - len(fitting)
    numbers = frozenset(number for number, row in enumerate(rows) if id(row) in taught)
    return Learnt(model, tokenizer, budget, losses, too_long, len(remembered), numbers)


def _without_reference(model: Any) -> None:
    """Forget what the stage before compared with. Each stage compares with what it begins from: of
    an adapter that is there TRL keeps a copy, and fails where one is left (1.16.0).
    """
    from peft import PeftModel

    if isinstance(model, PeftModel) and REFERENCE in model.peft_config:
        model.delete_adapter(REFERENCE)


def _longer(tokenizer: Any, pair: dict[str, Any]) -> int:
    """The tokens of a pair's longer side, with the prompt."""
    sides = (
        {"prompt": pair["prompt"], "completion": pair[side]} for side in ("chosen", "rejected")
    )
    return max(len(row_ids(tokenizer, side)[0]) for side in sides)


def balanced(rows: Rows) -> Rows:
    """All rows, but of the larger side no more than eight for each of the smaller."""
    sides: dict[bool, Rows] = {
        label: [row for row in rows if row["label"] is label] for label in (True, False)
    }
    most = most_of_one_kind(min(map(len, sides.values())))
    kept = sides[True][:most] + sides[False][:most]
    random.Random(SEED).shuffle(kept)
    return kept


def votes_of(method: Method, rows: Rows, pairs: Sequence[dict[str, Any]] = ()) -> Rows:
    """The very rows that a stage of this method takes, also as a side of one of the `pairs`."""
    if method == "kto":
        return balanced(rows)
    if method == "sft":
        return [row for row in rows if row["label"]]
    sides = [(pair["prompt"], pair[side]) for pair in pairs for side in ("chosen", "rejected")]
    return [row for row in rows if (row["prompt"], row["completion"]) in sides]


def _trainer(
    stage: Stage, model: Any, tokenizer: Any, rows: Rows, scratch: Path, last_third: bool
) -> Any:
    import torch
    from datasets import Dataset
    from peft import PeftModel
    from transformers import PrinterCallback, ProgressCallback
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

    gpu, tiny = torch.cuda.is_available(), is_tiny(model)
    share = max(1, stage.batch // PROCESSES)
    per_step = share if tiny else 1
    common: dict[str, Any] = {
        "output_dir": str(scratch),
        "num_train_epochs": stage.epochs,
        "learning_rate": stage.rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": 2,
        "per_device_train_batch_size": per_step,
        "gradient_accumulation_steps": share // per_step,
        "gradient_checkpointing": not tiny,
        "max_length": longest(model),
        "bf16": gpu,
        "use_cpu": not gpu,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": SEED,
        "dataloader_pin_memory": gpu,
    }
    if PROCESSES > 1:
        common |= {"ddp_find_unused_parameters": False, "ddp_backend": "nccl" if gpu else "gloo"}
    shared: dict[str, Any] = {
        "model": model,
        "processing_class": tokenizer,
        "train_dataset": Dataset.from_list(
            [row | {"chat_template_kwargs": NO_THOUGHTS} for row in rows]
        ),
        "peft_config": None if isinstance(model, PeftModel) else _lora(model, last_third),
    }
    trainer: Any
    if stage.method == "sft":
        trainer = SFTTrainer(args=SFTConfig(**common), **shared)
    elif stage.method == "dpo":
        # The second term keeps what is preferred likely, which the first alone does not.
        arguments = DPOConfig(loss_type=["sigmoid", "sft"], beta=stage.beta, **common)
        trainer = DPOTrainer(args=arguments, **shared)
    else:
        # Without a KL term of its own, so without rules for how rows lie in a batch; on small
        # data sets as good as "kto" (LOG.md). The budget is the brake either way.
        good = sum(row["label"] for row in rows)
        desirable, undesirable = weights(good, len(rows) - good)
        arguments = KTOConfig(
            loss_type="apo_zero_unpaired",
            beta=stage.beta,
            desirable_weight=desirable,
            undesirable_weight=undesirable,
            # They are the same in each epoch. TRL 1.16.0 hashes all weights for that, and of
            # several processes the first keeps them where the others do not look.
            precompute_ref_log_probs=tiny and PROCESSES == 1,
            train_sampling_strategy="random",
            **common,
        )
        trainer = KTOTrainer(args=arguments, **shared)
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def _lora(model: Any, last_third: bool) -> Any:
    """On every linear layer but the output's; or on those of the last third of the layers only."""
    from peft import LoraConfig

    linear = {name.rpartition(".")[2] for name in linear_layers(model)}
    layers = range(model.config.get_text_config().num_hidden_layers)
    return LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=0.0,
        target_modules=sorted(linear),
        layers_to_transform=list(layers[2 * len(layers) // 3 :]) if last_third else None,
        task_type="CAUSAL_LM",
    )


def _watch(after_step: Callable[[Any, int, int], bool], reporter: Reporter) -> Any:
    """The trainers' way to be asked after each step, for `after_step`; losses go to the log."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if not after_step(more["model"], state.global_step, state.max_steps):
                control.should_training_stop = True

        def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if "loss" in (logs := more["logs"]):
                reporter.note(f"loss after step {state.global_step}: {logs['loss']}")

    return Watch()
