"""Whom the adapter listens to on Telegram: names, commands, replies, topics, files."""

import asyncio

import pytest

from core.answer import Answer
from core.types import ThreadRef
from tests.adapters.telegram_served import QUICK, served
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import units
from tests.fakes import until


@pytest.fixture
async def rig():
    """In a group in which the bot hears all that is said."""
    async with served(privacy=False) as rig:
        yield rig


async def heard_of(rig, *texts: str, **fields) -> list[str]:
    for text in texts:
        rig.telegram.says(rig.chats["public"], rig.people[""], text, **fields)
    await rig.settled()
    return [one.text for one in rig.inbox.messages]


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("@mynah_bot hello", "hello"),
        ("@Mynah_Bot, hello", "hello"),
        ("@mynah_bot :) hello", ":) hello"),
        ("@mynah_bot:) hello", ":) hello"),
        ("😀𝕏 hello @mynah_bot", "😀𝕏 hello"),
        ("@mynah_bot 👩‍👩‍👧 what is @mynah_bot good for?", "👩‍👩‍👧 what is @mynah_bot good for?"),
        ("@mynah_bot", ""),
        ("\u200f@mynah_bot עזרה", "עזרה"),
        ("\u2067hello @mynah_bot\u2069", "\u2067hello"),
        ("/retrain@mynah_bot dry", "/retrain dry"),
        ("/Help@Mynah_Bot", "/Help"),
        ("/help", "/help"),
        ("/start", "/start"),
    ],
)
async def test_what_names_us_in_a_group_is_for_us(rig, said, heard):
    assert await heard_of(rig, said) == [heard]


@pytest.mark.parametrize(
    "said",
    [
        "lunch?",
        "@mynah_bot2 hello",
        "@mynah_bottle hello",
        "mail me: ann@mynah_bot.example",
        "/help@other_bot",
        "/unknown",
        "you may say /help",
        "mynah_bot hello",
    ],
)
async def test_what_names_somebody_else_or_nobody_is_not(rig, said):
    assert await heard_of(rig, said) == []


async def test_a_name_without_a_username_is_one_too(rig):
    text = "😀 Mynah, are you there?"
    us = {
        "type": "text_mention",
        "offset": units("😀 "),
        "length": 5,
        "user": rig.telegram.bot.json(),
    }
    bob = {**us, "user": rig.who("bob").json()}
    assert await heard_of(rig, text, entities=[bob]) == []
    assert await heard_of(rig, text, entities=[us]) == [text]


async def test_a_reply_to_us_needs_no_name_and_one_that_opens_with_a_name_is_for_that_person(rig):
    answer = await rig.answered(await rig.asked(room="public"), "an answer")
    rig.inbox.messages.clear()
    assert await heard_of(rig, "and then?", reply_to=answer) == ["and then?"]
    assert await heard_of(rig, "@bob_of_tests what do you say?", reply_to=answer) == ["and then?"]
    bobs = rig.telegram.says(rig.chats["public"], rig.who("bob"), "I am Bob")
    assert await heard_of(rig, "and you?", reply_to=bobs) == ["and then?"]


async def replying(rig, to, **more):
    """Ann asks the bot about it; returns what the inbox hears that it replies to."""
    chat, text = to.chat, "@mynah_bot what about this?"
    said = rig.telegram.says(chat, rig.people[""], text, reply_to=to, **more)
    return (await rig.heard(said)).replies_to


async def test_of_what_is_replied_to_the_part_that_was_marked_comes_along(rig):
    bobs = rig.telegram.says(rig.chats["public"], rig.who("bob"), "It is red. And it smokes.")
    assert (await replying(rig, bobs)).text == "It is red. And it smokes."
    marked = {"quote": {"text": "And it smokes.", "position": 11, "is_manual": True}}
    assert (await replying(rig, bobs, more=marked)).text == "And it smokes."


async def test_a_caption_comes_along_and_a_picture_without_one_does_not(rig):
    chat, bob = rig.chats["public"], rig.who("bob")
    for caption in ("the pump", ""):
        photo = {"photo": [{"file_id": "1", "file_unique_id": "1", "width": 1, "height": 1}]}
        bobs = rig.telegram.says(chat, bob, caption, more=photo)
        quote = await replying(rig, bobs)
        assert (quote.text if quote else "") == caption


async def test_in_private_what_is_replied_to_comes_along_and_in_a_topic_its_opening_does_not(rig):
    anns = rig.telegram.says(rig.chats["direct"], rig.people[""], "the pump is broken")
    assert (await replying(rig, anns)).text == "the pump is broken"
    forum = rig.telegram.group("Forum", is_forum=True)
    topic = rig.telegram.topic(forum, rig.who("bob"), "red")
    said = rig.telegram.says(forum, rig.people[""], "@mynah_bot hello", topic=topic)
    assert (await rig.heard(said)).replies_to is None


async def test_what_stayed_in_another_chat_does_not_come_along(rig):
    kitchens = rig.telegram.says(rig.chats["private"], rig.who("bob"), "a secret")
    text = "@mynah_bot what about this?"
    said = rig.telegram.says(rig.chats["public"], rig.people[""], text, reply_to=kitchens)
    assert (await rig.heard(said)).replies_to is None


async def test_under_privacy_mode_names_commands_and_replies_reach_us():
    async with served(privacy=True) as rig:
        rig.chats["public"].bot_is_admin = False
        assert await heard_of(rig, "lunch?", "@mynah_bot hello", "/help") == ["hello", "/help"]


async def test_a_topic_is_a_conversation_and_the_answer_stays_in_it(rig):
    forum = rig.telegram.group("Forum", is_forum=True)
    ann = rig.people[""]
    topics = [rig.telegram.topic(forum, rig.telegram.bot, name) for name in ("red", "blue")]
    for topic in topics:  # each seems to reply to the message of the bot that opened the topic
        rig.telegram.says(forum, ann, "not for the bot", topic=topic)
    said = [rig.telegram.says(forum, ann, "@mynah_bot hello", topic=topic) for topic in topics]
    general = rig.telegram.says(forum, ann, "@mynah_bot hello")
    messages = [await rig.heard(one) for one in [*said, general]]
    assert len(rig.inbox.messages) == 3
    channel = messages[0].ref.channel
    conversations = [*(str(topic) for topic in topics), ""]
    assert [one.thread for one in messages] == [ThreadRef(channel, name) for name in conversations]
    for message, topic in zip(messages, [*topics, 0], strict=True):
        shown = await rig.answered(message, "word " * 1_500)  # two messages
        assert {one.topic for one in rig.telegram.by_bot(forum)[-2:]} == {topic}
        assert shown.topic == topic


async def test_the_file_with_the_rest_of_an_answer_stays_in_its_topic_too(rig):
    forum = rig.telegram.group("Forum", is_forum=True)
    topic = rig.telegram.topic(forum, rig.people[""], "red")
    said = rig.telegram.says(forum, rig.people[""], "@mynah_bot hello", topic=topic)
    shown = await rig.answered(await rig.heard(said), "word " * 7_500)
    assert (shown.document is not None, shown.topic) == (True, topic)


async def test_where_there_are_no_topics_a_chain_of_replies_is_none(rig):
    said = rig.telegram.says(
        rig.chats["public"], rig.people[""], "@mynah_bot hello", more={"message_thread_id": 7}
    )
    assert (await rig.heard(said)).thread.thread == ""


async def test_a_follow_up_in_a_topic_by_reply_needs_no_name(rig):
    forum = rig.telegram.group("Forum", is_forum=True)
    topic = rig.telegram.topic(forum, rig.people[""], "red")
    first = rig.telegram.says(forum, rig.people[""], "@mynah_bot hello", topic=topic)
    answer = await rig.answered(await rig.heard(first))
    again = rig.telegram.says(forum, rig.people[""], "and?", topic=topic, reply_to=answer)
    assert (await rig.heard(again)).thread.thread == str(topic)


async def test_who_speaks_in_the_name_of_the_group_is_a_person_but_nobodys_id(rig):
    square = rig.chats["public"]
    anonymous = rig.telegram.person("Group", "GroupAnonymousBot", is_bot=True)
    anonymous.id = 1_087_968_824
    more = {"sender_chat": square.json()}
    said = rig.telegram.says(square, anonymous, "/retrain@mynah_bot", more=more)
    author = (await rig.heard(said)).author
    assert (author.id, author.name, author.is_bot) == (str(square.id), "Square", False)


async def test_a_bot_that_is_shown_to_us_all_the_same_is_heard_as_one(rig):
    robot = rig.telegram.person("Robot", "robot_of_tests", is_bot=True)
    said = rig.telegram.says(rig.chats["public"], robot, "@mynah_bot hello")
    assert (await rig.heard(said)).author.is_bot


async def test_what_only_happens_in_a_chat_is_no_message(rig):
    direct, ann = rig.chats["direct"], rig.people[""]
    rig.telegram.says(direct, ann, "", more={"delete_chat_photo": True})
    rig.telegram.says(rig.chats["public"], ann, "", more={"new_chat_members": [ann.json()]})
    await rig.settled()
    assert rig.inbox.messages == []


async def test_what_a_channel_forwards_to_its_group_by_itself_is_for_nobody(rig):
    assert await heard_of(rig, "@mynah_bot news", more={"is_automatic_forward": True}) == []


async def test_what_is_no_text_is_named(rig):
    direct, ann = rig.chats["direct"], rig.people[""]
    file = {"file_id": "1", "file_unique_id": "1"}
    photo = [{**file, "width": 1, "height": 1}]
    said = rig.telegram.says(direct, ann, "what is this?", more={"photo": photo})
    assert ((one := await rig.heard(said)).text, one.unread) == ("what is this?", ("photo",))
    voice = {"voice": {**file, "duration": 1}}
    said = rig.telegram.says(direct, ann, "", more=voice)
    assert ((one := await rig.heard(said)).text, one.unread) == ("", ("voice",))


async def test_a_file_that_does_not_come_in_time_holds_up_nothing(rig):
    rig.telegram.fail("file", "hang", 5)
    said = rig.telegram.says(
        rig.chats["direct"], rig.people[""], "read it", document=("a.txt", b"text")
    )
    assert ((one := await rig.heard(said)).text, one.unread) == ("read it", ("a.txt",))


async def test_an_album_is_one_message(rig):
    message = await rig.heard(
        rig.message(
            await rig.say(
                "three",
                files={
                    "a.txt": b"one",
                    "b.md": b"two",
                    "c.zip": b"PK",
                },
            )
        )
    )
    await rig.settled()
    assert message.text == "three\n\na.txt:\n```\none\n```\n\nb.md:\n```\ntwo\n```"
    assert message.unread == ("c.zip",)
    assert len(rig.inbox.messages) == 1


async def test_the_parts_of_an_album_may_come_one_after_the_other(rig):
    album = {"media_group_id": "7"}
    direct, ann = rig.chats["direct"], rig.people[""]
    first = rig.telegram.says(direct, ann, "two", document=("a.txt", b"one"), more=dict(album))
    await until(lambda: rig.telegram.deliveries)
    rig.telegram.says(direct, ann, "and a half", document=("b.zip", b"PK"), more=dict(album))
    message = await rig.heard(first)
    await rig.settled()
    assert message.text.startswith("two\nand a half\n\na.txt:")
    assert (message.unread, len(rig.inbox.messages)) == (("b.zip",), 1)


async def test_a_corrected_typo_is_told_as_it_would_be_heard(rig):
    message = await rig.asked("helo", room="public")
    said = rig.telegram.messages[int(message.ref.channel.id), int(message.ref.id)]
    rig.telegram.edits(said, "@mynah_bot hello")
    await until(lambda: rig.inbox.changes == [(message.ref, "hello")])


async def test_while_people_wait_the_chat_says_that_we_are_typing(rig):
    message = await rig.asked()

    async def pieces():
        await until(lambda: (rig.chats["direct"].id, "typing") in rig.telegram.actions)
        yield "Sorry for the wait."

    async with Answer(pieces()) as answer:
        await rig.adapter.reply(message, answer)
    assert rig.visible() == ["Sorry for the wait."]


async def test_nobody_is_shown_typing_who_sees_an_answer_grow(rig):
    message = await rig.asked()

    async def pieces():
        yield "The beginning"
        await until(rig.visible)
        await asyncio.sleep(0.5)
        yield " and the end."

    async with Answer(pieces()) as answer:
        await rig.adapter.reply(message, answer)
    assert rig.visible() == ["The beginning and the end."]
    assert rig.telegram.actions == []


async def test_where_many_wait_typing_takes_no_call_from_what_is_said():
    narrow = {**QUICK, "bot": (16, 2.0)}
    async with FakeTelegram() as telegram, served(telegram, rates=narrow) as rig:
        people = [telegram.person(f"Ann {n}") for n in range(6)]
        said = [telegram.says(telegram.private(one), one, "hello") for one in people]
        asked = [await rig.heard(one) for one in said]

        async def pieces():
            await asyncio.sleep(0.6)  # typing would begin meanwhile
            yield "Sorry for the wait."

        async def answer(message):
            async with Answer(pieces()) as answer:
                await rig.adapter.reply(message, answer)

        async with asyncio.TaskGroup() as tasks:
            for message in asked:
                tasks.create_task(answer(message))
        assert len(telegram.actions) < 6
    assert rig.visible() == ["Sorry for the wait."] * 6


async def test_a_quick_answer_is_not_followed_by_typing(rig):
    await rig.answered(await rig.asked())
    await asyncio.sleep(0.5)
    assert rig.telegram.actions == []
