"""What goes wrong on the way to a model's server, in our words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from core.errors import Broken, GenerationError, Overloaded, Rejected, TimedOut, Unreachable


class Busy(Overloaded):
    """429 or 503, with what the server says about when to come back."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unheard(Unreachable):
    """No connection: asking cost the server nothing."""


class Locked(Rejected):
    """401 or 403: the server does not accept our key, or a router did not pass it on."""


class Missing(Rejected):
    """404, 405 or 501: the server has no such thing to ask."""


@contextlib.contextmanager
def our_errors(late: str) -> Iterator[None]:
    """Raise ours from theirs; a timeout becomes TimedOut with the sentence `late`."""
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Unheard("The model's server does not answer: is it running?") from error
    except TimeoutError as error:
        raise TimedOut(late) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Broken("The connection to the model's server broke.") from error
    except ValueError as error:
        raise Broken("The model's server sent what cannot be read.") from error


def refusal(response: aiohttp.ClientResponse) -> GenerationError:
    """What an answer that is not 200 means."""
    status = response.status
    if status in (429, 503):
        return Busy(
            "The model's server has too much to do: please ask again in a moment.",
            retry_after_s=retry_after_s(response.headers.get("Retry-After", "")),
        )
    if status in (502, 504):
        return Unreachable(f"There is no model behind the server's door ({status}).")
    if status in (405, 501):
        return Missing(
            f"The model's server does not know this kind of request ({status}): "
            "check generation.url."
        )
    if status >= 500:
        return Broken(f"The model's server failed ({status}): see its log.")
    if status in (401, 403):
        return Locked(
            f"The model's server does not accept the key ({status}): "
            "check the variable that generation.key_env names."
        )
    if status < 400:
        return Rejected(f"The address leads elsewhere ({status}): check generation.url.")
    if status == 404:
        return Missing(
            "The model's server knows no such model (404): "
            "check generation.model and generation.url."
        )
    # The server's own words may quote the prompt: they stay in its log.
    return Rejected(
        f"The model's server refused the request ({status}). Should it happen again, it takes fewer"
        " tokens than it says, or has another model: set generation.context_tokens, or see its log."
    )


def retry_after_s(header: str) -> float:
    """Seconds, or a date (RFC 9110, 10.2.3); 0 for anything else."""
    with contextlib.suppress(ValueError):
        if header.strip().isdigit():
            return float(header)
        at = parsedate_to_datetime(header)
        if at.tzinfo is not None:
            return max(0.0, (at - datetime.now(UTC)).total_seconds())
    return 0.0
