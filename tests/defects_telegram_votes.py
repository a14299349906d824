"""Defects of votes on Telegram: a name, the file, what stands there, and what a mistake
makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER = "adapters/telegram.py"
EARS = "adapters/telegram_ears.py"
HEARD = "adapters/telegram_heard.py"
PAPER = "adapters/telegram_paper.py"
TEXT = "adapters/telegram_text.py"
VOTES = "adapters/telegram_votes.py"

TELEGRAM_VOTES = [
    ("buttons are inverted", PAPER, '{"up": "👍", "down": "👎"}', '{"up": "👎", "down": "👍"}'),
    (
        "a reaction taken back stays",
        EARS,
        "changes = [(emoji, False) for emoji in old if emoji not in new]",
        "changes: list[tuple[str, bool]] = []",
    ),
    (
        "reactions that stay count again",
        EARS,
        "[(emoji, True) for emoji in new if emoji not in old]",
        "[(emoji, True) for emoji in new]",
    ),
    (
        "a change of vote ends with the old one",
        EARS,
        "in changes + [(emoji, True) for emoji in new if emoji not in old]:",
        "in [(emoji, True) for emoji in new if emoji not in old] + changes:",
    ),
    (
        "an anonymous reaction is somebody's vote",
        EARS,
        "        if change.user is None:\n            return\n",
        "",
    ),
    (
        "whoever votes up is asked for better words",
        VOTES,
        "        if stands == -1 and is_new:\n            await self.ask(press.from_user",
        "        if stands and is_new:\n            await self.ask(press.from_user",
    ),
    (
        "who reacts with a thumb down is not asked",
        EARS,
        "            if noted.score == -1 and added:\n",
        "            if noted.score == -1 and not added:\n",
    ),
    (
        "the same person is asked twice",
        VOTES,
        "        if offer in self._offered:\n            return\n",
        "",
    ),
    (
        "the question opens everybody's field",
        VOTES,
        "tg.ForceReply(selective=True)",
        "tg.ForceReply(selective=False)",
    ),
    (
        "the correction goes to the question for it",
        HEARD,
        "return int(chat or said.chat.id), int(number)",
        "return int(chat or said.chat.id), asked.message_id",
    ),
    (
        "who did not vote is thanked for a correction",
        EARS,
        "if await inbox.correction(self._ref(*target), author, better):",
        "if not await inbox.correction(self._ref(*target), author, better) or better:",
    ),
    (
        "anybody's link makes a correction",
        HEARD,
        "    if asked is None or not replies_to(us, said):\n",
        "    if asked is None:\n",
    ),
    (
        "the model's links can pass for the question",
        TEXT,
        "(not _WEB.match(url) or url.startswith(CORRECTS))",
        "not _WEB.match(url)",
    ),
    (
        "a vote's mark is shown in groups",
        VOTES,
        "if (stands or not added) and message and message.chat.type == message.chat.PRIVATE:",
        "if (stands or not added) and message:",
    ),
    (
        "a press is not confirmed",
        VOTES,
        "            await self.toast(press, words, is_long=bool(noted.words))\n",
        "            pass\n",
    ),
    (
        "a toast is longer than Telegram takes",
        VOTES,
        '        while units(words) > MOST_TOAST_UNITS:\n            words = words[:-2] + "…"\n',
        "",
    ),
    (
        "buttons are shown though they are switched off",
        ADAPTER,
        'has_buttons=self._settings.votes in ("both", "buttons"),',
        'has_buttons=self._settings.votes != "none",',
    ),
    (
        "a reaction is dated by another clock than a press",
        EARS,
        "IncomingReaction(target, voter, emoji, added, datetime.now(UTC))",
        "IncomingReaction(target, voter, emoji, added, change.date)",
    ),
    (
        "the question what was right is unfurled",
        VOTES,
        "                        link_preview_options=NO_PREVIEW,\n                        **how,\n",
        "                        **how,\n",
    ),
]
