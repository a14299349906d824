"""The golden questions are asked: of base, rival and candidate, and of the first two once in a run.

A candidate that comes back after a remedy is judged in the same folder, where what the others
answered lies. It knows which answer is right, and nothing of limits or verdicts: those are the
gate's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from core.training.child import write_whole
from core.training.golden import Question
from core.training.measure import Chat, Said, Voice
from core.training.trio import Trio

SAMPLES, WARM = 3, 0.7  # answers beside the greedy one; their temperature
OTHERS = "others.json"  # what base and rival answered
GOLDEN = "asking it the golden questions"  # the longest step, so it is told more than once

Saying = dict[Voice, list[list[Said]]]  # to each golden question, the greedy answer first


def ask(
    trio: Trio,
    questions: Sequence[Question],
    chats: Sequence[Chat],
    others: Path,
    tell: Callable[[str], None],
) -> tuple[Saying, list[int]]:
    """A greedy answer to each question, more where the rival's was right; and which these are.
    `chats`: the questions as they are asked. `others`: the file with what stays the same when a
    candidate comes back.
    """
    said = _remembered(others, chats)
    asked = [voice for voice in trio.voices if voice not in said]
    for voice in asked:
        tell(GOLDEN)
        said[voice] = [[one] for one in trio.ask(voice, chats)[0]]
    known = _answered_rightly(questions, said[trio.rival])
    again = [chats[n] for n in known]
    for voice in asked:
        tell(GOLDEN)
        for time_ in trio.ask(voice, again, times=SAMPLES, temperature=WARM):
            for n, one in zip(known, time_, strict=True):
                said[voice][n].append(one)
    kept = {voice: said[voice] for voice in said if voice != "candidate"}
    answered = {"asked": chats, "said": kept}
    # Whole or not at all: by hand a step is run again where it was killed, and reads this first.
    write_whole(others, json.dumps(answered, default=asdict, ensure_ascii=False))
    return said, known


def _answered_rightly(questions: Sequence[Question], said: Sequence[Sequence[Said]]) -> list[int]:
    """Which of the questions, by the greedy answers."""
    pairs = enumerate(zip(questions, said, strict=True))
    return [n for n, (question, some) in pairs if question.right(some[0].text)]


def _remembered(path: Path, asked: Sequence[Chat]) -> Saying:
    """What was answered to the very same questions when the same run was judged before."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if kept["asked"] != asked:
        return {}
    return {
        voice: [[Said(**one) for one in answers] for answers in some]
        for voice, some in kept["said"].items()
    }
