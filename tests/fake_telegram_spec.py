"""Holds calls and updates against the Bot API's description, where that is at hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from tests import specs
from tests.fake_telegram_chats import Call

FILE = specs.FOLDER / "telegram-bot-api.json"
PLAIN: dict[str, tuple[type, ...]] = {
    "Integer": (int,),
    "String": (str,),
    "Boolean": (bool,),
    "Float": (int, float),
}


@cache
def description() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return data


def problems(calls: Iterable[Call]) -> list[str]:
    """What is wrong with each call; [] where nothing is."""
    return [f"{call.method}: {what}" for call in calls for what in _of_call(call)]


def problems_of(value: Any, kind: str) -> list[str]:
    """What is wrong with something that Telegram sends, such as an Update."""
    return list(_of_value(value, [kind], kind))


def _of_call(call: Call) -> Iterator[str]:
    method = description()["methods"].get(call.method)
    if method is None:
        yield "there is no such method"
        return
    fields = {field["name"]: field for field in method.get("fields", [])}
    files = {name for name, value in call.params.items() if isinstance(value, tuple)}
    for name in call.params.keys() - fields.keys() - files:
        yield f"there is no field {name}"
    for name, field in fields.items():
        if name not in call.params:
            if field["required"]:
                yield f"{name} is missing"
        elif name not in files:
            yield from _of_value(_read(call.params[name], field["types"]), field["types"], name)
        elif "InputFile" not in field["types"]:
            yield f"{name} is a file"


def _read(raw: str, kinds: Sequence[str]) -> Any:
    """Over the wire all is text: what is no text by its type is JSON."""
    if kinds == ["String"]:
        return raw
    try:
        return json.loads(raw)
    except ValueError:
        return raw


def _of_value(value: Any, kinds: Sequence[str], at: str) -> Iterator[str]:
    """`value` must be of one of the kinds."""
    tries = [list(_of_kind(value, kind, at)) for kind in kinds]
    yield from min(tries, key=len)


def _of_kind(value: Any, kind: str, at: str) -> Iterator[str]:
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            yield f"{at} is no list"
            return
        for number, one in enumerate(value):
            yield from _of_value(one, [kind.removeprefix("Array of ")], f"{at}[{number}]")
    elif kind in PLAIN:
        is_one = isinstance(value, PLAIN[kind]) and isinstance(value, bool) == (kind == "Boolean")
        if not is_one:
            yield f"{at} is no {kind}"
    else:
        described = description()["types"][kind]
        if described.get("subtypes"):
            yield from _of_value(value, described["subtypes"], at)
            return
        if not isinstance(value, dict):
            yield f"{at} is no {kind}"
            return
        fields = {field["name"]: field for field in described.get("fields", [])}
        for name in value.keys() - fields.keys():
            yield f"{at} has no field {name}"
        for name, field in fields.items():
            if name in value:
                yield from _of_value(value[name], field["types"], f"{at}.{name}")
            elif field["required"]:
                yield f"{at}.{name} is missing"
