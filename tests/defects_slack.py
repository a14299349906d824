"""Defects for Slack's adapter: a name, the file, what stands there, and what a mistake makes of it.

Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER, CALLS, EVENTS = "adapters/slack.py", "adapters/slack_calls.py", "adapters/slack_events.py"
FILES, HISTORY = "adapters/slack_files.py", "adapters/slack_history.py"
SHEET, SOCKET, VOTES = (
    "adapters/slack_sheet.py",
    "adapters/slack_socket.py",
    "adapters/slack_votes.py",
)

SLACK = [
    # Hearing
    (
        "an envelope is acknowledged before it is stored",
        ADAPTER,
        "            return (await self._in_order(body, deed) if deed else None) or DONE\n",
        "            if deed:\n"
        "                self._hearing.add(asyncio.ensure_future(self._in_order(body, deed)))\n"
        "            return DONE\n",
    ),
    (
        "what the store refuses is acknowledged",
        ADAPTER,
        'logger.warning("slack: an event is left for later: %s", error)\n            return AGAIN',
        'logger.warning("slack: an event is left for later: %s", error)\n            return DONE',
    ),
    (
        "what is not understood comes again for ever",
        ADAPTER,
        'logger.warning("slack: an event was not understood: %s", type(error).__name__)\n            return DONE',
        'logger.warning("slack: an event was not understood: %s", type(error).__name__)\n            return AGAIN',
    ),
    (
        "a channel's events overtake each other",
        ADAPTER,
        "        async with self._lanes.enter(ThreadRef(self._ears.channel(where))):\n            return await deed()\n",
        "        return await deed()\n",
    ),
    (
        "messages with files are not heard",
        ADAPTER,
        'case None | "file_share" | "thread_broadcast":',
        'case None | "thread_broadcast":',
    ),
    (
        "replies that are sent to the channel too are not heard",
        ADAPTER,
        'case None | "file_share" | "thread_broadcast":',
        'case None | "file_share":',
    ),
    (
        "a deleted message that had replies stays",
        ADAPTER,
        'if now.get("subtype") == "tombstone":',
        'if now.get("subtype") == "message_deleted":',
    ),
    (
        "a deletion names the event and not the message",
        ADAPTER,
        'MessageRef(channel, event["deleted_ts"])',
        'MessageRef(channel, event["ts"])',
    ),
    (
        "edits of the bot are heard",
        ADAPTER,
        'if now.get("user") != self._ears.me and now.get("text") != before.get("text"):',
        'if now.get("text") != before.get("text"):',
    ),
    (
        "an unfurled link counts as an edit",
        ADAPTER,
        'if now.get("user") != self._ears.me and now.get("text") != before.get("text"):',
        'if now.get("user") != self._ears.me:',
    ),
    (
        "an edit keeps the mention",
        ADAPTER,
        'self._ears.plain(now.get("text") or "")',
        'now.get("text") or ""',
    ),
    (
        "an edit loses the attached text",
        ADAPTER,
        '        text, _ = await self._with_files(self._ears.plain(now.get("text") or ""), now)\n',
        '        text = self._ears.plain(now.get("text") or "")\n',
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
        ADAPTER,
        'return "private"  # what nobody may learn from',
        'return "public"  # what nobody may learn from',
    ),
    (
        "group messages are public",
        ADAPTER,
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
        "    ][-most:]",
        "    ][:most]",
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
        ADAPTER,
        '                logger.warning("slack: what was said in a channel is not read: %s", error)\n',
        "                raise\n",
    ),
    (
        "nothing is caught up after a lost connection",
        ADAPTER,
        "                    if is_up:\n",
        "                    if not is_up:\n",
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
    # Votes
    (
        "reactions count though they are switched off",
        ADAPTER,
        'if reaction and self._settings.votes in ("both", "reactions"):',
        "if reaction:",
    ),
    (
        "buttons are shown though they are switched off",
        ADAPTER,
        'votes = self._settings.votes in ("both", "buttons")',
        'votes = self._settings.votes != "none"',
    ),
    (
        "a reaction that was not stored is acknowledged",
        ADAPTER,
        "                return\n            raise\n        if noted.score",
        "                return\n            return\n        if noted.score",
    ),
    (
        "who pressed is not told that the vote was not kept",
        ADAPTER,
        "whisper(self._api, reaction.target, reaction.author.id, thread, NOT_KEPT)",
        "asyncio.sleep(0)",
    ),
    (
        "votes of buttons are inverted",
        EVENTS,
        'emoji=UP if action["value"] == "up" else DOWN',
        'emoji=DOWN if action["value"] == "up" else UP',
    ),
    (
        "a vote taken back counts once more",
        EVENTS,
        'added=event["type"] == "reaction_added"',
        "added=True",
    ),
    (
        "thumbs with a skin tone are no votes",
        EVENTS,
        '= reaction.partition("::")',
        '= (reaction, "", "")',
    ),
    ("skin tones are lost", EVENTS, 'THUMBS[name] + SKIN.get(skin, "")', "THUMBS[name]"),
    ("the other name of a thumb is unknown", EVENTS, ' "thumbsdown": DOWN}', "}"),
    (
        "the correction goes to the question's message",
        ADAPTER,
        "target = MessageRef(self._ears.channel(channel), ts)",
        "target = MessageRef(self._ears.channel(channel), thread or ts)",
    ),
    (
        "a correction that is not kept closes the form",
        ADAPTER,
        'return answered({"response_action": "errors", "errors": {CORRECTION: NOT_KEPT}})',
        "return None",
    ),
    (
        "the voter is told in the channel and not in the thread",
        ADAPTER,
        'thread = body["message"].get("thread_ts") or ""',
        'thread = ""',
    ),
    (
        "whoever votes up is asked for better words",
        VOTES,
        "if noted.score != -1 or not reaction.added:",
        "if not reaction.added:",
    ),
    (
        "a late press is offered no correction",
        VOTES,
        "if trigger and await open_modal(api, trigger, about, words):\n        return",
        "if trigger:\n        await open_modal(api, trigger, about, words)\n        return",
    ),
    ("the form takes more than Slack allows", VOTES, '"max_length": 3_000', '"max_length": 5_000'),
    # Commands and private answers
    (
        "the words behind a command are lost",
        EVENTS,
        'else f"{command} {words}".rstrip()',
        "else command",
    ),
    (
        "a command that is not kept says nothing",
        ADAPTER,
        'return answered({"response_type": "ephemeral", "text": NOT_KEPT})',
        "return None",
    ),
    (
        "private answers are shown to all",
        ADAPTER,
        "        if to.private:\n",
        "        if to.private and to.thread.thread:\n",
    ),
    (
        "a response is shown to the channel",
        SHEET,
        '{"response_type": "ephemeral", "replace',
        '{"response_type": "in_channel", "replace',
    ),
    (
        "the last use of a response is not kept for its end",
        SHEET,
        " or self._uses >= len(self.pauses_s)",
        "",
    ),
    (
        "each state of a private answer stays",
        SHEET,
        '"replace_original": self._uses > 1',
        '"replace_original": False',
    ),
    # Speaking
    ("a message is longer than Slack takes", SHEET, "LIMIT = 11_000", "LIMIT = 13_000"),
    (
        "an answer wakes the whole channel",
        SHEET,
        '    return _PINGS.sub("<\\u200b", text)',
        "    return text",
    ),
    (
        "the notice beside an answer is not escaped",
        SHEET,
        "while len(escaped := escape(cut)) > NOTICE:",
        "while len(escaped := cut) > NOTICE:",
    ),
    (
        "links are unfurled",
        SHEET,
        'body |= {"unfurl_links": False, "unfurl_media": False, "link_names": False}',
        'body |= {"link_names": False}',
    ),
    (
        "the answer leaves the thread",
        SHEET,
        'return {"channel": self._channel} | ({"thread_ts": thread} if thread else {})',
        'return {"channel": self._channel}',
    ),
    (
        "every part has buttons",
        SHEET,
        "if last and self.votes and judged else []",
        "if self.votes and judged else []",
    ),
    (
        "an error has buttons",
        SHEET,
        "if last and self.votes and judged else []",
        "if last and self.votes else []",
    ),
    (
        "the whole is appended each time",
        SHEET,
        "ts=stream.ts, markdown_text=new\n",
        "ts=stream.ts, markdown_text=text\n",
    ),
    (
        "what was lost of a stream stays lost",
        SHEET,
        "            await self._update(self._ref(stream.ts), stream.text, last=last)\n        except",
        "            self._ref(stream.ts)\n        except",
    ),
    (
        "a stream that its reader stopped goes on",
        SHEET,
        '            if error.error == "stopped_by_user":\n                self.answer.stop()\n            elif',
        "            if",
    ),
    (
        "an answer is posted again when the first post's acknowledgement is lost",
        SHEET,
        "for wait_s in (0.0, self.settle_s):",
        "for wait_s in ():",
    ),
    (
        "what Slack lists late is posted again",
        SHEET,
        "for wait_s in (0.0, self.settle_s):",
        "for wait_s in (0.0,):",
    ),
    (
        "somebody's message is taken for a part of the answer",
        SHEET,
        'is_later = message.get("user") == self.me and message["ts"] > after',
        'is_later = message["ts"] > after',
    ),
    (
        "all parts bear the first one's mark",
        SHEET,
        '{"to": self.to.ref.id, "part": part}',
        '{"to": self.to.ref.id, "part": 0}',
    ),
    (
        "the file leaves the thread",
        SHEET,
        'where = {"channel_id": self._channel} | ({"thread_ts": thread} if thread else {})\n',
        'where = {"channel_id": self._channel}\n',
    ),
    (
        "no answer where the workspace knows no voting buttons",
        SHEET,
        'if error.error not in ("invalid_blocks", "invalid_blocks_format"):',
        "if error.error:",
    ),
    (
        "Retry-After is not obeyed",
        CALLS,
        '        return float(headers.get("Retry-After", 1))\n',
        '        return 0.01 if "Retry-After" in headers else 1.0\n',
    ),
    (
        "the workspace's budget is ignored",
        CALLS,
        'return "edits" if self.tempo.may("edits", spare=0) else "post"',
        'return "edits"',
    ),
    (
        "each answer tries for streams that are not there",
        CALLS,
        "            self._has_streams = False\n",
        "",
    ),
    (
        "a private answer is lost where the bot is no member",
        CALLS,
        'if error.error not in (*GONE, "user_not_in_channel"):',
        "if error.error:",
    ),
    (
        "the model waits for what is cosmetic",
        ADAPTER,
        "            self._later(self._think(to, answer))\n",
        "            await self._think(to, answer)\n",
    ),
    (
        "nobody sees that the bot is thinking",
        ADAPTER,
        "        if not answer.refs and answer.outcome is None:\n            await self._api.call(",
        "        if answer.refs and answer.outcome is None:\n            await self._api.call(",
    ),
    (
        "the answer's place is not noted before it is posted",
        "core/streaming.py",
        "        await self._answer.placing()\n",
        "",
    ),
    (
        "the rest of a very long answer is dropped",
        "core/streaming.py",
        "        if self._takes_files and len(pages) > most == len(refs):\n",
        "        if self._takes_files and len(pages) < most == len(refs):\n",
    ),
    (
        "an answer is given up at the first failure",
        "core/streaming.py",
        "MOST_FAILURES = 5 ",
        "MOST_FAILURES = 1 ",
    ),
]
