"""python -m bots.setup slack (or discord, telegram): how to make the app there, and what it lacks.

What is to be copied goes to stdout, what is to be done to stderr, so that
`python -m bots.setup slack > manifest.json` is the manifest alone. The store is never opened.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bots import program

if TYPE_CHECKING:  # heavy: `--help` does without
    from bots.config import Config

LONGEST_COMMAND_TEXT = 2_000  # of a description, in the manifest's schema


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: it is ready to run; 1: something is to be done yet; 2: the settings are wrong"""
    arguments = parser().parse_args(argv)
    from adapters import settings_of
    from bots.config import load
    from core.errors import BotError, ConfigError

    name, path = arguments.platform, arguments.config
    try:
        settings_of(name)  # its packages are installed
        bot = load(path, ["console"]).bot if path.exists() else None
        STEPS[name](bot.name if bot else "Mynah")
    except BotError as error:
        tell(f"mynah: {error}")
        return 2
    try:
        config = load(path, [name])
    except ConfigError as error:
        tell(f"\nTo do next: {error}")
        return 1
    return asyncio.run(check(name, config))


def parser() -> argparse.ArgumentParser:
    out = program.parser("bots.setup", __doc__)
    out.add_argument("platform", choices=list(STEPS))
    return out


async def check(name: str, config: Config) -> int:
    """Ask the platform who we are and what is missing."""
    from adapters import missing, who_am_i
    from core.errors import BotError

    tell("\nAsking who this token is...")
    try:
        tell(f"ok: {await who_am_i(name, config.platforms[name])}")
        sentences = await missing(name, config.platforms[name])
    except BotError as error:
        tell(f"To do next: {error}")
        return 1
    if sentences:
        tell("What is not set up there, if you want it:")
    for sentence in sentences:
        tell(f"- {sentence}")
    for sentence in config.unused_votes(name):
        tell(sentence)
    if not sentences:
        tell("Nothing is missing.")
    tell(f"To serve it: python -m bots.run --platform {name}")
    return 1 if sentences else 0


def slack(name: str) -> None:
    """What to do at Slack, and the manifest of the app."""
    tell(
        "1. At https://api.slack.com/apps choose Create New App, From a manifest, and your"
        " workspace; paste this:\n"
    )
    print(json.dumps(manifest(name), indent=2), flush=True)
    tell(
        "\n2. On the page Install App install it to the workspace, copy the Bot User OAuth Token,"
        " and\n   export SLACK_BOT_TOKEN=xoxb-...\n"
        "3. On the page Basic Information, under App-Level Tokens, generate a token with the scope"
        "\n   connections:write, and export SLACK_APP_TOKEN=xapp-...\n"
        f"4. See what is missing: {again('slack')}\n"
        f"5. python -m bots.run --platform slack; then in a channel of Slack: /invite @{name}"
    )


def discord(name: str) -> None:
    """What to do at Discord, and the link that invites the bot."""
    tell(
        f"1. At https://discord.com/developers/applications choose New Application; name it {name}."
        "\n2. On the page Bot choose Reset Token, and export DISCORD_BOT_TOKEN=...\n"
        "3. On the same page switch on Message Content Intent. Without it only mentions, replies"
        " and\n   direct messages are understood, and no follow-up in a thread.\n"
        "4. Invite it to a server, with exactly the permissions that it uses:\n"
    )
    print(invite(os.environ.get("DISCORD_BOT_TOKEN", "")), flush=True)
    tell(
        "\n   (APPLICATION_ID stands on the page General Information; once the token is exported,"
        "\n   the link has it.)\n"
        f"5. See what is missing: {again('discord')}\n"
        "6. python -m bots.run --platform discord"
    )


def telegram(name: str) -> None:
    """What to tell BotFather."""
    tell("1. Write to @BotFather (https://t.me/BotFather), one line after the other:\n")
    username = "".join(sign for sign in name.lower() if sign.isascii() and sign.isalnum())
    print(f"/newbot\n{name}\n{username or 'mynah'}_of_our_team_bot", flush=True)
    tell(
        "\n   The last line is its user name: any that is free and ends in `bot`. He answers with"
        " the\n   token: export TELEGRAM_BOT_TOKEN=...\n"
        "2. For groups: /setprivacy, its name, Disable; then add it to the group, or remove it and"
        " add it\n   again. In privacy mode it is sure to hear commands and replies to it alone;"
        " mentions may not\n   arrive. Telegram tells it of reactions only where it is an"
        " administrator of the group; its\n   own buttons work for everybody.\n"
        f"3. See what is missing: {again('telegram')}\n"
        "4. python -m bots.run --platform telegram"
    )


STEPS: dict[str, Callable[[str], None]] = {
    "slack": slack,
    "discord": discord,
    "telegram": telegram,
}


def manifest(name: str) -> dict[str, Any]:
    """The app as Slack takes it: Socket Mode, and exactly the scopes and events that are used."""
    from adapters.slack_events import EVENTS, SCOPES
    from core.commands import COMMANDS

    table = [command for command in COMMANDS.values() if not command.hidden]
    return {
        "display_information": {
            "name": name,
            "description": "Answers questions, and learns from the thumbs it gets",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": name, "always_online": True},
            "slash_commands": [
                {
                    "command": "/mynah",
                    "description": "All commands: /mynah help lists them",
                    "usage_hint": " | ".join(command.name for command in table),
                    "should_escape": False,
                },
                *(
                    {
                        "command": f"/{command.name}",
                        "description": command.help[:LONGEST_COMMAND_TEXT],
                        "usage_hint": " | ".join(filter(None, command.words)),
                        "should_escape": False,
                    }
                    for command in table
                    if command.name == "retrain"
                ),
            ],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }


def invite(token: str) -> str:
    """The link that adds the bot to a Discord server. A token begins with the application's id."""
    from adapters.discord import PERMISSIONS, SCOPES

    head = token.partition(".")[0]
    try:
        id = base64.b64decode(head + "=" * (-len(head) % 4)).decode("ascii")
    except ValueError:
        id = ""
    client = id if id.isdecimal() else "APPLICATION_ID"
    return (
        f"https://discord.com/oauth2/authorize?client_id={client}"
        f"&scope={'+'.join(SCOPES)}&permissions={PERMISSIONS.value}"
    )


def again(name: str) -> str:
    return f"python -m bots.setup {name}"


def tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
