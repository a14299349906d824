"""Models that think before they answer: they are asked, and taught, to answer at once."""

import asyncio
import shutil
from pathlib import Path

import pytest

from core.training.measure import prompt_ids, row_ids
from core.training.recipe import Stage
from core.training.runner import StepFailed
from tests.training.conftest import prepare, steps
from tests.training.votes import taste

ROW = {
    "prompt": [
        {"role": "user", "content": "Is it so?"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "Sure?"},
    ],
    "completion": [{"role": "assistant", "content": "Quite sure."}],
}


def with_template(base, folder, name):
    """The base with a template as TRL brings it along, which is the vendor's."""
    import trl

    shutil.copytree(base, folder)
    template = Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja"
    shutil.copy(template, folder / "chat_template.jinja")
    return folder


@pytest.mark.parametrize("name", ["qwen3", "qwen3_6", "qwen3_instruct_2507", "gemma3", "llama3_1"])
@pytest.mark.parametrize("method", ["sft", "kto", "dpo"])
def test_what_is_learnt_is_the_answer_right_behind_what_asks_for_it(base, tmp_path, name, method):
    from core.training.learn import _trainer
    from core.training.models import load_base

    model, tokenizer = load_base(with_template(base, tmp_path / "base", name))
    ids, begin = row_ids(tokenizer, ROW)
    assert ids[:begin] == prompt_ids(tokenizer, ROW["prompt"])
    assert tokenizer.decode(ids[begin:]).startswith("Quite sure.")

    rows = [ROW | {"label": True}, ROW | {"label": False}]
    if method == "dpo":
        other = [{"role": "assistant", "content": "Hardly."}]
        rows = [{"prompt": ROW["prompt"], "chosen": ROW["completion"], "rejected": other}]
    trainer = _trainer(Stage(method, 1, 1e-4), model, tokenizer, rows, tmp_path, False)
    learnt = trainer.train_dataset[0]
    if method == "sft":
        assert learnt["input_ids"] == ids
        assert learnt["labels"] == [-100] * begin + ids[begin:]
    else:
        assert learnt["prompt_ids"] == ids[:begin]
        assert learnt["chosen_ids" if method == "dpo" else "completion_ids"] == ids[begin:]


@pytest.mark.timeout(120)
def test_a_base_that_always_thinks_is_told_before_the_work(base, tmp_path):
    thinker = with_template(base, tmp_path / "base", "deepseek_r1_distill")
    prepare(tmp_path / "run", thinker, taste(24))
    with pytest.raises(StepFailed, match="asks for a thought before the answer"):
        asyncio.run(steps("core.training.tune", tmp_path / "run"))
