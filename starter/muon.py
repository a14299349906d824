"""Muon, the optimizer, in float32: torch's own computes in bfloat16, which old processors emulate.

Each matrix moves along its momentum made orthogonal (Jordan et al. 2024, "Muon: an optimizer for
hidden layers"; the polynomial's numbers are theirs), scaled like AdamW's steps (Liu et al. 2025).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch


class Muon(torch.optim.Optimizer):
    """For matrices only; equal shapes are orthogonalised together."""

    def __init__(self, params: Iterable[torch.Tensor], lr: float, decay: float) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "momentum": 0.95})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Moves every matrix once."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[torch.Tensor]] = defaultdict(list)
            for p in group["params"]:
                shapes[tuple(p.shape)].append(p)
            for same in shapes.values():
                self._move(same, group)

    def _move(self, same: list[torch.Tensor], group: dict[str, Any]) -> None:
        wanted = []
        for p in same:
            assert p.grad is not None
            held = self.state[p].setdefault("momentum", torch.zeros_like(p))
            held.lerp_(p.grad, 1 - group["momentum"])
            wanted.append(p.grad.lerp(held, group["momentum"]))  # Nesterov
        moves = orthogonal(torch.stack(wanted))
        size = 0.2 * max(same[0].shape) ** 0.5
        for p, move in zip(same, moves, strict=True):
            p.mul_(1 - group["lr"] * group["decay"])
            p.add_(move, alpha=-group["lr"] * size)


def orthogonal(g: torch.Tensor, steps: int = 4) -> torch.Tensor:
    """Gives nearly orthogonal matrices with the same singular vectors, by Newton-Schulz."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[-2] > g.shape[-1]
    x: torch.Tensor = g.mT if tall else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return x.mT if tall else x
