"""Our own Telegram, with the bare SDK: what it tells the bot is as the vendor describes it."""

import asyncio
import os

import pytest

os.environ.setdefault("PTB_TIMEDELTA", "1")  # the SDK warns about itself otherwise

import telegram as tg
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, RetryAfter

from tests import fake_telegram_spec as spec
from tests import specs
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import TOKEN

WRONG = {"type": "bold", "offset": 0, "length": 1, "language": 7, "colour": "red"}


@pytest.fixture
async def fake(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):  # the bare SDK would go by them
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    async with FakeTelegram(limits=True) as fake:
        yield fake


@pytest.fixture
async def bot(fake):
    async with tg.Bot(TOKEN, f"{fake.url}/bot", f"{fake.url}/file/bot") as bot:
        yield bot


async def test_what_it_tells_is_as_the_vendor_describes_it(fake, bot):
    if not spec.FILE.exists():
        pytest.skip(specs.missing(spec.FILE))
    ann, lab = fake.person("Ann", "ann_of_tests"), fake.group("Lab", is_forum=True)
    await bot.get_updates(allowed_updates=["message", "message_reaction", "callback_query"])
    keyboard = tg.InlineKeyboardMarkup([[tg.InlineKeyboardButton("👍", callback_data="up")]])
    sent = await bot.send_message(fake.private(ann).id, "hello", reply_markup=keyboard)
    shown = fake.by_bot()[0]
    said = fake.says(shown.chat, ann, "😀 @mynah_bot /help https://a.example", reply_to=shown)
    fake.says(shown.chat, ann, "a file", document=("a.txt", b"text"))
    fake.says(lab, ann, "@mynah_bot hello", topic=fake.topic(lab, ann, "red"))
    fake.reacts(shown, ann, "👍")
    fake.presses(shown, ann, "👍")
    fake.presses(shown, ann, "👍", too_old=True)
    fake.migrates(fake.group("Old", kind="group"))
    assert [problem for one in fake.updates for problem in spec.problems_of(one, "Update")] == []
    assert spec.problems_of(shown.json(), "Message") == []
    assert spec.problems(fake.calls) == []
    updates = await bot.get_updates()
    first = updates[0].message
    assert list(first.parse_entities().values()) == ["@mynah_bot", "/help", "https://a.example"]
    assert (first.message_id, first.reply_to_message) == (said.id, sent)


async def test_what_the_ruler_does_not_know_it_says(fake, bot):
    if not spec.FILE.exists():
        pytest.skip(specs.missing(spec.FILE))
    chat = fake.private(fake.person("Ann"))
    await bot.send_message(chat.id, "hello", api_kwargs={"tts": True})
    await bot.send_message(chat.id, "hello", api_kwargs={"entities": [WRONG]})
    [unknown, *wrong] = spec.problems(fake.calls)
    assert unknown == "sendMessage: there is no field tts"
    assert set(wrong) == {
        "sendMessage: entities[0].language is no String",
        "sendMessage: entities[0] has no field colour",
    }


async def test_an_update_comes_until_a_higher_offset_is_asked_for(fake, bot):
    ann = fake.person("Ann")
    for text in ("one", "two"):
        fake.says(fake.private(ann), ann, text)
    for _ in range(2):
        assert [one.message.text for one in await bot.get_updates()] == ["one", "two"]
    [first, second] = await bot.get_updates()
    assert await bot.get_updates(offset=second.update_id) == (second,)
    assert fake.acknowledged == 1
    assert await bot.get_updates(offset=second.update_id + 1) == ()
    assert fake.deliveries[first.update_id] == 3


async def test_of_two_polls_the_older_one_ends(fake, bot):
    older = asyncio.create_task(bot.get_updates(timeout=5))
    while not fake.polling:
        await asyncio.sleep(0)
    async with tg.Bot(TOKEN, f"{fake.url}/bot") as other:
        await other.get_updates()
    with pytest.raises(Conflict):
        await older


async def test_it_refuses_what_telegram_refuses(fake, bot):
    fake.limits = False
    ann = fake.person("Ann")
    with pytest.raises(BadRequest, match=r"(?i)chat not found"):
        await bot.send_message(ann.id, "hello")
    chat = fake.private(ann)
    for text, why in (("𝕏" * 2_049, "too long"), (" \n", "empty"), ("\u200b", "empty")):
        with pytest.raises(BadRequest, match=rf"(?i){why}"):
            await bot.send_message(chat.id, text)
    with pytest.raises(BadRequest, match=r"(?i)can't parse entities"):  # half of a sign
        await bot.send_message(chat.id, "😀", entities=[tg.MessageEntity("bold", 0, 1)])
    sent = await bot.send_message(chat.id, "  a @ann_of_tests ")
    assert sent.text == "a @ann_of_tests"
    assert fake.pinged == ["@ann_of_tests"]
    with pytest.raises(BadRequest, match=r"(?i)not modified"):
        await bot.edit_message_text("a @ann_of_tests", chat.id, sent.message_id)
    chat.gone = "bot was blocked by the user"
    with pytest.raises(Forbidden):
        await bot.send_message(chat.id, "hello")
    old = fake.group("Old", kind="group")
    new = fake.migrates(old)
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(old.id, "hello")
    assert moved.value.new_chat_id == new.id


async def test_who_writes_too_fast_is_told_how_long_to_wait(fake, bot):
    chat = fake.private(fake.person("Ann"))
    for n in range(5):
        await bot.send_message(chat.id, f"{n}")
    for _ in range(2):
        with pytest.raises(RetryAfter):
            await bot.send_message(chat.id, "too fast")
    lab = fake.group("Lab")
    for n in range(20):
        await bot.send_message(lab.id, f"{n}")
    with pytest.raises(RetryAfter) as wait:
        await bot.send_message(lab.id, "more than 20 in a minute")
    assert "0:01:00" in str(wait.value) or "0:00:5" in str(wait.value)
