"""What is heard on Slack: what is done about each envelope, and when it is acknowledged.

What is said in a channel reaches the inbox in its order, and so do reactions there. Anything at all
is acknowledged but what could not be stored. It knows nothing of connections.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from slack_bolt.response import BoltResponse

from adapters import slack_events
from adapters.slack_calls import Api
from adapters.slack_events import CORRECTION, Ears, forwarded, ts_of
from adapters.slack_files import read
from adapters.slack_history import Talks, message_at
from adapters.slack_socket import AGAIN, DONE, Deed, answered
from adapters.slack_twins import Twins
from adapters.slack_votes import UnderWay, Votes
from adapters.slack_whisper import ResponseUrls
from core.errors import AdapterError, Closing, StoreError
from core.lanes import Lanes
from core.phrases import NOT_KEPT
from core.ports import Inbox
from core.types import ChannelRef, IncomingMessage, MessageRef, Place, ThreadRef

logger = logging.getLogger(__name__)

MOST_KNOWN = 10_000  # events that are not done a second time
ASKED_WITHIN_S = 1.0  # what Slack left out of an event
PLACES: dict[str, Place] = {"channel": "public", "im": "direct"}  # and the others: private

VOTES = "votes"  # the lane in a channel of what its people think of our answers


@dataclass
class Hearing:
    api: Api
    ears: Ears
    inbox: Inbox
    votes: Votes
    lanes: Lanes  # one for each channel
    talks: Talks
    urls: ResponseUrls
    answers: UnderWay
    _twins: Twins = field(default_factory=Twins)
    _done: dict[str, None] = field(default_factory=dict)  # events, by id, the oldest first
    _places: dict[str, Place] = field(default_factory=dict)  # by channel
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def middleware(self, body: dict[str, Any]) -> BoltResponse:
        """Bolt calls this for each envelope, before all else: what it returns is the answer."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            deed = self._deed(body)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            logger.warning("slack: an event was not understood: %s", type(error).__name__)
            return DONE
        try:
            return (await self._in_order(body, deed) if deed else None) or DONE
        except (StoreError, Closing) as error:
            logger.warning("slack: an event is left for later: %s", error)
            return AGAIN
        except Exception:  # a fault of ours: the event comes again, and the others go on
            logger.exception("slack: an event broke")
            return AGAIN

    async def end(self) -> None:
        """Wait a little for what is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)

    async def _in_order(self, body: dict[str, Any], deed: Deed) -> BoltResponse | None:
        """What is said in a channel is stored as it came, though one waits for a file; and so are
        the reactions there.
        """
        if body.get("type") == "view_submission":
            return await deed()
        event, id = body.get("event") or {}, body.get("event_id")
        voted_in = (event.get("item") or {}).get("channel") or (body.get("channel") or {}).get("id")
        where = event.get("channel") or voted_in or body.get("channel_id") or ""
        lane = "commands" if "command" in body else VOTES if voted_in else ""
        if body.get("type") == "block_actions":  # Slack waits three seconds for what is said of it
            lane = "presses"
        async with self.lanes.enter(ThreadRef(self.ears.channel(where), lane)):
            # It comes again where Slack did not hear that it came, and something newer came since.
            if id in self._done:
                return None
            outcome = await deed()
            if id and outcome is None:
                self._done[id] = None
                if len(self._done) > MOST_KNOWN:
                    self._done.pop(next(iter(self._done)))
            return outcome

    def _deed(self, body: dict[str, Any]) -> Deed | None:
        """What is to be done about an envelope; None: nothing."""
        if "command" in body:
            return partial(self._ordered, self.ears.command(body), body.get("response_url") or "")
        match body.get("type"):
            case "event_callback":
                return self._event(body["event"])
            case "block_actions":
                return self._pressed(body, body["actions"][0])
            case "view_submission" if body["view"].get("callback_id") == CORRECTION:
                return self._corrected(body)
        return None

    def _event(self, event: dict[str, Any]) -> Deed | None:
        match event["type"]:
            case "app_mention":
                return self._mentioned(event)
            case "message":
                self._twins.tells(event["channel"])
                return self.said_or_changed(event)
            case "reaction_added" | "reaction_removed":
                reaction = self.ears.reaction(event)
                if reaction and self.votes.by_reaction:
                    return partial(self.votes.vote, reaction)
            case "agent_session_stopped":
                self._stop(event)
        return None

    def _stop(self, event: dict[str, Any]) -> None:
        """Slack's own Stop: all that is answered in a thread ends, but for what was asked later.

        https://docs.slack.dev/reference/events/agent_session_stopped
        """
        channel, root = self.ears.channel(event["channel"]), event.get("thread_ts") or ""
        for to, answer in self.answers:
            is_there = to.ref.channel == channel and root in (to.thread.thread, to.ref.id)
            if is_there and to.ref.id < event["event_ts"]:  # it may come late
                answer.stop()

    # What is said, and what becomes of it.

    def said_or_changed(self, event: dict[str, Any]) -> Deed | None:
        """Raises KeyError, TypeError and ValueError where it lacks what an event has."""
        channel = self.ears.channel(event["channel"])
        match event.get("subtype"):
            case None | "file_share" | "thread_broadcast":
                message = self.ears.message(event)
                if message and message.addressed:
                    self._twins.came(message.ref)
                return partial(self._hear, message, event) if message else None
            case "message_changed":
                now, before = event["message"], event.get("previous_message") or {}
                if now.get("subtype") == "tombstone":
                    return partial(self.inbox.changed, MessageRef(channel, now["ts"]), None)
                if now.get("user") != self.ears.me and now.get("text") != before.get("text"):
                    return partial(self.edited, now, channel)
            case "message_deleted":
                return partial(self.inbox.changed, MessageRef(channel, event["deleted_ts"]), None)
        return None

    def _mentioned(self, event: dict[str, Any]) -> Deed | None:
        """An app_mention. Raises as `said_or_changed` does."""
        message = self.ears.message(event)
        if message is None:
            return None
        is_whole = bool(event.get("files")) or message.author.is_bot
        return partial(self._hear if is_whole else self._hear_alone, message, event)

    async def _hear_alone(self, message: IncomingMessage, event: dict[str, Any]) -> None:
        """An app_mention, unless the same comes as message. One that an edit made does not."""
        if "edited" not in event and await self._twins.comes(message.ref):
            return
        if "team" not in event:  # Slack leaves it out beside files: slackapi/node-slack-sdk#988
            event = event | await self._left_out(message)
            message = self.ears.message(event) or message
        await self._hear(message, event)

    async def _left_out(self, message: IncomingMessage) -> dict[str, Any]:
        """What an event may lack that stands beside the words."""
        channel, ts = message.ref.channel.id, message.ref.id
        try:
            async with asyncio.timeout(ASKED_WITHIN_S):
                found = await message_at(self.api, channel, message.thread.thread, ts)
        except (AdapterError, TimeoutError) as error:
            logger.info("slack: whether files stand beside a mention is unknown: %s", error)
            return {}
        return {k: found[k] for k in ("files", "attachments") if k in found}

    async def _hear(self, message: IncomingMessage, event: dict[str, Any]) -> None:
        text, unread = await self._with_files(message.text, event)
        place = await self._place(message.ref.channel.id, event.get("channel_type") or "")
        await self.inbox.message(replace(message, text=text, unread=unread, place=place))
        if message.addressed or message.thread in self.talks:
            self.talks.hear(message.thread, message.ref.id)

    async def edited(self, now: dict[str, Any], channel: ChannelRef) -> None:
        text, _ = await self._with_files(self.ears.words(now), now)
        await self.inbox.changed(MessageRef(channel, now["ts"]), text)

    async def _with_files(self, text: str, event: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        files = list(event.get("files") or [])
        for one in forwarded(event):
            files += one.get("files") or []
        read_text, unread = await read(self.api, files)
        return text + read_text, unread

    async def _place(self, channel: str, kind: str) -> Place:
        """Who can read there. An app_mention does not say, so that Slack is asked, once."""
        if not kind and channel not in self._places:
            try:
                async with asyncio.timeout(ASKED_WITHIN_S):
                    about = (await self.api.call("conversations_info", channel=channel))["channel"]
            except (AdapterError, TimeoutError) as error:
                logger.info("slack: who reads a channel is unknown: %s", error)
                return "private"  # what nobody may learn from until its people say so
            kind = "im" if about.get("is_im") else "group" if about.get("is_private") else "channel"
        if kind:
            self._places[channel] = PLACES.get(kind, "private")
        return self._places[channel]

    # What Slack delivers once: presses, forms, commands.

    def _pressed(self, body: dict[str, Any], action: dict[str, Any]) -> Deed | None:
        trigger = body["trigger_id"]
        match action.get("action_id"):
            case slack_events.CORRECT:
                return partial(self.votes.offer, trigger, action["value"])
            case slack_events.VOTE:
                thread = body["message"].get("thread_ts") or ""
                return partial(self.votes.vote, self.ears.press(body, action), thread, trigger)
        return None

    def _corrected(self, body: dict[str, Any]) -> Deed:
        view, user = body["view"], body["user"]["id"]
        channel, ts, thread = view["private_metadata"].split(" ")
        text = view["state"]["values"][CORRECTION][CORRECTION]["value"] or ""
        target = MessageRef(self.ears.channel(channel), ts)
        return partial(self.votes.correct, target, self.ears.author(user), text, thread)

    async def _ordered(self, message: IncomingMessage, url: str) -> BoltResponse | None:
        self.urls.keep(message.ref.id, url)
        try:
            await self.inbox.message(message)
        except (StoreError, Closing) as error:  # Slack does not deliver a command again
            logger.warning("slack: a command is not kept: %s", error)
            return answered({"response_type": "ephemeral", "text": NOT_KEPT})
        self.talks.hear(message.thread, ts_of(message.at))
        return None
