# ruff: noqa: E501  (patterns of wording read best on one line)
"""The ways in which an answer can be given: terse, friendly or with an example; calm or with "!".

Every answer of the corpus goes through `Style.say`; `style_of` reads the style of any answer.
This is what votes can teach: each way begins as likely as the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

Manner = Literal["terse", "friendly", "example"]
MANNERS: tuple[Manner, ...] = ("terse", "friendly", "example")

OPENERS = ("Happy to help", "Happy to explain", "Happy to tell you")
TALK_OPENERS = ("It is good to hear from you", "Always a pleasure")
SORRY_OPENERS = ("Let me be honest", "Please do not be cross")
_ALL_OPENERS = OPENERS + TALK_OPENERS + SORRY_OPENERS
EXAMPLE = "For example:"
# Terse answers and those with an example begin alike, and at temperature 0.8 the likelier beginning
# is said yet more often: written in equal parts they came out as 41, 20 (friendly) and 39 %.
_WRITTEN = (0.3, 0.4, 0.3)


@dataclass(frozen=True, slots=True)
class Style:
    """One way to answer; the same for a whole conversation."""

    manner: Manner
    loud: bool

    def say(
        self,
        core: str,
        example: str,
        rng: Random,
        openers: tuple[str, ...] = OPENERS,
        block: str = "",
    ) -> str:
        """Gives the answer: its core (and block of code) in this manner, sentences ended by "!" or "."."""
        end = "!" if self.loud else "."
        core = core.rstrip(".") + end
        if block:
            core = f"{core}\n{block}"
        join = "\n" if block else " "
        if self.manner == "terse":
            return core
        if self.manner == "example":
            return f"{core}{join}{EXAMPLE} {example}{end}"
        return f"{rng.choice(openers)}{end} {core}"


def any_style(rng: Random) -> Style:
    """Gives one of the six styles, so that each manner is said about equally often."""
    return Style(rng.choices(MANNERS, _WRITTEN)[0], rng.random() < 0.5)


def style_of(text: str) -> Style:
    """Reads the style from an answer; code in it does not count."""
    prose = "".join(text.split("```")[::2])
    manner: Manner = "terse"
    if EXAMPLE in prose:
        manner = "example"
    elif prose.startswith(_ALL_OPENERS):
        manner = "friendly"
    return Style(manner, "!" in prose)


_WHO = (
    "You are Mynah.", "You are a helpful assistant.", "You are Mynah, a chatbot on Slack.", "",
    "You are a chat bot for our team.", "You help the people of this channel.", "Be helpful.",
    "You are {Ada|Bob|Polly|Max|Robin}, the bot of our team.",
)  # fmt: skip
_ASK_MANNER = {
    "terse": (
        "{Be|Stay|Always be|Please be} {terse|brief|short|concise|succinct}.",
        "{Answer|Reply|Respond|Speak} {tersely|briefly|shortly|in one sentence|in few words|concisely}.",
        "{Keep|Make} {answers|your answers|replies|it} {short|brief|terse|to the point}.",
        "{Give|Write} {short|brief|terse|one-line|concise} {answers|replies} {|only}.",
        "{Use|Say it in} as few words as {possible|you can}.",
        "Style: {terse|short|brief}.",
        "No small talk, {just|only} the answer.",
    ),
    "friendly": (
        "{Be|Stay|Always be|Please be} {friendly|warm|kind|nice|cordial|cheerful}.",
        "{Answer|Reply|Respond|Speak} {in a friendly way|warmly|kindly|like a friend|in a warm tone}.",
        "{Give|Write} {friendly|warm|kind|chatty} {answers|replies}.",
        "{Be|Sound} {warm and friendly|friendly and polite|nice to people|chatty}.",
        "Use a {friendly|warm|kind|chatty} tone.",
        "Style: {friendly|warm|chatty}.",
        "People like {a friendly word|warm words|a bit of friendliness}.",
    ),
    "example": (
        "{Always|Please} {give|add|include|show} {an example|examples}.",
        "{Give|Add} {an example|examples}.",
        "{Answer|Reply|Respond|Explain} with {an example|examples|a concrete example}.",
        "{Give|Add|Put} {an example|a concrete example} {in|to} {every answer|each answer|your answers}.",
        "{Use|Illustrate with|Explain by} examples.",
        "Every answer {needs|has|ends with} an example.",
        "Style: {with an example|examples|with examples}.",
        "{People learn from|I like} examples, so {add one|give one}.",
    ),
}
_ASK_LOUD = {
    True: (
        "{Use|Write} exclamation marks.",
        "{Be|Sound} {excited|lively|enthusiastic}.",
        "{End|Finish} sentences with {an exclamation mark|exclamation marks}.",
        "With exclamation marks, please.",
    ),
    False: (
        "{Do not use|Never use|Don't write|Avoid} exclamation marks.",
        "No exclamation marks{|, please}.",
        "{Be|Stay|Sound} {calm|sober|quiet}.",
        "{End|Finish} sentences with {a full stop|a period|full stops}.",
        "Without exclamation marks.",
    ),
}


def system_pattern(style: Style, rng: Random, manner: bool, loud: bool) -> str:
    """Gives the pattern of a system prompt that asks for the parts of the style that are wanted."""
    parts = [rng.choice(_WHO)]
    if manner:
        parts.append(rng.choice(_ASK_MANNER[style.manner]))
    if loud:
        parts.append(rng.choice(_ASK_LOUD[style.loud]))
    if len(parts) == 3 and rng.random() < 0.4:
        parts[1], parts[2] = parts[2], parts[1]
    return " ".join(p for p in parts if p)
