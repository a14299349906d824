"""Defects of what is heard on Telegram: a name, the file, what stands there, and what a mistake
makes of it. Written by reading the adapter and not its tests.
"""

# ruff: noqa: E501 - what stands there is quoted as it stands

ADAPTER = "adapters/telegram.py"
EARS = "adapters/telegram_ears.py"
HEARD = "adapters/telegram_heard.py"
LINE = "adapters/telegram_line.py"
UPDATES = "adapters/telegram_updates.py"

TELEGRAM_HEARING = [
    (
        "a batch is acknowledged before it is stored",
        UPDATES,
        "                await self._hear_all(updates, hear)\n",
        "                loop.create_task(self._hear_all(updates, hear))\n",
    ),
    (
        "what the store refuses is acknowledged",
        UPDATES,
        "        except (StoreError, Closing):\n            raise\n",
        "        except Closing:\n            raise\n",
    ),
    (
        "the last update comes again and again",
        UPDATES,
        "offset = updates[-1].update_id + 1 if updates else None",
        "offset = updates[-1].update_id if updates else None",
    ),
    (
        "the update after the last is skipped",
        UPDATES,
        "offset = updates[-1].update_id + 1 if updates else None",
        "offset = updates[-1].update_id + 2 if updates else None",
    ),
    (
        "what is stored twice is heard twice",
        UPDATES,
        "            if update.update_id not in self._heard:\n",
        "            if update:\n",
    ),
    (
        "a batch that failed is taken for heard",
        UPDATES,
        "            if isinstance(result, BaseException):\n                raise result\n",
        "            if isinstance(result, Closing):\n                raise result\n",
    ),
    (
        "one update that fails ends the hearing",
        UPDATES,
        '            logger.error("Telegram: update %d: %s", one[0].update_id, type(error).__name__)\n',
        "            raise\n",
    ),
    (
        "a malformed update hides the others",
        LINE,
        '        return {"update_id": number}\n',
        "        raise\n",
    ),
    (
        "a chat's updates overtake each other",
        UPDATES,
        "lanes[update.effective_chat.id if update.effective_chat else 0].append(update)",
        "lanes[update.update_id].append(update)",
    ),
    (
        "one chat holds up all others",
        UPDATES,
        "lanes[update.effective_chat.id if update.effective_chat else 0].append(update)",
        "lanes[0].append(update)",
    ),
    (
        "edits are not asked for",
        ADAPTER,
        '"edited_message", "callback_query"]',
        '"callback_query"]',
    ),
    (
        "reactions are not asked for",
        ADAPTER,
        '            wanted.append("message_reaction")\n',
        "            pass\n",
    ),
    (
        "an edit is answered like a new message",
        EARS,
        "await self._said([update.edited_message], is_new=False)",
        "await self._said([update.edited_message])",
    ),
    (
        "a webhook that is set is left",
        ADAPTER,
        "                await self._line.bot.delete_webhook()  # it sends there or lets us poll, not both\n",
        "                pass\n",
    ),
    (
        "the posts that a channel forwards by itself are heard",
        EARS,
        "said.is_automatic_forward or not heard.says_something(said)",
        "not heard.says_something(said)",
    ),
    (
        "that somebody came or left is heard",
        EARS,
        "said.is_automatic_forward or not heard.says_something(said)",
        "said.is_automatic_forward",
    ),
    (
        "a wrong token is tried for ever",
        UPDATES,
        "            except InvalidToken as error:\n                raise Refused(NOT_ACCEPTED) from error\n",
        "",
    ),
    (
        "Retry-After is not obeyed when polling",
        UPDATES,
        "                again_s = max(again_s, seconds(error.retry_after))\n",
        "                logger.warning(error)\n",
    ),
    (
        "dead connections are kept",
        UPDATES,
        "if loop.time() - answered_at > self._stalled_after_s:",
        "if answered_at > loop.time():",
    ),
    (
        "each part of an album is answered",
        HEARD,
        "album_of(update) or next(lone)",
        "next(lone)",
    ),
    (
        "the rest of an album is not waited for",
        UPDATES,
        "if updates and album_of(updates[-1]):",
        "if updates and album_of(updates[0]) and len(updates) > 9:",
    ),
    (
        "everything said in a group is answered",
        HEARD,
        "    return replies_to(us, said) and not is_to_another\n",
        "    return not is_to_another\n",
    ),
    (
        "a reply that names another is answered",
        HEARD,
        "    return replies_to(us, said) and not is_to_another\n",
        "    return replies_to(us, said)\n",
    ),
    (
        "a reply to the bot is not heard",
        HEARD,
        "    return replies_to(us, said) and not is_to_another\n",
        "    return False\n",
    ),
    (
        "all of a topic that the bot opened is answered",
        HEARD,
        " or replied.forum_topic_created:",
        ":",
    ),
    (
        "a name in other letters is not heard",
        HEARD,
        'token.casefold().partition("@")',
        'token.partition("@")',
    ),
    (
        "another bot's command is answered",
        HEARD,
        '        return to == (us.username or "").casefold()\n',
        '        return to == (us.username or "").casefold() or entity.type == entity.BOT_COMMAND\n',
    ),
    (
        "any bot's plain command is answered in groups",
        HEARD,
        " and name[1:] in commands",
        "",
    ),
    (
        "who is named without a username is not heard",
        HEARD,
        "        return entity.user is not None and entity.user.id == us.id\n",
        "        return False\n",
    ),
    (
        "the mention is not cut",
        HEARD,
        "        if not means(us, entity, token, ()):\n            continue\n",
        "        if token:\n            continue\n",
    ),
    (
        "a mention at the end is not cut",
        HEARD,
        "            raw = before\n    return",
        "            raw = raw[:]\n    return",
    ),
    (
        "a mention amid a sentence is cut",
        HEARD,
        "        elif is_last:\n            raw = before\n",
        "        else:\n            raw = before + after\n",
    ),
    (
        "entities are counted in characters",
        HEARD,
        "before, after = raw[: 2 * entity.offset], raw[2 * (entity.offset + entity.length) :]",
        'before, after = (part.encode("utf-16-le") for part in (text(raw)[: entity.offset], text(raw)[entity.offset + entity.length :]))',
    ),
    (
        "the name behind a command is not cut",
        HEARD,
        'raw = before + token.partition("@")[0].encode("utf-16-le") + after',
        'raw = before + token.encode("utf-16-le") + after',
    ),
    (
        "what stands under a picture is not heard",
        HEARD,
        'return (said.text or said.caption or "").encode',
        'return (said.text or "").encode',
    ),
    (
        "a bot is taken for a person",
        HEARD,
        "return Author(str(user.id), user.full_name, user.is_bot)",
        "return Author(str(user.id), user.full_name)",
    ),
    (
        "who speaks for a group is Telegram's own bot",
        HEARD,
        "if said.sender_chat and (said.from_user is None or said.from_user.id in ANONYMOUS):",
        "if said.sender_chat and said.from_user is None:",
    ),
    (
        "topics share one conversation",
        EARS,
        'thread = ThreadRef(ref.channel, str(heard.topic_of(said) or ""))',
        "thread = ThreadRef(ref.channel)",
    ),
    (
        "each reply in a group opens a conversation",
        HEARD,
        "if isinstance(said, tg.Message) and said.is_topic_message:",
        "if isinstance(said, tg.Message):",
    ),
    (
        "closed groups are public",
        HEARD,
        'return "public" if chat.username else "private"',
        'return "public" if chat.title else "private"',
    ),
    ("a chat of two is public", HEARD, '        return "direct"\n', '        return "public"\n'),
    ("nobody is told what was not read", EARS, "            unread=unread,\n", ""),
    (
        "attached texts are not read",
        EARS,
        "return (words + texts).strip(), unread",
        "return words.strip(), unread",
    ),
    (
        "of an album only the first words are heard",
        EARS,
        "(heard.words_of(self._us, part) for part in parts)",
        "(heard.words_of(self._us, part) for part in parts[:1])",
    ),
    (
        "that a group moved is not heard",
        EARS,
        "            self._moved[said.chat.id] = said.migrate_to_chat_id\n",
        "            pass\n",
    ),
]
