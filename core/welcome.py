"""How people are told what the bot is, and whether what they say trains it where they are."""

from __future__ import annotations

from collections.abc import Collection

from core.phrases import Phrases
from core.store import Store
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
        words, place, person, channel = self._phrases, message.place, None, None
        if is_trained := self._is_trained(message):
            person, channel = await self._choices(message)
        if not is_trained or channel is False:
            training = words.votes_are_kept
        elif place == "private" and channel is None:
            training = words.votes_of_channel_may_train
        elif person or (person is None and (channel or place == "public")):
            training = words.votes_train
        else:
            training = words.votes_may_train
        return words.greeting.format(name=self._name, training=training)

    async def first_vote(self, message: IncomingMessage) -> str:
        """How to switch training on, ahead of the first vote in a place that is not public.

        "" where somebody chose or voted already, and where nothing trains anyway.
        """
        is_direct = message.place == "direct"
        if message.place == "public" or not self._is_trained(message):
            return ""
        person, channel = await self._choices(message)
        if channel is not None or (is_direct and person is not None):
            return ""
        if await self._store.voted(message.ref.channel):
            return ""
        return self._phrases.switch_on_direct if is_direct else self._phrases.switch_on_private

    def _is_trained(self, message: IncomingMessage) -> bool:
        return message.ref.channel.platform in self._trained

    async def _choices(self, message: IncomingMessage) -> tuple[bool | None, bool | None]:
        """What the person chose, and the channel; None: nothing."""
        at = message.ref.channel
        person = await self._store.training(at.platform, at.account, "person", message.author.id)
        return person, await self._store.training(at.platform, at.account, "channel", at.id)
