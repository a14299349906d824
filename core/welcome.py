"""How people are told what the bot is, and whether what they say trains it where they are."""

from __future__ import annotations

from collections.abc import Collection

from core.phrases import Phrases
from core.ports import Store
from core.types import IncomingMessage


class Welcome:
    def __init__(
        self, store: Store, phrases: Phrases, *, name: str, trained: Collection[str]
    ) -> None:
        """`trained`: the platforms whose votes train."""
        self._store, self._phrases = store, phrases
        self._name, self._trained = name, frozenset(trained)

    async def greeting(self, message: IncomingMessage) -> str:
        """What it is, how to vote, and whether votes train where this was said."""
        words, place = self._phrases, message.place
        if message.ref.channel.platform not in self._trained:
            training = words.votes_are_kept
        elif (chosen := await self._chosen(message)) or (chosen is None and place == "public"):
            training = words.votes_train
        elif place == "private":
            training = words.votes_of_channel_may_train
        else:
            training = words.votes_may_train
        return words.greeting.format(name=self._name, training=training)

    async def first_vote(self, message: IncomingMessage) -> str:
        """How to switch training on, ahead of the first vote in a place that is not public.

        "" where somebody chose or voted already, and where nothing trains anyway.
        """
        channel = message.ref.channel
        if message.place == "public" or channel.platform not in self._trained:
            return ""
        if await self._chosen(message) is not None or await self._store.voted(channel):
            return ""
        direct = message.place == "direct"
        return self._phrases.switch_on_direct if direct else self._phrases.switch_on_private

    async def _chosen(self, message: IncomingMessage) -> bool | None:
        """What counts here of what the person and the channel chose; None: nobody chose."""
        channel = message.ref.channel
        here = channel.platform, channel.account
        of_channel = await self._store.training(*here, "channel", channel.id)
        of_person = await self._store.training(*here, "person", message.author.id)
        if False in (of_channel, of_person):
            return False
        if message.place == "private":
            return of_channel
        return of_channel or of_person
