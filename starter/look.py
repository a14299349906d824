"""What is asked: the first layer of the model learns it alone, before the model learns to speak.

Where an answer begins, the first layer looks back once. Its query is that of one token, so what it
thinks of each entry of the vocabulary at each distance is one table, and a look costs next to
nothing: hundreds of thousands fit into a few minutes, where the whole model would see a tenth. The
layer begins with heads that look at what is near (the last question), whatever else was said; where
it looks best it learns.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn.functional import embedding_bag
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import rotate_half

HEADS, HEAD_DIM = 4, 64
WIDTH = HEADS * HEAD_DIM
EPSILON = 1e-6  # of the norms
# What follows was tried a few times only, on questions that are set aside.
_STEEP = (1.0, 2.0, 4.0, 8.0)  # by head: how much what is near counts more when it begins
_TURNING = slice(6, 22)  # the rotary pairs that turn at the pace of questions and conversations
_AGREE = 1.3  # of query and key in each of these pairs, where a head is as steep as 1
_SAME = 2.0  # the first number of every token's vector: what the heads' nearness hangs on
_SPREAD = 0.5  # of the others


class FirstLook(nn.Module):
    """A model's own embedding and first layer, and a head that names the subject of an answer.

    `assistant`: the token after which the model speaks.
    """

    def __init__(self, model: LlamaForCausalLM, subjects: int, assistant: int) -> None:
        super().__init__()
        self.assistant = assistant
        self.embed = model.model.embed_tokens
        self.layer: Any = model.model.layers[0]
        self.norm = nn.RMSNorm(WIDTH, EPSILON)
        self.head = nn.Linear(WIDTH, subjects)
        far = torch.arange(model.config.max_position_embeddings)
        cos, sin = model.model.rotary_emb(self.embed.weight, far[None])  # (1, L, S)
        self.cos: torch.Tensor
        self.sin: torch.Tensor
        self.register_buffer("cos", cos[0][:, None], persistent=False)
        self.register_buffer("sin", sin[0][:, None], persistent=False)

    @torch.no_grad()
    def begin(self) -> None:
        """Lets the heads look at what is near: in pairs that turn, query and key agree, and the sum
        of the cosines falls with the distance.
        """
        nn.init.normal_(self.embed.weight, std=_SPREAD)
        self.embed.weight[:, 0] = _SAME
        size = ((_SAME**2 + _SPREAD**2 * (WIDTH - 1)) / WIDTH) ** 0.5  # what the norm divides by
        for matrix in (self.layer.self_attn.q_proj.weight, self.layer.self_attn.k_proj.weight):
            matrix.mul_(0.1)  # else chance decides where it looks
            for head, steep in enumerate(_STEEP):
                first = head * HEAD_DIM
                pairs = slice(first + _TURNING.start, first + _TURNING.stop)
                matrix[pairs] = 0
                matrix[pairs, 0] = _AGREE * steep**0.5 * size / _SAME

    def forward(
        self, ids: torch.Tensor, at: torch.Tensor, start: torch.Tensor, reach: int
    ) -> torch.Tensor:
        """What the answers are about (N, subjects).

        Of conversations one after the other (T,): where answers begin (N,) and where the
        conversation of each begins (N,). `reach`: so many tokens are looked at, the last ones.
        """
        attention, back = self.layer.self_attn, torch.arange(reach, device=ids.device)  # (L,)
        where = at[:, None] - back  # (N, L)
        seen = ids[where.clamp(min=0)]
        entries = self.layer.input_layernorm(self.embed.weight)  # (V, D)
        keys = attention.k_proj(entries).view(-1, HEADS, HEAD_DIM) / HEAD_DIM**0.5
        values = attention.v_proj(entries).view(-1, HEADS, HEAD_DIM)
        query = attention.q_proj(entries[self.assistant]).view(1, HEADS, HEAD_DIM)
        turned = rotate_half(query)  # type: ignore[no-untyped-call]
        queries = query * self.cos[:reach] + turned * self.sin[:reach]  # (L, H, S)
        table = torch.einsum("lhs,vhs->vlh", queries, keys)
        scores = table[seen, back].masked_fill((where < start[:, None])[..., None], -math.inf)
        weights = scores.softmax(1)  # (N, L, H)
        heads = [
            embedding_bag(
                seen, values[:, h], mode="sum", per_sample_weights=weights[..., h].contiguous()
            )
            for h in range(HEADS)
        ]
        x = self.embed.weight[self.assistant] + attention.o_proj(torch.cat(heads, -1))
        return self.named(x + self.layer.mlp(self.layer.post_attention_layernorm(x)))

    def named(self, x: torch.Tensor) -> torch.Tensor:
        """The subjects, of what the first layer leaves where an answer begins (N, D)."""
        named: torch.Tensor = self.head(self.norm(x))
        return named
