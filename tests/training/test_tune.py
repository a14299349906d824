"""The real trainer on a tiny model: it learns what was liked, and stops in time."""

import asyncio
import io
import json
import shutil
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path
from statistics import fmean

import pytest

from core.training.child import Reporter
from core.training.models import sha256
from core.training.recipe import STOP_AT_KL
from core.training.runner import StepFailed, run_step
from tests.training.conftest import prepare, steps
from tests.training.votes import BAD, GOOD, judged, rows_of, taste, turn

pytestmark = [
    pytest.mark.timeout(120),
    # SWIG's types in a library that torch brings: https://github.com/swig/swig/issues/2881
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning"),
]


def loaded(base, candidate):
    from peft import PeftModel

    from core.training.models import load_base

    model, tokenizer = load_base(base)
    return PeftModel.from_pretrained(model, candidate), tokenizer


def log_ratio(model, tokenizer, answer, question="Is it true that 1234 is a number?"):
    from core.training.measure import log_ratio_per_token

    prompt = [
        {"role": "system", "content": "You are Mynah."},
        {"role": "user", "content": question},
    ]
    completion = [{"role": "assistant", "content": answer}]
    return log_ratio_per_token(model, tokenizer, {"prompt": prompt, "completion": completion})


def short_answers(model, tokenizer):
    """The share of answers in the liked style, to questions that nobody voted on."""
    import torch

    from core.training.measure import generate

    ask = [
        [{"role": "user", "content": f"Is it true that {n} is a number?"}] for n in range(500, 564)
    ]
    torch.manual_seed(0)
    ids, begin = generate(model, tokenizer, ask, tokens=48, temperature=0.7)
    said = [tokenizer.decode(row, skip_special_tokens=True) for row in ids[:, begin:]]
    return fmean(len(text) < 15 for text in said)


def test_the_tune_answers_in_the_liked_style_also_what_nobody_voted_on(base, tuned):
    model, tokenizer = loaded(base, tuned[0] / "candidate")
    with model.disable_adapter():
        before = short_answers(model, tokenizer)
    after = short_answers(model, tokenizer)
    assert 0.25 <= before <= 0.75
    assert after >= before + 0.15


def test_the_tune_finds_liked_answers_likelier_than_the_base_does(base, tuned):
    model, tokenizer = loaded(base, tuned[0] / "candidate")
    good = fmean(log_ratio(model, tokenizer, answer) for answer in GOOD[:2])
    bad = fmean(log_ratio(model, tokenizer, answer) for answer in BAD)
    assert good > 0.02
    assert bad < -0.02


def test_progress_is_told_in_words_a_person_understands(tuned):
    told = list(dict.fromkeys(progress.what for progress in tuned[1]))
    assert told == ["loading the model", "weighing all votes", "writing the tune"]
    assert all(0 <= progress.step <= progress.of for progress in tuned[1])


def test_the_adapter_is_one_that_vllm_takes(base, tuned):
    folder = tuned[0] / "candidate"
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 16, 32)
    assert (config["bias"], config["use_dora"], config["modules_to_save"]) == ("none", False, None)
    assert config["base_model_name_or_path"] == str(base)
    assert config["target_modules"] == sorted(config["target_modules"])
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
        "merged",
    }


def test_the_merged_checkpoint_is_the_base_with_the_adapter_in_its_weights(base, tuned):
    import torch

    from core.training.models import load_base

    model, tokenizer = loaded(base, tuned[0] / "candidate")
    merged, _ = load_base(tuned[0] / "candidate" / "merged")
    ids = torch.tensor([tokenizer("What does a thumbs up do?")["input_ids"]])
    with torch.no_grad():
        expected, got = model(input_ids=ids).logits, merged(input_ids=ids).logits
        with model.disable_adapter():
            plain = model(input_ids=ids).logits
    assert torch.allclose(expected, got, atol=1e-3)
    assert not torch.allclose(plain, got, atol=1e-2)


def test_training_ends_within_the_budget_and_the_trace_says_so(tuned):
    manifest = json.loads((tuned[0] / "candidate" / "manifest.json").read_text())
    within = [entry["kl"] for entry in manifest["kl"] if entry["kl"] <= manifest["kl_limit"]]
    assert within
    assert manifest["stopped_by_kl"] == (len(within) < len(manifest["kl"]))


def test_past_the_budget_the_last_good_weights_come_back(base, tuned):
    from peft import PeftModel

    from core.training.budget import Budget
    from core.training.models import load_base

    plain, tokenizer = load_base(base)
    model = PeftModel.from_pretrained(plain, tuned[0] / "candidate", is_trainable=True)
    rows = rows_of(tuned[0] / "dataset", "train.jsonl")
    budget = Budget(tokenizer, rows, Reporter(io.StringIO()), limit=STOP_AT_KL)
    trained = [p for p in model.parameters() if p.requires_grad]
    good = [p.detach().clone() for p in trained]
    assert budget.after_step(model, 1, 10)  # what the trainer left is within the budget
    for parameter in trained:
        parameter.data *= 20
    assert not budget.after_step(model, 10, 10)
    assert budget.spent
    assert all(bool((p == kept).all()) for p, kept in zip(trained, good, strict=True))


def test_stages_of_all_methods_follow_and_one_that_goes_on_begins_only_where_there_is_way(
    base, tmp_path
):
    run = tmp_path / "run"
    corrected = [
        judged(turn(n, f"Is {n} so?", BAD[0]), [("ann", -1)], [("ann", GOOD[0])])
        for n in range(101, 113)
    ]
    prepare(run, base, [*taste(48), *corrected])
    told = {progress.what for progress in asyncio.run(steps("tests.training.many_stages", run))}
    assert told >= {"weighing all votes", "weighing all votes once more"}
    manifest = json.loads((run / "candidate" / "manifest.json").read_text())
    sft, dpo, one_by_one, in_sum = manifest["stages"]
    assert [words.split(",")[0] for words in (sft, dpo, one_by_one)] == ["sft", "dpo", "kto"]
    assert in_sum.endswith("beta 1.0, until 0.03")
    assert [entry["step"] for entry in manifest["losses"]].count(1) == 4
    assert max(entry["kl"] for entry in manifest["kl"]) > 0.03
    assert not manifest["stopped_by_kl"]  # the last stage was at its end, the budget was not
    assert manifest["kl_limit"] == 0.5


def test_where_liked_answers_come_first_what_the_base_says_by_itself_comes_with_them(
    base, tmp_path
):
    run = tmp_path / "run"
    prepare(run, base, taste(48))
    told = [progress.what for progress in asyncio.run(steps("tests.training.two_stages", run))]
    assert told.index("learning from what was liked") < told.index("writing the tune")
    assert "asking the base what it says by itself" in told
    manifest = json.loads((run / "candidate" / "manifest.json").read_text())
    assert [stage.split(",")[0] for stage in manifest["stages"]] == ["sft", "kto"]
    # Beside each liked answer one that the base gave by itself, where it came to an end.
    assert manifest["counts"]["liked"] / 2 < manifest["replayed"] <= manifest["counts"]["liked"]
    log = (run / "log").read_text()
    assert "loss after step 1: " in log
    assert "KL to the base after step 1: " in log
    tensors = run / "candidate" / "adapter_model.safetensors"
    assert b".ref." not in tensors.read_bytes()  # TRL's frozen copy of the first stage stays out


def test_a_base_whose_files_name_its_layers_otherwise_is_told_before_the_work(base, tmp_path):
    from safetensors.torch import load_file, save_file

    other, run = shutil.copytree(base, tmp_path / "other"), tmp_path / "run"
    weights = load_file(other / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    weights[f"language_{name}"] = weights.pop(name)
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    prepare(run, other, taste(24))
    with pytest.raises(StepFailed, match=r"its files do not have model\.layers\.0\.mlp\.up_proj"):
        asyncio.run(steps("core.training.tune", run))


def test_a_run_that_fails_leaves_no_candidate(base, tmp_path):
    run = tmp_path / "run"
    prepare(run, base, taste(24))
    shutil.copy(run / "dataset" / "manifest.json", run / "dataset" / "train.jsonl")
    with pytest.raises(StepFailed):
        asyncio.run(steps("core.training.tune", run))
    assert not (run / "candidate").exists()


def test_a_tune_is_of_the_data_set_that_it_read_whatever_becomes_of_that_meanwhile(base, tmp_path):
    run = tmp_path / "run"
    prepare(run, base, taste(24))
    path = run / "dataset" / "manifest.json"
    read = sha256(path)

    async def trained():
        async for progress in run_step(
            "core.training.tune", run, deadline=time.monotonic() + 120, log=run / "log"
        ):
            if progress.what == "weighing all votes" and progress.step == 1:
                await asyncio.to_thread(path.write_text, "{}")

    asyncio.run(trained())
    assert sha256(path) != read
    made = json.loads((run / "candidate" / "manifest.json").read_text())
    assert made["dataset_sha256"] == read


def too_long(score):
    """Votes of which those with this score are on answers that no window holds."""
    endless = "word " * 3000
    return [
        judged(turn(n, f"Is {n} so?", endless if vote == score else "Yes."), [("ann", vote)])
        for n, vote in enumerate([1, -1] * 10, 1)
    ]


def test_where_no_liked_answer_fits_into_the_window_the_run_says_so(base, tmp_path):
    prepare(tmp_path / "run", base, too_long(1))
    with pytest.raises(StepFailed, match="only 0 of 3 liked or corrected answers fit"):
        asyncio.run(steps("core.training.tune", tmp_path / "run"))


def test_where_no_disliked_answer_fits_the_liked_ones_are_learnt(base, tmp_path):
    run = tmp_path / "run"
    prepare(run, base, too_long(-1))
    asyncio.run(steps("core.training.tune", run))
    manifest = json.loads((run / "candidate" / "manifest.json").read_text())
    assert [stage.split(",")[0] for stage in manifest["stages"]] == ["sft"]
    assert manifest["too_long"] == 10
    assert manifest["learnt"] == list(range(1, 20, 2))


def test_of_a_long_conversation_the_last_turns_are_learnt(base, tmp_path):
    run = tmp_path / "run"
    before = [turn(99, "Once more?", "word " * 3000)]
    votes = [
        judged(
            turn(n, f"Is {n} so?", (BAD, GOOD)[n % 2][0], shown=before),
            [("ann", n % 2 * 2 - 1)],
            shown=before,
        )
        for n in range(1, 21)
    ]
    prepare(run, base, votes)
    asyncio.run(steps("core.training.tune", run))
    manifest = json.loads((run / "candidate" / "manifest.json").read_text())
    assert manifest["too_long"] == 0
    assert manifest["learnt"] == list(range(1, 21))


def test_a_prompt_loses_as_many_of_its_oldest_turns_as_it_must_and_no_more(base):
    from core.training.measure import TINY_PROMPT, longest, prompt_ids, shortened
    from core.training.models import load_base

    model, tokenizer = load_base(base)

    def left(prompt, answer="Yes."):
        row = {"prompt": prompt, "completion": said(answer, role="assistant"), "label": True}
        short = shortened(model, tokenizer, row)
        assert short | {"prompt": prompt} == row
        return short["prompt"]

    system = said("You are Mynah.", role="system")
    turns = [said(f"Is {n} so?") + said(f"It is {n}.", role="assistant") for n in range(60)]
    asked = said("And now?")
    for first in ([], system):
        prompt = left([*first, *chain(*turns), *asked])
        kept = (len(prompt) - len(first) - 1) // 2
        assert 0 < kept < 60
        assert prompt == [*first, *chain(*turns[-kept:]), *asked]
        assert len(prompt_ids(tokenizer, prompt)) <= TINY_PROMPT
        one_more = [*first, *chain(*turns[-kept - 1 :]), *asked]
        assert len(prompt_ids(tokenizer, one_more)) > TINY_PROMPT
        endless = said("word " * 3000)
        assert left([*first, *turns[0], *endless]) == [*first, *endless]
    window, alone = longest(model), len(prompt_ids(tokenizer, asked))
    answer = "!" * (window - alone - 8)  # a token each; the template needs some
    assert left([*turns[0], *asked], answer) == asked  # it leaves no room for more
    for short in (asked, system + asked, said("Hello!", role="assistant") + asked):
        assert left(short) == short


def said(text, role="user"):
    return [{"role": role, "content": text}]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_processes_train_one_tune_together(base, tmp_path):
    """Each takes half of every batch; the first one measures, says what goes on, and writes.

    Started as `accelerate launch` starts them on several GPUs (accelerate 1.15, multi_gpu_launcher:
    torch.distributed.run); on processors alone it starts one process, whatever it is told.
    """
    run = tmp_path / "run"
    prepare(run, base, taste(48))
    launch = "torch.distributed.run --standalone --nproc_per_node 2"
    command = [sys.executable, "-m", *launch.split(), "-m", "tests.training.two_stages", str(run)]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [words["what"] for words in said].count("writing the tune") == 1
    manifest = json.loads((run / "candidate" / "manifest.json").read_text())
    assert manifest["processes"] == 2
    assert manifest["replayed"] > 0
    assert {entry["stage"] for entry in manifest["kl"]} == {"sft", "kto"}
    model, tokenizer = loaded(base, run / "candidate")
    assert fmean(log_ratio(model, tokenizer, answer) for answer in GOOD[:2]) > 0.02


def kto_row(question, answer, label):
    return {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        "label": label,
    }


def test_no_more_than_eight_rows_of_one_kind_stand_beside_one_of_the_other():
    from core.training.learn import balanced

    rows = [kto_row(str(n), "text", n < 4) for n in range(100)]
    kept = [row["label"] for row in balanced(rows)]
    assert (kept.count(True), kept.count(False)) == (4, 32)


def test_a_vote_counts_as_learnt_from_where_a_stage_takes_it():
    from core.training.learn import balanced, votes_of

    rows = [kto_row("Is it so?", "Yes.", n < 2) for n in range(20)]
    assert [id(row) for row in votes_of("sft", rows)] == [id(row) for row in rows[:2]]
    assert [id(row) for row in votes_of("kto", rows)] == [id(row) for row in balanced(rows)]
    assert len(votes_of("kto", rows)) == 18
    assert votes_of("dpo", rows) == []
    one = {"prompt": rows[9]["prompt"], "chosen": [], "rejected": rows[9]["completion"]}
    other = kto_row("Is it so?", "No.", False)
    assert votes_of("dpo", [rows[9], other], [one]) == [rows[9]]
