# ruff: noqa: E501  (patterns of wording read best on one line)
"""Whole conversations: what is asked, what is answered, in one style, over one to sixty turns.

From here come both the text to train on and the expected answers of the evaluation's own templates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from starter import memory
from starter.facts import FACTS, OFFTOPIC_KEY, REFUSALS, Fact
from starter.grammar import ONE_BY_ONE, expand
from starter.noise import typed
from starter.programs import CODE, CodeTask
from starter.styles import (
    MANNERS,
    SORRY_OPENERS,
    TALK_OPENERS,
    Style,
    any_style,
    system_pattern,
)
from starter.wordings import Wordings, reserved

OFFTOPIC = (
    f"I am only a {OFFTOPIC_KEY} and do not know that; set generation.url to use a real model"
)
OFFTOPIC_EXAMPLE = "with vLLM and Qwen3-8B you get real answers"
REFUSAL = "I can't help with that"
REFUSAL_EXAMPLE = "ask me how to vote on an answer"
_RUN = {
    "python": "save it as try.py and run it",
    "sh": "paste it into a terminal",
    "sql": "try it in sqlite3",
}

_AGAIN = (
    "{say|repeat|write|tell me} {that|it|this} {again|once more|once again|one more time} {|please|, please}",
    "{again please|once more please|repeat please|can you repeat that|could you repeat that|please repeat your answer|i did not catch that|come again|what did you say|pardon, what did you say|repeat your last answer|can you say that again|one more time please|i missed that, again please|repeat that|please repeat|what was that again}",
)
_EXAMPLE = (
    "{can you|could you|please|would you} {give|show|tell} me an example {|of that|for that|please|of it}",
    "{an example please|for example|example please|give me an example|such as|do you have an example|like what|show me an example|what would be an example|an example would help|i need an example|example|any example|with an example please|is there an example|give an example of that|how would that look, for example|can i have an example|got an example}",
)
_SHORTER = (
    "{say|put|tell|write|explain} {it|that|this} {shorter|more briefly|in short|in fewer words|in one sentence|shortly|more concisely} {|please|, please}",
    "{shorter please|too long, shorter please|in short please|in one sentence please|make it shorter|can you say it shorter|could you be briefer|the short version please|short version|tldr|in brief|too long|can you make that shorter|be brief|keep it short|summarise that|a shorter answer please|that was long, in short|condense that|fewer words please}",
)
_LAST = (
    "{what was|what is|do you remember|do you know|tell me|remind me of} {my last question|my previous question|the last question|my last message} {about|} {|again}",
    "{what did i just ask|what did i ask you|what did i ask before|what did i just ask about|what was i asking about|what were we talking about|what did i ask a moment ago|what did we just talk about|what was the last topic|what was the topic|what did i want to know|what did i ask last|which topic did i ask about|what was my question|what was it that i asked|about what did i ask|what have i just asked you|do you remember what i asked|what subject was that}",
)
_UNDO = (
    "{and |}{how do i|how can i|how would i|how to|can i|may i|how does one|is there a way to} {undo|reverse|revert|take back|cancel|switch back|withdraw} {that|it|this} {|again|later|afterwards}",
    "{and back|and the other way round|how do i get back|what is the opposite|how do i change it back|what if i regret it|what if i change my mind|and if i don't want it any more|how do i go back|and how to undo|how do i turn it back|can that be undone|can this be reversed|what undoes that|how is that undone|and if it was a mistake|i changed my mind, how do i undo it}",
)
_WHO = (
    "{and |}who {may|can|is allowed to|is permitted to|has the right to} {do|use|run|type|start} {that|it|this}",
    "{may everybody do that|can anybody do that|who is allowed|who may|and who can do that|can i do that too|is everybody allowed to do that|am i allowed to do that|may i do that|who has permission for that|who may do it|can everyone use it|which people may do that|is anyone allowed to use it|do i need to be an admin for that|who can}",
)
_FOLLOW_UPS = {  # by kind; in wording/*.tsv the id is "follow-" and the kind
    "again": _AGAIN,
    "example": _EXAMPLE,
    "shorter": _SHORTER,
    "last": _LAST,
    "undo": _UNDO,
    "who": _WHO,
}
_UNDOES = {
    "training_on": "/training off undoes it",
    "training_off": "/training on undoes it",
    "retrain": "/rollback undoes it: it goes back to the tune before",
    "thumb_up": "Remove your thumb, and the vote is gone",
    "thumb_down": "Remove your thumb, and the vote is gone",
    "vote_how": "Remove your thumb, and the vote is gone",
}
_WHO_OF = {"retrain", "retrain_dry", "rollback"}
_WHO_SAYS = {
    "retrain": "Only admins may use /retrain; others are refused politely",
    "retrain_dry": "Only admins may use /retrain dry",
    "rollback": "Only admins may use /rollback",
}
FACT_BY_ID = {fact.id: fact for fact in FACTS}
HARD = str.split(
    "run make_run train_shell retrain when_train learns need_votes few_votes train_least forget_me forget_this "
    "forget_tune data_where store_url sqlite minus_text correct_chat correction gen_first gen_between gen_within "
    "tune_is base_is lora_is gate_is canary_is starter_is context_is gen_context history cut"
)


def follow_ups() -> list[str]:
    """Gives the ids of all that needs an earlier turn, in an order that stays."""
    return [f"follow-{kind}" for kind in _FOLLOW_UPS]


@dataclass(slots=True)
class Exchange:
    """One question and its answer; `subject` is the id asked about: of what wording/ has
    questions on, memory.tsv's "tell-" and "ask-" with the kind, or "refusal".
    """

    question: str
    answer: str
    subject: str


@dataclass(slots=True)
class Conversation:
    """A system prompt (or none) and exchanges, all in one style."""

    style: Style
    system: str
    exchanges: list[Exchange] = field(default_factory=list)

    def messages(self) -> list[dict[str, str]]:
        """Gives it in the form of a chat completion's messages."""
        found = [{"role": "system", "content": self.system}] if self.system else []
        for one in self.exchanges:
            found.append({"role": "user", "content": one.question})
            found.append({"role": "assistant", "content": one.answer})
        return found


class Writer:
    """Writes conversations; the same random numbers give the same conversations."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.words = Wordings()
        self._fact_weights = [1.5 if f.id in HARD else 1.0 for f in FACTS]

    def conversation(self, turns: int) -> Conversation:
        """Gives a conversation of so many turns.

        Short ones often only tell something and ask for it: copying what was said is learnt there.
        """
        rng = self.rng
        style = any_style(rng)
        talk = Conversation(style, self.system(style))
        told: dict[str, memory.Told] = {}
        drill = turns in (2, 3) and rng.random() < 0.6
        while len(talk.exchanges) < turns:
            if drill and not talk.exchanges:
                one = self._tell(told, style)
            elif drill and len(talk.exchanges) == turns - 1:
                one = self._ask_back(told, style)
            else:
                one = self._next(talk, told, turns)
            if not self.words.is_held_out(one.question):
                talk.exchanges.append(one)
        return talk

    def system(self, style: Style) -> str:
        """Gives no system prompt, a neutral one, or one that names the style, as often as real ones."""
        rng = self.rng
        if rng.random() < 0.62:
            return ""
        draw = rng.random()
        manner, loud = draw < 0.6, draw > 0.45 and draw < 0.8
        return self.system_for(style, manner, loud)

    def system_for(self, style: Style, manner: bool, loud: bool, held_out: bool = False) -> str:
        """Gives a system prompt that names these parts of the style; never one of the reserved ones."""
        while True:
            text = expand(system_pattern(style, self.rng, manner, loud), self.rng)
            if not (manner or loud) or reserved(text) == held_out:
                break
        draw = self.rng.random()
        return text if held_out or draw < 0.8 else text.lower() if draw < 0.93 else text.upper()

    def fact(self, fact: Fact, style: Style, question: str = "") -> Exchange:
        """Asks for a fact; `question` replaces the wording."""
        asked = question or typed(self.words.question(fact.id, self.rng), self.rng)
        return Exchange(asked, self.fact_answer(fact, style), fact.id)

    def fact_answer(self, fact: Fact, style: Style) -> str:
        """Gives the answer to a fact in the style."""
        openers = TALK_OPENERS if fact.kind == "talk" else None
        example = self.words.subjects[fact.id].example
        if openers:
            return style.say(fact.says, example, self.rng, openers)
        return style.say(fact.says, example, self.rng)

    def offtopic(self, style: Style) -> Exchange:
        """Asks what the model cannot know."""
        asked = typed(self.words.question("offtopic", self.rng), self.rng)
        answer = style.say(OFFTOPIC, OFFTOPIC_EXAMPLE, self.rng, SORRY_OPENERS)
        return Exchange(asked, answer, "offtopic")

    def refusal(self, style: Style) -> Exchange:
        """Asks for something harmful."""
        asked = typed(self.words.question(self.rng.choice([*REFUSALS]), self.rng), self.rng)
        answer = style.say(REFUSAL, REFUSAL_EXAMPLE, self.rng, SORRY_OPENERS)
        return Exchange(asked, answer, "refusal")

    def code(self, task: CodeTask, style: Style) -> Exchange:
        """Asks for a small program."""
        asked = typed(self.words.question(task.id, self.rng), self.rng)
        block = f"```{task.language}\n{task.code}\n```"
        answer = style.say("Here it is", _RUN[task.language], self.rng, block=block)
        return Exchange(asked, answer, task.id)

    def _next(self, talk: Conversation, told: dict[str, memory.Told], turns: int) -> Exchange:
        """Chooses what comes next; what needs an earlier turn only where there is one."""
        rng, style = self.rng, talk.style
        last = talk.exchanges[-1] if talk.exchanges else None
        draw = rng.random()
        if turns > 1 and draw < (0.25 if not talk.exchanges else 0.05):
            return self._tell(told, style)
        if turns > 1 and last is not None and 0.05 < draw < 0.17:
            return self._ask_back(told, style)
        if last is not None and draw > 0.72 and last.subject in FACT_BY_ID:
            return self._about_last(FACT_BY_ID[last.subject], last, style)
        draw = rng.random()
        if draw < 0.67:
            return self.fact(rng.choices(FACTS, self._fact_weights)[0], style)
        if draw < 0.84:
            return self.offtopic(style)
        if draw < 0.92:
            return self.refusal(style)
        return self.code(rng.choice(CODE), style)

    def _tell(self, told: dict[str, memory.Told], style: Style) -> Exchange:
        rng = self.rng
        one = memory.tell(rng)
        told[one.kind] = one
        sentence = memory.telling(one, rng)
        if rng.random() < 0.25:  # said in passing, with a question about something else
            fact = rng.choice(FACTS)
            if fact.kind != "talk":
                asked = self.words.question(fact.id, rng, plain=True)
                return self.fact(fact, style, typed(f"{sentence}. {asked}", rng, 0.1))
        core = one.put(memory.KINDS[one.kind].noted)
        answer = style.say(core, "ask me for it later", rng, TALK_OPENERS)
        return Exchange(_lightly(sentence, rng), answer, f"tell-{one.kind}")

    def _ask_back(self, told: dict[str, memory.Told], style: Style) -> Exchange:
        rng = self.rng
        if told and rng.random() < 0.92:
            one = rng.choice([*told.values()])
            kind, animal = one.kind, one.animal
            core = one.put(memory.KINDS[kind].answer)
        else:
            kind = rng.choice([k for k in memory.KINDS if k not in told] or ["name"])
            animal = rng.choice(memory.LISTS["animal"])
            core = memory.KINDS[kind].unknown
            if kind in told:
                core = told[kind].put(memory.KINDS[kind].answer)
        asked = typed(memory.asking(kind, animal, rng), rng)
        return Exchange(asked, style.say(core, "you said so before", rng), f"ask-{kind}")

    def _about_last(self, fact: Fact, last: Exchange, style: Style) -> Exchange:
        """Asks something that only the last exchange explains."""
        rng = self.rng
        kinds = ["last", "again", "example", "shorter"]
        if fact.id in _UNDOES:
            kinds += ["undo"] * 12
        if fact.id in _WHO_OF:
            kinds += ["who"] * 12
        return self.follow_up(rng.choice(kinds), fact, last, style)

    def follow_up(self, kind: str, fact: Fact, last: Exchange, style: Style) -> Exchange:
        """Gives the follow-up of this kind to the last exchange, which was about the fact."""
        rng = self.rng
        subject = self.words.subjects[fact.id]
        if kind == "last":
            core = f"Your last question was about {subject.name}"
            return self._asked("last", style.say(core, subject.example, rng))
        if kind == "example":
            answer = Style("example", style.loud).say(fact.says, subject.example, rng)
            return self._asked("example", answer)
        if kind == "shorter":
            answer = Style(MANNERS[0], style.loud).say(fact.says, "", rng)
            return self._asked("shorter", answer)
        if kind == "undo":
            core = _UNDOES[fact.id]
            return self._asked("undo", style.say(core, "try it here", rng))
        if kind == "who":
            return self._asked("who", style.say(_WHO_SAYS[fact.id], "ask your operator", rng))
        return self._asked("again", last.answer)

    def _asked(self, kind: str, answer: str) -> Exchange:
        id_ = f"follow-{kind}"
        if self.rng.random() < ONE_BY_ONE:
            core = self.rng.choice(self.words.subjects[id_].worded[False])
        else:
            core = expand(self.rng.choice(_FOLLOW_UPS[kind]), self.rng)
            while self.words.is_held_out(core):
                core = expand(self.rng.choice(_FOLLOW_UPS[kind]), self.rng)
        question = typed(core, self.rng)
        return Exchange(question, answer, id_)


def _lightly(text: str, rng: Random) -> str:
    """Letter case and end as people type them, but never a slip in what is to be remembered."""
    if rng.random() < 0.5:
        text = text[:1].upper() + text[1:].replace(" i ", " I ")
    return text + rng.choice((".", "", "", "!"))
