"""What the adapter sends to Telegram: text and entities, pace, menus, and what it finds out."""

import asyncio
import logging

import pytest
from pydantic import SecretStr

from adapters.telegram import TelegramAdapter, missing, who_am_i
from core.answer import Answer
from core.errors import AdapterError, Refused
from tests.adapters.telegram_served import POSTS, TelegramRig, served, settings, words
from tests.contract import saying
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import units
from tests.fakes import until


async def marked(rig, text: str) -> tuple[str, list[tuple[str, str]]]:
    """The answer as a person sees it: its text, and each entity with the words that it covers."""
    shown = await rig.answered(await rig.asked(), text)
    raw = shown.text.encode("utf-16-le")

    def words(one):
        return raw[2 * one["offset"] : 2 * (one["offset"] + one["length"])].decode("utf-16-le")

    return shown.text, [(one["type"], words(one)) for one in shown.entities]


@pytest.mark.parametrize(
    ("text", "plain", "marks"),
    [
        ("😀 **bold** and _so_", "😀 bold and so", [("bold", "bold"), ("italic", "so")]),
        ("```py\n  x = 1\n```", "  x = 1", [("pre", "  x = 1")]),
        ("```\nx\n\n\n```", "x", [("pre", "x")]),
        ("so: `a < b`", "so: a < b", [("code", "a < b")]),
        ("[home](https://a.example/b)", "home", [("text_link", "home")]),
        ("- one\n- two\n  - three", "• one\n• two\n  • three", []),
        ("3. x\n4. y", "3. x\n4. y", []),
        ("~~old~~", "old", [("strikethrough", "old")]),
        ("> quoted", "quoted", [("blockquote", "quoted")]),
        ("> " + "long " * 50 + "so", "long " * 50 + "so", [("blockquote", "long " * 50 + "so")]),
        ("# Head\n\ntext", "Head\n\ntext", [("underline", "Head"), ("bold", "Head")]),
        # What CommonMark does not know is shown as it was said.
        ("<b>x</b> <script>", "<b>x</b> <script>", []),
        ("<div>\n<p>x</p>\n</div>", "<div>\n<p>x</p>\n</div>", []),
        ("$x^2$, $5 and a || b || c", "$x^2$, $5 and a || b || c", []),
        ("`$x$ || <b>`", "$x$ || <b>", [("code", "$x$ || <b>")]),
        ("```\n\\(\\frac{1}{2}\\)\n```", "\\(\\frac{1}{2}\\)", [("pre", "\\(\\frac{1}{2}\\)")]),
        ("\\$5 or \\$6, \\<b>", "$5 or $6, <b>", []),
        # Nobody is notified, nothing is opened.
        ("ask @ann_of_tests", "ask @ann_of_tests", [("code", "@ann_of_tests")]),
        (
            "**@ann_of_tests**",
            "@ann_of_tests",
            [("bold", "@ann_of_tests"), ("code", "@ann_of_tests")],
        ),
        ("[Ann](tg://user?id=100)", "Ann", []),
        ("[file](./main.py)", "file", []),
        # Something is to be seen in any case.
        ("[a]: https://b.example", "[a]: https://b.example", [("url", "https://b.example")]),
    ],
)
async def test_commonmark_becomes_text_and_entities(rig, text, plain, marks):
    assert await marked(rig, text) == (plain, marks)
    assert rig.telegram.pinged == []
    assert rig.telegram.unfurled == 0


@pytest.mark.parametrize("html", ["<p>{}</p>\n\n", "<li>{}\n", "<li>{} <b>x</b>\n<hr>\n\n"])
async def test_much_html_is_shown_as_it_was_said_and_holds_up_nobody(rig, html):
    said = "".join(html.format(f"word{n}") for n in range(800))
    async with asyncio.timeout(10):
        await rig.answered(await rig.asked(), said)
    shown = "".join(rig.visible()) + "".join(rig.sent_files())
    assert "".join(shown.split()) == "".join(said.split())


async def test_a_fence_within_html_is_one_and_what_follows_is_code(rig):
    text, [(kind, words)] = await marked(rig, "<div>\n```\n\n<b> $5 || <p> $6\n```\n</div>")
    assert (kind, words.strip()) == ("pre", "<b> $5 || <p> $6")
    assert (text[:5], text[-6:]) == ("<div>", "</div>")


async def test_a_table_is_code_with_aligned_columns(rig):
    table = "| a | long head |\n|---|---|\n| 1 | 2 |"
    text, [(kind, words)] = await marked(rig, table)
    assert (kind, words) == ("pre", text)
    assert [line.index("long head") for line in text.splitlines() if "long" in line] == [
        line.index("2") for line in text.splitlines() if "2" in line
    ]


async def test_a_table_wider_than_a_screen_is_a_line_for_each_cell(rig):
    wide = f"| name | sound |\n|---|---|\n| {'m' * 50} | {'s' * 50} |"
    text, _ = await marked(rig, wide)
    assert text.splitlines() == [f"name: {'m' * 50}", f"sound: {'s' * 50}"]


async def test_half_a_sign_does_not_cost_the_answer(rig):
    assert await marked(rig, "half a \ud83d bird") == ("half a ? bird", [])


async def test_long_code_is_code_in_every_message(rig):
    lines = [f"value_{n} = {n}" for n in range(600)]
    shown = await rig.answered(await rig.asked(), "```py\n" + "\n".join(lines) + "\n```")
    mine = rig.telegram.by_bot(shown.chat)
    assert len(mine) > 1
    assert [[one["type"] for one in part.entities] for part in mine] == [["pre"]] * len(mine)
    assert "\n".join(part.text for part in mine).splitlines() == lines


async def test_code_keeps_its_language(rig):
    shown = await rig.answered(await rig.asked(), "```rust\nfn main() {}\n```")
    assert shown.entities[0]["language"] == "rust"


async def test_no_message_has_more_styles_than_telegram_keeps(rig):
    shown = await rig.answered(await rig.asked(), "**a** b " * 150)
    mine = rig.telegram.by_bot(shown.chat)
    assert sum(len(one.entities) for one in mine) == 150
    assert len(mine) == 2


async def test_a_long_answer_of_wide_signs_is_cut_by_telegrams_measure(rig):
    await rig.answered(await rig.asked(), "𝕏😀 " * 2_000)
    assert "".join("".join(rig.visible()).split()) == "𝕏😀" * 2_000
    assert max(units(text) for text in rig.visible()) > 3_000


async def test_a_new_message_says_that_something_comes_and_then_the_answer(rig):
    shown = await rig.answered(await rig.asked(), "Hello.")
    assert shown.texts[0] == "…"
    assert shown.texts[-1] == "Hello."


async def test_what_nobody_would_see_is_not_sent(rig):
    message = await rig.asked()
    async with Answer(saying(["\u200b\u2060 "])) as answer:
        await rig.adapter.reply(message, answer)
    assert rig.telegram.called(*POSTS) == []


async def test_in_a_group_an_answer_stands_under_its_question(rig):
    message = await rig.asked(room="public")
    shown = await rig.answered(message)
    assert str(shown.reply_to.id) == message.ref.id
    more = await rig.answered(await rig.asked(room="public"), "word " * 1_500)
    assert more.reply_to is None  # it stands under the beginning
    assert (await rig.answered(await rig.asked())).reply_to is None  # that is clear in private


async def test_a_question_that_is_deleted_meanwhile_is_answered_all_the_same(rig):
    message = await rig.asked(room="public")
    rig.telegram.deletes(rig.telegram.messages[int(message.ref.channel.id), int(message.ref.id)])
    assert (await rig.answered(message)).text == "Yes."


async def test_the_menu_shows_to_admins_alone_what_they_alone_may_do():
    async with FakeTelegram() as telegram:
        admin = telegram.person("Root")
        telegram.private(admin)
        admins = ("slack:U1", "telegram:x", "telegram:999", f"telegram:{admin.id}")
        async with served(telegram, admins=admins):
            await until(lambda: len(telegram.called("setMyCommands")) == 3)
            await until(lambda: f"chat {admin.id}" in telegram.commands)
    everyone, roots = telegram.commands["default"], telegram.commands[f"chat {admin.id}"]
    assert {"help", "reset", "forget"} <= set(everyone)
    assert set(roots) - set(everyone) == {"retrain", "review", "rollback"}
    assert "start" not in everyone


async def test_the_published_limits_are_kept_in_a_chat_while_an_answer_streams():
    async with FakeTelegram(limits=True) as telegram, served(telegram) as rig:
        rig.adapter = TelegramAdapter(settings(telegram))  # at its real pace
        message = await rig.asked()
        started = asyncio.get_running_loop().time()
        async with Answer(words(50, every_s=0.04)) as answer:
            await rig.adapter.reply(message, answer)
        took_s = asyncio.get_running_loop().time() - started
        first = rig.telegram.called("editMessageText")[0].at - started
    assert rig.visible()[0].endswith("word49")
    assert telegram.refused == 0
    assert first < 0.6  # the first words do not wait for the pace
    assert len(telegram.called(*POSTS)) <= 3 + took_s / 1.1


async def test_in_a_group_an_answer_is_edited_less_often():
    async with FakeTelegram(limits=True) as telegram, served(telegram) as rig:
        rig.adapter = TelegramAdapter(settings(telegram))  # at its real pace
        message = await rig.asked(room="public")
        async with Answer(words(50, every_s=0.05)) as answer:
            await rig.adapter.reply(message, answer)
    assert rig.visible()[0].endswith("word49")
    assert len(telegram.called(*POSTS)) <= 3  # its place, the first words, the end


async def test_it_says_whom_telegram_takes_it_for_and_what_is_not_set_up():
    async with FakeTelegram() as telegram:
        assert await who_am_i(settings(telegram)) == "@mynah_bot (7000000001)"
        [privacy] = await missing(settings(telegram))
        assert "/setprivacy" in privacy
        telegram.reads_all, telegram.can_join_groups = True, False
        telegram.webhook = "https://old.example"
        groups, webhook = await missing(settings(telegram))
        assert "/setjoingroups" in groups
        assert "webhook" in webhook
        telegram.can_join_groups, telegram.webhook = True, ""
        assert await missing(settings(telegram)) == []
        with pytest.raises(Refused, match="bot_token_env"):
            await who_am_i(settings(telegram, bot_token=SecretStr("1:no")))
        url = telegram.url
    with pytest.raises(AdapterError):
        await who_am_i(settings(telegram, base_url=url))


async def test_calls_go_by_the_proxy_of_the_environment_and_bear_no_password(monkeypatch, tmp_path):
    seen = []

    class Watched(FakeTelegram):
        async def _serve(self, request):
            seen.append(request)
            return await super()._serve(request)

    # The environment of the process is what this is about.
    (tmp_path / "netrc").write_text("default login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with Watched() as telegram:
        monkeypatch.setenv("http_proxy", telegram.url)
        await who_am_i(settings(telegram, base_url="http://telegram.example"))
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        await who_am_i(settings(telegram))
    assert [one.host for one in seen] == ["telegram.example", telegram.url.removeprefix("http://")]
    assert not any("Authorization" in one.headers for one in seen)


async def test_the_token_stands_in_no_log(rig, caplog):
    caplog.set_level(logging.DEBUG)
    rig.telegram.fail("getUpdates", "reset")
    await rig.answered(await rig.asked("my words"), "your words")
    await rig.asked("more")
    for secret in [*TelegramRig.secrets, "my words", "your words"]:
        assert secret not in caplog.text


async def test_quick_questions_in_a_row_break_no_limit():
    async with FakeTelegram(limits=True) as telegram, served(telegram) as rig:
        rig.adapter = TelegramAdapter(settings(telegram))
        for n in range(3):
            await rig.answered(await rig.asked(), f"answer {n}")
    assert rig.visible() == ["answer 0", "answer 1", "answer 2"]
    assert telegram.refused == 0


async def test_many_chats_at_once_break_no_limit_of_all_together():
    async with FakeTelegram(limits=True) as telegram, served(telegram) as rig:
        rig.adapter = TelegramAdapter(settings(telegram))  # at its real pace
        people = [telegram.person(f"Ann {n}") for n in range(25)]
        asked = [telegram.says(telegram.private(one), one, "hello") for one in people]
        async with asyncio.TaskGroup() as tasks:
            for said in asked:
                tasks.create_task(rig.answered(await rig.heard(said), "Yes."))
    assert rig.visible() == ["Yes."] * 25
    assert telegram.refused == 0


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:99999", "nowhere", "http://[::1"])
async def test_a_wrong_address_is_an_error_that_does_not_quote_the_token(rig, base_url):
    with pytest.raises(AdapterError) as caught:
        await who_am_i(settings(rig.telegram, base_url=base_url))
    assert TelegramRig.secrets[0] not in f"{caught.value} {caught.value.__cause__!r}"
