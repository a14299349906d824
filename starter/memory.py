# ruff: noqa: E501  (patterns of wording read best on one line)
"""What a person says about themselves and asks for later: wording of telling, asking and answering.

It knows nothing about the facts of Mynah; `people.txt` holds names, cities and the like, and
`memory.tsv` what was worded one by one: "tell-" or "ask-" and the kind, tab, words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from starter.grammar import ONE_BY_ONE, expand, nonsense, one_by_one


def _lists() -> dict[str, list[str]]:
    text = (Path(__file__).parent / "people.txt").read_text(encoding="utf-8")
    rows = (line.partition(": ") for line in text.splitlines())
    return {name: words.split(", ") for name, _, words in rows}


LISTS = _lists()
WORDED = one_by_one(Path(__file__).parent / "memory.tsv")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing told; # is the thing, ~ the animal."""

    source: str
    tells: tuple[str, ...]
    noted: str
    asks: tuple[str, ...]
    answer: str
    unknown: str


KINDS = {
    "name": Kind(
        "names",
        (
            "{my name is|my name's|i am called|i'm|i am|call me|please call me|you can call me|they call me|people call me|this is|the name is|my first name is} #",
            "{hi|hello|hey|good morning}{,|!} {i am|i'm|my name is|this is|it's} #",
            "# {here|is my name}",
            "{i am|i'm|my name is} # {and i am new here|by the way|, nice to meet you|from sales|from the design team|and you}",
        ),
        "I will remember that your name is #",
        (
            "{what is|what's|do you know|do you remember|can you tell me|tell me|say|remind me,? what is|what was|do you still know|remember} my name {|again|, please}",
            "{what am i called|who am i|how am i called|what is my name|what name did i give you|what did i say my name was|which name did i tell you|do you know who i am|do you remember who i am|who are you talking to|what should you call me|my name, please|by what name do you know me|what do they call me|do you remember what i am called|can you say my name}",
        ),
        "Your name is #",
        "You have not told me your name yet",
    ),
    "colour": Kind(
        "colour",
        (
            "{my favourite colour is|my favorite color is|the colour i like best is|i like the colour|my preferred colour is|i love the colour} #",
            "{i like|i love} # {best of all colours|most of all colours|more than other colours}",
            "# is my {favourite colour|favorite color|favourite color}",
        ),
        "I will remember that your favourite colour is #",
        (
            "{what is|what's|do you know|do you remember|tell me|what was|remind me what is} my {favourite colour|favorite color|preferred colour|favourite color} {|again}",
            "{which|what} {colour|color} {do i like|do i like best|do i love|did i tell you|is my favourite|do i prefer|did i say i like|did i mention}",
        ),
        "Your favourite colour is #",
        "You have not told me your favourite colour yet",
    ),
    "food": Kind(
        "food",
        (
            "{my favourite food is|my favorite food is|i like to eat|i love to eat|i love eating|my favourite dish is|the food i like best is|my favorite dish is|i really like eating} #",
            "{i like|i love} # {best of all food|more than any other food|for dinner}",
            "# is my {favourite food|favorite food|favourite dish}",
        ),
        "I will remember that your favourite food is #",
        (
            "{what is|what's|do you know|do you remember|tell me|what was|remind me what is} my {favourite food|favorite food|favourite dish|favorite dish|favourite meal} {|again}",
            "{which food|what food|what dish|what} do i {like to eat|love to eat|like best to eat|like eating}",
            "{what did i say i like to eat|which food did i tell you about|what food do i like|which dish do i like best|what food do i love}",
        ),
        "Your favourite food is #",
        "You have not told me your favourite food yet",
    ),
    "city": Kind(
        "city",
        (
            "{i live in|i come from|i am from|i'm from|my city is|my home is|my home town is|i moved to|i am based in|i work from|we live in|my hometown is|i was born and live in|i'm living in} #",
            "{i am writing from|greetings from|hello from} #, {i live here|that is my city|my home}",
            "{i am in|i'm based in} # {at home|where i live}",
        ),
        "I will remember that you live in #",
        (
            "{where do i live|where am i from|which city do i live in|what is my city|in which city am i|what city do i live in|where is my home|do you remember where i live|do you know where i live|what's my home town|which city am i from|where do i come from|where did i say i live|what city did i mention|which town do i live in|in what city do i live|what is my hometown|tell me where i live|from which city am i|where am i based}",
        ),
        "You live in #",
        "You have not told me where you live yet",
    ),
    "pet": Kind(
        "pet",
        (
            "{my ~ is called|my ~'s name is|my ~ is named|i have a ~ called|i have a ~ named|our ~ is called|i've got a ~ called|i own a ~ named|the name of my ~ is|i have a ~, its name is|we have a ~ called} #",
            "{i call my ~|we call our ~} #",
            "# is {my ~|the name of my ~|my ~'s name}",
        ),
        "I will remember that your ~ is called #",
        (
            "{what is|what's|do you know|do you remember|tell me|what was|remind me what is} {my ~'s name|the name of my ~|my ~ called|the ~'s name}",
            "{how is my ~ called|what did i call my ~|what do i call my ~|what is my ~ called|my ~ is called what|which name has my ~|what name did i give my ~|do you remember what my ~ is called}",
        ),
        "Your ~ is called #",
        "You have not told me about your pet yet",
    ),
    "job": Kind(
        "job",
        (
            "{i am a|i'm a|i work as a|my job is|my profession is|i earn my money as a|by profession i am a|for a living i am a|by trade i am a|i'm working as a} #",
            "{i have been a|i became a} # {for years|last year|some time ago}",
        ),
        "I will remember that you work as a #",
        (
            "{what is|what's|do you know|do you remember|tell me|what was|remind me what is} my {job|profession|work|occupation} {|again}",
            "{what do i do for a living|what do i work as|what kind of work do i do|which job do i have|what did i say my job is|what am i by profession|what do i do for work|how do i earn my money|as what do i work|what did i tell you about my job|what is it that i do for a living|what work do i do}",
        ),
        "You work as a #",
        "You have not told me your job yet",
    ),
    "number": Kind(
        "number",
        (
            "{remember|please remember|keep in mind|memorise|note|can you remember|remember this number:|note this:|store} {the number|number|this number:||my lucky number,} #",
            "{the number is|my lucky number is|my number is|my favourite number is|the number to remember is|here is a number for you:} #",
            "# is {the number to remember|my lucky number|a number you should remember|my favourite number}",
        ),
        "I will remember the number #",
        (
            "{what|which} {number|was the number|is the number|number was it|number did i give you|number did i tell you|number should you remember|number did i ask you to remember|is my lucky number|number did i say|is my favourite number|was my number|number do you have for me}",
            "{tell me the number|do you remember the number|the number please|what was that number|repeat the number|do you still know the number|say the number that i gave you|give me the number back|can you recall the number|recall the number}",
        ),
        "The number is #",
        "You have not given me a number yet",
    ),
    "codeword": Kind(
        "codeword",
        (
            "{remember|please remember|keep in mind|memorise|note|can you remember|remember this word:} {the word|the code word|the codeword|this word:|the secret word|the password} #",
            "{the code word is|the word is|our code word is|my code word is|the secret word is|the codeword is|the word to remember is|the pass phrase is} #",
            "# is {the code word|the word to remember|our secret word|the codeword}",
        ),
        "I will remember the word #",
        (
            "{what|which} {word|was the word|is the word|is the code word|was the code word|word did i give you|word should you remember|word did i tell you|was the codeword|is the secret word|is the codeword|word did i ask you to remember|was the secret word|was the password|was that word}",
            "{tell me the word|tell me the code word|do you remember the code word|the code word please|repeat the code word|do you still know the word|say the secret word|recall the word|can you recall the codeword}",
        ),
        "The word is #",
        "You have not given me a word yet",
    ),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that was told: of which kind, and the animal where it is a pet's name."""

    kind: str
    thing: str
    animal: str = ""

    def put(self, text: str) -> str:
        """Gives the text with the thing and the animal in their places."""
        return text.replace("#", self.thing).replace("~", self.animal)


def tell(rng: Random, kind: str | None = None) -> Told:
    """Invents something that a person may tell."""
    kind = kind or rng.choice(("name", "name", *KINDS))
    thing = rng.choice(LISTS[KINDS[kind].source]) if kind != "number" else _number(rng)
    if kind in ("name", "pet", "codeword", "city") and rng.random() < 0.5:
        thing = nonsense(rng)
        thing = thing.capitalize() if kind != "codeword" else thing
    return Told(kind, thing, rng.choice(LISTS["animal"]) if kind == "pet" else "")


def _number(rng: Random) -> str:
    return str(rng.randrange(1, rng.choice((10, 100, 100, 1000, 10000))))


def telling(told: Told, rng: Random) -> str:
    """Gives a sentence in which the person tells it."""
    if rng.random() < ONE_BY_ONE:
        return told.put(rng.choice(WORDED[f"tell-{told.kind}"]))
    return told.put(expand(rng.choice(KINDS[told.kind].tells), rng))


def asking(kind: str, animal: str, rng: Random) -> str:
    """Gives a question for it."""
    if rng.random() < ONE_BY_ONE:
        return rng.choice(WORDED[f"ask-{kind}"]).replace("~", animal)
    return expand(rng.choice(KINDS[kind].asks), rng).replace("~", animal)
