"""How people really type: letter case, punctuation, slips of the finger, other words for the same.

It changes the form of a question and never what is asked.
"""

from __future__ import annotations

from random import Random

_NEAR = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o",
    "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc",
    "y": "tu", "z": "x",
}  # fmt: skip
_OTHER_WORDS = {
    "answer": ("reply", "response", "message"),
    "answers": ("replies", "responses", "messages"),
    "conversation": ("chat", "discussion", "talk"),
    "settings": ("config", "configuration", "options", "settings file"),
    "setting": ("option", "key", "parameter", "config key", "config option"),
    "type": ("write", "enter", "send", "use"),
    "delete": ("remove", "erase"),
    "deleted": ("removed", "erased"),
    "bot": ("mynah", "chatbot", "assistant"),
    "vote": ("rating", "reaction"),
    "votes": ("ratings", "reactions", "thumbs"),
    "training": ("fine-tuning", "retraining", "the training", "learning"),
    "person": ("user", "member", "human"),
    "people": ("users", "folks", "members", "persons"),
    "gpu": ("graphics card", "video card"),
    "which": ("what",),
    "message": ("post", "text"),
    "messages": ("posts", "texts"),
    "machine": ("computer", "server"),
    "folder": ("directory",),
    "stored": ("saved", "kept"),
    "start": ("begin", "launch"),
    "show": ("display", "list"),
    "allowed": ("permitted",),
    "must": ("have to", "should"),
    "may": ("can", "might"),
    "can": ("could",),
    "happens": ("will happen", "would happen", "is going on"),
    "is": ("'s",),
    "i": ("we", "one"),
}
_SMALL = {"the", "a", "an", "of", "to", "do", "does", "is", "i", "in", "for", "my", "are", "it"}


def other_words(text: str, rng: Random) -> str:
    """Puts other words for some; a few small words may be missing, as in a hurry."""
    hurry = rng.random() < 0.12
    words: list[str] = []
    for word in text.split():
        if word == "is" and words and rng.random() < 0.5:
            words.append(word)
        elif word in _OTHER_WORDS and rng.random() < 0.12:
            other = rng.choice(_OTHER_WORDS[word])
            if other == "'s" and words:
                words[-1] += other
            elif other != "'s":
                words.append(other)
            else:
                words.append(word)
        elif not (hurry and word in _SMALL and rng.random() < 0.5):
            words.append(word)
    return " ".join(words) if words else text


def typo(text: str, rng: Random) -> str:
    """Makes one slip in one word of at least four letters; gives the text as it is without one."""
    words = text.split(" ")
    long = [i for i, w in enumerate(words) if len(w) >= 4 and w[0].isalpha()]
    if not long:
        return text
    at = rng.choice(long)
    word = words[at]
    i = rng.randrange(len(word) - 1)
    match rng.randrange(4):
        case 0:
            word = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        case 1:
            word = word[:i] + word[i + 1 :]
        case 2:
            word = word[: i + 1] + word[i:]
        case _:
            near = _NEAR.get(word[i].lower(), "e")
            word = word[:i] + rng.choice(near) + word[i + 1 :]
    words[at] = word
    return " ".join(words)


def cased(text: str, rng: Random) -> str:
    """Gives the text in small letters, as a sentence, or (seldom) in capitals."""
    draw = rng.random()
    if draw < 0.45:
        return text
    if draw < 0.94:
        words = ["I" + w[1:] if w == "i" or w.startswith("i'") else w for w in text.split(" ")]
        text = " ".join(words)
        return text[:1].upper() + text[1:]
    return text.upper() if draw < 0.97 else text.title()


def ended(text: str, rng: Random) -> str:
    """Puts a mark (or none) at the end."""
    if text[-1:] in "?!.\"'`":
        return text
    marks = ("?", "?", "?", "?", "", "", "", ".", "??", " ?", "!", "...")
    return text + rng.choice(marks)


def typed(text: str, rng: Random, typos: float = 0.26) -> str:
    """Gives the question as somebody types it."""
    text = ended(cased(text, rng), rng)
    while rng.random() < typos:
        text = typo(text, rng)
        typos /= 3
    return text
