"""Obvious secrets and addresses leave the text before it trains a model. Pure.

Patterns only: names and places stay. The store keeps what people wrote; only what is written for
the trainer is changed, in prompts and answers alike.
"""

from __future__ import annotations

import re

# Sources of the shapes: Slack, GitHub, AWS, OpenAI, Google and npm publish their tokens' prefixes.
_TOKEN = re.compile(
    r"""\b(?:
        xox[abeprs]-[\w-]{10,} | xapp-[\w-]{10,}
      | gh[opsur]_\w{20,} | github_pat_\w{20,} | glpat-[\w-]{16,}
      | (?:AKIA|ASIA)[A-Z0-9]{16}
      | sk-[\w-]{16,}
      | AIza[\w-]{30,} | npm_\w{30,} | hf_\w{20,}
      | \d{8,10}:AA[\w-]{30,}
      | eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+
    )""",
    re.VERBOSE,
)
_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
_DIGITS = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])")


def redact(text: str) -> str:
    """`text` with placeholders in the place of keys, tokens, e-mail addresses and card numbers."""
    text = _KEY.sub("[private key]", text)
    text = _TOKEN.sub("[token]", text)
    text = _EMAIL.sub("[e-mail address]", text)
    return _DIGITS.sub(lambda m: "[card number]" if luhn(m[0]) else m[0], text)


def luhn(number: str) -> bool:
    """Whether the digits pass the check that card numbers end in (ISO/IEC 7812-1)."""
    digits = [int(sign) for sign in number if sign.isdigit()][::-1]
    return sum(digits[::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0
