"""Defects of Slack's lines, and of what is read after an absence: as tests/defects_slack_hearing.py."""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER = "adapters/slack.py"
ABSENCE = "adapters/slack_absence.py"
CALLS = "adapters/slack_calls.py"
HISTORY = "adapters/slack_history.py"
SOCKET = "adapters/slack_socket.py"

SLACK_LINE = [
    (
        "what was heard before the connection was lost is newer than what came meanwhile",
        ADAPTER,
        "hearing.votes.away()",
        "pass",
    ),
    (
        "a token that is revoked meanwhile ends answers",
        "adapters/slack_calls.py",
        "            if method in AT_THE_START:\n",
        "            if True:\n",
    ),
    (
        "a token that is revoked meanwhile ends no platform",
        ADAPTER,
        "                if self._api.revoked:\n",
        "                if False:\n",
    ),
    (
        "what is quoted keeps Slack's signs",
        ADAPTER,
        'text=unescape(m["text"], names),',
        'text=m["text"],',
    ),
    (
        "the oldest of a long thread is quoted",
        HISTORY,
        '        if is_said and message["ts"] < ts:\n',
        '        if is_said and message["ts"] < ts and len(newest) < most:\n',
    ),
    (
        "of a very long thread the end is not read",
        HISTORY,
        "LARGEST_PAGE = 1_000",
        "LARGEST_PAGE = 200",
    ),
    (
        "only the first page is read",
        CALLS,
        "            if not cursor:\n                return\n",
        "            return\n",
    ),
    (
        "people are quoted by their ids",
        ADAPTER,
        '        await self._learn_names({m["user"] for m in said if m.get("user")})\n',
        "",
    ),
    (
        "our own answers are quoted as a person's",
        ADAPTER,
        'm.get("user") or m.get("bot_id") or "", "bot_id" in m),',
        'm.get("user") or m.get("bot_id") or ""),',
    ),
    (
        "what was said in threads meanwhile is lost",
        HISTORY,
        "    for root in news:\n",
        "    for root in news[:0]:\n",
    ),
    (
        "old threads are not asked for what is new",
        HISTORY,
        "news = [root for root in threads if root and root not in found and root <= begin]",
        "news: list[str] = []",
    ),
    (
        "one channel that cannot be read ends the catching up",
        ABSENCE,
        '                logger.warning("slack: what was said in a channel is not read: %s", error)\n',
        "                raise\n",
    ),
    (
        "nothing is caught up after a lost connection",
        ADAPTER,
        "                    group.create_task(absence.catch_up(seen, AFTER_LINE))\n",
        "",
    ),
    (
        "a week of threads is read again at each start",
        HISTORY,
        "max(last, floor) if root else last",
        "last",
    ),
    (
        "a lost line costs a call for each thread of the day",
        ADAPTER,
        "absence.catch_up(seen, AFTER_LINE)",
        "absence.catch_up(seen)",
    ),
    (
        "a mention in a thread that is older than ours is lost",
        HISTORY,
        'min([day_before, threads.get("", day_before), *filter(None, threads)])',
        "min(threads.values())",
    ),
    (
        "what was edited while we were away stays as it was",
        ABSENCE,
        'elif not is_ours and (message.get("edited") or {}).get("ts", "") > newest:',
        "elif not is_ours and not newest:",
    ),
    (
        "what was deleted while we were away stays",
        ABSENCE,
        "                    for ts in missed.gone:\n",
        "                    for ts in missed.gone[:0]:\n",
    ),
    (
        "what Slack does not list yet is taken for deleted",
        HISTORY,
        "last not in found and last < a_minute_ago",
        "last not in found",
    ),
    (
        "a vote that was forgotten counts again",
        ABSENCE,
        "elif is_ours and ts > newest and",
        "elif is_ours and",
    ),
    (
        "a dead connection is not noticed",
        SOCKET,
        "handler is not None and await handler.client.is_connected()",
        "handler is not None",
    ),
    (
        "an envelope that Bolt cannot take apart comes again for ever",
        SOCKET,
        "            await client.send_socket_mode_response(SocketModeResponse(req.envelope_id))\n",
        "",
    ),
    (
        "a file beside a mention in a thread that comes alone is ignored",
        HISTORY,
        '{"channel": channel, "ts": root, "oldest": ts, "inclusive": True}',
        '{"channel": channel, "ts": root, "oldest": ts}',
    ),
    (
        "of a mention that comes alone another message's file is read",
        HISTORY,
        '        if message["ts"] == ts:\n',
        "        if True:\n",
    ),
    (
        "a start that Slack puts off fails",
        SOCKET,
        "            except RateLimited as error:\n",
        "            except KeyError as error:\n",
    ),
    (
        "a line asks for a socket while another is to wait",
        CALLS,
        '    if wait_s > 0:\n        raise RateLimited("Slack: apps',
        '    if wait_s > 9:\n        raise RateLimited("Slack: apps',
    ),
    (
        "the SDK alone knows that it is to wait",
        SOCKET,
        "        self._handler.client.issue_new_wss_url = self._ticket  # type: ignore[method-assign]\n",
        "",
    ),
]
