"""config.yaml: what is wrong is said with file, line, and what to write."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, SecretStr

import adapters
from bots.config import load, masked
from bots.wiring import canary_share, examples_for
from core.errors import ConfigError

SHIPPED = Path(__file__).resolve().parent.parent.parent / "config.yaml"
PLATFORMS = ["slack", "discord", "telegram"]
TOKENS = ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "DISCORD_BOT_TOKEN", "TELEGRAM_BOT_TOKEN"]


class Settings(BaseModel):
    """Of a platform that exists in this file only."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    bot_token: SecretStr
    base_url: str = "http://example.invalid"


@pytest.fixture(autouse=True)
def platforms():
    adapters.PLATFORMS["pigeon"] = adapters.Platform(__name__, "None")
    adapters.PLATFORMS["owl"] = adapters.Platform("no_such_sdk.adapter", "Owl", extra="owl")
    yield
    del adapters.PLATFORMS["pigeon"], adapters.PLATFORMS["owl"]


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "config.yaml").write_text(text)
        return tmp_path / "config.yaml"

    return write


def test_the_starter_model_is_shown_no_examples_and_another_is(written):
    assert examples_for(load(SHIPPED, env={})) == 0
    url = written(
        'generation: {url: "http://127.0.0.1:8000/v1", model: llama}\nplatforms: {console: {}}\n'
    )
    assert examples_for(load(url, env={})) == 3


def test_the_shipped_file_works_and_serves_the_console():
    config = load(SHIPPED, env={})
    assert list(config.platforms) == ["console"]
    assert config.generation.url is None
    assert config.training.platforms == ("console",)


def test_the_shipped_file_names_every_setting_with_its_default():
    shipped = yaml.safe_load(SHIPPED.read_text())
    shown = load(SHIPPED, env={}).shown()
    for section in ("bot", "generation", "storage", "training"):
        model = type(getattr(load(SHIPPED, env={}), section))
        hidden = {n for n, f in model.model_fields.items() if "SecretStr" in str(f.annotation)}
        missing = set(shown[section]) - hidden - set(shipped[section])
        assert not missing, f"config.yaml lacks {section}: {missing}"
        defaults = model().model_dump(mode="json")
        assert {k: defaults[k] for k in shipped[section]} == shipped[section]
    console = adapters.settings_of("console")().model_dump(mode="json")
    assert shipped["platforms"] == {"console": console}


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_shipped_file_shows_every_setting_of_a_platform_as_a_comment(name, tmp_path):
    text = SHIPPED.read_text()
    path = tmp_path / "config.yaml"
    block = re.findall(rf"^  # {name}:\n(?:  #   .*\n)+", text, re.MULTILINE)[0]
    path.write_text(text.replace(block, re.sub("^  # ", "  ", block, flags=re.MULTILINE)))
    shown = load(path, [name], env=dict.fromkeys(TOKENS, "secret")).shown()["platforms"][name]
    section = yaml.safe_load(path.read_text())["platforms"][name]
    fields = adapters.settings_of(name).model_fields
    secrets = {key for key, field in fields.items() if field.annotation is SecretStr}
    assert {key: f"{name}_{key}".upper() for key in secrets} == {
        key.removesuffix("_env"): value for key, value in section.items() if key.endswith("_env")
    }
    assert {key: shown[key] for key in section if not key.endswith("_env")} == {
        key: fields[key].get_default() for key in fields.keys() - secrets - {"admins"}
    }
    assert all(shown[key] == "********" for key in secrets)


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_platform_that_has_no_section_says_what_to_write_and_export(written, name):
    path = written("bot: {}\n")
    with pytest.raises(ConfigError, match=rf"lacks `bot_token_env`: export {name.upper()}_BOT_TOK"):
        load(path, [name], env={})


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_usual_variables_need_not_be_named(written, name):
    path = written("bot: {}\n")
    config = load(path, [name], env=dict.fromkeys(TOKENS, "very secret"))
    assert config.shown()["platforms"][name]["bot_token"] == "********"
    assert "very secret" not in f"{config}"


def test_a_platform_that_shows_admins_more_knows_those_of_the_bot(written):
    path = written(
        'bot: {admins: ["telegram:7", "slack:U1"]}\n'
        "platforms: {telegram: {bot_token_env: TELEGRAM_BOT_TOKEN}}\n"
    )
    shown = load(path, env={"TELEGRAM_BOT_TOKEN": "secret"}).shown()
    assert shown["platforms"]["telegram"]["admins"] == ["telegram:7", "slack:U1"]


def test_a_channel_to_announce_in_on_a_platform_that_is_not_served_is_said_to_hear_nothing(written):
    path = written("bot: {announce_in: 'telegram:-100'}\nplatforms: {console: }")
    env = {"TELEGRAM_BOT_TOKEN": "secret"}
    assert "--platform telegram" in load(path, env=env).unheard_announcements()
    assert load(path, ["telegram"], env=env).unheard_announcements() == ""
    assert load(written("platforms: {console: }")).unheard_announcements() == ""


def test_the_name_is_filled_into_the_system_text(written):
    config = load(
        written('bot: {name: Ada, system: "You are {name}. {x}"}\nplatforms: {console: }')
    )
    assert config.bot.system_text == "You are Ada. {x}"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("bot:\n  nmae: Ada\n", 2, "unknown key `nmae`; did you mean `name`?"),
        ("bto: {}\n", 1, "unknown key `bto`; did you mean `bot`?"),
        ("bot:\n  zzz: 1\n", 2, "unknown key `zzz`; known here: "),
        ("bot:\n  name: Ada\n  turns_per_minute: many\n", 3, "`bot.turns_per_minute`: "),
        ("bot:\n  turns_per_minute: 0\n", 2, "greater than or equal to 1, not 0"),
        ("generation:\n  url: example.com\n", 2, "http://127.0.0.1:8000/v1"),
        ("bot:\n  announce_in: C0123\n", 2, "\"slack:C0123456789\", not 'C0123'"),
        ("bot:\n  announce_in: 'slack:'\n", 2, "\"slack:C0123456789\", not 'slack:'"),
        ("bot:\n  announce_in: slakc:C0123\n", 2, "no platform `slakc`"),
        ("bot:\n  admins:\n  - U012AB3CD\n", 3, "\"slack:U012AB3CD\", not 'U012AB3CD'"),
        ("bot:\n  admins: ['slack:U1', 'slakc:U2']\n", 2, "no platform `slakc`"),
        ("bot: [1]\n", 1, "`bot` must be a section of keys"),
        ("bot: {}\nbot: {}\n", 2, "`bot` stands here a second time"),
        ("bot:\n  name: [\n", 3, "this is not YAML"),
        ("- a\n", 1, "must be a mapping of sections"),
        ("platforms:\n  console:\n    colour: red\n", 3, "unknown key `colour`"),
        ("training:\n  platforms: [console]\n  at_least: -1\n", 3, "`training.at_least`"),
        ("generation:\n  key: sk-secret\n", 2, "a secret does not belong in this file"),
        ("generation:\n  key_env: [1]\n", 2, "must be the name of an environment variable"),
        ("bot:\n  name: 2020-13-45\n", 2, "`2020-13-45` cannot be read: put quotes around it"),
        ("bot:\n  turns_per_minute: 0x_\n", 2, "`0x_` cannot be read"),
        ("bot:\n  name: =\n", 2, "`=` cannot be read"),
        ("bot:\n  name: !foo bar\n", 2, "write the value itself"),
        ("bot:\n  name: !!int x\n", 2, "write the value itself"),
        ("bot:\n  admins: &x [*x]\n", 2, "write the value itself"),
        ("training:\n  platforms: [[console]]\n", 2, "`training.platforms.0`: "),
        ("training:\n  platforms: 5\n", 2, "`training.platforms`: "),
        (
            "generation:\n  max_tokens: '512'\n",
            2,
            "`generation.max_tokens`: input should be a valid",
        ),
        ("bot:\n  turns_per_minute: true\n", 2, "valid integer, not True"),
        ("training:\n  retire_at_once: 'yes'\n", 2, "should be a valid boolean, not 'yes'"),
        ("bot:\n  retry_for_h: true\n", 2, "`bot.retry_for_h`: "),
        ("bot:\n  ? [a]\n  : b\n", 2, "a key must be a word"),
        ("storage:\n  url: mysql://x\n", 2, "names no database that Mynah knows. Write sqlite:///"),
        (
            "storage:\n  url: postgresql://u:hunter2@h:x/y\n",
            2,
            "names no database that Mynah knows",
        ),
        ("storage:\n  url: sqlite:////tmp\n", 2, "Name a file in it: sqlite:////tmp/mynah.db"),
        (
            "storage:\n  url: sqlite:///m.db?mode=ro\n",
            2,
            "no options for SQLite. Write: sqlite:///m",
        ),
        (
            "night:\n  at: 22:30\n",
            2,
            '`night.at`: must be a time in quotes, such as "03:00", or null, not 1350',
        ),
        ("night:\n  at: '24:00'\n", 2, "`night.at`: must be a time in quotes"),
        (
            "night:\n  at: '03:00'\n  zone: Europe/Berln\n",
            3,
            "`night.zone`: must be a time zone such as Europe/Berlin, not 'Europe/Berln'",
        ),
        ("night:\n  zone: Europe\n", 2, "`night.zone`: must be a time zone such as "),
        ("generation:\n  key_env: NOT_SET\n", 2, "NOT_SET, which is not set: export NOT_SET="),
    ],
)
def test_a_mistake_is_named_with_its_line(written, text, line, words):
    path = written(text)
    with pytest.raises(ConfigError) as caught:
        load(path, ["console"], env={})
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)
    assert "sk-secret" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_of_brackets_is_refused(written):
    with pytest.raises(ConfigError, match=r"config\.yaml: brackets stand too deep"):
        load(written("bot: " + "[" * 5_000 + "]" * 5_000))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "config.yaml")


def test_without_a_platform_it_says_what_to_write(written):
    with pytest.raises(ConfigError, match="--platform console"):
        load(written("bot: {}\n"))


def test_a_platform_that_is_asked_for_needs_no_section(written):
    assert list(load(written("bot: {}\n"), ["console", "console"]).platforms) == ["console"]


def test_an_unknown_platform_names_the_known_ones(written):
    with pytest.raises(ConfigError, match="no platform `fax` in this version; it has: console"):
        load(written("bot: {}\n"), ["fax"])


@pytest.mark.parametrize("asked", [[], ["console"]])
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("platforms:\n  consoel: {}\n", 2, "no platform `consoel` in this version; did you mean"),
        ("platforms:\n  console: {}\n  fax: {}\n", 3, "no platform `fax` in this version; it has"),
        ("training:\n  platforms:\n  - console\n  - slak\n", 4, "did you mean `slack`?"),
        ("training: {platforms: [con]}\n", 1, "no platform `con` in this version"),
    ],
)
def test_an_unknown_platform_in_the_file_is_named_with_its_line(written, asked, text, line, words):
    path = written(text)
    with pytest.raises(ConfigError) as caught:
        load(path, asked, env={})
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)


def test_the_votes_of_platforms_that_are_not_served_may_be_named(written):
    path = written("training: {platforms: [console, slack, discord, telegram]}\n")
    assert len(load(path, ["console"]).training.platforms) == 4


def test_a_platform_whose_sdk_is_missing_names_the_extra_to_install(written):
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[owl\]' -c constraints\.txt"):
        load(written("bot: {}\n"), ["owl"])


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:hunter2@host/mynah",
        "postgresql+psycopg://u@host/mynah?password=hunter2",
    ],
)
def test_a_password_in_the_stores_address_is_refused_and_not_repeated(written, url):
    with pytest.raises(ConfigError, match=r"config\.yaml:2: .*export PGPASSWORD") as caught:
        load(written(f"storage:\n  url: {url}\n"), ["console"], env={})
    assert "hunter2" not in str(caught.value)
    without = url.replace(":hunter2", "").partition("?")[0]
    config = load(written(f"storage:\n  url: {without}\n"), ["console"], env={})
    assert config.shown()["storage"]["url"] == without


@pytest.mark.parametrize("who", ["u:hunter2", "hunter2", "u:hunter2/x@y", ":hunter2"])
def test_who_asks_the_models_server_is_not_shown(written, who):
    path = written(f"generation:\n  url: http://{who}@localhost:8000/v1\n")
    config = load(path, ["console"], env={})
    assert config.shown()["generation"]["url"] == "http://********@localhost:8000/v1"


@pytest.mark.parametrize(
    "text", ["generation: {url: 'ftp://u:hunter2@host'}", "storage: 'postgresql://u:hunter2@host'"]
)
def test_a_mistake_beside_a_password_does_not_repeat_it(written, text):
    with pytest.raises(ConfigError) as caught:
        load(written(text), ["console"], env={})
    assert "hunter2" not in str(caught.value)


def test_only_the_platforms_asked_for_need_their_secrets(written):
    path = written("platforms:\n  console: {}\n  pigeon:\n    bot_token_env: PIGEON\n")
    assert list(load(path, ["console"], env={}).platforms) == ["console"]
    with pytest.raises(ConfigError, match=r"config\.yaml:4: .*PIGEON, which is not set"):
        load(path, env={})


def test_a_secret_that_nobody_named_is_asked_for(written):
    with pytest.raises(ConfigError, match=r":2: `platforms.pigeon` lacks `bot_token_env`"):
        load(written("platforms:\n  pigeon: {}\n"), env={})


def test_secrets_are_resolved_and_never_shown(written):
    path = written("platforms:\n  pigeon:\n    bot_token_env: PIGEON\n")
    config = load(path, env={"PIGEON": " coo-coo \n"})
    pigeon = config.platforms["pigeon"]
    assert isinstance(pigeon, Settings)
    assert pigeon.bot_token.get_secret_value() == "coo-coo"
    assert masked(pigeon) == {"bot_token": "********", "base_url": "http://example.invalid"}
    assert "coo" not in f"{config} {config.shown()}"


def test_a_whole_number_is_a_number_with_a_fraction_too(written):
    config = written("generation:\n  temperature: 1\nplatforms: {console: {}}\n")
    assert load(config).generation.temperature == 1.0


@pytest.mark.parametrize(
    ("asked", "share"), [(["console"], 0.0), (["console", "pigeon"], 0.3), (["pigeon"], 0.3)]
)
def test_with_only_the_console_served_a_new_tune_answers_everybody(written, asked, share):
    path = written("training: {canary: 0.3}\nplatforms: {console: {}}")
    config = load(path, asked, env={"PIGEON_BOT_TOKEN": "coo"})
    assert canary_share(config) == share


def test_where_only_the_console_is_served_the_platforms_in_the_file_count_too(written):
    config = load(written("platforms: {console: {}, pigeon: {}}"), ["console"], env={})
    assert [*config.platforms] == ["console"]
    assert canary_share(config) == 0.2


def test_where_the_file_names_the_console_alone_the_platforms_that_train_count_too(written):
    text = "training: {platforms: [console, slack]}\nplatforms: {console: {}}"
    assert canary_share(load(written(text), ["console"], env={})) == 0.2


def test_a_share_that_is_too_small_to_judge_is_said_to_be(written):
    with pytest.raises(
        ConfigError, match=r"`training\.canary`: must be 0, or 0\.05 to 0\.5, not 0"
    ):
        load(written("training: {canary: 0.01}\nplatforms: {console: {}}"))


@pytest.mark.parametrize("share", ["0.6", "-0.1", "much"])
def test_no_share_is_more_than_half(written, share):
    with pytest.raises(ConfigError, match=r":1: `training\.canary`"):
        load(written(f"training: {{canary: {share}}}\nplatforms: {{console: {{}}}}"))
