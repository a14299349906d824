"""Holds requests against Discord's own OpenAPI description, where that is at hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests import specs
from tests.fake_discord_rest import Call

FILE = specs.FOLDER / "discord-openapi.json"


@cache
def description() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return data


@cache
def validator(route: str, method: str, kind: str) -> Draft202012Validator | None:
    """For a request's body of that content type; None: it may have none."""
    operation = description()["paths"][route][method.lower()]
    content = operation.get("requestBody", {}).get("content", {})
    if kind not in content:
        return None
    schema = {**content[kind]["schema"], "components": description()["components"]}
    return Draft202012Validator(schema)


def problems(calls: Sequence[Call]) -> list[str]:
    """What is wrong with each request; [] where nothing is."""
    return [f"{call.method} {call.path}: {what}" for call in calls for what in _problems(call)]


def _problems(call: Call) -> list[str]:
    item = description()["paths"].get(call.route)
    if item is None or call.method.lower() not in item:
        return ["there is no such call"]
    operation = item[call.method.lower()]
    known = [one for one in operation.get("parameters", []) if one.get("in") == "query"]
    found = [f"unknown parameter {name}" for name in call.query.keys() - {p["name"] for p in known}]
    if call.body is None:
        is_needed = operation.get("requestBody", {}).get("required", False)
        return [*found, "the body is missing"] if is_needed else found
    kind = "multipart/form-data" if call.files else "application/json"
    checks = validator(call.route, call.method, kind)
    if checks is None:
        return [*found, f"no body of type {kind} belongs here"]
    errors = checks.iter_errors(call.body)
    return found + [f"{error.json_path}: {error.message[:300]}" for error in errors]
