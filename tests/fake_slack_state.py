"""What our own Slack remembers: channels and messages, calls, and what goes wrong next."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests import slack_rules as rules

TEAM, BOT, BOT_ID, APP = "T01", "U0BOT", "B0BOT", "A0BOT"
BOT_TOKEN, APP_TOKEN = "xoxb-1-secret", "xapp-1-secret"
SCOPES = (
    "app_mentions:read,channels:history,channels:read,chat:write,commands,files:read,files:write,"
    "groups:history,groups:read,im:history,im:read,im:write,mpim:history,mpim:read,reactions:read,"
    "users:read"
)
RESPONSES, RESPONSE_S, TRIGGER_S = 5, 1_800, 3
POST_BURST = 5  # "one per second per channel; short bursts are allowed"
TOKEN_FREE = ("auth.test", "apps.connections.open")


@dataclass
class Channel:
    id: str
    kind: str = "channel"  # channel, group (private), im, mpim
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)  # by ts, as Slack keeps them
    shown: dict[str, list[str]] = field(
        default_factory=dict
    )  # by ts: what it showed, first to last
    is_gone: bool = False


@dataclass
class Call:
    method: str
    arguments: dict[str, Any]
    at: float
    result: str = "ok"  # or the error


@dataclass
class Ephemeral:
    channel: str
    user: str
    message: dict[str, Any]
    thread_ts: str = ""

    @property
    def text(self) -> str:
        return rules.seen(self.message)


@dataclass
class Stream:
    until: float
    pieces: str
    stopped: bool = False  # by a person


@dataclass
class Trigger:
    user: str
    at: float


@dataclass
class Fault:
    """What happens to the next call of a method. `after`: the deed is done all the same."""

    # "ratelimited", "429", "reset", "500", "hang", "slow" (it answers so much later), or an error
    # that Slack says
    kind: str
    after: bool = False
    retry_after_s: int = 1


@dataclass
class State:
    limits: bool = False  # the published rates
    native: bool = True  # the workspace has streams
    blocks: bool = True  # and takes blocks in messages
    stream_s: float = 300.0  # how long a stream lives
    retries_s: tuple[float, ...] = (0.2, 0.5, 1.0)  # real ones: at once, 1 min, 5 min
    doubled: float = 0.0  # the share of events that come a second time
    lost_acknowledgements: float = 0.0
    chaos: float = 0.0  # the share of calls that meet a 429, a 500 or a reset, done or not
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    mention_first: bool = False  # `app_mention` leaves before `message`
    mention_has_files: bool = True  # and repeats the files; in some workspaces it does not
    scopes: str = SCOPES

    channels: dict[str, Channel] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=lambda: {"U0ANN": "Ann", "U0BEN": "Ben"})
    robots: set[str] = field(default_factory=set)  # which of them are no people
    calls: list[Call] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # of the vendor's descriptions
    pings: list[str] = field(default_factory=list)
    unfurled: list[str] = field(default_factory=list)
    ephemerals: list[Ephemeral] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)  # open modals
    statuses: list[str] = field(default_factory=list)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)  # by file id
    acknowledged: list[dict[str, Any]] = field(default_factory=list)  # {"envelope_id", "payload"?}
    failed: list[str] = field(default_factory=list)  # events given up after the last retry
    connections: int = 0  # sockets ever opened
    log: list[tuple[float, str, str]] = field(default_factory=list)  # when, who, what: a transcript
    slow_s: float = 0.0  # how long a file takes
    muted: bool = False  # sockets stay open and say nothing: half-dead

    def __post_init__(self) -> None:
        for id, kind in (("C0ROOM", "channel"), ("G0CLUB", "group"), ("D0ANN", "im")):
            self.channels[id] = Channel(id, kind)
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._ids = itertools.count(1)
        self._clock = self._began = 0.0
        self._port = 0
        self._pending: dict[str, dict[str, Any]] = {}  # envelopes not acknowledged yet
        self._sockets: list[web.WebSocketResponse] = []
        self._tickets: set[str] = set()
        self._streams: dict[str, Stream] = {}  # by ts
        self._responses: dict[str, dict[str, Any]] = {}  # what response_urls were used for
        self._triggers: dict[str, Trigger] = {}
        self._pushes: set[asyncio.Task[None]] = set()
        self._used: defaultdict[str, deque[float]] = defaultdict(deque)  # calls of the last minute
        self._changed = asyncio.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        return f"{self.address}/api/"

    def tick(self) -> str:
        """A ts of its own, later than all before."""
        self._clock = max(self._clock + 0.000_1, time.time())
        return f"{self._clock:.6f}"

    def _keep(self, channel: str, message: dict[str, Any]) -> None:
        self.channels[channel].messages[message["ts"]] = message
        self._changed.set()

    def _note(self, who: str, what: str) -> None:
        self._began = self._began or time.monotonic()
        self.log.append((time.monotonic() - self._began, self.users.get(who, who), what))

    def _which(self, channel: str, ts: str) -> str:
        return f"message {[*self.channels[channel].shown, ts].index(ts) + 1}"

    def _user(self, id: str) -> dict[str, str]:
        name = self.users.get(id, id)
        return {"id": id, "username": name.lower(), "name": name.lower(), "team_id": TEAM}

    def _trigger(self, user: str) -> str:
        id = f"{next(self._ids)}.{TEAM}"
        self._triggers[id] = Trigger(user, time.monotonic())
        return id

    def _fault(self, method: str) -> Fault | None:
        if self._faults[method]:
            return self._faults[method].popleft()
        if method not in TOKEN_FREE and self.rng.random() < self.chaos:
            kind = self.rng.choice(["ratelimited", "500", "reset"])
            return Fault(kind, after=kind != "ratelimited" and self.rng.random() < 0.5)
        return None
