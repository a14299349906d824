"""The bots that bench.platforms measures, each in a process of its own: ours, and the bare SDK's.

python -m bench.platform_bots ours|bare PLATFORM SETTINGS: ours serves until its stdin is closed,
the bare one until it is killed. Both take their words from the same model, which is in the process:
what differs is what is around it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters import settings_of
from core.commands import Commands
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.line import Line
from core.phrases import Phrases
from core.ports import Adapter
from core.types import Prompt
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore

PIECES = tuple(f"word{n} " for n in range(40))
ANSWER = "".join(PIECES).strip()
AT_ONCE = 32  # as bots.wiring takes it of a server
GRACE_S = 120.0
# Where the platform is told to have no limits, ours keeps none either.
UNLIMITED = (100_000, 1.0)


@dataclass
class Model:
    """Says the pieces, `pause_s` apart."""

    pause_s: float

    async def stream(self, prompt: Prompt | None = None) -> AsyncGenerator[str]:
        for piece in PIECES:
            await asyncio.sleep(self.pause_s)
            yield piece

    async def whole(self) -> str:
        return "".join([piece async for piece in self.stream()])

    async def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def context(self) -> int:
        return 8_192


async def main() -> None:
    kind, platform, given = sys.argv[1:]
    settings = json.loads(given)
    model = Model(settings.pop("pause_s"))
    limits = settings.pop("limits")
    # The bare ones would fill the table with the tracebacks of what the platform refuses them.
    logging.basicConfig(level=logging.ERROR if kind == "ours" else logging.CRITICAL)
    if kind == "ours":
        await ours(adapter_of(platform, settings, limits=limits), model)
    else:
        await BARE[platform](settings, model)


async def ended() -> None:
    """Return when stdin is closed."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await reader.read()


# Ours: the adapter as shipped, the engine, and a store on this disk.


def adapter_of(platform: str, given: dict[str, Any], *, limits: bool) -> Adapter:
    settings: Any = settings_of(platform).model_validate(given)
    if platform == "slack":
        from adapters.slack import SlackAdapter

        return SlackAdapter(settings)
    if platform == "discord":
        from adapters.discord import RATES as DISCORD
        from adapters.discord import DiscordAdapter

        return DiscordAdapter(
            settings, rates=DISCORD if limits else dict.fromkeys(DISCORD, UNLIMITED)
        )
    from adapters.telegram import TelegramAdapter
    from adapters.telegram_pace import RATES as TELEGRAM

    return TelegramAdapter(
        settings, rates=TELEGRAM if limits else dict.fromkeys(TELEGRAM, UNLIMITED)
    )


async def ours(adapter: Adapter, model: Model) -> None:
    phrases = Phrases()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        at = StorageSettings(url=f"sqlite:///{folder}/mynah.db")
        store = await SqlStore.open(at, holder="bench.platforms")
        try:
            engine = Engine(
                store,
                model,
                Commands(store, None, phrases, ()),
                BotSettings(),
                model="words",
                max_tokens=1_000,
                temperature=1.0,
                line=Line(AT_ONCE),
                phrases=phrases,
            )
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(serve(engine, adapter, grace_s=GRACE_S))
                await ended()
                engine.close()
                await serving
        finally:
            await store.close()


# Bare: what the SDK's own introduction shows, with the whole answer in one post.


async def bare_slack(settings: dict[str, Any], model: Model) -> None:
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
    from slack_bolt.async_app import AsyncApp
    from slack_sdk.web.async_client import AsyncWebClient

    client = AsyncWebClient(settings["bot_token"], base_url=settings["base_url"])
    app = AsyncApp(client=client)

    @app.event("app_mention")
    async def mentioned(event: dict[str, Any], say: Callable[..., Awaitable[Any]]) -> None:
        await say(await model.whole(), thread_ts=event["ts"])

    @app.event("message")
    async def said() -> None:
        """Bolt complains of an event that nobody takes, and Slack sends it again."""

    handler: Any = AsyncSocketModeHandler(app, settings["app_token"])  # its methods have no types
    await handler.start_async()


async def bare_discord(settings: dict[str, Any], model: Model) -> None:
    import discord
    import yarl
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    Route.BASE = settings["base_url"]
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings["gateway_url"])
    intents = discord.Intents.default()
    intents.message_content = True
    client = discord.Client(intents=intents)

    @client.event
    async def on_message(message: discord.Message) -> None:
        if client.user in message.mentions:
            await message.channel.send(await model.whole())

    await client.start(settings["bot_token"])


async def bare_telegram(settings: dict[str, Any], model: Model) -> None:
    from telegram import Update
    from telegram.ext import ApplicationBuilder, ContextTypes, MessageHandler, filters

    async def said(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        if update.message:
            await update.message.reply_text(await model.whole())

    builder = ApplicationBuilder().token(settings["bot_token"])
    # Without this it answers one after the other, and the comparison would flatter us.
    application = builder.base_url(f"{settings['base_url']}/bot").concurrent_updates(True).build()
    application.add_handler(MessageHandler(filters.TEXT, said))
    async with application:
        await application.start()
        assert application.updater
        await application.updater.start_polling()
        await asyncio.Event().wait()


BARE = {"slack": bare_slack, "discord": bare_discord, "telegram": bare_telegram}


if __name__ == "__main__":
    asyncio.run(main())
