"""How Discord's events are handled: those of a channel in order, each apart, and none is dropped.

It knows neither what an event means nor what is done about it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from core.errors import AdapterError, Closing, Refused, StoreError
from core.types import ChannelRef, ThreadRef

logger = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0  # of what the store did not take


def lane(channel_id: int, *, votes: bool = False) -> ThreadRef:
    """In which a channel's events stay in order: one for what is said, one for votes on it."""
    return ThreadRef(ChannelRef("discord", "", str(channel_id)), "votes" if votes else "")


@contextmanager
def apart(kind: str) -> Iterator[None]:
    """What goes wrong with one event ends neither the others nor the connection."""
    try:
        yield
    except Closing:
        logger.info("Discord: a %s came too late and is left to the next start", kind)
    except (AdapterError, StoreError, TimeoutError) as error:
        logger.warning("Discord: a %s was given up: %s", kind, error or "it took too long")
    except Exception:  # a fault of ours, or an event like no other: the next are heard
        logger.exception("Discord: a %s could not be handled", kind)


async def kept(step: Callable[[], Awaitable[T]]) -> T:
    """Discord sends nothing twice: what cannot be done now is tried again. Raises Closing."""
    wait_s = FIRST_RETRY_S
    while True:
        try:
            return await step()
        except Refused:
            raise
        except (StoreError, AdapterError) as error:
            logger.warning("Discord: an event has to wait: %s", error)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_RETRY_S)
