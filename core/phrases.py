"""What the bot itself says beside answers or in their place: apologies, notes, refusals."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from core.attachments import LARGEST_BYTES, MOST_FILES
from core.feedback import SIGNS
from core.pages import close_code
from core.types import Outcome

LONGEST_NAME = 80  # of a file, as we repeat it
_MARKUP = re.compile(r"[^\w .()+-]")

# Said to one person by adapters, which answer presses and forms themselves.
YOUR_VOTE: dict[int, str] = {score: f"Your vote: {thumb}" for score, thumb in SIGNS.items()}
WHAT_INSTEAD = "What should I have said?"
NOT_KEPT = "I could not keep that just now. Please try it again in a moment."
NO_VOTE = "Not kept: no vote of yours stands on this answer. Vote again, and send it once more."
NO_WORDS = "Not kept: it says nothing."
TAKEN_BACK = "Your vote is taken back."
NO_BUTTONS = "Voting by button is switched off here."


class Phrases(BaseModel):
    """CommonMark. Names in braces are filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    apology: str = "_I could not answer just now. Please ask me again in a moment._"
    interrupted: str = (
        "_My answer was interrupted here and is not complete. Please ask me again in a moment._"
    )
    cut: str = "_My answer reached its length limit here and is cut. Say “go on” for the rest._"
    stopped: str = "_Stopped._"
    unkept: str = (
        "_I cannot store this answer yet: my disk or database does not take it. My log says why._"
    )
    gave_up: str = (
        "_I tried to answer this three times and each time something broke. Please ask it in other"
        " words, or tell the person who runs me._"
    )
    too_long: str = (
        "_That is too long for me: about {tokens} tokens, and I can read {limit} at once."
        " Please send a shorter part._"
    )
    in_line: str = "_Questions ahead of yours: {ahead}._\n\n"
    busy: str = "_Too many people ask me at once just now. Please ask me again in a few minutes._"
    too_many: str = (
        "_That is more than {limit} messages in a minute. Please give me a moment and ask again._"
    )
    forgotten_beginning: str = (
        "_(This conversation has grown long: I no longer see its beginning."
        " Say /reset to begin anew.)_\n\n"
    )
    unread: str = (
        "I cannot read {names}: I read text files in UTF-8 or UTF-16 of up to {kb} kB, {most} at a"
        " time."
    )
    greeting: str = (
        "Hello, I am {name}, a bot: ask me anything, and say `help` to see what else I understand."
        " A thumb up or down on an answer of mine is your vote, and {training}."
    )
    votes_train: str = "votes here train me (tell me `training off` to end that)"
    votes_may_train: str = "votes here train me only once you tell me `training on`"
    votes_of_channel_may_train: str = (
        "votes here train me only once somebody here tells me `training channel on`"
    )
    votes_are_kept: str = "votes here are kept, but nothing trains on them"
    switch_on_direct: str = (
        "Your vote is kept, but nothing said here trains me until you tell me `training on`."
        " What trains me may show up in anybody's answer."
    )
    switch_on_private: str = (
        "Your vote is kept, but nothing said in this channel trains me until somebody here"
        " tells me `training channel on`. What trains me may show up in anybody's answer."
    )
    reset: str = (
        "Fresh start: I no longer look at what was said before, except that liked or corrected"
        " answers from here may still be shown to me as examples. It stays stored."
    )
    credited: str = (
        "_I have learnt from your corrections ({count}): `{tune}` used them, and answers you now."
        " `/why` says more._\n\n"
    )
    learnt: str = (
        "**I have learnt something.** `{tune}` answers {whom} from now on; `/rollback` takes it"
        " back, and `/why` says what shaped an answer.\n\n{summary}"
    )
    everybody: str = "everybody"
    share: str = "{share:.0%} of new conversations"
    changed: str = "\n\n**What `{tune}` changed.** {changes}"
    why_nothing: str = "There is no answer of mine here yet that I could explain."
    why_base: str = "My last answer here is the base model's: no vote has changed how it speaks."
    why_examples: str = (
        "My last answer here is the base model's. Ahead of this conversation it was shown liked or"
        " corrected answers from this channel, to {asked}."
    )
    why_tune: str = (
        "My last answer here is that of the tune `{tune}`, made on {at} from {votes} of"
        " {people}{own}."
    )
    why_own: str = ", {own} of them yours"
    why_asked: str = "Yours that were given here, the newest first, are on my answers to {asked}."
    why_not_learnt: str = (
        "It learnt nothing from {votes} more{own}: kept for its checks, or left out."
    )
    why_checked: str = "Before it answered anybody it had {checks}, and none spoke against it."
    why_unsure: str = "What they could not tell: {unsure}."
    why_no_report: str = "It passed its checks; what they found is kept no more."
    why_forgotten: str = (
        "Something that it learnt from is forgotten since: it goes when the next tune takes over."
    )
    why_gone: str = "Something that it learnt from is forgotten since, and it is gone."
    stopping: str = "I stopped the answer under way."
    nothing_to_stop: str = "There is no answer under way."
    admins_only: str = "Sorry, only the people who run me may do that: {command}."
    unknown_command: str = "I do not know the command {command}. /help lists those that I know."
    broken_command: str = (
        "I was interrupted at {command} and do not do it a second time by myself. `/tunes` and my"
        " earlier answers show how things stand; say it again if it is still wanted."
    )
    misused_command: str = "Please say {usage}."
    cannot_train: str = "This bot was started without a trainer."
    forgot_person: str = (
        "Forgotten: {turns} of your messages with their answers, your votes and your corrections"
        " are deleted here, and nothing will be learnt from them again."
    )
    forgot_turn: str = (
        "Forgotten: your last question and its answer are deleted, and nothing will be learnt from"
        " them again."
    )
    tunes_marked: str = (
        " What I learnt with them is marked ({tunes}): it goes when the next tune, built without"
        " them, takes over."
    )
    tunes_gone: str = " What I had learnt with them is taken away ({tunes})."
    exports_cut: str = (
        " Data sets that were exported lost it, too. Of copies that somebody made I know nothing:"
        " ask the people who run me to delete yours there."
    )
    exports_left: str = (
        " Of the data sets that were exported I could not take it out of each, nor out of copies:"
        " ask the people who run me to delete yours there; my log names the folders."
    )
    nothing_to_forget: str = "There is nothing of yours here that I could forget."
    training_on: str = (
        "What you say and vote may train me, direct messages included; in a private channel only"
        " once somebody there tells me `training channel on`. What trains me may show up in"
        " anybody's answer. `/training off` switches it off."
    )
    channel_on: str = (
        "What is said and voted in this channel may train me. What trains me may show up in"
        " anybody's answer. `/training channel off` switches it off."
    )
    channel_off: str = (
        "Nothing that is said or voted in this channel will train me."
        " `/training channel on` allows it."
    )
    training_off: str = "Nothing that you say or vote here will train me. `/training on` allows it."

    def cannot_read(self, names: Sequence[str]) -> str:
        """That attachments of these names are not read. Names are people's words: no markup."""
        listed = [_MARKUP.sub("_", name)[:LONGEST_NAME] for name in names]
        head = ", ".join(listed[:-1])
        names = f"{head} and {listed[-1]}" if head else listed[-1]
        return self.unread.format(names=names, kb=LARGEST_BYTES // 1000, most=MOST_FILES)

    def note(self, outcome: Outcome, text: str, more: str = "") -> str:
        """What is shown after an answer that ended this way; "" for none. `more`: shown already
        after `text`.
        """
        if outcome == "failed":
            words = self.interrupted if text.strip() else self.apology
        else:
            words = {"cut": self.cut, "stopped": self.stopped}.get(outcome, "")
        return words and self.beside(words, text + more)

    def beside(self, words: str, text: str) -> str:
        """Words of ours to be shown after `text`, set apart from it."""
        return f"{close_code(text)}\n\n{words}" if text.strip() else words
