"""From what people said of answers to rows to learn from. Pure: core.training.jsonl writes them.

It knows neither the store nor a model. A prompt is rebuilt from what its turn kept and compared by
digest with what the model was shown; a row that no longer fits, because somebody edited, deleted or
forgot, is left out and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from core.conversation import Messages, asked, digest, render
from core.feedback import votes
from core.shares import too_many
from core.training.bursts import Burst, Key
from core.training.minds import Change, Vote, changed
from core.training.quarantine import Unheard, sift
from core.training.redact import redact
from core.types import Correction
from core.types_learning import Judged, Review, Voter

HOLD_OUT_FROM = 30  # labels; fewer are too few to lose a fifth of
CONVERSATIONS_FROM = 10  # with fewer the split is by turn
# The newest, and the others of their oldest turn: a run has a bound on time, and what people liked
# years ago is old.
MOST_ROWS = 5_000

Split = Literal["conversation", "turn"]
Reason = Literal[
    "not a whole answer",
    "prompt changed since",
    "as many up as down",
    "correction changes nothing",
    "more than one person's share",
    "from before people changed their minds",
    "older than the newest 5,000",
    "trained on elsewhere",
]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to learn: after `prompt`, `text` is good (`label`) or bad.

    `by`: the ids of the people behind it, on `platform`. `corrected`: the text is a person's own
    words, not the model's. `shown`: the earlier turns that the model was shown, also those that
    stood as examples, whose words are not in `prompt`. `conversation`: a hash.
    """

    turn_id: int
    by: tuple[str, ...]
    prompt: Messages
    text: str
    label: bool
    corrected: bool = False
    held_out: bool = False
    platform: str = ""
    shown: tuple[int, ...] = ()
    conversation: str = ""

    @property
    def people(self) -> tuple[str, ...]:
        """As config.yaml names them."""
        return tuple(f"{self.platform}:{one}" for one in self.by)

    @property
    def chat(self) -> list[dict[str, str]]:
        return [{"role": role, "content": text} for role, text in self.prompt]

    @property
    def completion(self) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": self.text}]

    def as_kto(self) -> dict[str, Any]:
        return {"prompt": self.chat, "completion": self.completion, "label": self.label}

    def as_held(self, split_by: Split) -> dict[str, Any]:
        """`group`: what is held out together."""
        return {**self.as_kto(), "group": self.group(split_by)}

    def group(self, split_by: Split) -> str:
        return self.conversation if split_by == "conversation" else str(self.turn_id)


@dataclass(frozen=True, slots=True)
class Gathered:
    """All rows, oldest turn first, and which turns gave none, by reason.

    `unheard`: whose verdicts do not count, whatever became of the turn; `bursts`: those of them
    that wait for an admin. `change`: of what people like, as it shows.
    """

    rows: tuple[Row, ...]
    left_out: dict[Reason, tuple[int, ...]] = field(default_factory=dict)
    split_by: Split = "conversation"
    unheard: dict[Unheard, tuple[Key, ...]] = field(default_factory=dict)
    bursts: tuple[Burst, ...] = ()
    change: Change | None = None

    @property
    def turns(self) -> tuple[int, ...]:
        """The judged ones."""
        return tuple(dict.fromkeys(row.turn_id for row in self.rows))

    @property
    def used(self) -> tuple[int, ...]:
        """All whose words are in it: the judged ones, and those that their prompts show."""
        return tuple(sorted({id for row in self.rows for id in (row.turn_id, *row.shown)}))

    @property
    def verdicts(self) -> tuple[tuple[int, str], ...]:
        """Turn and person of each verdict and correction."""
        return tuple(sorted({(row.turn_id, person) for row in self.rows for person in row.by}))

    @property
    def training(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.held_out)

    @property
    def counts(self) -> dict[str, int]:
        """What the recipe and the person go by. `labels`: judged turns that can be used."""
        training = self.training
        return {
            "labels": len(self.turns),
            "liked": sum(row.label and not row.corrected for row in training),
            "corrections": sum(row.corrected for row in training),
            "disliked": sum(not row.label for row in training),
            "held_out": len(self.rows) - len(training),
            "people": len({person for row in self.rows for person in row.people}),
            "conversations": len({row.conversation for row in self.rows}),
        }

    @property
    def evidence(self) -> str:
        """What the held-out rows are worth, in half a sentence."""
        if not any(row.held_out for row in self.rows):
            return "nothing is held out"
        if self.split_by == "turn":
            found = self.counts["conversations"]
            return f"held out by turn from {found} conversations, which is weak evidence"
        return "held out by conversation"


def gather(
    judged: Sequence[Judged],
    voters: Sequence[Voter] = (),
    reviews: Sequence[Review] = (),
    served: Mapping[str, bool] | None = None,
) -> Gathered:
    """One verdict per person and turn, the majority of people decides, ties give nothing.

    A correction is its author's "no" to the answer, and a good answer of its own. Once five people
    vote, nobody gives more than their share (core.shares). `voters`, `reviews`: all that
    core.training.quarantine goes by; without voters it sets nothing aside. `served`: the tunes that
    ever answered everybody, and whether they are proven, by which core.training.minds goes.
    """
    rows: list[Row] = []
    left_out: dict[Reason, list[int]] = defaultdict(list)
    sifted = sift(judged, voters, reviews)
    for one in sifted.judged:
        found = rows_of(one)
        if isinstance(found, str):
            left_out[found].append(one.turn.id)
        else:
            rows += found
    models = {one.turn.id: one.turn.recipe.model for one in sifted.judged if one.turn.recipe}
    likes = {one.turn.id: _likes(one) for one in sifted.judged}
    who_voted = {
        (one.turn.message.ref.channel.platform, who)
        for one in sifted.judged
        for who in (*(f.author_id for f in one.feedback), *(c.author_id for c in one.corrections))
    }
    shared, _ = _shared(rows, len(who_voted))
    change = changed(
        [
            Vote(row.turn_id, row.conversation, likes[row.turn_id], models[row.turn_id], row.label)
            for row in shared
            if not row.corrected
        ],
        served or {},
    )
    if change and change.of_minds:
        old = dict.fromkeys(row.turn_id for row in rows if row.turn_id < change.since)
        left_out["from before people changed their minds"] += old
        rows = [row for row in rows if row.turn_id >= change.since]
    if len(rows) > MOST_ROWS:
        begin = rows[-MOST_ROWS].turn_id
        old = dict.fromkeys(row.turn_id for row in rows if row.turn_id < begin)
        left_out["older than the newest 5,000"] += old
        rows = [row for row in rows if row.turn_id >= begin]
    rows, left_out["more than one person's share"] = _shared(rows, len(who_voted))
    split_by: Split = "conversation"
    if len({row.conversation for row in rows}) < CONVERSATIONS_FROM:
        split_by = "turn"
    if len({row.turn_id for row in rows}) >= HOLD_OUT_FROM:
        rows = [replace(row, held_out=held_out(row.group(split_by))) for row in rows]
    rows, known = _unseen(rows)
    left_out["trained on elsewhere"] += known
    return Gathered(
        tuple(rows),
        {why: tuple(turns) for why, turns in left_out.items() if turns},
        split_by,
        sifted.unheard,
        sifted.bursts,
        change,
    )


def _shared(rows: list[Row], voters: int) -> tuple[list[Row], list[int]]:
    """Without what is more than one person's share, and the turns of that."""
    excess = too_many([row.people for row in rows], voters)
    gone = dict.fromkeys(rows[number].turn_id for number in sorted(excess))
    return [row for number, row in enumerate(rows) if number not in excess], list(gone)


def held_out(unit: str) -> bool:
    """A fifth of all conversations (or turns), the same ones for ever."""
    return hashlib.blake2b(unit.encode()).digest()[0] % 5 == 0


def rows_of(one: Judged) -> list[Row] | Reason:
    """All that this turn could teach, whoever else voted; or why it cannot."""
    turn, recipe = one.turn, one.turn.recipe
    if recipe is None or turn.outcome != "answered" or not turn.answer.strip():
        return "not a whole answer"
    question = asked(turn)
    # With the examples, though none is trained on: the answer may repeat what it was shown, and
    # whatever learnt it is marked when that is forgotten.
    if digest(render(recipe.system, one.shown, question, recipe.examples)) != recipe.digest:
        return "prompt changed since"
    # Without the examples: a tune is asked without them, and has to learn what they brought about.
    # Beside them a liked answer is likely already, and hardly anything is learnt from it.
    prompt = render(recipe.system, one.shown, question)
    verdicts, corrections = _said(one)
    total = sum(verdicts.values())
    led = (example.turn_id for example in recipe.examples)
    about = Row(
        turn.id,
        tuple(sorted(verdicts)),
        tuple((role, redact(text)) for role, text in prompt),
        redact(turn.answer),
        total > 0,
        platform=turn.message.ref.channel.platform,
        shown=(*dict.fromkeys(led), *(earlier.id for earlier in one.shown)),
        conversation=_conversation(one),
    )
    rows = [
        replace(about, by=(c.author_id,), text=redact(c.text.strip()), label=True, corrected=True)
        for c in corrections
    ]
    if total:
        rows.append(about)
    if rows:
        return rows
    return "as many up as down" if verdicts else "correction changes nothing"


def _said(one: Judged) -> tuple[dict[str, int], list[Correction]]:
    """As core.feedback.votes tells it."""
    scores = {f.author_id: f.score for f in sorted(one.feedback, key=lambda f: f.at)}
    return votes(one.turn.answer, scores, one.corrections)


def _likes(one: Judged) -> dict[str, bool]:
    """Whether each of the people, as config.yaml names them, likes the answer."""
    platform, (verdicts, _) = one.turn.message.ref.channel.platform, _said(one)
    return {f"{platform}:{who}": score > 0 for who, score in verdicts.items()}


def _conversation(one: Judged) -> str:
    """A hash of the thread and of the conversation's first turn."""
    thread = one.turn.message.thread
    channel = thread.channel
    parts = (channel.platform, channel.account, channel.id, thread.thread, one.opening)
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _unseen(rows: Sequence[Row]) -> tuple[list[Row], list[int]]:
    """Without held-out rows whose words are trained on in another conversation: they prove nothing.

    They are not trained on instead.
    """
    trained = {_words(row) for row in rows if not row.held_out}
    kept, known = [], []
    for row in rows:
        if row.held_out and _words(row) in trained:
            known.append(row.turn_id)
        else:
            kept.append(row)
    return kept, list(dict.fromkeys(known))


def _words(row: Row) -> tuple[str, ...]:
    """Prompt and completion, however they are spaced and capitalised."""
    return tuple(" ".join(text.casefold().split()) for _, text in (*row.prompt, ("", row.text)))
