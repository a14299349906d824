"""Obvious secrets go, ordinary words and numbers stay."""

import pytest

from core.training.redact import redact

# Put together here, so that no scanner takes this file for a leak.
GITHUB = "ghp_" + "a1B2" * 9
AWS = "AKIA" + "ABCDEFGH" * 2
SLACK = "xoxb-" + "1234567890-abcdefghij"
TELEGRAM = "123456789" + ":AA" + "bcdefghij-" * 3 + "bcd"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0" + ".c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\nabc\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize("token", [GITHUB, AWS, SLACK, TELEGRAM, JWT])
def test_tokens_become_placeholders(token):
    assert redact(f"use {token}, please") == "use [token], please"


def test_keys_addresses_and_cards_become_placeholders():
    assert redact(f"key:\n{PEM}\nend") == "key:\n[private key]\nend"
    assert redact("write to ann.b+c@mail.example.org.") == "write to [e-mail address]."
    assert redact("pay with 4111 1111 1111 1111 now") == "pay with [card number] now"


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112 fails the check",
        "pi is 3.14159265358979323846",
        "run /retrain at 12:30 on 2026-01-02",
        "a @mention, a_name and a-dash",
        "sk-ip the queue",
    ],
)
def test_ordinary_text_stays(text):
    assert redact(text) == text
