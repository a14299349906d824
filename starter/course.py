"""One of the processes that learn the starter model together: its time, its gradients, its loss."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from random import Random

import torch
from rich.progress import Progress
from tokenizers import Tokenizer
from torch import distributed
from torch.nn import Parameter

from starter.conversation import Writer
from starter.rows import Reader


class Course:
    """One of the processes that learn together.

    Each draws its own conversations; a step is the mean of all their gradients.
    """

    def __init__(
        self,
        rank: int,
        processes: int,
        rng: Random,
        tokenizer: Tokenizer,
        bar: Progress,
        parent: int,
    ) -> None:
        """`rng`: its own dice. `parent`: the process without which it shall not go on."""
        self.rank, self.processes, self.rng = rank, processes, rng
        self.writer = Writer(rng)
        self.reader = Reader(tokenizer, rng)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bar = bar
        self.loss, self.tokens = math.nan, 0  # of this process
        self.parent = parent

    def time(self, what: str, seconds: float) -> Iterator[float]:
        """Gives the share of the time that is done, step by step and to all alike, below 1; and
        shows it.
        """
        task = self.bar.add_task(what, total=1.0)
        began, step = time.monotonic(), 0
        self.loss = math.nan
        while True:
            share = torch.tensor([(time.monotonic() - began) / seconds])
            if self.processes > 1:
                distributed.broadcast(share, 0)
            if os.getppid() != self.parent:
                raise SystemExit("What started this was killed: nothing is kept. Start it anew.")
            done = min(1.0, float(share))
            self.bar.update(task, completed=done, description=f"{what}  loss {self.loss:.3f}")
            if step and step % 100 == 0 and not self.rank:
                pace = self.processes * self.tokens / (time.monotonic() - began)
                line = f"{what}: step {step}  {done:.0%}  loss {self.loss:.4f}"
                self.bar.console.print(line + (f"  {pace:.0f} tokens/s" if self.tokens else ""))
            if done >= 1:
                return
            step += 1
            yield done

    def learn(self, loss: torch.Tensor, params: Sequence[Parameter]) -> None:
        """Leaves in the parameters, all of which the loss depends on, the mean gradient."""
        loss.backward()  # type: ignore[no-untyped-call]
        if self.processes > 1:
            grads = [p.grad for p in params if p.grad is not None]
            flat = torch.cat([grad.reshape(-1) for grad in grads])
            distributed.all_reduce(flat)
            parts = torch.split(flat / self.processes, [grad.numel() for grad in grads])
            for grad, part in zip(grads, parts, strict=True):
                grad.copy_(part.view_as(grad))
        torch.nn.utils.clip_grad_norm_(params, 1.0)

    def note(self, loss: torch.Tensor) -> None:
        """Keeps the loss as it is said and recorded: the mean of about the last fifty steps."""
        value = float(loss.detach())
        self.loss = value if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * value
