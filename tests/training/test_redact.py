"""Secrets and what leads to a person go, by shape and check digit; ordinary text stays."""

import random
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.training.redact import redact

dice = random.Random(4)


def signs(alphabet, count):
    return "".join(dice.choices(alphabet, k=count))


LETTERS, HEX = string.ascii_letters + string.digits, "0123456789abcdef"
PEM = "-----BEGIN {0}PRIVATE KEY-----\nMIIB\nabc\n-----END {0}PRIVATE KEY-----"

# Put together here, so that no scanner takes this file for a leak.
TOKENS = {
    "Slack's bot": "xoxb-" + "1234567890-abcdefghij",
    "Slack's app": "xapp-1-" + signs(LETTERS, 30),
    "Slack's hook": "https://hooks.slack.com/services/T01/B02/" + signs(LETTERS, 24),
    "GitHub": "ghp_" + signs(LETTERS, 36),
    "GitHub, fine-grained": "github_pat_" + signs(LETTERS, 40),
    "GitLab": "glpat-" + signs(LETTERS, 20),
    "AWS": "AKIA" + signs(string.ascii_uppercase, 16),
    "OpenAI": "sk-proj-" + signs(LETTERS, 60),
    "Anthropic": "sk-ant-api03-" + signs(LETTERS, 60),
    "Stripe": "sk_live_" + signs(LETTERS, 24),
    "Google": "AIza" + signs(LETTERS, 35),
    "npm": "npm_" + signs(LETTERS, 36),
    "PyPI": "pypi-" + signs(LETTERS, 60),
    "Hugging Face": "hf_" + signs(LETTERS, 34),
    "SendGrid": "SG." + signs(LETTERS, 22) + "." + signs(LETTERS, 43),
    "Telegram": "123456789" + ":AA" + signs(LETTERS, 33),
    "Discord": "M" + signs(LETTERS, 25) + "." + signs(LETTERS, 6) + "." + signs(LETTERS, 38),
    "Discord's hook": "https://discord.com/api/webhooks/12345/" + signs(LETTERS, 60),
    "JWT": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0" + ".c2lnbmF0dXJl",
}


@pytest.mark.parametrize("vendor", TOKENS)
@pytest.mark.parametrize("around", ["use {}, please", "`{}`", "key={}", '{{"key": "{}"}}', "{}"])
def test_tokens_become_placeholders(vendor, around):
    written = redact(around.format(TOKENS[vendor]))
    assert TOKENS[vendor][8:] not in written
    assert written == around.format("[token]")


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_private_keys_become_placeholders_also_when_they_are_cut(kind):
    key = PEM.format(kind)
    assert redact(f"key:\n{key}\nend") == "key:\n[private key]\nend"
    assert redact(f"{key} and {key}") == "[private key] and [private key]"
    assert redact(f"key:\n{key[:40]}") == "key:\n[private key]"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("write to ann.b+c@mail.example.org.", "write to [e-mail address]."),
        ("<jürgen@müller.example>", "<[e-mail address]>"),
        ("pay with 4111 1111 1111 1111 now", "pay with [card number] now"),
        ("378282246310005,", "[card number],"),
        ("to DE89 3704 0044 0532 0130 00.", "to [bank account]."),
        ("gb82west12345698765432", "[bank account]"),
        ("DE89370400440532013000 and more", "[bank account] and more"),
        ("call +49 30 901820 or (030) 901820", "call [phone number] or [phone number]"),
        ("01701234567, 0170 1234567.", "[phone number], [phone number]."),
        ("212-555-0123 (212) 555-0123", "[phone number] [phone number]"),
        ("+1 (555) 010-9999, 0044 20 7946 0958", "[phone number], [phone number]"),
        ("ssh 10.0.0.7:22 or 2001:db8::1", "ssh [IP address]:22 or [IP address]"),
        ("password: hunter22!", "password: [secret]!"),
        ("my password is Tr0ub4dor&3", "my password is [secret]"),
        ('API_KEY="abc123def456"', 'API_KEY="[secret]"'),
        ("Authorization: Bearer abcdefghijklmnop12", "Authorization: Bearer [secret]"),
        ("https://ann:s3cret@example.org/x", "https://[secret]@example.org/x"),
        ("wJ4lrXUtnF3MI/K7MDENG/bPx9RfiCYzEXAM8LEKY", "[secret]"),
        ("ask <@U024BE7LH> or <@!8035111>", "ask [mention] or [mention]"),
    ],
)
def test_what_leads_to_a_person_or_opens_a_door_becomes_a_placeholder(text, written):
    assert redact(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112 fails the check",
        "DE89 3704 1144 1532 1130 01 fails the check",
        "pi is 3.14159265358979323846",
        "run /retrain at 12:30:45 on 2026-01-02, or 01.02.2026, or 01/02/2026",
        "a @mention, a_name and a-dash",
        "sk-ip the queue",
        "http://127.0.0.1:8000/v1 and ::1 and 0.0.0.0",
        "version 1.2.3.4, v1.2.3.4, 1.2.3",
        "std::vector, a[::2], x::y",
        "the password is wrong, and a token is a piece of a word",
        "password = os.environ, token=get_token()",
        "3f786850e387550fdab836ed7e6dc881de23001b",
        "core/training/dataset.py and huggingface.co/Qwen/Qwen3-8B-Instruct-2507-FP8",
        "1 000 000 people, 100 200 3000, 2025-2026, 40 + 2",
        "<b>bold</b> and <!channel>",
    ],
)
def test_ordinary_text_stays(text):
    assert redact(text) == text


def checked_iban(country, account):
    """Check digits by the rule of ISO 13616: 98 less the remainder."""
    moved = "".join(str(int(c, 36)) for c in f"{account}{country}00")
    return f"{country}{98 - int(moved) % 97:02}{account}"


@given(st.text("0123456789", min_size=18, max_size=18))
def test_every_account_with_right_check_digits_goes_and_none_with_wrong_ones(account):
    number = checked_iban("DE", account)
    assert redact(f"to {number} now") == "to [bank account] now"
    wrong = f"DE{(int(number[2:4]) + 1) % 100:02}{account}"
    assert "[bank account]" not in redact(wrong)


@given(st.text("0123456789", min_size=14, max_size=14))
def test_of_ten_card_numbers_one_is_right(digits):
    found = [redact(f"5{digits}{last}") == "[card number]" for last in range(10)]
    assert sum(found) == 1


@given(st.text())
@settings(deadline=None)
def test_what_is_redacted_once_stays_as_it_is(text):
    assert redact(redact(text)) == redact(text)


BITS = ["a", "1", "1 ", "a.b-", "-----BEGIN PRIVATE KEY-----", "a:", "1.1.", "DE12", "DE12 ", "eyJ"]
BITS += ["eyJaaaaaaaa.", "password ", "://a:", "<@", "+1 ", "(1)", "a@", "a@b.", "sk-", "sk-1", "M"]


@pytest.mark.parametrize("bit", BITS)
def test_a_long_text_takes_no_long_time(bit):
    text = bit * (40_000 // len(bit))
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 2
