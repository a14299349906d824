"""What is heard on Discord. What every platform must do is in the contract."""

import logging

import pytest

from core.errors import Closing
from core.types import ThreadRef
from tests.adapters.discord_served import Served, served
from tests.fakes import ListInbox, until


async def test_a_mention_is_addressed_dated_and_cut_off(here: Served):
    heard = await here.asked("what is a mynah?")
    assert heard.addressed
    assert heard.text == "what is a mynah?"
    assert heard.author.name == "Ada"
    assert not heard.author.is_bot
    assert heard.at.tzinfo is not None
    assert heard.place == "public"
    assert heard.thread == ThreadRef(heard.ref.channel)


async def test_a_mention_as_older_clients_write_it_is_cut_off_too(here: Served):
    said = await here.fake.says(here.ada, here.fake.general, f"<@!{here.fake.me.id}> hello")
    assert (await here.heard(said)).text == "hello"


async def test_the_bots_own_role_is_a_mention_too(here: Served):
    """Its name stands beside the bot's where people choose whom to mention."""
    said = await here.fake.says(here.ada, here.fake.general, f"<@&{here.fake.role_id}> hello")
    assert ((heard := await here.heard(said)).text, heard.addressed) == ("hello", True)


async def test_what_is_forwarded_is_read(here: Served):
    files = [("notes.txt", "text/plain", b"and learn")]
    said = await here.fake.says(here.ada, here.fake.direct(here.ada), "see", files=files)
    await here.heard(said)
    original = {**here.fake.payload(said), "content": "mynahs talk"}
    nothing = {"content": "", "attachments": []}
    forward = {**here.fake.payload(said), "id": here.fake.snowflake(), **nothing}
    await here.fake.gateway.raw(
        "MESSAGE_CREATE", forward | {"message_snapshots": [{"message": original}]}
    )
    await until(lambda: len(here.inbox.messages) == 2)
    assert here.inbox.messages[-1].text == "mynahs talk\n\nnotes.txt:\n```\nand learn\n```"


async def test_a_sticker_is_named_as_what_cannot_be_read(here: Served):
    said = await here.fake.says(here.ada, here.fake.direct(here.ada), "see")
    await here.heard(said)
    sticker = {"id": here.fake.snowflake(), "name": "Wave", "format_type": 1}
    waved = {**here.fake.payload(said), "id": here.fake.snowflake(), "content": ""}
    await here.fake.gateway.raw("MESSAGE_CREATE", waved | {"sticker_items": [sticker]})
    await until(lambda: len(here.inbox.messages) == 2)
    assert here.inbox.messages[-1].unread == ("Wave (a sticker)",)


async def test_a_webhook_is_heard_as_a_bot(here: Served):
    said = await here.fake.says(here.ada, here.fake.general, f"{here.fake.mention} by hand")
    await here.heard(said)
    id = here.fake.snowflake()
    theirs = here.fake.payload(said) | {"id": id, "webhook_id": "77"}
    await here.fake.gateway.raw("MESSAGE_CREATE", theirs)
    await until(lambda: len(here.inbox.messages) == 2)
    assert [one.author.is_bot for one in here.inbox.messages] == [False, True]


async def test_talk_between_people_is_not_heard(here: Served):
    await here.fake.says(here.ada, here.fake.general, f"<@{here.bob.id}> lunch?")
    await here.fake.says(here.ada, here.fake.general, "@everyone lunch?")
    await here.nothing_more()
    assert here.inbox.messages == []


async def test_a_reply_to_the_bot_is_addressed_with_and_without_a_ping(here: Served):
    answer = await here.answered("Yes.")
    for ping in (True, False):
        said = await here.fake.says(
            here.bob, here.fake.general, "are you sure?", reply_to=answer, ping=ping
        )
        assert (await here.heard(said)).addressed


async def test_what_is_replied_to_comes_along_with_names_for_ids(here: Served):
    said = await here.fake.says(here.bob, here.fake.general, f"<@{here.ada.id}> it is broken")
    quote = (await here.asked("what about this?", reply_to=said)).replies_to
    assert quote
    assert (quote.text, quote.author.name) == ("@Ada it is broken", "Bob")


async def test_in_a_thread_it_does_not_for_the_thread_is_quoted(here: Served):
    thread = await here.fake.open_thread("birds")
    said = await here.fake.says(here.bob, thread, "it is broken")
    assert (await here.asked("what about this?", thread, reply_to=said)).replies_to is None


async def test_what_is_gone_or_said_by_discord_does_not_come_along(here: Served):
    gone = await here.fake.says(here.bob, here.fake.general, "it is broken")
    await here.fake.deletes(gone)
    joined = await here.fake.says(here.bob, here.fake.general, "Bob came", kind=7)
    for said in (gone, joined):
        assert (await here.asked("what about this?", reply_to=said)).replies_to is None


async def test_others_are_named_in_what_the_model_reads(here: Served):
    heard = await here.asked(f"is <@{here.bob.id}> right?")
    assert heard.text == "is @Bob right?"


async def test_own_messages_and_system_messages_are_not_heard(here: Served):
    await here.answered("I am me.")
    await here.answered("I am me here too.", channel=here.fake.direct(here.ada))
    await here.fake.says(here.ada, here.fake.direct(here.ada), "pinned a message", kind=6)
    before = len(here.inbox.messages)
    await here.nothing_more()
    assert len(here.inbox.messages) == before
    assert here.fake.me.id not in [one.author.id for one in here.inbox.messages]
    assert here.inbox.changes == []  # nor its own edits


async def test_a_thread_is_a_conversation_of_its_own_in_its_channel(here: Served):
    thread = await here.fake.open_thread("birds")
    heard = await here.asked("which?", thread)
    assert heard.thread == ThreadRef(heard.ref.channel, thread.id)
    assert heard.ref.channel.id == here.fake.general.id
    await here.answers(heard, "This one.")
    assert here.fake.visible(thread) == "This one."


async def test_a_thread_that_was_archived_is_known_too(here: Served):
    thread = await here.fake.open_thread("birds")
    await here.fake.gateway.dispatch(
        "THREAD_DELETE", here.fake.channel_payload(thread), here.fake.general
    )
    said = await here.fake.says(here.bob, thread, "x")
    assert (await here.heard(said)).ref.channel.id == here.fake.general.id
    await here.fake.reacts(here.ada, said, "👍", added=False)
    await until(lambda: here.inbox.reactions)
    assert here.inbox.reactions[0].target.channel.id == here.fake.general.id
    assert len(here.fake.rest.sent("GET", f"/channels/{thread.id}$")) == 1


async def test_a_follow_up_in_a_thread_needs_no_mention(here: Served):
    thread = await here.fake.open_thread("birds")
    heard = await here.heard(await here.fake.says(here.ada, thread, "and that one?"))
    assert heard.follows
    assert not heard.addressed


async def test_a_file_alone_follows_too(here: Served):
    thread = await here.fake.open_thread("birds")
    files = [("notes.txt", "text/plain", b"words")]
    heard = await here.heard(await here.fake.says(here.ada, thread, "", files=files))
    assert heard.follows
    assert "words" in heard.text


async def test_what_is_said_to_somebody_else_in_a_thread_is_theirs(here: Served):
    thread = await here.fake.open_thread("birds")
    theirs = await here.fake.says(here.bob, thread, f"<@{here.ada.id}> look")
    await here.fake.says(here.ada, thread, "nice", reply_to=theirs)
    await here.fake.says(here.ada, thread, "  ")
    await here.nothing_more()
    assert here.inbox.messages == []


@pytest.mark.parametrize(("hidden", "place"), [(True, "private"), (False, "public")])
async def test_a_channel_that_not_everybody_reads_is_private(discord, hidden, place):
    channel = discord.open_channel("staff", hidden=hidden)
    async with served(discord) as here:
        assert (await here.asked("psst", channel)).place == place


async def test_a_private_thread_is_private_and_stands_for_itself(here: Served):
    """Its people may switch training on for themselves, not for the channel around it."""
    thread = await here.fake.open_thread("psst", private=True)
    heard = await here.asked("psst", thread)
    assert heard.place == "private"
    assert heard.ref.channel.id == heard.thread.thread == thread.id


async def test_a_server_that_is_not_here_yet_is_not_taken_for_a_direct_message(here: Served):
    said = await here.fake.says(here.ada, here.fake.general, "lunch?")
    unknown = here.fake.payload(said) | {"guild_id": "77", "channel_id": "78"}
    await here.fake.gateway.raw("MESSAGE_CREATE", unknown)
    await here.nothing_more()
    assert here.inbox.messages == []


async def test_edits_and_deletions_are_told(here: Served):
    said = await here.fake.says(here.ada, here.fake.general, f"{here.fake.mention} one")
    others = [await here.fake.says(here.ada, here.fake.general, "x") for _ in range(2)]
    await here.fake.edits(said, None)  # a preview of a link comes: nobody edited
    await here.fake.edits(said, f"{here.fake.mention} two")
    await here.fake.deletes(said)
    await here.fake.deletes(*others)
    await until(lambda: len(here.inbox.changes) == 4)
    ids = [said.id, said.id, *(other.id for other in others)]
    assert [(ref.id, text) for ref, text in here.inbox.changes] == list(
        zip(ids, ["two", None, None, None], strict=True)
    )


async def test_an_edit_keeps_the_text_that_came_with_the_message(here: Served):
    files = [("notes.txt", "text/plain", b"words")]
    said = await here.fake.says(here.ada, here.fake.direct(here.ada), "loko", files=files)
    heard = await here.heard(said)
    await here.fake.edits(said, "look")
    await until(lambda: here.inbox.changes)
    assert here.inbox.changes == [(heard.ref, heard.text.replace("loko", "look"))]


async def test_the_thread_before_a_mention_is_quoted(here: Served):
    opening = await here.fake.says(here.bob, here.fake.general, "which bird is that?")
    thread = await here.fake.open_thread("birds", under=opening)
    for number in range(60):
        await here.fake.says(here.bob, thread, f"guess {number}")
    await here.fake.says(here.bob, thread, "a new name of the thread", kind=4)
    heard = await here.asked("do you know?", thread)
    await here.fake.says(here.bob, thread, "later")
    quotes = await here.adapter.earlier(heard)
    assert [quote.text for quote in quotes] == [f"guess {number}" for number in range(11, 60)]
    assert quotes[0].author.name == "Bob"
    assert quotes[0].ref.channel == heard.ref.channel


async def test_the_message_that_began_a_thread_is_quoted(here: Served):
    opening = await here.fake.says(here.bob, here.fake.general, "which bird is that?")
    thread = await here.fake.open_thread("birds", under=opening)
    quotes = await here.adapter.earlier(await here.asked("do you know?", thread))
    assert [(quote.text, quote.ref.id) for quote in quotes] == [("which bird is that?", opening.id)]


async def test_a_channel_is_not_quoted(here: Served):
    await here.fake.says(here.bob, here.fake.general, "lunch?")
    assert await here.adapter.earlier(await here.asked("hi")) == ()
    assert here.fake.rest.sent("GET", "/messages") == []


async def test_a_thread_that_is_deleted_is_gone_and_so_is_a_channel(here: Served):
    thread = await here.fake.open_thread("birds")
    heard = [await here.asked("hi", thread), await here.asked("hi")]
    await here.fake.removes(thread)
    await until(lambda: here.inbox.places_gone)
    await here.fake.removes(here.fake.general)
    await until(lambda: len(here.inbox.places_gone) == 2)
    assert here.inbox.places_gone == [message.thread for message in heard]


async def test_a_private_thread_that_is_deleted_is_gone_alone_or_with_its_channel(here: Served):
    threads = [await here.fake.open_thread(name, private=True) for name in ("red", "blue")]
    heard = [await here.asked("hi", thread) for thread in threads]
    await here.fake.removes(threads[0])
    await until(lambda: here.inbox.places_gone)
    await here.fake.removes(here.fake.general)
    await until(lambda: len(here.inbox.places_gone) == 3)
    assert here.inbox.places_gone[0] == heard[0].thread
    assert heard[1].thread in here.inbox.places_gone


async def test_what_is_gone_comes_again_where_the_store_did_not_take_it(here: Served, caplog):
    thread = await here.fake.open_thread("birds")
    heard = await here.asked("hi", thread)
    here.inbox.full = True
    await here.fake.removes(thread)
    await until(lambda: "has to wait" in caplog.text)
    here.inbox.full = False
    await until(lambda: here.inbox.places_gone == [heard.thread])


async def test_what_the_store_does_not_take_comes_again_and_in_order(discord):
    inbox = ListInbox()
    async with served(discord, inbox) as here:
        inbox.full = True
        said = [
            await discord.says(here.ada, discord.general, f"{discord.mention} {number}")
            for number in range(3)
        ]
        await here.fake.edits(said[0], f"{discord.mention} zero")
        assert inbox.messages == []
        inbox.full = False
        await until(lambda: inbox.changes)
        assert [one.text for one in inbox.messages] == ["0", "1", "2"]


async def test_what_is_said_later_waits_for_what_the_store_did_not_take_yet(here: Served, caplog):
    here.inbox.full = True
    await here.fake.says(here.ada, here.fake.general, f"{here.fake.mention} one")
    await until(lambda: "has to wait" in caplog.text)
    here.inbox.full = False
    await here.asked("two")
    assert [one.text for one in here.inbox.messages] == ["one", "two"]


async def test_strange_events_are_ignored_and_not_quoted_in_the_log(here: Served, caplog):
    await here.fake.gateway.raw("MESSAGE_CREATE", {"id": "7", "content": "secret words"})
    await here.fake.gateway.raw("MESSAGE_REACTION_ADD", {"emoji": None})
    await here.fake.gateway.raw("INTERACTION_CREATE", {"id": "seven", "type": 3})
    await here.fake.gateway.raw("SOMETHING_NEW", {"content": "secret words"})
    assert (await here.asked("still there?")).text == "still there?"
    assert "secret" not in caplog.text


async def test_a_thread_that_cannot_be_looked_up_now_is_looked_up_again(here: Served):
    thread = await here.fake.open_thread("birds")
    gone = here.fake.channel_payload(thread)
    await here.fake.gateway.dispatch("THREAD_DELETE", gone, here.fake.general)
    here.fake.fail("GET", f"/channels/{thread.id}$", "reset")
    heard = await here.asked("hello", thread)
    assert heard.thread.thread == thread.id


async def test_what_comes_when_the_house_closes_is_left_to_the_next_start(discord, caplog):
    class Closed(ListInbox):
        async def message(self, message):
            raise Closing("The next start does it.")

    caplog.set_level(logging.INFO)
    async with served(discord, Closed()) as here:
        await discord.says(here.ada, discord.general, f"{discord.mention} hello")
        await until(lambda: "left to the next start" in caplog.text)
    assert "Traceback" not in caplog.text


async def test_an_event_that_comes_twice_is_told_twice_and_no_harm(here: Served):
    here.fake.delivers_twice = True
    heard = await here.asked("hello")
    await until(lambda: len(here.inbox.messages) == 2)
    assert {one.ref for one in here.inbox.messages} == {heard.ref}
