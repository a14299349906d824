"""The Web API of our own Slack: its methods, what they refuse, and how often they may be called."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from aiohttp import web

from tests import slack_rules as rules
from tests.fake_slack_kept import Kept
from tests.fake_slack_state import (
    APP_TOKEN,
    BOT,
    BOT_ID,
    BOT_TOKEN,
    POST_BURST,
    TEAM,
    TRIGGER_S,
    Call,
    Channel,
    Fault,
    Stream,
)


class WebApi(Kept):
    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        is_json = request.content_type == "application/json"
        given = await request.json() if is_json else {**request.query, **await request.post()}
        arguments = {name: value for name, value in dict(given).items() if name != "token"}
        call = Call(method, arguments, time.monotonic())
        self.calls.append(call)
        self.complaints += rules.complaints(method, arguments, is_json=is_json)
        try:
            return await self._answered(request, call)
        finally:
            self._changed.set()

    async def _answered(self, request: web.Request, call: Call) -> web.StreamResponse:
        fault = self._fault(call.method)
        if self.limits and (wait_s := self._overdrawn(call)):
            fault = Fault("ratelimited", retry_after_s=wait_s)
        kept: dict[str, Any] = {"ok": False, "error": fault.kind if fault else ""}
        if fault is None or fault.after:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            kept = self._do(call.method, call.arguments, token)
        call.result = "ok" if kept.get("ok") else str(kept["error"])
        if fault is None:
            headers = {"x-oauth-scopes": self.scopes}
            return web.json_response(kept, headers=headers)
        call.result = fault.kind
        if fault.kind == "ratelimited":
            headers = {"Retry-After": str(fault.retry_after_s)}
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers=headers
            )
        if fault.kind == "429":  # said by something in front of Slack
            headers = {"Retry-After": str(fault.retry_after_s)}
            return web.Response(status=429, text="<html>slower</html>", headers=headers)
        if fault.kind == "500":
            return web.Response(status=500, text="<html>sorry</html>", content_type="text/html")
        if fault.kind == "slow":
            await asyncio.sleep(fault.retry_after_s)
        if fault.kind == "hang":
            await asyncio.sleep(60)
        if fault.kind in ("reset", "hang"):
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(kept)

    def _overdrawn(self, call: Call) -> int:
        """Seconds until this call may be made again; 0: now. What is refused counts for nothing."""
        tier = rules.TIERS.get(rules.described(call.method).get("rate_limits", ""), 10_000)
        budgets = [(call.method, tier, 60.0)]
        if call.method == "chat.postMessage":
            budgets = [(f"post {call.arguments['channel']}", 60, 60.0)]
            budgets += [(f"burst {call.arguments['channel']}", POST_BURST, float(POST_BURST))]
            budgets += [("posts", rules.ONE_WORKSPACE_POSTS, 60.0)]
        for key, most, window_s in budgets:
            used = self._used[key]
            while used and used[0] <= call.at - window_s:
                used.popleft()
            if len(used) >= most:
                return max(1, round(used[0] + window_s - call.at + 0.5))
        for key, _, _ in budgets:
            self._used[key].append(call.at)
        return 0

    def _do(self, method: str, given: dict[str, Any], token: str) -> dict[str, Any]:
        if token != (APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN):
            return refused("invalid_auth")
        needed = rules.described(method).get("scope", {}).get("bot", [])
        if needed and not set(needed) & set(self.scopes.split(",")):
            return refused("missing_scope", needed=",".join(needed), provided=self.scopes)
        deed = getattr(self, f"_{snake(method)}", None)
        if deed is None:
            return refused("unknown_method")
        channel = given.get("channel") or given.get("channel_id")
        if isinstance(channel, str) and not method.startswith("files.get"):
            place = self.channels.get(channel) or self._im(channel)
            if place is None or place.is_gone:
                return refused("channel_not_found")
            return dict(deed(given, place))
        return dict(deed(given))

    def _im(self, user: str) -> Channel | None:
        """A person's id stands for the direct messages with them."""
        if user not in self.users:
            return None
        return self.channels.setdefault(f"D{user[1:]}", Channel(f"D{user[1:]}", "im"))

    def _auth_test(self, given: dict[str, Any]) -> dict[str, Any]:
        where = {"url": "https://birds.slack.com/", "team": "Birds", "team_id": TEAM}
        return done(**where, user="mynah", user_id=BOT, bot_id=BOT_ID)

    def _apps_connections_open(self, given: dict[str, Any]) -> dict[str, Any]:
        ticket = f"t{next(self._ids)}"
        self._tickets.add(ticket)
        return done(url=f"ws://127.0.0.1:{self._port}/link?ticket={ticket}")

    def _users_info(self, given: dict[str, Any]) -> dict[str, Any]:
        name = "Mynah" if given["user"] == BOT else self.users.get(given["user"])
        if name is None:
            return refused("user_not_found")
        profile = {"display_name": name, "real_name": f"{name} Example"}
        is_bot = given["user"] in {BOT, *self.robots}
        return done(user={**self._user(given["user"]), "profile": profile, "is_bot": is_bot})

    def _conversations_info(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        kinds = {f"is_{kind}": place.kind == kind for kind in ("channel", "group", "im", "mpim")}
        return done(channel={"id": place.id, "is_private": place.kind != "channel", **kinds})

    def _chat_post_message(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if why := rules.refusal("chat.postMessage", given):
            return refused(why)
        if given.get("blocks") and not self.blocks:
            return refused("invalid_blocks")
        thread = given.get("thread_ts")
        if thread and thread not in place.messages:
            return refused("thread_not_found")
        ts = self._posted(place, given, thread or "")
        if rules.LINK.search(rules.raw(given)) and not (
            given.get("unfurl_links") is False and given.get("unfurl_media") is False
        ):
            self.unfurled.append(ts)
        return done(channel=place.id, ts=ts, message=place.messages[ts])

    def _chat_update(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        message = place.messages.get(given["ts"])
        if message is None:
            return refused("message_not_found")
        if message["user"] != BOT:
            return refused("cant_update_message")
        if given["ts"] in self._streams and not self._expired(given["ts"]):
            return refused("streaming_state_conflict")
        if why := rules.refusal("chat.update", given):
            return refused(why)
        if given.get("blocks") and not self.blocks:
            return refused("invalid_blocks")
        before = dict(message)
        fields = ("text", "blocks", "markdown_text")
        message |= {name: given.get(name) for name in fields}
        message |= {"metadata": given["metadata"]} if given.get("metadata") else {}
        self._show(place, message)
        self._changed_event(place.id, message, before)
        return done(channel=place.id, ts=given["ts"], text=rules.seen(message), message=message)

    def _chat_post_ephemeral(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if why := rules.refusal("chat.postEphemeral", given):
            return refused(why)
        return done(message_ts=self._whisper(place.id, given["user"], given))

    def _chat_start_stream(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if not self.native:
            return refused("feature_not_enabled")
        if not given.get("thread_ts"):
            return refused("invalid_arguments")
        if place.kind != "im" and not given.get("recipient_user_id"):
            return refused("missing_recipient_user_id")
        if place.kind != "im" and not given.get("recipient_team_id"):
            return refused("missing_recipient_team_id")
        if rules.units(given.get("markdown_text", "")) > rules.MARKDOWN:
            return refused("msg_too_long")
        ts = self._posted(place, given, given["thread_ts"])
        self._streams[ts] = Stream(time.monotonic() + self.stream_s, given.get("markdown_text", ""))
        return done(channel=place.id, ts=ts)

    def _chat_append_stream(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if why := self._not_streaming(given, place):
            return refused(why)
        if self._streams[given["ts"]].stopped:
            return refused("stopped_by_user")
        if why := rules.refusal("chat.appendStream", given):
            return refused(why)
        self._grow(place, given)
        return done(channel=place.id, ts=given["ts"])

    def _chat_stop_stream(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if why := self._not_streaming(given, place) or rules.refusal("chat.stopStream", given):
            return refused(why)
        self._grow(place, given)
        del self._streams[given["ts"]]
        message = place.messages[given["ts"]]
        message["metadata"] = given.get("metadata")
        message["blocks"] = [
            {"type": "markdown", "text": message["markdown_text"] or " "},
            *(given.get("blocks") or []),
        ]
        del message["markdown_text"]
        return done(channel=place.id, ts=given["ts"], message=message)

    def _not_streaming(self, given: dict[str, Any], place: Channel) -> str:
        if given["ts"] not in place.messages:
            return "message_not_found"
        if given["ts"] not in self._streams or self._expired(given["ts"]):
            return "message_not_in_streaming_state"
        return ""

    def _expired(self, ts: str) -> bool:
        if self._streams[ts].until > time.monotonic():
            return False
        del self._streams[ts]
        return True

    def _grow(self, place: Channel, given: dict[str, Any]) -> None:
        stream, message = self._streams[given["ts"]], place.messages[given["ts"]]
        stream.pieces += given.get("markdown_text") or ""
        message["markdown_text"] = stream.pieces
        self._show(place, message)

    def _conversations_history(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        roots = [m for m in place.messages.values() if m.get("thread_ts", m["ts"]) == m["ts"]]
        told = [self._with_replies(place, message) for message in roots]
        return self._page(
            sorted(told, key=lambda m: m["ts"], reverse=True), given, default=100, most=999
        )

    def _conversations_replies(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        ts = place.messages.get(given["ts"], {}).get("thread_ts", given["ts"])
        thread = [m for m in place.messages.values() if ts in (m["ts"], m.get("thread_ts"))]
        if not thread:
            return refused("thread_not_found")
        return self._page(
            sorted(thread, key=lambda m: m["ts"]), given, default=1_000, most=1_000, root=ts
        )

    def _with_replies(self, place: Channel, root: dict[str, Any]) -> dict[str, Any]:
        replies = [
            m["ts"]
            for m in place.messages.values()
            if m.get("thread_ts") == root["ts"] and m["ts"] != root["ts"]
        ]
        if not replies:
            return root
        of_it = {"thread_ts": root["ts"], "reply_count": len(replies), "latest_reply": max(replies)}
        return root | of_it

    def _page(
        self,
        messages: list[dict[str, Any]],
        given: dict[str, Any],
        *,
        default: int,
        most: int,
        root: str = "",
    ) -> dict[str, Any]:
        """Of a listing, from where the cursor says. `root`: is part of it whatever the times."""
        oldest, latest = given.get("oldest", "0"), given.get("latest", "9")
        inclusive = str(given.get("inclusive", "0")) in ("1", "true", "True")
        within = [
            m
            for m in messages
            if oldest < m["ts"] < latest
            or (inclusive and m["ts"] in (oldest, latest))
            or m["ts"] == root
        ]
        begin = int(given.get("cursor") or 0)
        end = begin + min(int(given.get("limit", default)), most)
        page = [dict(m) for m in within[begin:end]]
        if str(given.get("include_all_metadata", "0")) not in ("1", "true", "True"):
            page = [{k: v for k, v in m.items() if k != "metadata"} for m in page]
        more = {"response_metadata": {"next_cursor": str(end)}} if end < len(within) else {}
        return done(messages=page, has_more=end < len(within), **more)

    def _views_open(self, given: dict[str, Any]) -> dict[str, Any]:
        trigger = self._triggers.pop(given.get("trigger_id", ""), None)
        if trigger is None:
            return refused("exchanged_trigger_id")
        if time.monotonic() - trigger.at > TRIGGER_S:
            return refused("expired_trigger_id")
        if why := rules.wrong_view(given["view"]):
            return refused(why)
        self.views.append({**given["view"], "by": trigger.user})
        self._note(
            "Mynah", f"opens the modal “{given['view']['title']['text']}” for {trigger.user}"
        )
        return done(view={**given["view"], "id": "V1"})

    def _assistant_threads_set_status(
        self, given: dict[str, Any], place: Channel
    ) -> dict[str, Any]:
        self.statuses.append(given["status"])
        return done()

    def _files_get_upload_url_external(self, given: dict[str, Any]) -> dict[str, Any]:
        id = f"F{next(self._ids)}"
        self.uploads[id] = {"id": id, "name": given["filename"], "length": int(given["length"])}
        return done(upload_url=f"{self.address}/upload/{id}", file_id=id)

    def _files_complete_upload_external(
        self, given: dict[str, Any], place: Channel
    ) -> dict[str, Any]:
        files = json.loads(given["files"])
        kept = [self.uploads.get(file["id"]) for file in files]
        if not all(file and "content" in file for file in kept):
            return refused("file_not_found")
        shares = []
        for file, said in zip(kept, files, strict=True):
            assert file is not None
            file |= {"title": said.get("title", file["name"])}
            shares.append({k: v for k, v in file.items() if k in ("id", "name", "title")})
        ts = self._posted(
            place,
            {"text": given.get("initial_comment", ""), "files": shares},
            given.get("thread_ts", ""),
        )
        for file in kept:
            assert file is not None
            file["shares"] = {"public": {place.id: [{"ts": ts}]}}
        return done(files=shares)

    def _files_info(self, given: dict[str, Any]) -> dict[str, Any]:
        file = self.uploads.get(given["file"])
        if file is None:
            return refused("file_not_found")
        return done(file={k: v for k, v in file.items() if k != "content"})


def done(**fields: Any) -> dict[str, Any]:
    return {"ok": True, **fields}


def refused(error: str, **fields: Any) -> dict[str, Any]:
    return {"ok": False, "error": error, **fields}


def snake(method: str) -> str:
    """chat.postMessage -> chat_post_message"""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", method.replace(".", "_"))
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", words).lower()
