"""Defects of votes and commands on Discord: a name, the file, what stands there, and what a mistake
makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER, EARS = "adapters/discord.py", "adapters/discord_ears.py"
SURFACE, VOTES = "adapters/discord_surface.py", "adapters/discord_votes.py"

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
        'if event.user_id == self._client.id or self._by not in ("both", "reactions"):',
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
        "if noted.score == -1 else []",
        "if noted.score else []",
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
        "            if event.guild_id is None:\n",
        "            if event.user_id:\n",
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
]
