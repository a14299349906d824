"""One process on three platforms: a real `bots.run`, real SDKs, and servers of our own."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.types_learning import Tune
from storage.repositories import Settings, SqlStore
from tests.fake_discord import TOKEN as DISCORD_TOKEN
from tests.fake_discord import FakeDiscord
from tests.fake_model import FakeModel
from tests.fake_slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import TOKEN as TELEGRAM_TOKEN
from tests.fakes import until

pytestmark = pytest.mark.timeout(90)  # each starts a process
TOP = Path(__file__).resolve().parent.parent.parent
TOKENS = {
    "SLACK_BOT_TOKEN": BOT_TOKEN,
    "SLACK_APP_TOKEN": APP_TOKEN,
    "DISCORD_BOT_TOKEN": DISCORD_TOKEN,
    "TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN,
}


class World:
    """A model's server, three platforms with one person on each, and a folder for the bot."""

    def __init__(self, folder, model, slack, discord, telegram):
        self.folder, self.slack, self.discord, self.telegram = folder, slack, discord, telegram
        self.ann_there = discord.person("Ann")
        self.chat = telegram.private(telegram.person("Ann"))
        (folder / "config.yaml").write_text(
            f"generation: {{url: {model.url}, model: fake}}\n"
            "platforms:\n"
            f"  slack: {{base_url: {slack.base_url}}}\n"
            f"  discord: {{base_url: {discord.base_url}, gateway_url: {discord.gateway_url}}}\n"
            f"  telegram: {{base_url: {telegram.url}}}\n"
        )

    async def say(self, text):
        self.slack.says(text, channel="D0ANN")
        await self.discord.says(self.ann_there, self.discord.direct(self.ann_there), text)
        self.telegram.says(self.chat, self.telegram.users[self.chat.id], text)

    def shown(self):
        direct = self.discord.direct(self.ann_there)
        return {
            "slack": "\n".join(self.slack.visible("D0ANN")),
            "discord": self.discord.visible(direct),
            "telegram": "\n".join(message.text for message in self.telegram.by_bot(self.chat)),
        }

    async def run(self, *arguments, **tokens):
        free = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        self.log = self.folder / "log"
        with self.log.open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bots.run", *arguments),
                cwd=self.folder,
                env={**free, **TOKENS, **tokens, "PYTHONPATH": str(TOP)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    @asynccontextmanager
    async def running(self, *arguments, **tokens):
        process = await self.run(*arguments, **tokens)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def world(tmp_path):
    async with (
        FakeModel() as model,
        FakeSlack() as slack,
        FakeDiscord() as discord,
        FakeTelegram(privacy=False) as telegram,
    ):
        yield World(tmp_path, model, slack, discord, telegram)


async def connected(world, *, but=""):
    ready = {
        "slack": lambda: world.slack.sockets,
        "discord": lambda: world.discord.gateway.sessions,
        "telegram": lambda: world.telegram.polling,
    }
    wanted = [is_ready for name, is_ready in ready.items() if name not in but.split()]
    await until(lambda: all(is_ready() for is_ready in wanted), within_s=30)


async def test_three_platforms_are_served_by_one_process(world):
    async with world.running() as process:
        await connected(world)
        await world.say("hello")
        await until(
            lambda: all(text.endswith("You said: hello") for text in world.shown().values()),
            within_s=20,
        )
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    log = world.log.read_text()
    assert "Traceback" not in log
    assert "hello" not in log
    assert not any(token in log for token in TOKENS.values())


async def test_a_refused_token_ends_its_platform_and_no_other(world):
    async with world.running(SLACK_BOT_TOKEN="xoxb-wrong"):
        await until(lambda: "slack is not served any more" in world.log.read_text(), within_s=30)
        await connected(world, but="slack")
        await world.say("hello")
        await until(
            lambda: (
                world.shown()["discord"].endswith("You said: hello")
                and world.shown()["telegram"].endswith("You said: hello")
            ),
            within_s=20,
        )
    log = world.log.read_text()
    [line] = [line for line in log.splitlines() if "slack is not served any more" in line]
    assert "bot_token" in line
    assert "xoxb-wrong" not in log


async def test_a_platform_that_is_down_is_tried_again_and_touches_no_other(world):
    await world.discord.stop()
    async with world.running():
        await connected(world, but="discord")
        world.slack.says("hello", channel="D0ANN")
        await until(lambda: world.shown()["slack"].endswith("You said: hello"), within_s=20)
        await world.discord.start()
        await connected(world)
        await world.discord.says(world.ann_there, world.discord.direct(world.ann_there), "hello")
        await until(lambda: world.shown()["discord"].endswith("You said: hello"), within_s=20)
    assert "Traceback" not in world.log.read_text()


async def serve_a_tune_that_lost_its_files(folder):
    (folder / "data").mkdir()
    store = await SqlStore.open(Settings(url=f"sqlite:///{folder}/data/mynah.db"), holder="test")
    at = datetime.now(UTC)
    await store.put_tune(Tune("mynah@000001", "fake", "gone", "passed", (), "Learnt.", at))
    await store.serve("mynah@000001", at)
    await store.close()


async def test_what_is_announced_reaches_the_channel_that_is_named(world):
    await serve_a_tune_that_lost_its_files(world.folder)
    config = world.folder / "config.yaml"
    config.write_text(config.read_text() + 'bot: {announce_in: "slack:G0CLUB"}\n')
    async with world.running("--platform", "slack", "--platform", "telegram"):
        await until(lambda: world.slack.visible("G0CLUB"), within_s=60)
    [told] = world.slack.visible("G0CLUB")
    assert told.startswith("The tune `mynah@000001` does not load any more and is taken back")
    assert world.slack.visible("C0ROOM") == world.telegram.by_bot() == []


async def test_where_its_platform_is_not_served_it_is_announced_after_a_start_that_serves_it(world):
    await serve_a_tune_that_lost_its_files(world.folder)
    config = world.folder / "config.yaml"
    config.write_text(config.read_text() + 'bot: {announce_in: "slack:G0CLUB"}\n')
    async with world.running("--platform", "telegram"):
        await until(lambda: "the base answers instead" in world.log.read_text(), within_s=60)
        await connected(world, but="slack discord")
    assert "a channel on slack, which is not served here" in world.log.read_text()
    assert world.slack.visible("G0CLUB") == []
    async with world.running("--platform", "slack"):
        await until(lambda: world.slack.visible("G0CLUB"), within_s=60)
    [told] = world.slack.visible("G0CLUB")
    assert told.startswith("The tune `mynah@000001` does not load any more and is taken back")


async def test_check_asks_every_platform_and_says_what_is_missing(world):
    world.discord.allows_content = False
    process = await world.run("--check")
    async with asyncio.timeout(60):
        out = (await process.communicate())[0].decode()
    assert process.returncode == 0, out
    for name in ("slack", "discord", "telegram"):
        assert f"ok {name}: " in out
        assert f"! {name}: Votes are kept, but nothing is learnt from them." in out
    assert "! discord: The Message Content intent is off" in out
    assert "bot_token: '********'" in out
    assert not any(token in out for token in TOKENS.values())
    assert not (world.folder / "data").exists()
