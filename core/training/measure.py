"""What is measured on a tuned model, during training and in the gate alike.

`model` is a PeftModel: with its adapter it is the candidate, without it the base; the gate loads
the tune that serves beside it, under the name SERVING. Prompts and completions are chat messages,
as in the data set.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from core.template import NO_THOUGHTS
from core.training.limits import GIB
from core.training.models import ROW_TOKENS, is_tiny

Chat = list[dict[str, str]]
Voice = Literal["base", "serving", "candidate"]

CANDIDATE, SERVING = "default", "serving"  # the adapters' names; the first is PEFT's own

# Asked in every run, whatever people talk about: a tune must not lose its words outside of it.
QUESTIONS = (
    "Hello!",
    "Who are you?",
    "What can you do?",
    "How do I give you feedback?",
    "What does /reset do?",
    "What is the capital of Australia?",
    "Thank you!",
    "Please write a haiku about rain.",
)
ASKED = 16  # prompts of people's own beside them
TINY_PROMPT = 128  # tokens: of longer ones a tiny model learns no more, but for long (LOG.md)
ENOUGH_TOKENS, MOST_SAMPLES = 600, 72  # one sample of two words says little about a distribution


def prompt_ids(tokenizer: Any, prompt: Chat) -> list[int]:
    encoded = tokenizer.apply_chat_template(
        prompt, add_generation_prompt=True, return_dict=True, **NO_THOUGHTS
    )
    return list(encoded["input_ids"])


def row_ids(tokenizer: Any, row: dict[str, Any]) -> tuple[list[int], int]:
    """All tokens of prompt and completion, and where the completion begins."""
    prompt = prompt_ids(tokenizer, row["prompt"])
    talk = row["prompt"] + row["completion"]
    whole = tokenizer.apply_chat_template(talk, return_dict=True, **NO_THOUGHTS)
    ids = list(whole["input_ids"])
    shared = 0
    while shared < min(len(prompt), len(ids)) and prompt[shared] == ids[shared]:
        shared += 1
    return ids, shared


def goes_on(tokenizer: Any) -> bool:
    """Whether an answer stands behind what asks for it also where it was given before. Templates of
    models that always think ask for a thought, and leave it out later.
    """
    talk = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hello."}]
    asked, whole = (
        tokenizer.apply_chat_template(
            some, add_generation_prompt=some != talk, tokenize=False, **NO_THOUGHTS
        )
        for some in (talk[:1], talk)
    )
    return whole.startswith(asked) and talk[1]["content"] in whole.removeprefix(asked)


def longest(model: Any) -> int:
    """How many tokens a row may have."""
    return min(int(model.config.get_text_config().max_position_embeddings), ROW_TOKENS)


def shortened(model: Any, tokenizer: Any, row: dict[str, Any]) -> dict[str, Any]:
    """The row (or pair) without as many of its oldest turns as it takes for its prompt to have at
    most so many tokens as are learnt from, and for all of it to fit. System text ahead of them and
    the last question stay, however long they are.
    """
    prompt = row["prompt"]
    sides = [row[key] for key in ("completion", "chosen", "rejected") if key in row]
    window = longest(model)
    most = TINY_PROMPT if is_tiny(model) else window
    first = int(prompt[0]["role"] == "system")
    cuts = [n for n in range(first + 1, len(prompt)) if prompt[n]["role"] == "user"]
    left = [prompt[:first] + prompt[cut:] for cut in (first, *cuts)]

    def is_short(some: Chat) -> bool:
        rows = (row_ids(tokenizer, {"prompt": some, "completion": side})[0] for side in sides)
        return len(prompt_ids(tokenizer, some)) <= most and all(len(ids) <= window for ids in rows)

    return row | {"prompt": left[bisect_left(left[:-1], True, key=is_short)]}


@contextmanager
def speaking(model: Any, voice: Voice) -> Iterator[None]:
    """The model as one of the three, for a moment; then it is the candidate again."""
    if voice == "base":
        with model.disable_adapter():
            yield
    elif voice == "candidate":
        yield
    else:
        model.set_adapter(SERVING)
        try:
            yield
        finally:
            model.set_adapter(CANDIDATE)


def generate(
    model: Any, tokenizer: Any, prompts: Sequence[Chat], *, tokens: int, temperature: float
) -> tuple[Any, int]:
    """Prompts with their continuations, padded on the left (B, T), and where these begin."""
    rows = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    return go_on(model, tokenizer, rows, tokens=tokens, temperature=temperature)


def go_on(
    model: Any, tokenizer: Any, rows: Sequence[list[int]], *, tokens: int, temperature: float
) -> tuple[Any, int]:
    """The same from tokens."""
    import torch

    ids, mask = _padded(model, tokenizer, rows)
    sampling: dict[str, Any] = {"do_sample": False, "temperature": None}
    if temperature:
        sampling = {"do_sample": True, "temperature": temperature}
    with torch.no_grad():
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=tokens,
            max_length=None,
            pad_token_id=tokenizer.pad_token_id,
            top_k=None,
            top_p=None,
            **sampling,
        )
    return out, ids.shape[1]


def _padded(model: Any, tokenizer: Any, rows: Sequence[list[int]]) -> tuple[Any, Any]:
    """Tokens padded on the left and their mask: (B, T) each."""
    import torch

    width = max(map(len, rows))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor(
        [[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device
    )
    return ids, mask


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and whether it ended by itself."""

    text: str
    ended: bool


def answers(
    model: Any,
    tokenizer: Any,
    rows: Sequence[list[int]],
    *,
    tokens: int,
    temperature: float = 0,
    batch: int = 64,
) -> list[Said]:
    """What the model says after each of the rows; with a temperature always by the same dice.

    `batch`: rows at once, where there is memory for so many. The short ones come first, so that
    none is padded to the longest of all.
    """
    import torch

    found: dict[int, Said] = {}
    stop = ends(model, tokenizer)
    left = sorted(range(len(rows)), key=lambda n: len(rows[n]))
    with quiet(model), torch.random.fork_rng():
        torch.manual_seed(0)
        while left:
            at_once = min(batch, answers_at_once(model, len(rows[left[:batch][-1]]) + tokens))
            some, left = left[:at_once], left[at_once:]
            ids, width = go_on(
                model, tokenizer, [rows[n] for n in some], tokens=tokens, temperature=temperature
            )
            for n, row in zip(some, ids[:, width:].tolist(), strict=True):
                length = next((at for at, token in enumerate(row) if token in stop), len(row))
                # Special tokens within an answer stay: people would see them.
                text = tokenizer.decode(row[:length])
                found[n] = Said(text, length < len(row))
    return [found[n] for n in range(len(rows))]


def answers_at_once(model: Any, longest: int) -> int:
    """So many that their keys and values take a gigabyte, and at least one."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    token = 2 * int(config.num_hidden_layers * heads * head) * int(model.dtype.itemsize)
    return max(1, GIB // (token * longest))


def ends(model: Any, tokenizer: Any) -> set[int]:
    """The tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    found = set(ends) if isinstance(ends, list) else {ends}
    return (found | {tokenizer.eos_token_id}) - {None}


def probing_prompts(rows: Sequence[dict[str, Any]]) -> list[Chat]:
    """The fixed questions, after the rows' own system text, and the first different prompts."""
    asked = list({json.dumps(row["prompt"]): row["prompt"] for row in rows}.values())[:ASKED]
    system = [turn for turn in asked[0] if turn["role"] == "system"] if asked else []
    return [[*system, {"role": "user", "content": text}] for text in QUESTIONS] + asked


def kl_per_token(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Chat],
    *,
    to: Voice = "base",
    tokens: int = 48,
    batch: int = 16,
) -> float:
    """KL(candidate‖`to`) in nats per token on the candidate's own samples, over all words.

    The one number that sees a model being pushed off what it knew: see LOG.md. Every prompt is
    sampled once, and again while the answers are too short to say enough.
    """
    import torch

    total, counted, sampled = 0.0, 0, 0
    widest = max((len(prompt_ids(tokenizer, prompt)) for prompt in prompts), default=1)
    batch = min(batch, answers_at_once(model, widest + tokens))
    with quiet(model), torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)  # the same dice each time: checks differ by the weights alone
        while sampled < len(prompts) or (counted < ENOUGH_TOKENS and sampled < MOST_SAMPLES):
            start = sampled % len(prompts)
            some = prompts[start : start + batch]
            kl = _kl(model, tokenizer, some, to, tokens)
            total += float(kl.sum())
            counted += len(kl)
            sampled += len(some)
    return total / max(1, counted)


def _kl(model: Any, tokenizer: Any, prompts: Sequence[Chat], to: Voice, tokens: int) -> Any:
    """One sample of each prompt; KL at each of its tokens, up to and with the end: (tokens,)"""
    import torch

    stop = torch.tensor(sorted(ends(model, tokenizer)), device=model.device)
    ids, width = generate(model, tokenizer, prompts, tokens=tokens, temperature=1.0)
    ended = torch.isin(ids[:, width:], stop).int()  # (B, N)
    alive = (ended.cumsum(1) - ended) == 0
    positions = torch.arange(width, device=ids.device)
    lengths = torch.tensor([len(prompt_ids(tokenizer, prompt)) for prompt in prompts])
    asked = positions >= width - lengths.to(ids.device)[:, None]  # (B, width)
    mask = torch.cat([asked, alive], 1).long()
    new = _log_probs(model, ids, mask, width)  # (B, N, V)
    with speaking(model, to):
        old = _log_probs(model, ids, mask, width)
    return (new.exp() * (new - old)).sum(-1)[alive]


def log_probs_per_token(
    model: Any, tokenizer: Any, rows: Sequence[tuple[list[int], int]]
) -> list[float]:
    """How likely the model finds each row's completion: the mean of its tokens' log-probability.

    A row is all its tokens and where its completion begins, as `row_ids` gives it.
    """
    import torch

    found = []
    batch = _rows_at_once(model, rows)
    with quiet(model), torch.no_grad():
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            ids, mask = _padded(model, tokenizer, [row for row, _ in some])
            counts = [len(row) - begin for row, begin in some]
            begin = ids.shape[1] - max(counts)
            probs = _log_probs(model, ids, mask, begin).gather(-1, ids[:, begin:, None])[..., 0]
            found += [float(p[-n:].mean()) for p, n in zip(probs, counts, strict=True)]  # p: (N,)
    return found


def log_ratio_per_token(model: Any, tokenizer: Any, row: dict[str, Any]) -> float:
    """How much likelier the candidate finds the row's completion than the base, per token."""
    tokens = [row_ids(tokenizer, row)]
    (new,) = log_probs_per_token(model, tokenizer, tokens)
    with speaking(model, "base"):
        (old,) = log_probs_per_token(model, tokenizer, tokens)
    return new - old


def _rows_at_once(model: Any, rows: Sequence[tuple[list[int], int]]) -> int:
    """So many that the logits of their completions take a quarter of a gigabyte, and at least one,
    but no more than may be answered side by side.
    """
    longest_row = max((len(row) for row, _ in rows), default=1)
    said = max((len(row) - begin for row, begin in rows), default=1)
    entries = int(model.config.get_text_config().vocab_size)
    most = min(32, answers_at_once(model, longest_row))
    return max(1, min(most, (1 << 26) // (max(1, said) * entries)))


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
    wanted = ids.shape[1] - begin + 1  # of a long prompt the logits are half of the work
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        logits_to_keep=wanted,
        use_cache=False,
    )
    return out.logits[:, :-1].float().log_softmax(-1)
