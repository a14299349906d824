"""What our own Slack keeps of what the bot says, and its addresses beside the Web API."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from tests import slack_rules as rules
from tests.fake_slack_socket import Sockets
from tests.fake_slack_state import (
    APP,
    BOT,
    BOT_ID,
    BOT_TOKEN,
    RESPONSE_S,
    RESPONSES,
    Call,
    Channel,
    Ephemeral,
)


class Kept(Sockets):
    def _posted(self, place: Channel, given: dict[str, Any], thread: str) -> str:
        message = {"type": "message", "user": BOT, "bot_id": BOT_ID, "app_id": APP}
        fields = ("text", "blocks", "markdown_text", "metadata", "files")
        message |= {name: given[name] for name in fields if given.get(name)}
        message |= {"text": given.get("text", ""), "ts": self.tick()}
        if thread:
            message["thread_ts"] = thread
        self._keep(place.id, message)
        self._show(place, message)
        self.event({**message, "channel": place.id, "channel_type": place.kind})
        return str(message["ts"])

    def _show(self, place: Channel, message: dict[str, Any]) -> None:
        """What a person sees of it now; every ping in it goes out."""
        self.pings += rules.PINGS.findall(rules.raw(message))
        states = place.shown.setdefault(message["ts"], [])
        said = rules.seen(message) or ", ".join(f["name"] for f in message.get("files", []))
        if states and states[-1] == said:
            return
        self._note(
            "Mynah",
            f"in {place.id}{' (thread)' if message.get('thread_ts') else ''}, message"
            f" {list(place.shown).index(message['ts']) + 1}{', edited' if states else ''}: {said}",
        )
        states.append(said)

    def _whisper(self, channel: str, user: str, given: dict[str, Any]) -> str:
        ts = self.tick()
        shown = Ephemeral(channel, user, {**given, "ts": ts}, given.get("thread_ts") or "")
        self.ephemerals.append(shown)
        self.pings += rules.PINGS.findall(rules.raw(given))
        self._note("Mynah", f"to {user} alone: {shown.text}")
        self._changed.set()
        return ts

    async def _respond(self, request: web.Request) -> web.Response:
        """A response_url: five uses in half an hour."""
        use, given = self._responses.get(request.match_info["id"]), await request.json()
        self.calls.append(Call("response_url", given, time.monotonic()))
        self._changed.set()
        if use is None or time.monotonic() - use["at"] > RESPONSE_S:
            return web.Response(status=404, text="expired_url")
        use["used"] += 1
        if use["used"] > RESPONSES:
            return web.Response(status=404, text="used_url")
        known = {"text", "blocks", "response_type", "replace_original", "delete_original"}
        known |= {"thread_ts", "unfurl_links", "unfurl_media"}
        if unknown := set(given) - known:
            self.complaints.append(f"response_url knows no {', '.join(sorted(unknown))}")
        if why := rules.refusal("chat.postEphemeral", given):
            return web.Response(status=400, text=why)
        if given.get("response_type", "ephemeral") != "ephemeral":
            self._posted(self.channels[use["channel"]], given, "")
        elif given.get("replace_original") and "shown" in use:
            use["shown"].message = {**given, "ts": use["shown"].message["ts"]}
            self._note("Mynah", f"to {use['user']} alone, edited: {use['shown'].text}")
        else:
            self._whisper(use["channel"], use["user"], given)
            use["shown"] = self.ephemerals[-1]
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.Response:
        file, content = self.uploads[request.match_info["id"]], await request.read()
        if len(content) != file["length"]:
            return web.Response(status=400, text="wrong length")
        file["content"] = content
        return web.Response(text=f"OK - {len(content)}")

    def _file(self, name: str, content: bytes, mimetype: str) -> dict[str, Any]:
        """A file that a person uploads."""
        id = f"F{next(self._ids)}"
        about = {"id": id, "name": name, "mimetype": mimetype, "size": len(content)}
        about |= {"mode": "hosted", "url_private": f"{self.address}/files/{id}/{name}"}
        self.uploads[id] = about | {"content": content}
        return about

    async def _download(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}":
            return web.Response(text="<html>sign in</html>", content_type="text/html")
        self.calls.append(Call("download", {}, time.monotonic()))
        file = self.uploads[request.match_info["id"]]
        if fault := self._fault("download"):
            await asyncio.sleep(60 if fault.kind == "hang" else 0)
            return web.Response(status=500)
        await asyncio.sleep(self.slow_s)
        return web.Response(body=file["content"], content_type=file["mimetype"])
