"""Defects of what is heard on Slack: a name, the file, what stands there, and what a mistake makes of
it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

EVENTS = "adapters/slack_events.py"
FILES = "adapters/slack_files.py"
HEARING = "adapters/slack_hearing.py"
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
    (
        "thumbs of unknown age go before what was heard later",
        EVENTS,
        '                at=when(message["ts"]),\n                found=True,\n            )',
        "                at=datetime.now(UTC),\n                found=True,\n            )",
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
]
