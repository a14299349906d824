"""Defects of what is heard on Slack, now and later: a name, the file, what stands there, and what a
mistake makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER = "adapters/slack.py"
ABSENCE = "adapters/slack_absence.py"
CALLS = "adapters/slack_calls.py"
EVENTS = "adapters/slack_events.py"
FILES = "adapters/slack_files.py"
HEARING = "adapters/slack_hearing.py"
HISTORY = "adapters/slack_history.py"
SOCKET = "adapters/slack_socket.py"
TWINS = "adapters/slack_twins.py"

SLACK_HEARING = [
    (
        "an envelope is acknowledged before it is stored",
        HEARING,
        "            return (await self._in_order(body, deed) if deed else None) or DONE\n",
        "            if deed:\n"
        "                self._tasks.add(asyncio.ensure_future(self._in_order(body, deed)))\n"
        "            return DONE\n",
    ),
    (
        "what the store refuses is acknowledged",
        HEARING,
        'logger.warning("slack: an event is left for later: %s", error)\n            return AGAIN',
        'logger.warning("slack: an event is left for later: %s", error)\n            return DONE',
    ),
    (
        "what is not understood comes again for ever",
        HEARING,
        'logger.warning("slack: an event was not understood: %s", type(error).__name__)\n            return DONE',
        'logger.warning("slack: an event was not understood: %s", type(error).__name__)\n            return AGAIN',
    ),
    (
        "a channel's events overtake each other",
        HEARING,
        "        async with self.lanes.enter(ThreadRef(self.ears.channel(where), lane)):\n",
        "        if True:\n",
    ),
    (
        "what comes again is done again",
        HEARING,
        "            if id in self._done:\n",
        "            if False:\n",
    ),
    (
        "what could not be kept counts as done",
        HEARING,
        "            outcome = await deed()\n            if id",
        "            self._done[id or ''] = None\n            outcome = await deed()\n            if id",
    ),
    (
        "commands wait for presses",
        HEARING,
        'lane = "presses"',
        'lane = "commands"',
    ),
    (
        "presses wait for votes",
        HEARING,
        'lane = "presses"',
        "pass",
    ),
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
        "messages with files are not heard",
        HEARING,
        'case None | "file_share" | "thread_broadcast":',
        'case None | "thread_broadcast":',
    ),
    (
        "replies that are sent to the channel too are not heard",
        HEARING,
        'case None | "file_share" | "thread_broadcast":',
        'case None | "file_share":',
    ),
    (
        "a deleted message that had replies stays",
        HEARING,
        'if now.get("subtype") == "tombstone":',
        'if now.get("subtype") == "message_deleted":',
    ),
    (
        "a deletion names the event and not the message",
        HEARING,
        'MessageRef(channel, event["deleted_ts"])',
        'MessageRef(channel, event["ts"])',
    ),
    (
        "edits of the bot are heard",
        HEARING,
        'if now.get("user") != self.ears.me and now.get("text") != before.get("text"):',
        'if now.get("text") != before.get("text"):',
    ),
    (
        "an unfurled link counts as an edit",
        HEARING,
        'if now.get("user") != self.ears.me and now.get("text") != before.get("text"):',
        'if now.get("user") != self.ears.me:',
    ),
    (
        "an edit keeps the mention",
        HEARING,
        "self._with_files(self.ears.words(now), now)",
        'self._with_files(now.get("text") or "", now)',
    ),
    (
        "an edit loses the attached text",
        HEARING,
        "        text, _ = await self._with_files(self.ears.words(now), now)\n",
        "        text = self.ears.words(now)\n",
    ),
    (
        "what somebody forwards is not read",
        EVENTS,
        "            text=self.words(event),\n",
        "            text=self.plain(text),\n",
    ),
    (
        "own messages are heard",
        EVENTS,
        'if user in (self.me, "USLACKBOT"):',
        'if user == "USLACKBOT":',
    ),
    (
        "a bot is taken for a person",
        EVENTS,
        'author=self.author(user, "bot_id" in event),',
        "author=self.author(user),",
    ),
    (
        "the mention is not cut",
        EVENTS,
        'without = re.sub(rf"<@{self.me}(\\|[^>]*)?>", "", text)',
        "without = text",
    ),
    (
        "a mention with a label is not cut",
        EVENTS,
        'without = re.sub(rf"<@{self.me}(\\|[^>]*)?>", "", text)',
        'without = text.replace(f"<@{self.me}>", "")',
    ),
    (
        "what is escaped twice is unescaped twice",
        EVENTS,
        '.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")',
        '.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")',
    ),
    (
        "a link's label hides its address",
        EVENTS,
        'return f"{label} ({what})"',
        "return label",
    ),
    (
        "a reply that is meant for another is answered",
        EVENTS,
        ' and not re.match(r"\\s*<@[UW]", text)',
        "",
    ),
    (
        "mentions in a channel open no thread",
        EVENTS,
        'ThreadRef(channel, root or ("" if direct else ts))',
        "ThreadRef(channel, root)",
    ),
    (
        "each direct message opens a thread",
        EVENTS,
        'ThreadRef(channel, root or ("" if direct else ts))',
        "ThreadRef(channel, root or ts)",
    ),
    (
        "a channel nobody knows is public",
        HEARING,
        'return "private"  # what nobody may learn from',
        'return "public"  # what nobody may learn from',
    ),
    (
        "group messages are public",
        HEARING,
        'PLACES.get(kind, "private")',
        'PLACES.get(kind, "public")',
    ),
    # Files
    (
        "files are fetched from anywhere, with the token",
        FILES,
        "if not is_slack and (at.scheme, at.netloc) != (home.scheme, home.netloc):",
        "if not at.netloc:",
    ),
    (
        "the page for signing in is read as the file",
        FILES,
        "if response.status != 200 or is_page:",
        "if response.status != 200:",
    ),
    (
        "a large file is read in part and taken for the whole",
        FILES,
        "response.content.read(LARGEST_BYTES + 1 - len(content))",
        "response.content.read(LARGEST_BYTES - len(content))",
    ),
    (
        "nobody is told what was not read",
        "core/attachments.py",
        "for place, file in enumerate(files) if place not in texts)",
        "for place, file in enumerate(files[:0]) if place not in texts)",
    ),
    (
        "a slow file holds up the acknowledgement",
        "core/attachments.py",
        "WITHIN_S = 2.0 ",
        "WITHIN_S = 20.0 ",
    ),
    # What was said before
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
        "thumbs of unknown age go before what was heard later",
        EVENTS,
        '                at=when(message["ts"]),\n                found=True,\n            )',
        "                at=datetime.now(UTC),\n                found=True,\n            )",
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
        "an app_mention without files goes before its message",
        HEARING,
        "partial(self._hear if is_whole else self._hear_alone, message, event)",
        "partial(self._hear, message, event)",
    ),
    (
        "a bot's mention waits for its message",
        HEARING,
        'bool(event.get("files")) or message.author.is_bot',
        'bool(event.get("files"))',
    ),
    (
        "a mention that an edit made waits for its message",
        HEARING,
        'if "edited" not in event and await',
        "if await",
    ),
    (
        "each mention that comes alone costs a call",
        HEARING,
        'if "team" not in event:',
        "if True:",
    ),
    (
        "a file beside a mention that comes alone is ignored",
        HEARING,
        'if "team" not in event:',
        "if False:",
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
        "a message that shows no mention is taken for one",
        HEARING,
        "                if message and message.addressed:\n",
        "                if message:\n",
    ),
    (
        "a mention that comes alone is not heard",
        TWINS,
        "            return False\n        finally:",
        "            return True\n        finally:",
    ),
    (
        "each mention that comes alone is waited for",
        TWINS,
        "        if not self._tells.get(ref.channel.id, True):\n",
        "        if False:\n",
    ),
    (
        "after one lost message none is waited for",
        TWINS,
        "self._tells.setdefault(ref.channel.id, False)",
        "self._tells[ref.channel.id] = False",
    ),
    (
        "that messages come from a channel is not noticed",
        TWINS,
        "self._tells[channel] = True",
        "pass",
    ),
    (
        "a mention that came as message is waited for",
        TWINS,
        "        if ref in self._came:\n",
        "        if False:\n",
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
