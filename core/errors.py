"""
The errors of the house:

* BotError                what a person at a command line sees as one line
  x ConfigError           config.yaml or the environment is wrong; says where and what to write
  x StoreError            the store cannot be opened or used
    - StoreLocked         another process holds it; names the process and what to do
    - StoreDamaged        the file is damaged; nothing was written to it
  x GenerationError       the model's server failed; the person who asked sees one plain sentence
    - Unreachable         nothing answered, or the breaker is open
    - Overloaded          the server says 429 or 503
    - Rejected            the server refused the request itself (4xx): asking again will not help
    - TimedOut            a deadline passed: first token, between tokens, or in all
    - Broken              the stream ended or went wrong before the answer was whole
    - Empty               the model ended without a word
    - CutShort            finish_reason "length": what was said stands, but it is not all
  x AdapterError          the platform failed
    - RateLimited         carries `retry_after_s`, and whether one place alone has to wait
    - Refused             the credentials or rights are missing; names them
  x Unasked               the question is not put to the model after all; says how the turn ends
  x Closing               the process ends before this began; the next start does it
"""

from __future__ import annotations

from core.types import Outcome


class BotError(Exception):
    """Base of everything the house raises on purpose. Its text says what to do next."""


class ConfigError(BotError):
    pass


class StoreError(BotError):
    pass


class StoreLocked(StoreError):
    pass


class StoreDamaged(StoreError):
    pass


class GenerationError(BotError):
    pass


class Unreachable(GenerationError):
    pass


class Overloaded(GenerationError):
    pass


class Rejected(GenerationError):
    pass


class TimedOut(GenerationError):
    pass


class Broken(GenerationError):
    pass


class Empty(GenerationError):
    pass


class CutShort(GenerationError):
    pass


class AdapterError(BotError):
    pass


class RateLimited(AdapterError):
    def __init__(self, message: str, *, retry_after_s: float, is_of_place: bool = False) -> None:
        """`is_of_place`: other channels need not wait."""
        super().__init__(message)
        self.retry_after_s, self.is_of_place = retry_after_s, is_of_place


class Refused(AdapterError):
    pass


class Unasked(BotError):
    def __init__(self, outcome: Outcome, words: str = "") -> None:
        """`words`: to be said instead."""
        super().__init__(words)
        self.outcome = outcome


class Closing(BotError):
    pass
