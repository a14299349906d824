"""config.yaml, read strictly: an error names the file, the line, what is wrong and what to write.

Every room declares its own settings; this file only puts them together. A key that ends in `_env`
names the environment variable that holds a secret, so that no secret stands in the file.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, SecretStr, ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adapters import PLATFORMS, settings_of, unknown
from bots import night
from core import connection, engine
from core.errors import ConfigError, StoreError
from core.training import settings as training
from storage import repositories

Model = TypeVar("Model", bound=BaseModel)
At = tuple[str, ...]  # where a value stands in the file: ("platforms", "slack", "bot_token_env")

SECTIONS: Mapping[str, type[BaseModel]] = {
    "bot": engine.Settings,
    "generation": connection.Settings,
    "storage": repositories.Settings,
    "training": training.Settings,
    "night": night.Settings,
}


@dataclass(frozen=True)
class Config:
    bot: engine.Settings
    generation: connection.Settings
    storage: repositories.Settings
    training: training.Settings
    night: night.Settings
    platforms: Mapping[str, BaseModel]  # those that are to be served, in the order of the file
    named: tuple[str, ...] = ()  # those that have a section in the file

    def shown(self) -> dict[str, Any]:
        """Everything as plain values, defaults included, for `--check`; secrets are masked."""
        models: dict[str, Any] = {name: getattr(self, name) for name in SECTIONS}
        out = {name: masked(model) for name, model in models.items()}
        return out | {"platforms": {name: masked(model) for name, model in self.platforms.items()}}

    def unheard_announcements(self) -> str:
        """That what is told in the channel of `bot.announce_in` reaches nobody for now, if so."""
        platform = (self.bot.announce_in or "").partition(":")[0]
        if not platform or platform in self.platforms:
            return ""
        return (
            f"bot.announce_in names a channel on {platform}, which is not served here, so that"
            " announcements wait for a start that serves it, and after a day are dropped: serve it"
            f" too (--platform {platform}), or write null."
        )

    def unused_votes(self, platform: str) -> list[str]:
        """That votes given there do not train, if so, and what to write."""
        trained = self.training.platforms
        if platform in trained:
            return []
        return [
            "Votes are kept, but nothing is learnt from them. Where its terms and your people allow"
            f" it, write `platforms: [{', '.join([*trained, platform])}]` under `training` in"
            " config.yaml."
        ]


def load(
    path: Path, platforms: Collection[str] = (), env: Mapping[str, str] | None = None
) -> Config:
    """Read `path`. `platforms`: those asked for (none: every one that has a section).

    Only the platforms that are to be served need their secrets. Raises ConfigError.
    """
    tree = Tree(path, os.environ if env is None else env)
    tree.only_keys((), [*SECTIONS, "platforms"])
    sections: dict[str, Any] = {name: tree.model((name,), kind) for name, kind in SECTIONS.items()}
    trained: tuple[str, ...] = sections["training"].platforms
    tree.only_platforms(("training", "platforms"), trained, PLATFORMS)
    bot: engine.Settings = sections["bot"]
    if bot.announce_in is not None:
        check_id(tree, ("bot", "announce_in"), bot.announce_in, "slack:C0123456789")
    for place, admin in enumerate(bot.admins):
        check_id(tree, ("bot", "admins", str(place)), admin, "slack:U012AB3CD")
    tree.only_platforms(("platforms",), tree.mapping(("platforms",)), PLATFORMS)
    if has_password(sections["storage"].url):
        raise tree.error(
            ("storage", "url"),
            "a password does not belong in this file: take it out of `storage.url` and export"
            " PGPASSWORD=..., or keep it in ~/.pgpass",
        )
    try:
        repositories.address(sections["storage"].url)
    except StoreError as error:
        raise tree.error(("storage", "url"), str(error)) from error
    asked = list(dict.fromkeys(platforms)) or list(tree.mapping(("platforms",)))
    if not asked:
        raise ConfigError(
            f"{path}: no platform to serve. Write a section such as `platforms: {{console: {{}}}}`,"
            " or pass --platform console."
        )
    served = {name: tree.model(("platforms", name), settings_of(name)) for name in asked}
    admins = {"admins": sections["bot"].admins}
    for name, settings in served.items():
        if "admins" in type(settings).model_fields:  # it shows them more; named once, under `bot`
            served[name] = settings.model_copy(update=admins)
    return Config(**sections, platforms=served, named=tuple(tree.mapping(("platforms",))))


def check_id(tree: Tree, at: At, text: str, example: str) -> None:
    """Raises ConfigError where a key of `bot` names nobody and nothing on any platform."""
    platform, _, id = text.partition(":")
    if not platform or not id or id != id.strip():
        raise tree.error(
            at,
            f'`{".".join(at[:2])}`: write "platform:id", such as "{example}", not'
            f" {shown(repr(text))}",
        )
    tree.only_platforms(at, [platform], PLATFORMS)


class Tree:
    """A YAML file as plain values, which knows the line of each."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.path, self.env = path, env
        self.lines: dict[At, int] = {}
        try:
            text = path.read_text(encoding="utf-8")
            self._refuse_references(text)
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except FileNotFoundError:
            raise ConfigError(
                f"{path}: there is no such file. Start from the folder of Mynah, or name the file"
                " with --config."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigError(f"{path}{line}: this is not YAML: {error.problem}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: this is not YAML: {error}") from error
        except RecursionError:
            raise ConfigError(f"{path}: brackets stand too deep in each other") from None
        self.values = self._plain(node, ()) if node else {}
        if not isinstance(self.values, dict):
            raise self.error((), "the file must be a mapping of sections such as `bot:`")

    def error(self, at: At, problem: str) -> ConfigError:
        while at and at not in self.lines:
            at = at[:-1]
        line = f":{self.lines[at]}" if at in self.lines else ""
        return ConfigError(f"{self.path}{line}: {problem}")

    def mapping(self, at: At) -> dict[str, Any]:
        """The mapping that stands there; empty where nothing does."""
        value: Any = self.values
        for key in at:
            value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.error(at, f"`{at[-1]}` must be a section of keys, not {shown(repr(value))}")
        return value

    def only_keys(self, at: At, known: Collection[str]) -> None:
        for key in self.mapping(at):
            if key not in known:
                raise self.unknown((*at, key), known)

    def only_platforms(self, at: At, names: Iterable[str], known: Collection[str]) -> None:
        """The names that stand there, as keys or as a list."""
        for place, name in enumerate(names):
            if name not in known:
                key = name if isinstance(names, dict) else str(place)
                raise self.error((*at, key), unknown(name, sorted(known)))

    def unknown(self, at: At, known: Collection[str]) -> ConfigError:
        near = difflib.get_close_matches(at[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(sorted(known))}"
        return self.error(at, f"unknown key `{at[-1]}`; {hint}")

    def model(self, at: At, kind: type[Model]) -> Model:
        """The section as its room declares it, secrets resolved."""
        fields = kind.model_fields
        secrets = {name for name, field in fields.items() if "SecretStr" in str(field.annotation)}
        known = [f"{name}_env" if name in secrets else name for name in fields]
        values = dict(self.mapping(at))
        for key in list(values):
            if key in secrets:
                problem = f"a secret does not belong in this file: write `{key}_env: NAME` and put"
                raise self.error((*at, key), f"{problem} the secret in that environment variable")
            if key not in known:
                raise self.unknown((*at, key), known)
            if key.removesuffix("_env") in secrets:
                name = values.pop(key)
                if name is not None:
                    values[key.removesuffix("_env")] = self._secret((*at, key), name)
        for name, field in fields.items():
            if name in secrets and field.is_required() and name not in values:
                variable = f"{at[-1]}_{name}".upper()
                if not self.env.get(variable, "").strip():
                    problem = (
                        f"`{'.'.join(at)}` lacks `{name}_env`: export {variable}=..., or write"
                    )
                    raise self.error(at, f"{problem} `{name}_env: NAME` for another variable")
                values[name] = self._secret(at, variable)
        try:
            # Strictly: YAML has types of its own. Its lists are our tuples.
            return kind.model_validate(
                {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}, strict=True
            )
        except ValidationError as error:
            first = error.errors()[0]
            where = (*at, *(str(part) for part in first["loc"]))
            name = ".".join(where)
            got = "" if first["type"] == "missing" else f", not {shown(repr(first['input']))}"
            ours = first["type"] == "value_error"  # said by a validator of a room
            problem = str(first["ctx"]["error"]) if ours else first["msg"].lower()
            raise self.error(where, f"`{name}`: {problem}{got}") from error

    def _secret(self, at: At, name: object) -> SecretStr:
        if not isinstance(name, str):
            raise self.error(at, f"`{at[-1]}` must be the name of an environment variable")
        value = self.env.get(name, "")
        if not value.strip():
            problem = f"`{at[-1]}` names the environment variable {name}, which is not set"
            raise self.error(at, f"{problem}: export {name}=... and start again")
        return SecretStr(value.strip())

    def _refuse_references(self, text: str) -> None:
        """A value stands where it is used: an alias may hold itself, a tag make what is no value.

        Raises ConfigError, and yaml.YAMLError.
        """
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken)):
                line = token.start_mark.line + 1
                raise ConfigError(
                    f"{self.path}:{line}: `&`, `*` and `!` begin no value here: write the value"
                    " itself, and put quotes around a text that begins so"
                )

    def _plain(self, node: yaml.Node, at: At) -> Any:
        self.lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            out: dict[str, Any] = {}
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    line = key_node.start_mark.line + 1
                    raise ConfigError(f"{self.path}:{line}: a key must be a word")
                key = str(key_node.value)
                self.lines[*at, key] = key_node.start_mark.line + 1
                if key in out:
                    raise self.error((*at, key), f"`{key}` stands here a second time")
                out[key] = self._plain(value_node, (*at, key))
            return out
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*at, str(i))) for i, item in enumerate(node.value)]
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (ValueError, yaml.YAMLError):  # it looks like a date or a number
            problem = f"`{node.value}` cannot be read: put quotes around it if it is a text"
            raise self.error(at, problem) from None


def masked(model: BaseModel) -> dict[str, Any]:
    """The model's values in plain types, with every secret as stars."""
    plain = model.model_dump(mode="json")
    return {
        name: "********" if isinstance(value, SecretStr) else shown(plain[name])
        for name, value in model
    }


# A name and a password in any address; over HTTP a name alone may be a key.
WHO = re.compile(r"(?<=://)[^/\s]*:.*@|(?<=http://)[^/\s]*@|(?<=https://)[^/\s]*@")


def shown(value: Any) -> Any:
    """A value as it may be printed."""
    return WHO.sub("********@", value) if isinstance(value, str) else value


def has_password(url: str) -> bool:
    with suppress(ArgumentError, ValueError):
        parts = make_url(url)
        return parts.password is not None or "password" in parts.query
    return False  # `address` says what is wrong with it
