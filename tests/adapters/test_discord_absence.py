"""What became on Discord of what stood there while nobody listened."""

import asyncio
from datetime import datetime
from itertools import pairwise

import pytest

from core.types import Noted, Seen
from tests.adapters.discord_served import served
from tests.fake_discord_guild import stamp
from tests.fakes import ListInbox, until

# https://docs.discord.com/developers/resources/message#get-reactions
REACTIONS, ONE = "/reactions/", r"/messages/\d+$"


async def went_down(discord, channel=None, answers=1):
    """Somebody asked and was answered, and then nobody listened: the answers, all behind the last
    question, and an inbox that remembers."""
    async with served(discord) as here:
        asked = [await here.asked("a question", channel) for _ in range(answers)]
        made = [await here.answers(heard, "Yes.") for heard in asked]
    heard = asked[-1]
    shown = (channel or discord.general).messages
    inbox = ListInbox(seen=[Seen(heard.thread, heard.ref.id, heard.at)])
    return [shown[answer.refs[0].id] for answer in made], inbox


def told(inbox):
    return sorted((one.author.name, one.emoji) for one in inbox.reactions)


async def test_thumbs_given_while_the_bot_was_down_count_as_old_as_the_answer(discord):
    [answer], inbox = await went_down(discord)
    said = await discord.says(discord.person("Ada"), discord.general, "thanks")
    for name, emoji in [
        ("Ada", "👍🏽"),
        ("Bob", "👎"),
        ("Cat", "🎉"),
        ("Dan", "👍"),
        ("Dan", "👎"),
    ]:
        await discord.reacts(discord.person(name), answer, emoji)
    for emoji in ("👍", "👍🏿"):
        await discord.reacts(discord.person("Eve"), answer, emoji)
    await discord.reacts(discord.person("Fay"), answer, "👍", burst=True)
    await discord.reacts(discord.me, answer, "👍")
    await discord.reacts(discord.person("Bob"), said, "👍")
    async with served(discord, inbox) as here:
        await until(lambda: len(inbox.reactions) == 4)
        await here.nothing_more()
        eve = next(one.emoji for one in inbox.reactions if one.author.name == "Eve")
        assert told(inbox) == [("Ada", "👍🏽"), ("Bob", "👎"), ("Eve", eve), ("Fay", "👍")]
        assert {one.target.id for one in inbox.reactions} == {answer.id}
        at = datetime.fromisoformat(stamp(answer.id))
        assert {(one.at, one.added, one.found) for one in inbox.reactions} == {(at, True, True)}
        assert discord.by_me(discord.direct(here.ada)) == []


async def test_of_a_conversation_what_was_answered_last_is_looked_at(discord):
    """What stands before was on the screen of people who were there when we were."""
    async with served(discord) as here:
        older = await here.answered("One.")
        await discord.reacts(here.bob, older, "👍")
        last = await here.asked("and?")
        answer = (await here.answers(last, "Two.")).refs[0]
        elsewhere = await here.asked("hello", discord.direct(here.bob))  # heard later
    await discord.reacts(here.bob, discord.general.messages[answer.id], "👎")
    seen = [Seen(one.thread, one.ref.id, one.at) for one in (last, elsewhere)]
    inbox = ListInbox(seen=seen)
    async with served(discord, inbox) as here:
        await until(lambda: inbox.reactions)
        await here.nothing_more()
        await asyncio.sleep(0.4)  # the pause before a further look
    assert [(one.target.id, one.emoji) for one in inbox.reactions] == [(answer.id, "👎")]
    assert len(discord.rest.sent("GET", REACTIONS)) == 1


@pytest.mark.parametrize("private", [False, True])
async def test_a_thumb_in_a_thread_names_the_same_message_as_the_reply(discord, private):
    thread = await discord.open_thread("birds", private=private)
    [answer], inbox = await went_down(discord, thread)
    await discord.reacts(discord.person("Bob"), answer, "👍")
    async with served(discord, inbox):
        await until(lambda: inbox.reactions)
    assert inbox.reactions[0].target.channel == inbox.seen[0].thread.channel


async def test_however_many_gave_a_thumb_each_is_found(discord):
    [answer], inbox = await went_down(discord)
    for number in range(230):
        answer.reactions.add((discord.person(f"P{number}").id, "👍"))
    async with served(discord, inbox):
        await until(lambda: len(inbox.reactions) == 230)
    assert {one.author.name for one in inbox.reactions} == {f"P{n}" for n in range(230)}
    assert len(discord.rest.sent("GET", REACTIONS)) == 3


@pytest.mark.parametrize("votes", ["buttons", "none"])
async def test_where_reactions_do_not_count_nobody_asks_for_them(discord, votes):
    [answer], inbox = await went_down(discord)
    await discord.reacts(discord.person("Bob"), answer, "👍")
    async with served(discord, inbox, votes=votes) as here:
        await here.nothing_more()
        await asyncio.sleep(0.1)
    assert inbox.reactions == []
    assert discord.rest.sent("GET", REACTIONS) == []


@pytest.mark.parametrize("direct", [False, True])
async def test_who_voted_meanwhile_is_told_what_is_said_only_once(discord, direct):
    """How votes train here is said to the first voter of a place."""
    talk = discord.direct(discord.person("Ada"))
    [answer], inbox = await went_down(discord, talk if direct else None)
    await discord.reacts(discord.person("Ada"), answer, "👎")
    inbox.noted = Noted(-1, "Votes train here.")
    async with served(discord, inbox):
        await until(lambda: "Votes train here." in discord.visible(talk))
    note = discord.by_me(talk)[-1]
    assert "Your vote: 👎\nVotes train here." in note.content
    assert direct or note.content.startswith("https://discord.com/channels/")
    assert note.reference == (answer.id if direct else None)
    inbox.noted, before = Noted(-1), len(inbox.reactions)
    async with served(discord, inbox) as here:
        await until(lambda: len(inbox.reactions) > before)
        await here.nothing_more()
    assert discord.by_me(talk)[-1] is note


async def test_looks_keep_a_pause_and_an_end(discord):
    """Whatever else is read and written stands under the same limit."""
    answers, inbox = await went_down(discord, answers=12)
    for answer in answers:
        answer.reactions.add((discord.person("Bob").id, "👍"))
    async with served(discord, inbox) as here:
        await until(lambda: len(inbox.reactions) == 10, within_s=9)
        await here.nothing_more()
        await asyncio.sleep(0.4)
    assert [one.target.id for one in inbox.reactions] == [one.id for one in answers[:1:-1]]
    times = [call.at for call in discord.rest.sent("GET", REACTIONS)]
    assert all(later - before > 0.2 for before, later in pairwise(times))


@pytest.mark.parametrize("kind", ["status", "reset", "429"])
async def test_thumbs_that_cannot_be_read_now_are_read_again(discord, kind):
    [answer], inbox = await went_down(discord)
    await discord.reacts(discord.person("Bob"), answer, "👍")
    discord.fail("GET", REACTIONS, kind)
    async with served(discord, inbox):
        await until(lambda: inbox.reactions)


async def test_an_answer_that_is_gone_meanwhile_keeps_the_others_from_nothing(discord, caplog):
    answers, inbox = await went_down(discord, answers=2)
    for answer in answers:
        await discord.reacts(discord.person("Bob"), answer, "👍")
    discord.fail("GET", f"{answers[1].id}{REACTIONS}", "status", code=404)
    async with served(discord, inbox):
        await until(lambda: inbox.reactions)
    assert [one.target.id for one in inbox.reactions] == [answers[0].id]


async def test_a_thumb_that_is_taken_back_while_it_is_found_is_taken_back(discord):
    [answer], inbox = await went_down(discord)
    bob = discord.person("Bob")
    await discord.reacts(bob, answer, "👍")
    discord.fail("GET", REACTIONS, "slow", seconds=0.3)
    async with served(discord, inbox):
        await until(lambda: discord.rest.sent("GET", REACTIONS))
        await discord.reacts(bob, answer, "👍", added=False)
        await until(lambda: len(inbox.reactions) == 2)
    assert [one.added for one in inbox.reactions] == [True, False]


async def test_what_was_said_is_heard_though_thumbs_take_long(discord):
    [answer], inbox = await went_down(discord)
    await discord.reacts(discord.person("Bob"), answer, "👍")
    late = await discord.says(discord.person("Ada"), discord.general, f"{discord.mention} more")
    discord.fail("GET", REACTIONS, "late", seconds=1.0)
    async with served(discord, inbox) as here:
        await here.heard(late)
        await here.asked("now")
        assert inbox.reactions == []


# Deletions


@pytest.mark.parametrize("where", ["channel", "thread", "direct"])
async def test_what_was_deleted_while_the_bot_was_down_is_told_before_what_is_new(discord, where):
    channel = {
        "channel": discord.general,
        "thread": await discord.open_thread("birds"),
        "direct": discord.direct(discord.person("Ada")),
    }[where]
    gone: list[int] = []

    class Watching(ListInbox):
        async def message(self, message):
            gone.append(len(self.changes))
            await super().message(message)

    _, known = await went_down(discord, channel)
    [seen] = known.seen
    await discord.deletes(channel.messages[seen.last])
    late = await discord.says(discord.person("Ada"), channel, f"{discord.mention} more")
    inbox = Watching(seen=[seen])
    discord.fail("GET", ONE, "status")
    async with served(discord, inbox) as here:
        heard = await here.heard(late)
    assert [(ref.id, text) for ref, text in inbox.changes] == [(seen.last, None)]
    assert inbox.changes[0][0].channel == heard.ref.channel
    assert gone[0] == 1


@pytest.mark.parametrize("is_hidden", [True, False])
async def test_nothing_is_taken_for_deleted_that_stands_there(discord, is_hidden):
    """The history may hold what is not understood, and be late."""
    _, inbox = await went_down(discord)
    if is_hidden:
        discord.fail("GET", "/messages$", "hidden", times=2)
    async with served(discord, inbox) as here:
        await here.asked("now")
    assert inbox.changes == []
    assert len(discord.rest.sent("GET", ONE)) == is_hidden


async def test_what_may_not_be_asked_for_is_not_taken_for_deleted_and_stops_nothing(discord):
    _, inbox = await went_down(discord)
    await discord.deletes(discord.general.messages[inbox.seen[0].last])
    discord.fail("GET", ONE, "status", code=403)
    late = await discord.says(discord.person("Ada"), discord.general, f"{discord.mention} more")
    async with served(discord, inbox) as here:
        await here.heard(late)
    assert inbox.changes == []


async def test_nothing_is_taken_for_deleted_because_a_thread_began_beside_it(discord):
    _, inbox = await went_down(discord)
    thread = await discord.open_thread("birds")
    late = await discord.says(discord.person("Ada"), thread, f"{discord.mention} two")
    async with served(discord, inbox) as here:
        await here.heard(late)
    assert inbox.changes == []
