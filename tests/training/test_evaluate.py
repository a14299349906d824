"""The gate: a sound candidate passes, a broken one is refused, and the report says why."""

import asyncio
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from core.training import golden
from core.training.baseline import Baseline
from core.training.checks import faults
from core.training.child import Reporter
from core.training.evaluate import evaluate
from core.training.examination import Examination
from core.training.measure import TINY_PROMPT, Said, answers_at_once, longest
from core.training.models import sha256
from core.training.page import plots
from core.training.runner import StepFailed
from core.training.trio import Trio
from tests.training.candidates import report_of
from tests.training.conftest import GOLDEN, prepare, steps
from tests.training.votes import judged, turn

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning"),
]


def verdict(run):
    report = report_of(run)
    why = [c["words"] for c in report["checks"] if c["hard"] and c["passed"] is False]
    return report["passed"], "; ".join(why)


def rewrite(run, change, name="adapter_model.safetensors"):
    """Change the adapter's tensors, and make the manifest fit: as a bad trainer would leave it."""
    from safetensors.torch import load_file, save_file

    path = run / "candidate" / name
    tensors = {key: change(key, tensor) for key, tensor in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    sign(run, name)


def sign(run, name):
    path = run / "candidate" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = sha256(run / "candidate" / name)
    path.write_text(json.dumps(manifest))


def configure(run, **values):
    path = run / "candidate" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    sign(run, "adapter_config.json")


def test_a_sound_candidate_passes_and_the_report_says_what_is_not_proven(run):
    assert verdict(run) == (True, "")
    report = json.loads((run / "report.json").read_text())
    assert not report["proven"]
    checks = {check["name"]: check for check in report["checks"]}
    assert "too few" in checks["better"]["words"]
    assert checks["KL to the base"]["value"] <= 0.15
    assert checks["knowledge"]["passed"]
    assert checks["votes"]["words"].startswith("24 votes of 1 person, fewer than five")
    assert report["result"] == "not enough evidence"
    assert len(report["answers"]) == 13
    page = (run / "report.html").read_text()
    assert "Not enough evidence" in page
    assert page.count("<svg") >= 4


def test_the_base_with_examples_in_its_prompt_is_shown_beside_and_decides_nothing(run):
    evaluate(run, Reporter(io.StringIO()))
    report = json.loads((run / "report.json").read_text())
    assert set(report["answers"][0]["said"]) == {"base", "examples", "candidate"}
    assert report["figures"]["golden"]["knowledge"].keys() == {"base", "examples", "candidate"}
    assert "base with examples" in (run / "report.html").read_text()
    assert not any("examples" in check["name"] for check in report["checks"])


def test_what_moved_away_from_the_votes_is_drawn_below_the_line():
    ((_, svg),) = plots({"held": {"candidate": 0.1, "examples": -0.2, "serving": 0.0}})
    assert "0.1" in svg
    assert "-0.2" in svg.replace("\u2212", "-")


def test_the_baseline_shows_the_likest_liked_answers_of_the_training_in_an_eighth_of_the_window(
    run,
):
    trio = Trio(
        Path(json.loads((run / "recipe.json").read_text())["base"]), None, run / "candidate"
    )
    system = {"role": "system", "content": "Be kind."}

    def row(question, answer, label=True):
        chat = [system, {"role": "user", "content": question}]
        return {
            "prompt": chat,
            "completion": [{"role": "assistant", "content": answer}],
            "label": label,
        }

    rows = [row("Is it so?", "Yes."), row("Is it not so?", "No.", False), row("Why?", "So.")]
    asked = [system, {"role": "user", "content": "Is it so now?"}]
    baseline = Baseline(trio, rows)
    led = baseline.led(asked)
    assert [one["content"] for one in led[1:-1]] == ["Why?", "So.", "Is it so?", "Yes."]
    assert (led[0], led[-1]) == (asked[0], asked[1])
    plain, with_examples = (
        trio.log_probs("base", [trio.tokens(rows[0])]),
        baseline.log_probs(rows[:1]),
    )
    assert plain != with_examples
    long = Baseline(trio, [row("Is it so?", "Yes. " * 400)])
    assert long.led(asked) == asked
    assert not Baseline(trio, rows[1:2]).there


def test_of_rows_that_do_not_fit_the_last_turns_are_judged(run):
    base = Path(json.loads((run / "recipe.json").read_text())["base"])
    trio = Trio(base, None, run / "candidate")
    asked = {"role": "user", "content": "Is it so?"}
    long = [{"role": "user", "content": "word " * 80}, {"role": "assistant", "content": "Yes."}]
    completion = [{"role": "assistant", "content": "It does."}]
    row = {"prompt": [*long, asked], "completion": completion, "label": True}
    assert TINY_PROMPT < len(trio.tokens(row)[0]) < longest(trio.model)
    assert trio.fitted(row) == row  # though the training takes less of it
    endless = row | {"prompt": [*(long * 20), asked]}
    assert not trio.fits(endless)
    assert trio.fitted(endless) == row | {"prompt": [asked]}
    assert trio.fitted(row | {"prompt": [{"role": "user", "content": "word " * 6000}]}) is None


def test_what_was_trained_is_asked_about_as_it_was_learnt_and_what_was_held_out_as_it_was_seen(
    base, tuned, tmp_path
):
    """What a tune learnt by heart it says behind what it learnt it behind."""
    before = [turn(99, "Once more?", "word " * 40)]
    votes = [
        judged(turn(n, f"Is {n} so?", shown=before), [("ann", 1)], shown=before, opening=str(n))
        for n in range(1, 41)
    ]
    run = tmp_path / "run"
    prepare(run, base, votes)
    shutil.copytree(tuned[0] / "candidate", run / "candidate")
    trio = Trio(base, None, run / "candidate")
    asked = Examination(run, trio, golden.load([GOLDEN]), Reporter(io.StringIO()))
    assert {len(row["prompt"]) for row in asked.train} == {2}  # the system text, and the question
    assert {len(row["prompt"]) for row in asked.held} == {4}
    assert {len(prompt) for prompt in asked.prompts} == {2}  # as the training measures its way


def test_a_candidate_with_nan_is_refused(run):
    rewrite(run, lambda key, tensor: tensor * float("nan"))
    passed, why = verdict(run)
    assert not passed
    assert "NaN" in why


@pytest.mark.parametrize("keep", [0, 5, 200, 0.5, 0.999])
def test_a_truncated_candidate_is_refused(run, keep):
    path = run / "candidate" / "adapter_model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    assert "is not what its manifest says" in verdict(run)[1]
    sign(run, path.name)
    assert "cut short or damaged" in verdict(run)[1]


def test_a_collapsed_candidate_is_refused_by_its_distance_from_the_base(run):
    import torch

    torch.manual_seed(0)
    rewrite(run, lambda key, t: t + torch.randn_like(t) * 0.5 if "lora_B" in key else t)
    passed, why = verdict(run)
    assert not passed
    assert "nats per token" in why


def test_a_candidate_that_unlearnt_the_liked_answers_is_refused(run):
    rewrite(run, lambda key, tensor: -tensor if "lora_B" in key else tensor)
    passed, why = verdict(run)
    assert not passed
    assert "liked answers less likely" in why


def test_a_merged_checkpoint_that_is_another_model_is_refused(run):
    def spoil(key, tensor):
        return tensor.flip(0).contiguous() if "o_proj" in key else tensor

    rewrite(run, spoil, "merged/model.safetensors")
    passed, why = verdict(run)
    assert not passed
    assert "merged" in why


def test_a_candidate_of_another_base_is_refused(run):
    path = run / "candidate" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_sha256": "0" * 64}))
    assert "another base" in verdict(run)[1]


def test_a_candidate_of_another_data_set_is_refused(run):
    with (run / "dataset" / "manifest.json").open("a") as file:
        file.write("\n")
    assert "another data set" in verdict(run)[1]


@pytest.mark.parametrize(
    "values",
    [
        {"r": 8},
        {"use_dora": True},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"auto_mapping": {"base_model_class": "X", "parent_library": "os"}},
        {"peft_type": "PREFIX_TUNING"},
    ],
)
def test_a_configuration_that_the_recipe_never_writes_is_refused(run, values):
    configure(run, **values)
    assert "its configuration" in verdict(run)[1]


def test_a_candidate_of_the_wrong_rank_is_refused(run):
    rewrite(run, lambda key, t: t[:8].contiguous() if "lora_A" in key else t[:, :8].contiguous())
    assert "does not fit the base" in verdict(run)[1]


def test_files_that_no_tune_has_are_refused_and_never_opened(run):
    (run / "candidate" / "adapter_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    assert "kind of file that no tune has" in verdict(run)[1]


def test_a_file_that_the_manifest_does_not_name_is_refused(run):
    (run / "candidate" / "extra.json").write_text("{}")
    assert "not those that its manifest names" in verdict(run)[1]


def test_a_link_is_refused(run):
    path = run / "candidate" / "adapter_model.safetensors"
    os.rename(path, run / "elsewhere.safetensors")
    path.symlink_to(run / "elsewhere.safetensors")
    assert "is a link" in verdict(run)[1]


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"files": 3}'])
def test_a_candidate_without_a_readable_manifest_is_refused(run, content):
    path = run / "candidate" / "manifest.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    passed, why = verdict(run)
    assert not passed
    assert "manifest" in why


def test_a_run_without_a_candidate_is_refused(run):
    shutil.rmtree(run / "candidate")
    assert "no manifest" in verdict(run)[1]


def test_a_gate_that_finds_the_disk_full_says_so(run):
    shutil.rmtree(run / "candidate")
    (run / "report.making").symlink_to("/dev/full")
    with pytest.raises(StepFailed, match="the disk is full: make room"):
        asyncio.run(steps("core.training.evaluate", run))


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (Said("Yes, it does.", True), []),
        (Said(" ", True), ["empty"]),
        (Said("And then", False), ["never ends"]),
        (Said("the bird says the bird says " * 6, True), ["repeats itself"]),
    ],
)
def test_what_is_wrong_with_an_answer_whatever_was_asked(said, wrong):
    assert faults(said) == wrong


def test_answers_come_in_the_order_of_the_questions_however_long_these_are(base):
    from core.training.measure import answers, prompt_ids
    from core.training.models import load_base

    model, tokenizer = load_base(base)
    texts = [
        "Is 7 so? " * 9,
        "Hello!",
        "Is it true that 12 is a number?",
        "What is 3? " * 4,
        "Why?",
    ]
    rows = [prompt_ids(tokenizer, [{"role": "user", "content": text}]) for text in texts]
    alone = [answers(model, tokenizer, [row], tokens=20)[0] for row in rows]
    assert len({one.text for one in alone}) > 1
    assert answers(model, tokenizer, rows, tokens=20, batch=2) == alone


@pytest.mark.parametrize(
    ("size", "tokens", "rows"),
    [
        ({"num_hidden_layers": 36, "hidden_size": 4096, "num_attention_heads": 32}, 660, 11),
        ({"num_hidden_layers": 36, "hidden_size": 4096, "num_attention_heads": 32}, 2208, 3),
        ({"num_hidden_layers": 36, "hidden_size": 4096, "num_attention_heads": 32}, 9000, 1),
        ({"num_hidden_layers": 3, "hidden_size": 256, "num_attention_heads": 4}, 500, 349),
    ],
)
def test_answers_side_by_side_take_a_gigabyte_of_keys_and_values(size, tokens, rows):
    """Of Qwen3-8B each token takes 147,456 bytes in bfloat16: 36 layers, 8 heads of 128."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    heads = {"num_key_value_heads": min(8, size["num_attention_heads"]), "vocab_size": 8}
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**size, **heads, intermediate_size=8))
    if size["hidden_size"] > 256:
        model.bfloat16()
    assert answers_at_once(model, tokens) == rows
