"""Defects of votes and commands on Discord: a name, the file, what stands there, and what a mistake
makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER, EARS = "adapters/discord.py", "adapters/discord_ears.py"
SURFACE, VOTES = "adapters/discord_surface.py", "adapters/discord_votes.py"
ABSENCE = "adapters/discord_absence.py"

DISCORD_VOTES = [
    # Votes
    (
        "buttons are inverted",
        VOTES,
        "interaction.message.id, thread, THUMBS[id])",
        'interaction.message.id, thread, THUMBS["mynah:down" if "up" in id else "mynah:up"])',
    ),
    (
        "a vote taken back counts once more",
        VOTES,
        'added = event.event_type == "REACTION_ADD"',
        "added = True",
    ),
    (
        "reactions count though they are switched off",
        VOTES,
        "if event.user_id == self._client.id or not self.by_reaction:",
        "if event.user_id == self._client.id:",
    ),
    (
        "buttons count though they are switched off",
        VOTES,
        '        if self._by in ("both", "buttons"):\n',
        "        if self._by:\n",
    ),
    (
        "buttons are shown though they are switched off",
        ADAPTER,
        'votes = self._settings.votes in ("both", "buttons")',
        'votes = self._settings.votes != "none"',
    ),
    (
        "a vote that is quicker than Discord's answer is dropped",
        VOTES,
        "while self._may_be_ours_soon(target):",
        "while False:",
    ),
    (
        "everybody sees the voter's vote",
        VOTES,
        'await self._respond(interaction, 4, body | {"flags": EPHEMERAL})',
        "await self._respond(interaction, 4, body)",
    ),
    (
        "whoever votes up is asked for better words",
        VOTES,
        "    if noted.score == -1:\n        ask",
        "    if noted.score:\n        ask",
    ),
    (
        "the correction goes to the message with the question",
        VOTES,
        "target = MessageRef(self._client.ref(int(at)), answer_id)",
        "target = MessageRef(self._client.ref(int(at)), str(interaction.message.id if interaction.message else 0))",
    ),
    (
        "what was typed into the form is not found",
        VOTES,
        'data = [data.get("component"), *data.get("components", [])]',
        'data = data.get("components", [])',
    ),
    (
        "who voted with a reaction hears nothing in a direct message",
        VOTES,
        "        if noted.words or (added and noted.score == -1):\n",
        "        if event.guild_id and (noted.words or (added and noted.score == -1)):\n",
    ),
    (
        "who voted with a reaction in a channel hears nothing",
        VOTES,
        "        if noted.words or (added and noted.score == -1):\n",
        "        if not event.guild_id and (noted.words or (added and noted.score == -1)):\n",
    ),
    (
        "everybody in the channel hears what is for the voter alone",
        VOTES,
        "            if guild_id is None:\n",
        "            if voter:\n",
    ),
    (
        "a correction is looked for where the question for it stands",
        VOTES,
        "target = MessageRef(self._client.ref(int(at)), answer_id)",
        "target = MessageRef(thread.channel, answer_id)",
    ),
    # Commands and private answers
    (
        "the words behind a command are lost",
        EARS,
        '" ".join([f"/{data[\'name\']}", *words]),',
        "f\"/{data['name']}\",",
    ),
    (
        "private answers are shown to all",
        EARS,
        "            private=True,\n",
        "",
    ),
    (
        "the response to a command is shown to all",
        EARS,
        'self.client.respond, interaction, 5, {"flags": EPHEMERAL})',
        "self.client.respond, interaction, 5, {})",
    ),
    (
        "the second part of a private answer is shown to all",
        SURFACE,
        'body = body | {"flags": EPHEMERAL | SUPPRESS_EMBEDS}',
        "body = dict(body)",
    ),
    (
        "a private answer ends when its command is too old",
        SURFACE,
        "        return ref or await self._post_directly(part, text, last=last)\n",
        "        return ref or MessageRef(self.channel, self._to.ref.id)\n",
    ),
    (
        "the slash commands are set anew at each start",
        ADAPTER,
        "if shapes(there) != shapes(slash_commands()):",
        "if shapes(there) is not shapes(slash_commands()):",
    ),
    (
        "changed choices of a command are not noticed",
        ADAPTER,
        'bool(option.get("required")), choices',
        'bool(option.get("required"))',
    ),
    # What became of things during an absence
    (
        "thumbs given during an absence are not looked for",
        EARS,
        "        self.aside(self._absence.thumbs(thread, missed))\n",
        "",
    ),
    (
        "thumbs on all known answers are looked for",
        EARS,
        "self._absence.thumbs(thread, missed)",
        "self._absence.thumbs(thread, [*missed, *known])",
    ),
    (
        "reactions are looked for though they are switched off",
        ABSENCE,
        "if not self.votes.by_reaction:",
        "if not self.votes:",
    ),
    (
        "thumbs on what people say are looked for",
        ABSENCE,
        "[one for one in since if one.author.id == self.client.id and thumbs_on(one)]",
        "[one for one in since if thumbs_on(one)]",
    ),
    (
        "the bot's own thumb is found",
        ABSENCE,
        "if voter.id != self.client.id:",
        "if voter.id:",
    ),
    (
        "of two thumbs of one person the first is found",
        ABSENCE,
        "if len({score(emoji) for _, emoji in thumbs}) == 1]",
        "if thumbs]",
    ),
    (
        "two thumbs up in two skin tones are none",
        ABSENCE,
        "if len({score(emoji) for _, emoji in thumbs}) == 1]",
        "if len(thumbs) == 1]",
    ),
    (
        "super reactions are not found",
        ABSENCE,
        "(discord.ReactionType.burst, reaction.burst_count),",
        "(discord.ReactionType.burst, 0),",
    ),
    (
        "of many voters the first hundred are found",
        ABSENCE,
        "MOST_VOTERS = 300",
        "MOST_VOTERS = 100",
    ),
    (
        "all answers are looked at without an end",
        ABSENCE,
        "in ours[:MOST_LOOKED_AT]:",
        "in ours:",
    ),
    (
        "looks follow each other at once",
        ABSENCE,
        "            await asyncio.sleep(LOOKS_APART_S)\n",
        "            await asyncio.sleep(0)\n",
    ),
    (
        "a thumb that is taken back while it is found stays",
        ABSENCE,
        "lane(message.channel.id, votes=True)",
        "lane(0, votes=True)",
    ),
    (
        "thumbs that cannot be read once are given up",
        ABSENCE,
        "await kept(partial(self._look, thread, message))",
        "await self._look(thread, message)",
    ),
    (
        "a found thumb is as young as its finding",
        VOTES,
        "emoji, True, message.created_at, found=True)",
        "emoji, True, datetime.now(UTC), found=True)",
    ),
    (
        "a found thumb is taken for one that was heard as it came",
        VOTES,
        "emoji, True, message.created_at, found=True)",
        "emoji, True, message.created_at)",
    ),
    (
        "who voted down during an absence is asked at each start",
        VOTES,
        "        if noted.words:\n            guild_id",
        "        if noted.words or noted.score == -1:\n            guild_id",
    ),
    (
        "who voted during an absence hears nothing",
        VOTES,
        "        if noted.words:\n            guild_id",
        "        if False:\n            guild_id",
    ),
    (
        "what was deleted during an absence stays",
        EARS,
        "                await self._absence.deletion(thread, last, known)\n",
        "                pass\n",
    ),
    (
        "what was said in a channel counts as deleted where a thread began beside it",
        EARS,
        "if self._seen.get(thread) == last:",
        "if last:",
    ),
    (
        "what is not in the history counts as deleted",
        ABSENCE,
        'await self.client.ask("GET", MESSAGE, channel_id=id, message_id=last)',
        'raise Unknown("")',
    ),
    (
        "each message that was heard last is asked for",
        ABSENCE,
        "        if last in [message.id for message in known]:\n",
        "        if last in [message.id for message in known[1:]]:\n",
    ),
    (
        "a message that may not be asked for ends the reading",
        ABSENCE,
        "        except Refused as error:\n",
        "        except ZeroDivisionError as error:\n",
    ),
    (
        "a later vote overtakes one whose place is not known",
        VOTES,
        "(Noted(None), True) if lane in self._late else await judge()",
        "await judge()",
    ),
    (
        "a press overtakes a vote whose place is not known",
        VOTES,
        "            if late_lane(target, author) not in self._late:\n",
        "            if True:\n",
    ),
]
