"""Defects of what is said on Telegram: a name, the file, what stands there, and what a mistake
makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER = "adapters/telegram.py"
LINE = "adapters/telegram_line.py"
PACE = "adapters/telegram_pace.py"
PAPER = "adapters/telegram_paper.py"
TEXT = "adapters/telegram_text.py"

TELEGRAM_SPEAKING = [
    ("what nobody asked for replies to a question", ADAPTER, "note = Note(", "note = Paper("),
    (
        "people are notified of a placeholder",
        ADAPTER,
        "every_s=every_s, edits=False)",
        "every_s=every_s, placeholder=PLACEHOLDER)",
    ),
    ("a message is longer than Telegram takes", TEXT, "MOST_UNITS = 4_096", "MOST_UNITS = 4_400"),
    (
        "what counts double is counted once",
        TEXT,
        'return len(text.encode("utf-16-le", "surrogatepass")) // 2',
        "return len(text)",
    ),
    (
        "more entities than Telegram keeps",
        TEXT,
        "return max(units(plain), -(-len(entities) * MOST_UNITS // MOST_ENTITIES))",
        "return units(plain)",
    ),
    ("tables stay as they are", TEXT, "literal(tables_as_code(source))", "literal(source)"),
    (
        "HTML is dropped",
        TEXT,
        "    marked = literal(tables_as_code(source))\n",
        "    marked = tables_as_code(source)\n",
    ),
    (
        "half a sign cannot be sent",
        TEXT,
        'source = text.encode("utf-8", "replace").decode()',
        "source = text",
    ),
    ("names in an answer notify people", TEXT, "    entities += _names(plain, entities)\n", ""),
    (
        "links of the app itself are sent",
        TEXT,
        "(not _WEB.match(url) or url.startswith(CORRECTS))",
        "url.startswith(CORRECTS)",
    ),
    ("blanks alone are posted", TEXT, '    if not is_visible(plain):\n        return "", []\n', ""),
    (
        "an edit unfurls links",
        PAPER,
        "                link_preview_options=NO_PREVIEW,\n            )\n\n        with",
        "            )\n\n        with",
    ),
    (
        "the answer leaves the topic",
        PAPER,
        "                message_thread_id=self.topic,\n                reply_parameters",
        "                reply_parameters",
    ),
    (
        "the file leaves the topic",
        PAPER,
        '                tg.InputFile(text.encode(), filename="answer.md"),\n                message_thread_id=self.topic,\n',
        '                tg.InputFile(text.encode(), filename="answer.md"),\n',
    ),
    (
        "no answer where the question was deleted",
        PAPER,
        "allow_sending_without_reply=True",
        "allow_sending_without_reply=False",
    ),
    (
        "every part replies to the question",
        PAPER,
        "if part == 0 and self.chat < 0 and is_there else None",
        "if self.chat < 0 and is_there else None",
    ),
    (
        "answers in a group reply to nothing",
        PAPER,
        "if part == 0 and self.chat < 0 and is_there else None",
        "if part == 0 and self.chat > 0 and is_there else None",
    ),
    (
        "an answer in a group that moved stands under another's message",
        PAPER,
        "if part == 0 and self.chat < 0 and is_there else None",
        "if part == 0 and self.chat < 0 else None",
    ),
    (
        "every part has buttons",
        PAPER,
        "return keyboard() if last and is_votable else None",
        "return keyboard() if is_votable else None",
    ),
    (
        "an error has buttons",
        PAPER,
        "is_votable = self._has_buttons and self._answer.outcome in MODEL_SPOKE",
        "is_votable = self._has_buttons",
    ),
    (
        "an edit that changes nothing fails",
        PAPER,
        '    "not modified",\n',
        "",
    ),
    ("an edit of what was deleted fails", PAPER, '    "to edit not found",\n', ""),
    (
        "a group that moved is answered nowhere",
        PAPER,
        "self._moved[self.chat] = self.chat = moved.new_chat_id",
        "self._moved[self.chat] = moved.new_chat_id",
    ),
    (
        "no answer where Telegram does not take the styles",
        PAPER,
        'if not entities or "entit" not in str(error).lower():',
        "if str(error):",
    ),
    (
        "a stray message looks like an answer",
        ADAPTER,
        "                    placeholder=PLACEHOLDER,\n",
        "",
    ),
    (
        "Retry-After is not obeyed when answering",
        LINE,
        "retry_after_s=wait_s) from error",
        "retry_after_s=0.01) from error",
    ),
    (
        "what Telegram never takes is tried again",
        LINE,
        '        raise Refused(f"Telegram will not have it: {error}") from error\n',
        '        raise AdapterError(f"Telegram will not have it: {error}") from error\n',
    ),
    (
        "the proxy is not asked",
        LINE,
        "        proxy = proxy_for(self._base)\n",
        "        proxy = None\n",
    ),
    (
        "a password of another program's is sent to Telegram",
        LINE,
        "connector=connector, proxy=proxy)",
        "connector=connector, proxy=proxy, trust_env=True)",
    ),
    (
        "the token is in the errors",
        LINE,
        'raise NetworkError(f"the connection failed ({type(error).__name__})") from None',
        'raise NetworkError(f"{method} {url} failed ({type(error).__name__})") from None',
    ),
    (
        "a chat's own budget is ignored",
        ADAPTER,
        "                    keys(paper.chat),\n",
        '                    ("bot:all",),\n',
    ),
    (
        "more calls in all than Telegram takes",
        PACE,
        '"bot": (28, 1.0)',
        '"bot": (180, 6.0)',
    ),
    (
        "one chat's penalty silences the bot",
        PACE,
        "*(key for key in keys if key != BOT or is_alike)",
        "*keys",
    ),
    (
        "a penalty for all is taken for one chat's",
        PACE,
        "*(key for key in keys if key != BOT or is_alike)",
        "*(key for key in keys if key != BOT)",
    ),
    (
        "an answer is given up with the token",
        LINE,
        "raise unknown(NOT_ACCEPTED) from error",
        "raise Refused(NOT_ACCEPTED) from error",
    ),
    (
        "what follows a fence in HTML is shown with backslashes",
        TEXT,
        "            if _FENCE.search(source, start, end):\n                break\n",
        "",
    ),
    (
        "groups are edited as often as private chats",
        PACE,
        'return "private" if chat > 0 else "group"',
        'return "private"',
    ),
    (
        "admins see no more commands than others",
        ADAPTER,
        "menu = [tg.BotCommand(one.name, one.help) for one in listed]",
        "menu = [tg.BotCommand(one.name, one.help) for one in listed if not one.admin]",
    ),
    (
        "the answer waits for typing",
        ADAPTER,
        "            typing = self._aside(self._type(paper, answer))\n",
        "            await asyncio.sleep(1)\n            typing = self._aside(self._type(paper, answer))\n",
    ),
    (
        "the rest of a very long answer is dropped",
        "core/streaming.py",
        "        if self._takes_files and len(pages) > most == len(refs):\n",
        "        if self._takes_files and len(pages) < most == len(refs):\n",
    ),
    (
        "code goes on as text on the next page",
        "core/pages.py",
        "            self._opening = self._reopening(is_within_line=is_within_line)\n",
        "",
    ),
]
