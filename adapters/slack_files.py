"""Files that come with a Slack message; core.attachments says which of them are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from adapters.slack_calls import Api
from core import attachments
from core.attachments import LARGEST_BYTES, Attached
from core.errors import AdapterError


async def read(api: Api, files: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[str, ...]]:
    """What is to stand behind the message's words, and the names of what could not be read.

    The token goes to Slack alone: an address elsewhere, such as a file's on another drive, is not
    asked.
    """
    return await attachments.read(
        [
            Attached(
                name=str(file.get("name") or file.get("title") or "a file"),
                kind=str(file.get("mimetype") or ""),
                size=int(file.get("size") or 0),
                fetch=partial(_fetch, api, file),
            )
            for file in files
        ]
    )


async def _fetch(api: Api, file: Mapping[str, Any]) -> bytes:
    """At most LARGEST_BYTES and one more. Raises AdapterError."""
    url, home = str(file.get("url_private") or ""), urlsplit(api.client.base_url)
    at = urlsplit(url)
    is_slack = at.scheme == "https" and (at.hostname or "").endswith(".slack.com")
    if not is_slack and (at.scheme, at.netloc) != (home.scheme, home.netloc):
        raise AdapterError("Slack: a file that is kept elsewhere is not fetched")
    headers = {"Authorization": f"Bearer {api.client.token}"}
    try:
        async with api.session.get(url, headers=headers, allow_redirects=False) as response:
            # Without the scope files:read, Slack answers with its page for signing in.
            is_page = response.content_type == "text/html" and file.get("mimetype") != "text/html"
            if response.status != 200 or is_page:
                raise AdapterError(f"Slack: a file is not given out (status {response.status})")
            content = b""
            while more := await response.content.read(LARGEST_BYTES + 1 - len(content)):
                content += more
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise AdapterError(f"Slack: a file does not come: {type(error).__name__}") from error
    return content
