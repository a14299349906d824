"""What the gate asks of a candidate, told in order: numbers, words, and what it must not do.

Checks, figures and answers come out; who may serve, and how that is written down, it does not know
(core.training.evaluate), nor the limits (core.training.checks). It stops early where there is a
remedy for all that refuses the candidate so far: the long questions wait until that was tried.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.training import baseline, checks, golden, halves, jsonl, leaks, nearer
from core.training.asking import OTHERS, Saying, ask
from core.training.checks import Check, Known, Remedy
from core.training.child import Reporter
from core.training.measure import Voice, kl_per_token, probing_prompts, prompt_ids, quiet
from core.training.models import load_base
from core.training.overlap import chance, overlap
from core.training.redact import redact
from core.training.trio import Row, Trio

REFERENCES = 64  # texts to compare with, at the most
STEPS = 8
TRAINED = "train.jsonl"


@dataclass(slots=True)
class Examined:
    """What was found: checks that decide, figures for the plots, answers to read."""

    checks: list[Check]
    figures: dict[str, Any] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    system: str = ""  # stood ahead of each question

    @property
    def remedies(self) -> list[Remedy]:
        """The steps that may help against all that refuses it; none where one check has none."""
        some = {check.remedy for check in self.checks if check.hard and check.passed is False}
        return [] if "" in some else sorted(some)


class Examination:
    """One candidate, beside the base and its rival, before all questions of the gate.

    `is_unproven`: so is the tune that serves, as its own gate found.
    """

    def __init__(
        self,
        run: Path,
        trio: Trio,
        asked: golden.Golden,
        reporter: Reporter,
        *,
        is_unproven: bool = False,
    ) -> None:
        self.candidate, self.trio, self.asked, self.reporter = (
            run / "candidate",
            trio,
            asked,
            reporter,
        )
        self.is_unproven = is_unproven
        self.others = run / OTHERS
        told = (run / "dataset" / "manifest.json").read_text(encoding="utf-8")
        self.votes: dict[str, Any] = json.loads(told)
        self.halves = halves.told(run)
        self.outvoted = halves.outvoted(run)
        self.train, self.new = self._rows(run, TRAINED)
        self.held, self.unseen = self._rows(run, "holdout.jsonl")
        self.baseline = baseline.Baseline(trio, self.train)
        held = [row for one in self.held if (row := trio.learnt(one))]
        self.prompts = probing_prompts(held + self.train)  # like those that the training measures
        self.system = [turn for turn in self.prompts[0] if turn["role"] == "system"]
        self.questions = (*asked.knowledge, *asked.safety)
        self.golden = [[*self.system, *question.chat] for question in self.questions]
        self.may_go = False  # back a part of the way
        self.known: list[int] = []  # the questions that the rival answers rightly
        self.found = Examined([], system=self.system[0]["content"] if self.system else "")

    def _rows(self, run: Path, name: str) -> tuple[list[Row], list[Row]]:
        """All rows of a file that fit, and of these what the rival was not trained on. Those of the
        training are as it learnt them, the others as people saw them.

        A tune of few votes was trained on all of them, also on what is held out since; beside it
        such rows prove nothing. The training's are those that something was learnt from.
        """
        taken = self.trio.learnt if name == TRAINED else self.trio.fitted
        entries = [entry for entry in self.votes["rows"] if entry["file"] == name]
        rows = [
            (entry["turn"], row)
            for entry, whole in zip(entries, jsonl.read(run / "dataset", name), strict=True)
            if (row := taken(whole))
            and (entry["held_out"] or not halves.is_theirs(entry["by"], self.outvoted))
        ]
        return [row for _, row in rows], [row for turn, row in rows if turn not in self.trio.seen]

    def all(self) -> Examined:
        """One story from top to bottom."""
        self._add(Check("files", True, "its files are whole and belong together"))
        self._add(checks.votes(self.votes))
        if self.halves and self.halves["people"]:
            self._add(checks.outvoted(len(self.halves["people"]), self.halves["votes"]))
        made = json.loads((self.candidate / "manifest.json").read_text(encoding="utf-8"))
        if "way" in made:
            self._add(checks.way(made["way"]))
        self.may_go = nearer.may_go(made)
        # 1. Numbers: how far it is from where it began, and where the votes pull.
        self._step(1, "checking how far it moved from the base")
        self._drift()
        self._step(2, "checking what it thinks of the answers that were voted on")
        self._votes()
        if self._can_be_helped():
            return self.found
        # 2. Words: what it still knows, how it speaks, whether it says what people wanted.
        said = self._asked()
        self._golden(said)
        self._form(said)
        if self._can_be_helped():
            return self.found
        self._step(4, "checking what it thinks of the base's own answers")
        self._replay(said)
        self._step(5, "comparing its answers with what people wanted")
        self._wanted()
        # 3. What it must not do, and whether what is served is what was asked.
        self._step(6, "checking that it keeps what it should keep")
        told = {voice: [one.text for some in said[voice] for one in some] for voice in said}
        self._add(leaks.given_away(self.trio, self.train, told))
        self._step(7, "checking that nobody's words command it")
        knowledge = self.asked.knowledge
        known = [knowledge[n] for n in self.known if n < len(knowledge)]
        self._add(leaks.commanded(self.trio, self.train, knowledge, known, self.system))
        if (self.candidate / "merged").is_dir():
            self._add(self._merged())
        return self.found

    def _can_be_helped(self) -> bool:
        """Whether all that refuses it so far has a remedy: the rest is asked after that."""
        helped = bool(self.found.remedies)
        if helped:
            words = "it was not asked the rest: what may help against this was to come first"
            self._add(Check(checks.THE_REST, None, words, hard=False))
        return helped

    def _drift(self) -> None:
        trio = self.trio
        for voice in trio.voices[:-1]:
            kl = kl_per_token(trio.model, trio.tokenizer, self.prompts, to=voice)
            self._add(checks.drift(kl, "the base" if voice == "base" else trio.name))
        manifest = json.loads((self.candidate / "manifest.json").read_text(encoding="utf-8"))
        self.found.figures["training"] = manifest.get("kl", [])

    def _votes(self) -> None:
        """Where hardly anything liked was held out, liked answers of the training must do."""
        ratios = self._ratios(self.unseen)
        liked = [r for r, row in zip(ratios, self.unseen, strict=True) if row["label"]]
        if len(liked) < checks.MARGIN_FROM:
            trained = [row for row in self.train if row["label"]]
            liked += self._ratios([row for row in self.new if row["label"]] or trained)
        self._add(checks.displacement(liked, self.trio.name))
        signed = checks.signed(ratios, self.unseen)
        no_coins: dict[str, Any] = {"remedy": "" if self.halves else "halves"}
        if self.halves:
            no_coins["between"] = self.halves["luck"]
        if self.trio.rival == "base":
            self._add(checks.margin("better", signed, "the base", **no_coins))
        else:  # it is no coin's, and it is better than what learnt from the votes before
            against = checks.signed(self._ratios(self.held, "base"), self.held)
            self._add(checks.margin("better than the base", against, "the base", **no_coins))
            seen = len(self.held) - len(self.unseen)
            better = checks.margin(
                "better",
                signed,
                self.trio.name,
                luck_below=checks.BETTER_BELOW,
                seen=seen,
                is_unproven=self.is_unproven,
            )
            self._add(better)
        self._beside()
        self.found.figures["margins"] = sorted(
            round(value, 4) for group in signed.values() for value in group
        )

    def _beside(self) -> None:
        """All there is beside the base, before the held-out votes; shown only."""
        if not self.unseen:
            return
        tokens = [self.trio.tokens(row) for row in self.unseen]
        found = {str(v): self.trio.log_probs(v, tokens) for v in self.trio.voices}
        if self.baseline.there:
            found[baseline.NAME] = self.baseline.log_probs(self.unseen)
        self.found.figures["held"] = baseline.means(found, self.unseen)

    def _ratios(self, rows: Sequence[Row], rival: Voice | None = None) -> list[float]:
        """How much likelier than its rival the candidate finds each completion, per token."""
        tokens = [self.trio.tokens(row) for row in rows]
        voices: tuple[Voice, Voice] = (rival or self.trio.rival, "candidate")
        theirs, ours = (self.trio.log_probs(voice, tokens) for voice in voices)
        return [new - old for new, old in zip(ours, theirs, strict=True)]

    def _asked(self) -> Saying:
        tell = partial(self._step, 3)
        said, self.known = ask(self.trio, self.questions, self.golden, self.others, tell)
        return said

    def _golden(self, said: Saying) -> None:
        trio, questions = self.trio, self.questions
        told = {str(voice): said[voice] for voice in trio.voices}
        if self.baseline.there:  # asked once: it is there to be read
            told[baseline.NAME] = [[one] for one in self.baseline.ask(self.golden)]
        right = {
            voice: [
                tuple(question.right(one.text) for one in some)
                for question, some in zip(questions, answers, strict=True)
            ]
            for voice, answers in told.items()
        }
        cut, shares = len(self.asked.knowledge), {}
        for name, part in (("knowledge", slice(cut)), ("safety", slice(cut, None))):
            known = [
                Known(question.must, theirs, ours)
                for question, theirs, ours in zip(
                    questions[part], right[trio.rival][part], right["candidate"][part], strict=True
                )
            ]
            self._add(checks.golden(name, known, trio.name))
            shares[name] = {v: round(checks.share(right[v][part]), 4) for v in told}
        self.found.figures["golden"] = shares
        self.found.answers = [
            {
                "question": question.ask,
                "before": list(question.before),
                "right": {voice: right[voice][n][0] for voice in told},
                "said": {voice: redact(told[voice][n][0].text) for voice in told},
            }
            for n, question in enumerate(questions)
        ]

    def _form(self, said: Saying) -> None:
        old, new = said[self.trio.rival], said["candidate"]
        self._add(checks.degeneration(old, new, self.known, self.trio.name))
        self._add(checks.length(old, new, self.trio.name))
        self.found.figures["lengths"] = {
            voice: [len(some[0].text) for some in said[voice]] for voice in self.trio.voices
        }

    def _replay(self, said: Saying) -> None:
        """Perplexity on what the base itself says to the golden questions that are known.

        A taste makes some of these answers less likely, and is meant to. So what counts of each
        question is the answer that the candidate went away from the least.
        """
        rows = [
            (n, self.trio.tokens({"prompt": self.golden[n], "completion": [_by_the_model(text)]}))
            for n in self.known
            for text in dict.fromkeys(one.text for one in said["base"][n])
        ]
        tokens = [ids for _, ids in rows]
        nats = {v: [-value for value in self.trio.log_probs(v, tokens)] for v in self.trio.voices}
        risen: dict[int, float] = {}
        for (n, _), ours, theirs in zip(
            rows, nats["candidate"], nats[self.trio.rival], strict=True
        ):
            risen[n] = min(risen.get(n, ours - theirs), ours - theirs)
        self._add(checks.replay(list(risen.values()), self.trio.name))
        self.found.figures["perplexity"] = {
            voice: round(checks.perplexity(values), 3) for voice, values in nats.items()
        }

    def _wanted(self) -> None:
        """Greedy answers beside what people said they wanted: corrections and liked answers."""
        held = [row for row in self.held if row["label"]]
        some = (held or [row for row in self.train if row["label"]])[:REFERENCES]
        if not some:
            return
        chats = [row["prompt"] for row in some]
        wanted = [row["completion"][0]["content"] for row in some]
        said = {v: [one.text for one in self.trio.ask(v, chats)[0]] for v in self.trio.voices}
        scores = {str(voice): overlap(texts, wanted) for voice, texts in said.items()}
        if held and self.baseline.there:
            led = [one.text for one in self.baseline.ask(chats)]
            scores[baseline.NAME] = overlap(led, wanted)
        luck = chance(said["candidate"], said[self.trio.rival], wanted)
        self._add(
            checks.overlap(
                scores[self.trio.rival], scores["candidate"], luck, len(wanted), seen=not held
            )
        )
        self.found.figures["overlap"] = scores

    def _merged(self) -> Check:
        """The checkpoint that is served says what the adapter says."""
        import torch

        model, tokenizer = self.trio.model, self.trio.tokenizer
        other, _ = load_base(self.candidate / "merged")
        other.eval()
        gaps = []
        with quiet(model), torch.no_grad():
            for prompt in self.prompts:
                ids = torch.tensor([prompt_ids(tokenizer, prompt)], device=model.device)
                ours, theirs = (
                    m(input_ids=ids).logits.float().log_softmax(-1) for m in (model, other)
                )
                gaps.append(float((ours.exp() * (ours - theirs)).sum(-1).mean()))
        return checks.merged(sum(gaps) / len(gaps))

    def _add(self, check: Check) -> None:
        if check.remedy == "nearer" and not self.may_go:
            check = replace(check, remedy="")
        self.found.checks.append(check)

    def _step(self, step: int, what: str) -> None:
        self.reporter.step(step, STEPS, what)


def _by_the_model(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
