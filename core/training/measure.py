"""What is measured on a tuned model, during training and in the gate alike.

`model` is a PeftModel: with its adapter it is the candidate, without it the base. Prompts and
completions are chat messages, as in the data set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Chat = list[dict[str, str]]


def prompt_ids(tokenizer: Any, prompt: Chat) -> list[int]:
    encoded = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)
    return list(encoded["input_ids"])


def row_ids(tokenizer: Any, row: dict[str, Any]) -> tuple[list[int], int]:
    """All tokens of prompt and completion, and where the completion begins."""
    prompt = prompt_ids(tokenizer, row["prompt"])
    whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=True)
    ids = list(whole["input_ids"])
    shared = 0
    while shared < min(len(prompt), len(ids)) and prompt[shared] == ids[shared]:
        shared += 1
    return ids, shared


def longest(model: Any) -> int:
    """How many tokens a row may have."""
    return min(int(model.config.max_position_embeddings), 2048)


def generate(
    model: Any, tokenizer: Any, prompts: Sequence[Chat], *, tokens: int, temperature: float
) -> tuple[Any, int]:
    """Prompts with their continuations, padded on the left (B, T), and where these begin."""
    import torch

    rows = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    width = max(map(len, rows))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor(
        [[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device
    )
    sampling: dict[str, Any] = {"do_sample": False, "temperature": None}
    if temperature:
        sampling = {"do_sample": True, "temperature": temperature}
    with torch.no_grad():
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=tokens,
            pad_token_id=pad,
            top_k=None,
            top_p=None,
            **sampling,
        )
    return out, width


def ends(model: Any, tokenizer: Any) -> set[int]:
    """The tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    found = set(ends) if isinstance(ends, list) else {ends}
    return (found | {tokenizer.eos_token_id}) - {None}


def kl_per_token(
    model: Any, tokenizer: Any, prompts: Sequence[Chat], *, tokens: int = 48, batch: int = 8
) -> float:
    """KL(candidate‖base) in nats per token on the candidate's own samples, over all words.

    The one number that sees a model being pushed off what it knew: see LOG.md.
    """
    import torch

    total, counted = 0.0, 0
    stop = torch.tensor(sorted(ends(model, tokenizer)), device=model.device)
    with quiet(model), torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)  # the same dice each time: checks differ by the weights alone
        for start in range(0, len(prompts), batch):
            some = prompts[start : start + batch]
            ids, width = generate(model, tokenizer, some, tokens=tokens, temperature=1.0)
            said = ids[:, width:]  # (B, N)
            over = torch.isin(said, stop).cumsum(1)
            alive = (over - torch.isin(said, stop).int()) == 0  # up to and with the end token
            mask = (ids != tokenizer.pad_token_id).long()
            mask[:, width:] = alive.long()
            new = _log_probs(model, ids, mask, width)  # (B, N, V)
            with model.disable_adapter():
                old = _log_probs(model, ids, mask, width)
            kl = (new.exp() * (new - old)).sum(-1)  # (B, N)
            total += float(kl[alive].sum())
            counted += int(alive.sum())
    return total / max(1, counted)


def log_ratio_per_token(model: Any, tokenizer: Any, row: dict[str, Any]) -> float:
    """How much likelier the candidate finds the row's completion than the base, per token."""
    import torch

    ids, begin = row_ids(tokenizer, row)
    tensor = torch.tensor([ids], device=model.device)
    mask = torch.ones_like(tensor)
    target = tensor[:, begin:, None]
    with quiet(model), torch.no_grad():
        new = _log_probs(model, tensor, mask, begin).gather(-1, target)
        with model.disable_adapter():
            old = _log_probs(model, tensor, mask, begin).gather(-1, target)
    return float((new - old).mean())


@contextmanager
def quiet(model: Any) -> Iterator[None]:
    """Evaluation mode for a moment."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _log_probs(model: Any, ids: Any, mask: Any, begin: int) -> Any:
    """Log-probabilities of what stands at `begin` and after it: (B, T - begin, V)."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    return logits[:, begin - 1 : -1].float().log_softmax(-1)
