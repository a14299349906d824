"""Makes a tiny random Llama with its own tokenizer, in a second, for tests of the real thing.

What it says means nothing; that it is a model that every server loads is the point.
"""

from __future__ import annotations

from pathlib import Path

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
TEXT = [
    "What does a thumbs up do? It tells me that the answer was good.",
    "A mynah is a bird that learns to speak from those around it.",
    "The quick brown fox jumps over the lazy dog, twice a day and never on Sundays.",
]


def make(
    folder: Path,
    *,
    seed: int = 0,
    ends: bool = False,
    window: int = 512,
    says_ascii: bool = False,
    template: str = CHAT_TEMPLATE,
) -> Path:
    """A folder as the hub would give it: config, weights, tokenizer, chat template.

    `ends`: the model may end its answer; else it never does and speaks up to the length limit.
    `says_ascii`: at temperature 0; else half of its tokens are bytes that are no text.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        ),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>"
    )
    fast.chat_template = template
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=window,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1 if ends else None,
        pad_token_id=0,
        initializer_range=0.3,  # so that two seeds say different things
    )
    model = LlamaForCausalLM(config)
    if says_ascii:  # the likeliest token's logit is above 0
        said = [str(fast.decode([n])) for n in range(len(fast))]
        others = [n for n, text in enumerate(said) if n < len(SPECIAL) or not plain(text)]
        with torch.no_grad():
            model.model.embed_tokens.weight[others] = 0
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
