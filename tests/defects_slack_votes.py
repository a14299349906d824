"""Defects of votes, corrections and commands on Slack: a name, the file, what stands there, and what
a mistake makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER = "adapters/slack.py"
EVENTS = "adapters/slack_events.py"
HEARING = "adapters/slack_hearing.py"
VOTES = "adapters/slack_votes.py"
WHISPER = "adapters/slack_whisper.py"

SLACK_VOTES = [
    (
        "reactions count though they are switched off",
        HEARING,
        "if reaction and self.votes.by_reaction:",
        "if reaction:",
    ),
    (
        "a vote on what is not known yet to be ours is lost",
        VOTES,
        "        await self._placed(reaction.target)\n",
        "",
    ),
    (
        "buttons are shown though they are switched off",
        ADAPTER,
        'votes = self._settings.votes in ("both", "buttons")',
        'votes = self._settings.votes != "none"',
    ),
    (
        "a reaction that was not stored is acknowledged",
        VOTES,
        "            if not trigger:\n                raise\n",
        "            if not trigger:\n                return None\n",
    ),
    (
        "a vote whose place stays unknown is acknowledged",
        VOTES,
        "                return AGAIN\n",
        "                return None\n",
    ),
    (
        "who pressed is not told that the vote was not kept",
        VOTES,
        "whisper(self.api, reaction.target, reaction.author.id, thread, NOT_KEPT)",
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
        HEARING,
        "target = MessageRef(self.ears.channel(channel), ts)",
        "target = MessageRef(self.ears.channel(channel), thread or ts)",
    ),
    (
        "a correction that is not kept closes the form",
        VOTES,
        'return answered({"response_action": "errors", "errors": {CORRECTION: NOT_KEPT}})',
        "return None",
    ),
    (
        "the voter is told in the channel and not in the thread",
        HEARING,
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
        HEARING,
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
        WHISPER,
        '{"response_type": "ephemeral", "replace',
        '{"response_type": "in_channel", "replace',
    ),
    (
        "the last use of a response is not kept for its end",
        WHISPER,
        " or self._uses >= len(self.pauses_s)",
        "",
    ),
    (
        "each state of a private answer stays",
        WHISPER,
        '"replace_original": self._uses > 1',
        '"replace_original": False',
    ),
    (
        "a vote that comes again undoes a newer one",
        VOTES,
        "        if self._is_old(reaction):\n",
        "        if False:\n",
    ),
    (
        "a thumb that was taken back since is found",
        VOTES,
        "if thumb(reaction) in self._heard or ",
        "if ",
    ),
    (
        "a vote is lost whose place becomes known while it is looked for",
        VOTES,
        "        elif may_be_ours:\n",
        "        elif self._may_be_ours_soon(reaction.target):\n",
    ),
]
