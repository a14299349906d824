"""`python -m bots.setup`: what to do on each platform, then what is missing there."""

import asyncio
import base64
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from bots import setup
from bots.config import load
from tests import specs
from tests.fake_discord import TOKEN as DISCORD_TOKEN
from tests.fake_discord import FakeDiscord
from tests.fake_slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import TOKEN as TELEGRAM_TOKEN

TOP = Path(__file__).resolve().parent.parent.parent
SCHEMA = specs.FOLDER / "slack" / "manifest.schema.2.0.0.json"
EVENTS = specs.FOLDER / "slack" / "events.json"


@pytest.fixture
def configured(tmp_path):
    async def write(name, env, **settings):
        lines = [f"{key.lower().removeprefix(f'{name}_')}_env: {key}" for key in env]
        lines += [f"{key}: {value}" for key, value in settings.items()]
        section = "".join(f"    {line}\n" for line in lines)
        path = tmp_path / "config.yaml"
        path.write_text(f"platforms:\n  {name}:\n{section}")
        return await asyncio.to_thread(load, path, env=env)

    return write


@pytest.fixture(autouse=True)
def no_tokens(monkeypatch):
    """What a developer's environment holds would be taken for this test's."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "DISCORD_BOT_TOKEN", "TELEGRAM_BOT_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["slack", "discord", "telegram"])
def test_without_a_token_it_says_what_to_do_first(name, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("platforms: {console: {}}\n")
    assert setup.main([name, "--config", str(tmp_path / "config.yaml")]) == 1
    out, told = capsys.readouterr()
    assert out
    assert f"{name.upper()}_BOT_TOKEN" in told
    assert told.splitlines()[-1].startswith("To do next: ")
    assert f": export {name.upper()}_BOT_TOKEN=..., or write" in told.splitlines()[-1]


def test_only_the_manifest_is_on_stdout_and_bears_the_bots_name(tmp_path):
    (tmp_path / "config.yaml").write_text("bot: {name: Ada}\nplatforms: {console: {}}\n")
    command = [sys.executable, "-m", "bots.setup", "slack", "--config", f"{tmp_path}/config.yaml"]
    run = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    manifest = json.loads(run.stdout)
    assert manifest["display_information"]["name"] == "Ada"
    assert "/invite @Ada" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_manifest_is_valid_by_slacks_own_schema():
    if not SCHEMA.exists():
        pytest.skip(specs.missing(SCHEMA))
    schema = json.loads(SCHEMA.read_text())
    jsonschema.validate(setup.manifest("Mynah"), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(setup.manifest("x" * 1_000), schema)


def test_the_manifest_subscribes_to_what_slack_knows_and_has_its_scopes():
    if not EVENTS.exists():
        pytest.skip(specs.missing(EVENTS))
    known = {event["name"]: event for event in json.loads(EVENTS.read_text())}
    manifest = setup.manifest("Mynah")
    scopes = set(manifest["oauth_config"]["scopes"]["bot"])
    for event in manifest["settings"]["event_subscriptions"]["bot_events"]:
        needed = {scope.replace(".", ":") for scope in known[event]["scopes"]}
        assert needed <= scopes, event


def test_the_manifest_asks_for_what_the_adapter_uses_and_no_more():
    manifest = setup.manifest("Mynah")
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    needed = {"message.channels": "channels:history", "reaction_added": "reactions:read"}
    needed |= {"agent_session_stopped": "chat:write"}
    for event, scope in needed.items():
        assert event in events
        assert scope in scopes
    assert not {"chat:write.public", "users:read.email", "channels:join"} & set(scopes)
    assert manifest["settings"]["socket_mode_enabled"]
    assert [one["command"] for one in manifest["features"]["slash_commands"]] == [
        "/mynah",
        "/retrain",
    ]


def test_the_invitation_asks_for_exactly_the_permissions_that_are_used():
    bits = {10: "see", 11: "send", 15: "files", 16: "history", 38: "send in threads"}
    link = setup.invite("")
    assert "client_id=APPLICATION_ID&scope=bot+applications.commands&" in link
    assert link.endswith(f"permissions={sum(1 << bit for bit in bits)}")
    token = base64.b64encode(b"123456789012345678").decode().rstrip("=") + ".x.y"
    assert "client_id=123456789012345678&" in setup.invite(token)
    assert "client_id=APPLICATION_ID&" in setup.invite("n\xf6.nsense")


def test_a_mistake_in_the_settings_is_exit_code_2(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("bot: {nmae: Ada}\n")
    assert setup.main(["slack", "--config", str(tmp_path / "config.yaml")]) == 2
    assert "did you mean `name`?" in capsys.readouterr().err


async def test_slack_names_the_scopes_that_the_app_lacks(configured, capsys):
    async with FakeSlack() as slack:
        env = {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN}
        config = await configured("slack", env, base_url=slack.base_url)
        assert await setup.check("slack", config) == 0
        told = capsys.readouterr().err
        assert "ok: " in told
        assert "python -m bots.run --platform slack" in told
        assert "write `platforms: [console, slack]` under `training`" in told
        slack.scopes = ",".join(
            scope for scope in slack.scopes.split(",") if scope != "reactions:read"
        )
        assert await setup.check("slack", config) == 1
        told = capsys.readouterr().err
        assert "\n- " in told
        assert "reactions:read" in told
        assert "commands" not in told
        assert BOT_TOKEN not in told


async def test_a_token_that_slack_does_not_know_is_named_by_its_setting(configured, capsys):
    async with FakeSlack() as slack:
        env = {"SLACK_BOT_TOKEN": "xoxb-wrong", "SLACK_APP_TOKEN": APP_TOKEN}
        config = await configured("slack", env, base_url=slack.base_url)
        assert await setup.check("slack", config) == 1
        told = capsys.readouterr().err
        assert "bot_token" in told
        assert "xoxb-wrong" not in told


async def test_discord_names_the_intent_that_is_off(configured, capsys):
    async with FakeDiscord() as discord:
        env = {"DISCORD_BOT_TOKEN": DISCORD_TOKEN}
        where = {"base_url": discord.base_url, "gateway_url": discord.gateway_url}
        config = await configured("discord", env, **where)
        assert await setup.check("discord", config) == 0
        discord.allows_content = False
        assert await setup.check("discord", config) == 1
        assert "\n- The Message Content intent is off" in capsys.readouterr().err


class Telegram(FakeTelegram):
    def _do_getWebhookInfo(self, _):
        return {"url": "", "has_custom_certificate": False, "pending_update_count": 0}


async def test_telegram_says_that_privacy_mode_is_on(configured, capsys):
    async with Telegram(privacy=False) as telegram:
        config = await configured(
            "telegram", {"TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN}, base_url=telegram.url
        )
        assert await setup.check("telegram", config) == 0
        assert "@" in capsys.readouterr().err
        telegram.reads_all = False
        assert await setup.check("telegram", config) == 1
        assert "/setprivacy" in capsys.readouterr().err
