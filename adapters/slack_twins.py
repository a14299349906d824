"""Slack tells of a mention twice: as `message` and as `app_mention`, in either order.

In some workspaces the app_mention leaves out the files. So where both come the message is taken,
as soon as it is there; an app_mention is taken where no message comes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from core.types import MessageRef

TWIN_S = 1.0  # they leave Slack together; a message that is later by so much is lost, perhaps
MOST_KNOWN = 10_000  # mentions that came as messages


@dataclass
class Twins:
    _came: dict[MessageRef, None] = field(default_factory=dict)  # the oldest first
    _awaited: dict[MessageRef, asyncio.Event] = field(default_factory=dict)
    _tells: dict[str, bool] = field(default_factory=dict)  # by channel: whether messages come

    def tells(self, channel: str) -> None:
        """A message came from there, whatever it says."""
        self._tells[channel] = True

    def came(self, ref: MessageRef) -> None:
        """A mention came as message: it is acknowledged once it is stored, and until then comes
        again.
        """
        self._came[ref] = None
        if len(self._came) > MOST_KNOWN:
            self._came.pop(next(iter(self._came)))
        if ref in self._awaited:
            self._awaited[ref].set()

    async def comes(self, ref: MessageRef) -> bool:
        """Whether what came as app_mention comes as message too. Where it never does, in a channel
        of which we are told nothing else, that is waited for once.
        """
        if ref in self._came:
            return True
        if not self._tells.get(ref.channel.id, True):
            return False
        event = self._awaited.setdefault(ref, asyncio.Event())
        try:
            async with asyncio.timeout(TWIN_S):
                await event.wait()
        except TimeoutError:
            self._tells.setdefault(ref.channel.id, False)
            return False
        finally:
            self._awaited.pop(ref, None)
        return True
