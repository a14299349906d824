"""Defects of how answers are shown on Slack: a name, the file, what stands there, and what a
mistake makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER = "adapters/slack.py"
CALLS = "adapters/slack_calls.py"
HEARING = "adapters/slack_hearing.py"
SHEET = "adapters/slack_sheet.py"
STATUS = "adapters/slack_status.py"
TEXT = "adapters/slack_text.py"

SLACK_SPEAKING = [
    (
        "a notice that may be there is not looked for",
        "adapters/slack.py",
        "notice.at - CLOCKS_DIFFER",
        "notice.at + CLOCKS_DIFFER",
    ),
    ("a message is longer than Slack takes", TEXT, "LIMIT = 11_000", "LIMIT = 13_000"),
    (
        "an answer wakes the whole channel",
        TEXT,
        '    return _PINGS.sub("<\\u200b", text)',
        "    return text",
    ),
    (
        "the notice beside an answer is not escaped",
        TEXT,
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
        "Slack's own Stop stops nothing",
        HEARING,
        '            if is_there and to.ref.id < event["event_ts"]:  # it may come late\n',
        "            if is_there and not to.ref.id:\n",
    ),
    (
        "a late word of a stop ends the next answer",
        HEARING,
        'if is_there and to.ref.id < event["event_ts"]:',
        "if is_there:",
    ),
    (
        "code that looks like a call is changed",
        TEXT,
        "@[A-Z0-9]+[>|]|#",
        "@[A-Z0-9]|#",
    ),
    (
        "one refused text takes everybody's buttons",
        CALLS,
        "MOST_REFUSALS = 3 ",
        "MOST_REFUSALS = 1 ",
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
        "            status.think()\n",
        "            status.think()\n            await asyncio.sleep(1.0)\n",
    ),
    (
        "nobody sees that the bot is thinking",
        STATUS,
        "while not self.answer.refs and",
        "while self.answer.refs and",
    ),
    (
        "the sign of thinking stays beside the answer",
        STATUS,
        "while not self.answer.refs and self.answer.outcome is None:",
        "while self.answer.outcome is None:",
    ),
    (
        "the sign of thinking goes after two minutes",
        STATUS,
        "            await asyncio.sleep(AGAIN_S)\n",
        "            break\n",
    ),
    (
        "the sign of thinking outlives its answer",
        ADAPTER,
        "                status.end()\n",
        "                pass\n",
    ),
    (
        "one refusal ends the sign of thinking",
        STATUS,
        "        except AdapterError as error:  # the next may be shown\n",
        "        except KeyError as error:\n",
    ),
    (
        "who waits in line is told that we think",
        STATUS,
        "        self.end()\n        self._staying",
        "        self._staying",
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
