"""Defects of what is heard on Discord: a name, the file, what stands there, and what a mistake
makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER, CLIENT = "adapters/discord.py", "adapters/discord_client.py"
CALLS = "adapters/discord_calls.py"
EARS, LANES = "adapters/discord_ears.py", "adapters/discord_lanes.py"

DISCORD_HEARING = [
    # What is said
    (
        "nobody waits for the store",
        EARS,
        "        await kept(partial(self._inbox.message, heard))\n        self._seen[thread]",
        "        self.aside(kept(partial(self._inbox.message, heard)))\n        self._seen[thread]",
    ),
    (
        "what the store refuses once is dropped",
        LANES,
        '        except (StoreError, AdapterError) as error:\n            logger.warning("Discord: an event has to wait: %s", error)\n',
        '        except (StoreError, AdapterError) as error:\n            logger.warning("Discord: an event has to wait: %s", error)\n            raise\n',
    ),
    (
        "one event that fails ends the connection",
        LANES,
        '        logger.exception("Discord: a %s could not be handled", kind)\n',
        '        logger.exception("Discord: a %s could not be handled", kind)\n        raise\n',
    ),
    (
        "a payload unlike the others ends the connection",
        CALLS,
        '        logger.warning("Discord: a %s was not understood: %s", what, type(error).__name__)\n',
        '        logger.warning("Discord: a %s was not understood: %s", what, type(error).__name__)\n        raise\n',
    ),
    (
        "a channel's events overtake each other",
        EARS,
        "        async with self._lanes.enter(lane(channel_id, votes=is_vote(kind, data))):\n            with apart(kind):",
        "        if channel_id:\n            with apart(kind):",
    ),
    (
        "what comes before all servers are known is lost",
        EARS,
        "            early.append(event)\n",
        "            continue\n",
    ),
    (
        "own messages are heard",
        CLIENT,
        "        if message.author.id == self.id or message.type not in (",
        "        if message.type not in (",
    ),
    (
        "notices of the platform are heard",
        CLIENT,
        "            discord.MessageType.default,\n            discord.MessageType.reply,\n        ):",
        "            discord.MessageType.default,\n            discord.MessageType.reply,\n            discord.MessageType.pins_add,\n            discord.MessageType.new_member,\n            discord.MessageType.thread_created,\n        ):",
    ),
    (
        "replies are not heard",
        CLIENT,
        "            discord.MessageType.default,\n            discord.MessageType.reply,\n        ):",
        "            discord.MessageType.default,\n        ):",
    ),
    ("a webhook is taken for a person", CLIENT, "user.bot or webhook is not None", "user.bot"),
    (
        "a bot is taken for a person",
        CLIENT,
        "user.display_name, user.bot or webhook is not None",
        "user.display_name, webhook is not None",
    ),
    (
        "the mention is not cut",
        CLIENT,
        '        text = re.sub(rf"<@!?{self.id}>", "", text)\n',
        "",
    ),
    (
        "the older form of a mention is not cut",
        CLIENT,
        'rf"<@!?{self.id}>"',
        'rf"<@{self.id}>"',
    ),
    (
        "the mention of the bot's role is not cut",
        CLIENT,
        '            text = text.replace(own.mention, "")\n',
        "            pass\n",
    ),
    (
        "who is named by the bot's role alone is not heard",
        CLIENT,
        "return (own is not None and own in message.role_mentions) or (\n            replied_to(message) == self.id\n        )",
        "return replied_to(message) == self.id",
    ),
    (
        "a reply to the bot without a ping is not heard",
        CLIENT,
        "return (own is not None and own in message.role_mentions) or (\n            replied_to(message) == self.id\n        )",
        "return own is not None and own in message.role_mentions",
    ),
    (
        "people are named by their ids",
        CLIENT,
        '            text = text.replace(user.mention, name).replace(f"<@!{user.id}>", name)\n',
        "            text = text.strip()\n",
    ),
    (
        "forwarded words are lost",
        CLIENT,
        '"\\n\\n".join(filter(None, [message.content, *forwarded]))',
        "message.content",
    ),
    (
        "a reply that is meant for another is answered",
        CLIENT,
        "not other and replied_to(message) in (None, self.id) and",
        "not other and",
    ),
    (
        "a message in a thread that names another is answered",
        CLIENT,
        "not other and replied_to(message) in (None, self.id) and",
        "replied_to(message) in (None, self.id) and",
    ),
    (
        "a thread is taken for a channel",
        CLIENT,
        "        return self._ref_of(channel) if isinstance(channel, discord.Thread) else plain\n",
        "        return plain\n",
    ),
    (
        "a private thread decides for its channel",
        CLIENT,
        "home = thread.id if thread.is_private() else thread.parent_id",
        "home = thread.parent_id",
    ),
    (
        "a private thread is as public as its channel",
        CLIENT,
        '        if channel.is_private():\n            return "private"\n',
        "",
    ),
    (
        "closed channels are public",
        CLIENT,
        'return "public" if channel.permissions_for(everyone).read_messages else "private"',
        'return "public"',
    ),
    (
        "a link's preview counts as an edit",
        EARS,
        "if message.edited_at is None or not self.client.can_read(message):",
        "if not self.client.can_read(message):",
    ),
    (
        "edits of the bot are heard",
        EARS,
        "if message.edited_at is None or not self.client.can_read(message):",
        "if message.edited_at is None:",
    ),
    (
        "an edit loses the attached text",
        EARS,
        "ref, self.client.words(message) + files))",
        "ref, self.client.words(message)))",
    ),
    (
        "of many deletions only one is heard",
        EARS,
        "        await self._gone(event, sorted(event.message_ids))\n",
        "        await self._gone(event, sorted(event.message_ids)[:1])\n",
    ),
    (
        "a deletion empties the message and leaves it",
        EARS,
        "MessageRef(thread.channel, str(id)), None))",
        'MessageRef(thread.channel, str(id)), ""))',
    ),
    (
        "attached texts are not read",
        EARS,
        "client.words(message) + files,",
        "client.words(message),",
    ),
    (
        "nobody is told what was not read",
        EARS,
        "            unread=unread,\n",
        "",
    ),
    (
        "a file alone is not for us",
        CLIENT,
        "message.content.strip() or message.attachments or message.message_snapshots",
        "message.content.strip()",
    ),
    (
        "a press waits for what is said",
        EARS,
        "lane(channel_id, votes=is_vote(kind, data))",
        "lane(channel_id)",
    ),
    # What was said before, and while it was away
    (
        "nothing is caught up at the start",
        EARS,
        "            self._is_ready = True\n        self._catch_up()\n",
        "            self._is_ready = True\n            return\n        self._catch_up()\n",
    ),
    (
        "nothing is caught up after a new session",
        EARS,
        "            self._is_ready = True\n        self._catch_up()\n",
        "            self._is_ready = True\n            self._catch_up()\n",
    ),
    (
        "what comes first in a new session overtakes what was missed",
        EARS,
        "                early = early or []\n",
        "                continue\n",
    ),
    (
        "threads are caught up from their channel",
        EARS,
        "client, id = self.client, int(thread.thread or thread.channel.id)",
        "client, id = self.client, int(thread.channel.id)",
    ),
    (
        "of what was missed only the last fifty are read",
        EARS,
        "MOST_MISSED, MOST_KNOWN = 1_000, 50",
        "MOST_MISSED, MOST_KNOWN = 50, 50",
    ),
    (
        "what was missed is heard newest first",
        EARS,
        "            for message in reversed(missed):\n",
        "            for message in missed:\n",
    ),
    (
        "threads that began during an absence are not read",
        EARS,
        "channels | self.client.active_since(newest) | self._seen",
        "channels | self._seen",
    ),
    (
        "a channel whose threads alone spoke is not read after an absence",
        EARS,
        "channels | self.client.active_since(newest) | self._seen",
        "self.client.active_since(newest) | self._seen",
    ),
    (
        "what was edited during an absence stays as it was",
        EARS,
        "                if message.edited_at and message.edited_at > snowflake_time(last):\n",
        "                if message.edited_at and message.edited_at < snowflake_time(last):\n",
    ),
    (
        "a thread is quoted newest first",
        ADAPTER,
        "        for message in reversed(before):\n",
        "        for message in before:\n",
    ),
    (
        "the message that a thread began with is not quoted",
        ADAPTER,
        "                message = opening\n",
        "                continue\n",
    ),
    (
        "the question is quoted before itself",
        ADAPTER,
        "before=int(to.ref.id))",
        "before=int(to.ref.id) + 1)",
    ),
    (
        "our own answers are quoted as a person's",
        CLIENT,
        "return Author(str(user.id), user.display_name, user.bot or webhook is not None)",
        "return Author(str(user.id), user.display_name)",
    ),
    # The connection
    (
        "a wrong token is tried for ever",
        CLIENT,
        "            if error.code == 4004:\n                raise Refused(NO_TOKEN) from error\n",
        "",
    ),
    (
        "without the intent for content nothing works",
        ADAPTER,
        "            await self._serve(inbox, reads_all=False)\n",
        "            raise\n",
    ),
]
