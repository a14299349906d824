"""Defects of what is said on Discord: a name, the file, what stands there, and what a mistake
makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER, CLIENT = "adapters/discord.py", "adapters/discord_client.py"
CALLS = "adapters/discord_calls.py"
SURFACE = "adapters/discord_surface.py"

DISCORD_SPEAKING = [
    (
        "what nobody asked for replies to a question",
        "adapters/discord.py",
        "surface = Unasked(client",
        "surface = InChannel(client",
    ),
    ("every notice has the same nonce", "adapters/discord.py", "notice.id)", '"7")'),
    # Answers
    (
        "an answer in a thread that is closed stays cut",
        SURFACE,
        '                await change(CHANNEL, {"archived": False})\n',
        "                raise\n",
    ),
    (
        "a quick answer is announced by typing too",
        SURFACE,
        "        await asyncio.sleep(TYPING_AFTER_S)\n",
        "        await asyncio.sleep(0)\n",
    ),
    (
        "a message is longer than Discord takes",
        SURFACE,
        "LIMIT, MOST_PAGES = 2_000, 5",
        "LIMIT, MOST_PAGES = 2_200, 5",
    ),
    (
        "what counts double is counted once",
        SURFACE,
        'return len(render(text).encode("utf-16-le")) // 2',
        "return len(render(text))",
    ),
    (
        "the code that tables become is not counted",
        SURFACE,
        "len(render(text).encode(",
        "len(text.encode(",
    ),
    (
        "tables stay as they are",
        SURFACE,
        "    text = tables_as_code(text)\n",
        "    text = str(text)\n",
    ),
    (
        "small headings stay as they are",
        SURFACE,
        "        elif heading := _SMALL_HEADING.match(line):\n",
        "        elif line and (heading := _SMALL_HEADING.match(line[1:])):\n",
    ),
    (
        "what looks like a heading is one within code too",
        SURFACE,
        "            fence, opened = found[1], number\n",
        "            opened = number\n",
    ),
    (
        "an answer notifies everybody",
        SURFACE,
        'NOBODY: dict[str, list[str]] = {"parse": []}',
        'NOBODY: dict[str, list[str]] = {"parse": ["everyone", "users", "roles"]}',
    ),
    (
        "an edit notifies everybody",
        SURFACE,
        '            "content": render(text),\n            "allowed_mentions": NOBODY,\n',
        '            "content": render(text),\n',
    ),
    (
        "links are unfurled",
        SURFACE,
        '            "flags": SUPPRESS_EMBEDS,\n',
        '            "flags": 0,\n',
    ),
    (
        "every part has buttons",
        SURFACE,
        "VOTING if self._votes and last and is_said_by_model else []",
        "VOTING if self._votes and is_said_by_model else []",
    ),
    (
        "an error has buttons",
        SURFACE,
        "VOTING if self._votes and last and is_said_by_model else []",
        "VOTING if self._votes and last else []",
    ),
    (
        "the answer leaves the thread",
        SURFACE,
        "self.channel_id = to.thread.thread or to.thread.channel.id",
        "self.channel_id = to.thread.channel.id",
    ),
    (
        "no answer where the question was deleted",
        SURFACE,
        '"fail_if_not_exists": False',
        '"fail_if_not_exists": True',
    ),
    (
        "each try to post has its own nonce",
        SURFACE,
        "return hashlib.sha256(key.encode()).hexdigest()[:25]",
        "return hashlib.sha256(f'{key}{asyncio.get_running_loop().time()}'.encode()).hexdigest()[:25]",
    ),
    (
        "all parts have one nonce",
        SURFACE,
        'key = f"{ref.channel.account}/{ref.channel.id}/{ref.id}/{part}"',
        'key = f"{ref.channel.account}/{ref.channel.id}/{ref.id}"',
    ),
    ("the nonce is not enforced", SURFACE, '"enforce_nonce": True', '"enforce_nonce": False'),
    (
        "an answer of an earlier run is not looked for",
        SURFACE,
        "                if is_ours and original == self._to.ref.id:\n",
        "                if is_ours and original == self._to.ref.id and not after:\n",
    ),
    (
        "somebody's reply is taken for the answer",
        SURFACE,
        "                if is_ours and original == self._to.ref.id:\n",
        "                if original == self._to.ref.id:\n",
    ),
    (
        "an answer that somebody deleted is never whole",
        SURFACE,
        "        with suppress(Unknown):  # somebody deleted it\n",
        "        with suppress(ConnectionError):  # somebody deleted it\n",
    ),
    (
        "the last edit is left out",
        SURFACE,
        "        if self._shown.get(ref.id) == body:\n            return  # where",
        "        if ref.id in self._shown and last:\n            return  # where",
    ),
    (
        "nobody sees that the bot is typing",
        ADAPTER,
        "            surface.typing = ears.aside(surface.types(may_type))\n",
        "            surface.typing = None if may_type else None\n",
    ),
    (
        "the answer waits for typing",
        ADAPTER,
        "            surface.typing = ears.aside(surface.types(may_type))\n",
        "            await asyncio.wait({asyncio.ensure_future(surface.types(may_type))}, timeout=1)\n",
    ),
    (
        "the rest of a very long answer is dropped",
        "core/streaming.py",
        "        if self._takes_files and len(pages) > most == len(refs):\n",
        "        if self._takes_files and len(pages) < most == len(refs):\n",
    ),
    (
        "a fence that is open at a page's end stays open",
        "core/pages.py",
        '        closing = fence.closing if fence else ""\n',
        '        closing = ""\n',
    ),
    # Calls that fail or have to wait
    (
        "a limit on all calls is left to the call that was given up",
        CALLS,
        "            self._global_over.set()\n",
        "",
    ),
    (
        "a call that outlives the connection is a fault of ours",
        CALLS,
        "            raise aiohttp.ClientConnectionError(str(error)) from error\n",
        "            raise\n",
    ),
    (
        "a token that is taken away loses the answers under way",
        CALLS,
        "        return AdapterError(NO_TOKEN)\n",
        "        return Refused(NO_TOKEN)\n",
    ),
    (
        "Retry-After is not obeyed",
        CALLS,
        'return float(wait_s) if re.fullmatch(r"\\d+(\\.\\d+)?", wait_s) else 10.0',
        "return 0.01 if wait_s else 0.02",
    ),
    (
        "a limit is taken for a refusal",
        CALLS,
        "if error.status == 429 or error.code == TOO_MANY_OLD_EDITS:",
        "if error.code == TOO_MANY_OLD_EDITS:",
    ),
    (
        "a server's failure is taken for a refusal",
        CALLS,
        '    return AdapterError(f"Discord failed {what}.")',
        '    return Refused(f"Discord failed {what}.")',
    ),
    (
        "the budget is ignored",
        ADAPTER,
        '            keys = [f"channel:{surface.channel_id}", "bot:"]\n',
        '            keys = [f"channel:{to.ref.id}"]\n',
    ),
    (
        "the end of an answer waits for no limit",
        "core/streaming.py",
        "                await self._lay(text, is_whole=True, may_wait=True)\n                await self._tidy(text)\n",
        "                await self._lay(text, is_whole=True)\n                await self._tidy(text)\n",
    ),
]
