"""Conversations as rows of tokens: what is read, what is learnt, what each answer is about."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer

from starter.conversation import Conversation, follow_ups
from starter.facts import FACTS
from starter.memory import KINDS
from starter.programs import CODE
from starter.tokens import ASSISTANT, CONTEXT, END, PAD, SYSTEM, USER

IGNORED = -100  # cross entropy leaves it out
_DROPPED = 0.1  # of the merges, where words are cut otherwise (BPE-dropout, Provilkov et al. 2020)
_CUT = 0.3  # of the conversations are read so, as slips of the finger would cut them


def subjects() -> list[str]:
    """Gives all that an answer may be about, in an order that stays."""
    told = [f"{way}-{kind}" for way in ("tell", "ask") for kind in KINDS]
    known = [*(fact.id for fact in FACTS), *(task.id for task in CODE)]
    return [*known, "offtopic", "refusal", *told, *follow_ups()]


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Gives the number of a special token, which is always there."""
    found = tokenizer.token_to_id(token)
    assert found is not None
    return found


@dataclass(slots=True)
class Row:
    """A conversation's tokens, which of them are learnt, and where answers begin about what."""

    ids: list[int]
    learn: list[bool]
    begins: list[tuple[int, int]]


class Reader:
    """Turns conversations into rows."""

    def __init__(self, tokenizer: Tokenizer, rng: Random) -> None:
        self.tokenizer, self.rng = tokenizer, rng
        self.end, self.pad = token_id(tokenizer, END), token_id(tokenizer, PAD)
        marks = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}
        self.mark = {role: token_id(tokenizer, mark) for role, mark in marks.items()}
        self._cut = Tokenizer.from_str(tokenizer.to_str())
        self._cut.model.dropout = _DROPPED
        self._subject = {name: n for n, name in enumerate(subjects())}

    def row(self, talk: Conversation) -> Row:
        """Gives a conversation as a row, at most as long as the context."""
        messages = talk.messages()
        texts = [message["content"] for message in messages]
        read = written = self.tokenizer.encode_batch(texts)
        if self.rng.random() < _CUT:
            read = self._cut.encode_batch(texts)
        row = Row([], [], [])
        about = iter(talk.exchanges)
        for message, theirs, ours in zip(messages, read, written, strict=True):
            own = message["role"] == "assistant"
            if own:
                row.begins.append((len(row.ids), self._subject[next(about).subject]))
            ids = ours.ids if own else theirs.ids
            row.ids += [self.mark[message["role"]], *ids, self.end]
            row.learn += [False, *[own] * (len(ids) + 1)]
        begins = [(at, subject) for at, subject in row.begins if at < CONTEXT]
        return Row(row.ids[:CONTEXT], row.learn[:CONTEXT], begins)


def packs(rows: list[Row], tokens: int, rng: Random) -> list[list[Row]]:
    """Puts rows of like length together, so that little is padding; gives the packs shuffled.

    A pack has at most so many tokens, padding included, or one row.
    """
    found: list[list[Row]] = [[]]
    for row in sorted(rows, key=lambda row: (len(row.ids), rng.random())):
        if found[-1] and (len(found[-1]) + 1) * len(row.ids) > tokens:
            found.append([])
        found[-1].append(row)
    rng.shuffle(found)
    return found


def tensors(pack: list[Row], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gives ids, the tokens that follow, and subjects where an answer begins, each (B, T)."""
    width = max(len(row.ids) for row in pack)
    x = torch.full((len(pack), width), pad)
    y = torch.full((len(pack), width), IGNORED)
    about = torch.full((len(pack), width), IGNORED)
    for i, row in enumerate(pack):
        ids, learn = torch.tensor(row.ids), torch.tensor(row.learn)
        x[i, : len(ids)] = ids
        y[i, : len(ids) - 1] = torch.where(learn[1:], ids[1:], IGNORED)
        for at, subject in row.begins:
            about[i, at] = subject
    return x, y, about
