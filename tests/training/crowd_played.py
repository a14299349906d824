"""What a crowd does, played on a real engine and store, and what of it reaches the rows.

As platforms would play it: a reaction at a time, or taken away. The figures are counted from the
acts and the rows alone, by no rule of the product's.
"""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.conversation import digest, render
from core.store import Store
from core.training.dataset import Gathered
from core.types import (
    Author,
    Correction,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Recipe,
    ThreadRef,
)
from core.types_learning import Judged
from tests.core.room import ROOM, engine_on
from tests.fakes import ScriptedGenerator
from tests.training.crowd import Asked, Corrected, Crowd
from tests.training.votes import BAD, GOOD, SYSTEM


async def play(store: Store, crowd: Crowd, at_once: int = 200) -> dict[str, int]:
    """All that they did, on a real engine. Returns the id of the turn of each question."""
    engine = engine_on(store, ScriptedGenerator([]))
    turns: dict[str, int] = {}

    async def asked(act):
        message = IncomingMessage(
            MessageRef(ROOM, act.id),
            ThreadRef(ROOM, act.id),
            Author(act.who, act.who),
            act.text,
            True,
            act.at,
        )
        turn = await store.hear(message)
        assert turn
        turns[act.id] = turn.id
        exact = digest(render(SYSTEM, (), act.text))
        await store.began(turn.id, Recipe("base", SYSTEM, None, exact))
        await store.placing(turn.id)
        await store.placed(turn.id, MessageRef(ROOM, f"answer to {act.id}"))
        answer = (GOOD if act.short else BAD)[turn.id % 2]
        await store.settle(turn.id, answer, "answered")
        await store.finish(turn.id)

    async def reacted(acts):
        for act in acts:
            target, who = MessageRef(ROOM, f"answer to {act.id}"), Author(act.who, act.who)
            if isinstance(act, Corrected):
                said = Correction(turns[act.id], act.who, act.text, act.at)
                await store.put_correction(said)  # the engine's would be of now
                continue
            who = Author(act.who, act.who, act.is_bot)
            emoji = "👍" if act.score > 0 else "👎"
            await engine.judge(IncomingReaction(target, who, emoji, act.added, act.at))

    acts = sorted(crowd.acts, key=lambda act: act.at)
    await in_groups(asked, [act for act in acts if isinstance(act, Asked)], at_once)
    by_verdict = {}  # what one person does to one answer comes in its order
    for act in acts:
        if not isinstance(act, Asked):
            by_verdict.setdefault((act.who, act.id), []).append(act)
    await in_groups(reacted, list(by_verdict.values()), at_once)
    return turns


async def in_groups(work, things, at_once):
    for start in range(0, len(things), at_once):
        async with asyncio.TaskGroup() as group:
            for thing in things[start : start + at_once]:
                group.create_task(work(thing))


@dataclass(frozen=True, slots=True)
class Found:
    """What of it reached the rows. `naive`: the rows with poison if every vote counted."""

    rows: int
    poisoned: int
    naive_rows: int
    naive: int
    naive_most: int
    most_rows: int
    most_weight: float
    of_new: int
    of_bots: int
    of_gone: int
    caught: float  # not a number: nobody came in bursts
    falsely: float
    waiting: int


def figures(
    crowd: Crowd, turns: Mapping[str, int], judged: Sequence[Judged], gathered: Gathered
) -> Found:
    """Counted from the acts and the rows alone."""
    asked = {id: name for name, id in turns.items()}
    voices = Counter[str]()  # rows that each person is behind
    weight = defaultdict[str, float](float)
    for row in gathered.rows:
        for who in row.by:
            voices[who] += 1
            weight[who] += 1 / len(row.by)
    poisoned = [row for row in gathered.rows if crowd.bad & set(row.by)]
    standing = {(one.turn.id, said.author_id) for one in judged for said in one.feedback}
    standing |= {(one.turn.id, said.author_id) for one in judged for said in one.corrections}
    counted = {(row.turn_id, who) for row in gathered.rows for who in row.by}
    days = {}
    for act in crowd.acts:
        first, last = days.get(act.who, (act.at, act.at))
        days[act.who] = min(first, act.at), max(last, act.at)
    new = {who for who, (first, last) in days.items() if last - first < timedelta(days=1)}
    burst = {(turns[id], who) for who, id in crowd.burst} & standing
    aside = {key for one in gathered.bursts for key in one.verdicts}
    honest = {key for key in standing if key[1] not in crowd.bad}
    by = Counter(who for _, who in standing)
    return Found(
        rows=len(gathered.rows),
        poisoned=len(poisoned),
        naive_rows=len(judged),
        naive=len({turn for turn, who in standing if who in crowd.bad}),
        naive_most=max(by.values()),
        most_rows=max(voices.values()),
        most_weight=max(weight.values()) / len(gathered.rows),
        of_new=len({key for key in counted if key[1] in new}),
        of_bots=len({key for key in standing if key[1] in ("mynah", "robot")}),
        of_gone=len({key for key in counted if (key[1], asked[key[0]]) in crowd.gone}),
        caught=len(burst & aside) / len(burst) if burst else math.nan,
        falsely=len(honest & aside) / len(honest),
        waiting=len(gathered.bursts),
    )
