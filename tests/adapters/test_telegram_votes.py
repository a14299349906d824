"""Votes on Telegram: buttons, reactions, what the voter is told, and corrections."""

import pytest

from adapters.telegram import TelegramAdapter
from core.phrases import NO_WORDS
from core.types import Noted
from tests.adapters.telegram_served import served, settings
from tests.fake_telegram_chats import Complaint
from tests.fakes import until

LONG = "Your vote is kept, but nothing trains until somebody here says `/training channel on`. " * 3


def labels(message) -> list[str]:
    return [button["text"] for button in message.buttons]


async def voted(rig, message, sign: str, noted: Noted) -> str:
    """Press a button; returns what the voter alone is shown."""
    before = len(rig.telegram.toasts)
    rig.inbox.noted = noted
    rig.telegram.presses(message, rig.people[""], sign)
    await until(lambda: len(rig.telegram.toasts) > before)
    return str(rig.telegram.toasts[-1][1])


async def test_the_voter_is_told_what_stands_and_between_two_alone_it_stays_marked(rig):
    shown = await rig.answered(await rig.asked())
    assert labels(shown) == ["👍", "👎"]
    assert await voted(rig, shown, "👍", Noted(1)) == "Your vote: 👍"
    await until(lambda: labels(shown) == ["👍 ✓", "👎"])
    assert await voted(rig, shown, "👎", Noted(-1)) == "Your vote: 👎"
    await until(lambda: labels(shown) == ["👍", "👎 ✓"])
    assert [one.emoji for one in rig.inbox.reactions] == ["👍", "👎"]


async def test_a_press_on_the_marked_thumb_takes_the_vote_back_and_twice_is_once(rig):
    shown = await rig.answered(await rig.asked())
    await voted(rig, shown, "👍", Noted(1))
    await until(lambda: labels(shown) == ["👍 ✓", "👎"])
    assert await voted(rig, shown, "👍", Noted(None)) == "Your vote is taken back."
    await until(lambda: labels(shown) == ["👍", "👎"])
    await rig.stop()
    rig.telegram.redeliver(2)  # both of them, to somebody who knows of neither
    async with served(rig.telegram) as again:
        await until(lambda: len(again.inbox.reactions) == 2)
        for inbox in (rig.inbox, again.inbox):
            heard = [(one.target.id, one.emoji, one.added) for one in inbox.reactions]
            assert heard == [(str(shown.id), "👍", True), (str(shown.id), "👍", False)]
        assert await voted(again, shown, "👍", Noted(1)) == "Your vote: 👍"
        assert again.inbox.reactions[-1].added
    rig.telegram.mistakes.clear()  # those who pressed long ago cannot be told


async def test_what_was_voted_since_stands_when_the_older_mark_is_pressed(rig):
    shown = await rig.answered(await rig.asked())
    await voted(rig, shown, "👍", Noted(1))
    await until(lambda: labels(shown) == ["👍 ✓", "👎"])
    assert await voted(rig, shown, "👍", Noted(-1)) == "Your vote: 👎"  # by a reaction, meanwhile
    await until(lambda: labels(shown) == ["👍", "👎 ✓"])


async def test_in_a_group_nobody_else_sees_who_voted_what(rig):
    shown = await rig.answered(await rig.asked(room="public"))
    assert await voted(rig, shown, "👍", Noted(1)) == "Your vote: 👍"
    await rig.answered(await rig.asked(room="public"))  # by then a mark would be there
    assert labels(shown) == ["👍", "👎"]
    assert rig.telegram.toasts == [(rig.people[""].id, "Your vote: 👍")]
    assert rig.offers() == []  # there is nothing to correct


async def test_what_is_to_be_said_with_a_vote_is_cut_to_what_telegram_shows(rig):
    shown = await rig.answered(await rig.asked(room="public"))
    words = await voted(rig, shown, "👍", Noted(1, "Votes here do not train."))
    assert words == "Your vote: 👍\nVotes here do not train."
    words = await voted(rig, shown, "👍", Noted(1, LONG))
    assert words.startswith("Your vote: 👍\nYour vote is kept")
    assert words.endswith("…")
    assert 190 < len(words) <= 200


async def test_a_vote_on_what_is_forgotten_is_answered_too(rig):
    shown = await rig.answered(await rig.asked())
    assert "nothing to vote on" in await voted(rig, shown, "👍", Noted(None))
    assert labels(shown) == ["👍", "👎"]


async def test_a_press_counts_when_telegram_no_longer_knows_the_message(rig):
    shown = await rig.answered(await rig.asked())
    rig.inbox.noted = Noted(1)
    rig.telegram.presses(shown, rig.people[""], "👍", too_old=True)
    await until(lambda: rig.inbox.reactions)
    assert rig.inbox.reactions[0].target.id == str(shown.id)


async def test_a_button_that_we_do_not_know_stops_turning(rig):
    shown = await rig.answered(await rig.asked())
    shown.buttons[0]["callback_data"] = "of a later version"
    assert await voted(rig, shown, "👍", Noted(1)) == ""
    assert rig.inbox.reactions == []


async def test_a_thumb_turned_over_is_one_taken_back_and_one_given(rig):
    shown = await rig.answered(await rig.asked())
    for emoji in (["👍"], ["👎", "🎉"], []):
        rig.telegram.reacts(shown, rig.people[""], *emoji)
    await until(lambda: len(rig.inbox.reactions) == 6)
    assert [(one.emoji, one.added) for one in rig.inbox.reactions] == [
        ("👍", True),
        ("👍", False),
        ("👎", True),
        ("🎉", True),
        ("👎", False),
        ("🎉", False),
    ]


async def test_a_reaction_beside_another_leaves_that_as_it_is(rig):
    shown = await rig.answered(await rig.asked())
    for emoji in (["👍"], ["👍", "🎉"], ["🎉"]):
        rig.telegram.reacts(shown, rig.people[""], *emoji)
    await until(lambda: len(rig.inbox.reactions) >= 3)
    await rig.settled()
    votes = [(one.emoji, one.added) for one in rig.inbox.reactions]
    assert votes == [("👍", True), ("🎉", True), ("👍", False)]


async def test_of_a_press_and_a_reaction_in_the_same_second_the_later_one_is_dated_later(rig):
    shown = await rig.answered(await rig.asked())
    rig.telegram.presses(shown, rig.people[""], "👎")
    rig.telegram.reacts(shown, rig.people[""], "👍")
    await until(lambda: len(rig.inbox.reactions) == 2)
    press, reaction = rig.inbox.reactions
    assert [press.emoji, reaction.emoji] == ["👎", "👍"]
    assert press.at < reaction.at


async def test_what_is_to_be_said_with_a_reaction_is_said_where_nobody_else_reads(rig):
    rig.inbox.noted = Noted(1, "Votes here do not train.")
    public = await rig.answered(await rig.asked(room="public"))
    rig.telegram.reacts(public, rig.people[""], "👍")
    direct = await rig.answered(await rig.asked())
    rig.telegram.reacts(direct, rig.people[""], "👍")
    await until(lambda: rig.telegram.by_bot(direct.chat)[-1].text == "Votes here do not train.")
    assert [one.text for one in rig.telegram.by_bot(public.chat)] == ["Yes."]


async def test_an_anonymous_reaction_is_nobodys_vote(rig):
    shown = await rig.answered(await rig.asked(room="public"))
    thumb = [{"type": "emoji", "emoji": "👍"}]
    change = {"chat": shown.chat.json(), "message_id": shown.id, "date": 1, "old_reaction": []}
    by = {"actor_chat": shown.chat.json()}
    rig.telegram.pushes({"message_reaction": {**change, **by, "new_reaction": thumb}})
    custom = [{"type": "custom_emoji", "custom_emoji_id": "1"}]
    by = {"user": rig.people[""].json()}
    rig.telegram.pushes({"message_reaction": {**change, **by, "new_reaction": custom}})
    await rig.settled()
    assert rig.inbox.reactions == []


@pytest.mark.parametrize("room", ["direct", "public"])
@pytest.mark.parametrize("by", ["button", "reaction"])
async def test_after_a_thumb_down_one_person_is_asked_what_was_right(rig, room, by):
    shown = await rig.answered(await rig.asked(room=room), "2 + 2 = 5")
    rig.inbox.noted, ann = Noted(-1), rig.people[""]
    for who in (ann, ann, rig.who("bob")):  # the second time she is not asked again
        if by == "button":
            rig.telegram.presses(shown, who, "👎")
        else:
            rig.telegram.reacts(shown, who)
            rig.telegram.reacts(shown, who, "👎")
        await until(rig.offers)
    await until(lambda: any("bob" in one.text for one in rig.offers()))
    offer, _ = rig.offers()
    assert offer.markup == {"force_reply": True, "selective": True}
    assert offer.reply_to is shown
    assert "Ann: What should I have said?" in offer.text
    named = [one["user"]["id"] for one in offer.entities if one["type"] == "text_mention"]
    assert named == [ann.id]
    said = rig.telegram.says(offer.chat, ann, "2 + 2 = 4", reply_to=offer)
    await until(lambda: rig.inbox.corrections)
    rig.telegram.edits(said, "2 + 2 = 4!")
    await until(lambda: len(rig.inbox.corrections) == 2)
    (target, author, _), (again, _, text) = rig.inbox.corrections
    assert (target.channel.id, target.id) == (str(shown.chat.id), str(shown.id))
    assert (again, author.id, text) == (target, str(ann.id), "2 + 2 = 4!")
    await until(lambda: rig.telegram.bot_reactions == {(offer.chat.id, said.id): ["👌"]})
    await rig.settled()
    assert all("2 + 2 = 4" not in one.text for one in rig.inbox.messages)
    assert rig.inbox.changes == []
    assert rig.telegram.unfurled == 0


async def test_a_correction_without_words_is_not_thanked_for(rig):
    shown = await rig.answered(await rig.asked())
    rig.inbox.noted = Noted(-1)
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)
    [offer], ann = rig.offers(), rig.people[""]
    photo = [{"file_id": "1", "file_unique_id": "1", "width": 1, "height": 1}]
    rig.telegram.says(shown.chat, ann, "", reply_to=offer, more={"photo": photo})
    await until(lambda: any(NO_WORDS in one.text for one in rig.telegram.messages.values()))
    said = rig.telegram.says(shown.chat, ann, "in words", reply_to=offer)
    await until(lambda: rig.telegram.bot_reactions)
    await rig.settled()
    assert rig.telegram.bot_reactions == {(shown.chat.id, said.id): ["👌"]}


async def test_only_who_voted_is_thanked_for_a_correction(rig):
    shown, bob = await rig.answered(await rig.asked(room="public")), rig.who("bob")
    rig.inbox.noted, rig.inbox.strangers = Noted(-1), {str(bob.id)}
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)
    [offer] = rig.offers()
    rig.telegram.says(shown.chat, bob, "as Bob says", reply_to=offer)
    said = rig.telegram.says(shown.chat, rig.people[""], "as Ann says", reply_to=offer)
    await until(lambda: rig.telegram.bot_reactions)
    await rig.settled()
    assert rig.telegram.bot_reactions == {(shown.chat.id, said.id): ["👌"]}
    assert [text for *_, text in rig.inbox.corrections] == ["as Bob says", "as Ann says"]


async def test_who_corrects_without_a_vote_is_told(rig):
    shown = await rig.answered(await rig.asked())
    rig.inbox.noted, ann = Noted(-1), rig.people[""]
    rig.telegram.presses(shown, ann, "👎")
    await until(rig.offers)
    [offer], rig.inbox.strangers = rig.offers(), {str(ann.id)}
    rig.telegram.says(shown.chat, ann, "in words", reply_to=offer)
    await until(lambda: "Not kept: no vote" in rig.telegram.by_bot(shown.chat)[-1].text)
    assert rig.telegram.bot_reactions == {}


@pytest.mark.parametrize("room", ["direct", "public"])
@pytest.mark.parametrize("text", ["/forget me", "/forget"])
async def test_a_command_in_the_field_for_better_words_is_a_command(rig, room, text):
    shown = await rig.answered(await rig.asked(room=room))
    rig.inbox.noted = Noted(-1)
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)
    rig.telegram.says(shown.chat, rig.people[""], text, reply_to=rig.offers()[0])
    await until(lambda: rig.inbox.messages[-1].text == text)
    assert rig.inbox.corrections == []


async def test_better_words_that_begin_with_a_command_are_better_words(rig):
    shown = await rig.answered(await rig.asked(room="public"))
    rig.inbox.noted = Noted(-1)
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)
    better = "/rollback goes back to the tune before"
    rig.telegram.says(shown.chat, rig.people[""], better, reply_to=rig.offers()[0])
    await until(lambda: rig.inbox.corrections)
    assert rig.inbox.corrections[0][2] == better


async def test_who_pressed_too_long_ago_for_a_toast_is_asked_and_sees_the_mark(rig):
    shown = await rig.answered(await rig.asked())
    rig.inbox.noted = Noted(-1)
    old = Complaint(400, "Bad Request: query is too old and response timeout expired")
    rig.telegram.fail("answerCallbackQuery", old)
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)
    assert rig.telegram.called("editMessageReplyMarkup")


async def test_who_presses_in_a_group_is_asked_though_telegram_fails_to_tell_them(rig):
    shown = await rig.answered(await rig.asked(room="public"))
    rig.inbox.noted = Noted(-1)
    rig.telegram.fail("answerCallbackQuery", Complaint(500, "Internal Server Error"))
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)


async def test_nobody_is_asked_who_only_takes_a_thumb_back(rig):
    shown = await rig.answered(await rig.asked())
    rig.telegram.reacts(shown, rig.people[""], "👍")
    await until(lambda: rig.inbox.reactions)
    rig.inbox.noted = Noted(-1)  # the button that was pressed before
    rig.telegram.reacts(shown, rig.people[""])
    await until(lambda: len(rig.inbox.reactions) == 2)
    await rig.settled()
    assert rig.offers() == []


async def test_the_offer_works_after_a_restart(rig):
    shown = await rig.answered(await rig.asked())
    rig.inbox.noted = Noted(-1)
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)
    await rig.stop()
    await rig.start()
    [offer] = rig.offers()
    rig.telegram.says(offer.chat, rig.people[""], "better", reply_to=offer)
    await until(lambda: rig.inbox.corrections)
    assert rig.inbox.corrections[0][0].id == str(shown.id)


async def test_the_offer_waits_when_telegram_says_so(rig):
    shown = await rig.answered(await rig.asked())
    rig.inbox.noted = Noted(-1)
    rig.telegram.flooded("sendMessage", 1)
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)
    refused, made = rig.telegram.called("sendMessage")[-2:]
    assert made.at - refused.at >= 1


async def test_an_answer_cannot_pass_for_the_question_what_was_right(rig):
    link = "[x](https://correction.invalid/1) go on"
    shown = await rig.answered(await rig.asked(), link)
    said = rig.telegram.says(shown.chat, rig.people[""], "no correction", reply_to=shown)
    await rig.heard(said)
    assert rig.inbox.corrections == []


async def test_a_link_of_somebody_elses_makes_no_correction(rig):
    shown = await rig.answered(await rig.asked(room="public"))
    link = {"type": "text_link", "offset": 0, "length": 3}
    link["url"] = f"https://correction.invalid/{shown.id}"
    theirs = rig.telegram.says(shown.chat, rig.who("bob"), "see", entities=[link])
    said = rig.telegram.says(shown.chat, rig.people[""], "@mynah_bot is it so?", reply_to=theirs)
    assert (await rig.heard(said)).text == "is it so?"
    assert rig.inbox.corrections == []


async def test_a_press_that_is_delivered_twice_asks_once(rig):
    shown = await rig.answered(await rig.asked())
    rig.inbox.noted = Noted(-1)
    rig.telegram.presses(shown, rig.people[""], "👎")
    await until(rig.offers)
    await rig.stop()
    rig.adapter = TelegramAdapter(settings(rig.telegram), poll_s=1)  # as after a crash
    rig.telegram.redeliver()
    await rig.start()
    await until(lambda: len(rig.inbox.reactions) == 2)
    await rig.settled()
    assert len(rig.offers()) == 1
    rig.telegram.mistakes.clear()


@pytest.mark.parametrize(
    ("votes", "has_buttons", "hears_reactions"),
    [("both", True, True), ("buttons", True, False), ("reactions", False, True), ("none", 0, 0)],
)
async def test_how_people_vote_is_a_setting(votes, has_buttons, hears_reactions):
    async with served(votes=votes) as rig:
        shown = await rig.answered(await rig.asked())
        assert bool(shown.buttons) == has_buttons
        rig.telegram.reacts(shown, rig.people[""], "👍")
        await rig.settled()
        assert bool(rig.inbox.reactions) == hears_reactions


async def test_an_older_answers_buttons_count_no_more_where_they_are_switched_off():
    async with served() as rig:
        shown = await rig.answered(await rig.asked())
        await rig.stop()
        rig.adapter = TelegramAdapter(settings(rig.telegram, votes="reactions"))
        await rig.start()
        rig.telegram.presses(shown, rig.people[""], "👍")
        await until(lambda: rig.telegram.called("answerCallbackQuery"))
        (toast,) = rig.telegram.called("answerCallbackQuery")
        assert toast.params["text"] == "Voting by button is switched off here."
        assert rig.inbox.reactions == []


@pytest.mark.parametrize("outcome", ["command", "refused"])
async def test_there_is_nothing_to_vote_on_under_our_own_words(rig, outcome):
    shown = await rig.answered(await rig.asked(), "These are the commands.", outcome=outcome)
    assert shown.buttons == []
