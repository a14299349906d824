"""Personal data and secrets leave the text before it trains a model. Pure.

By their shapes, and by check digits where there are any: names and places stay. The store keeps
what people wrote; only what is written for the trainer is changed, in prompts and answers alike.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter

KEY, TOKEN, SECRET = "[private key]", "[token]", "[secret]"
EMAIL, PHONE, ADDRESS = "[e-mail address]", "[phone number]", "[IP address]"
IBAN, CARD, MENTION = "[bank account]", "[card number]", "[mention]"

# Every pattern is linear in the text: it begins at a sign that cannot stand inside of it, or at one
# that ends the search at once. A test holds them to that.

_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:.*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|.*\Z)",
    re.DOTALL,
)

# Sources of the shapes: the vendors publish their prefixes, so that scanners find leaks.
_TOKEN = re.compile(
    r"""(?<![A-Za-z0-9])(?:
        xox[abceoprs]-[\w-]{10,} | xapp-[\w-]{10,} | xwfp-[\w-]{10,}            # Slack
      | gh[opsur]_\w{20,} | github_pat_\w{20,}                                # GitHub
      | gl(?:pat|ptt|dt|rt|cbt|agent|oas|soat|imt|ft)-[\w-]{16,}              # GitLab
      | (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}                                   # AWS
      | sk-[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]{12,} | sk-[A-Za-z0-9_-]{40,}      # OpenAI, Anthropic
      | (?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}                   # Stripe
      | AIza[\w-]{30,} | ya29\.[\w-]{20,} | GOCSPX-[\w-]{20,}                 # Google
      | npm_\w{30,} | pypi-[\w-]{30,} | dckr_pat_[\w-]{20,} | hf_\w{20,}      # registries
      | SG\.[\w-]{16,}\.[\w-]{16,} | key-[0-9a-f]{32}                         # mail services
      | shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32} | do[opr]_v1_[0-9a-f]{64}
      | (?:AC|SK)[0-9a-f]{32}                                                 # Twilio
      | lin_api_\w{30,} | ntn_\w{30,} | xai-\w{30,} | gsk_\w{30,} | r8_\w{30,}
      | dapi[0-9a-f]{32} | hv[sb]\.[\w-]{20,} | AGE-SECRET-KEY-1[A-Z0-9]{50,}
      | \d{8,10}:[\w-]{35}(?![\w-])                                           # Telegram
      | [MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}                               # Discord
      | eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*                                    # JWT (RFC 7519)
    )""",
    re.VERBOSE,
)
_HOOK = re.compile(
    r"https://(?:hooks\.slack\.com/(?:services|workflows|triggers)|"
    r"(?:\w+\.)?discord(?:app)?\.com/api/webhooks)/[\w/-]+"
)
# What follows such a word is a secret, whatever it looks like.
_NAMED = re.compile(
    r"""(?ix)
      (?<![A-Za-z])(
        (?: pass(?:word|wd|phrase|code) | pwd | secret | token
          | (?:api|access|secret|private|auth|client)[_\ -]?(?:key|token|secret) )
        ["']?\s{0,3}(?:[:=]|\s(?:is|was|lautet|ist))\s{0,3}["'`]?
      )
      ([^\s"'`,;<>\[\]]{6,})
    """
)
_AUTHORIZATION = re.compile(r"(?i)(?<![A-Za-z])((?:bearer|basic)\s{1,3})([\w.~+/=-]{16,})")
_IN_URL = re.compile(r"(?<=://)[^\s/:@\[\]]{0,100}:[^\s/@\[\]]{1,200}@")
_MENTION = re.compile(r"<@[!&]?\w{1,40}(?:\|[^>\n]{0,80})?>|<(?:mailto|tel):[^>\n]{0,200}>")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[^\W\d_]{2,}")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Za-z0-9])", re.I)
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]?\d)")
_IP4 = re.compile(r"(?<![\w.])(?<!version )(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)(?![A-Za-z])")
_IP6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:)[0-9A-Fa-f:]{3,39}(?![\w:])")
_PHONE = re.compile(
    r"""(?x)
      (?<![\w.,:/+-])
      (?: (?:\+|00)\(?[1-9](?:[ ./()–-]{0,3}\d){6,14}                   # with the country (E.164)
        | \(0?\d{1,5}\)[ ./–-]{0,2}\d(?:[ ./–-]?\d){4,10}             # (030) 901820
        | 0[1-9]\d{0,4}(?=[ ./–-])(?:[ ./–-]{0,2}\d){5,10}            # 030 901820
        | 0[1-9]\d{8,10}                                              # 01701234567
        | \(?[2-9]\d\d(?:\)[ ]?|[ .-])[2-9]\d\d[ .-]\d{4}             # 212-555-0123
      )
      (?![\w])(?![.,:/-]\d)
    """
)
_WORD = re.compile(r"(?<![\w+/=.-])[\w+/=-]{32,}(?![\w+/=-])")
_CODE = re.compile(r"[A-Za-z_]+(?:[._][A-Za-z_]+)+(?:\(.*)?")

UNBROKEN = 16  # signs
GUESSED_FROM_BITS = 4.0  # a sign; hexadecimal text (hashes, ids) has at most that


def redact(text: str) -> str:
    """`text` with placeholders in the place of secrets and of what leads to a person."""
    text = _KEY.sub(KEY, text)
    text = _HOOK.sub(TOKEN, text)
    text = _TOKEN.sub(TOKEN, text)
    text = _IN_URL.sub(f"{SECRET}@", text)
    text = _NAMED.sub(_named, text)
    text = _AUTHORIZATION.sub(rf"\1{SECRET}", text)
    text = _WORD.sub(_guessed, text)
    text = _MENTION.sub(MENTION, text)
    text = _EMAIL.sub(EMAIL, text)
    text = _IBAN.sub(_account, text)
    text = _CARD.sub(lambda found: CARD if _is_card(found[0]) else found[0], text)
    text = _IP4.sub(_host, text)
    text = _IP6.sub(_host, text)
    return _PHONE.sub(lambda found: found[0] if _is_date(found[0]) else PHONE, text)


def _named(found: re.Match[str]) -> str:
    """Not every word is one: "the password is wrong", "password = os.environ"."""
    value = found[2].rstrip(".!?)")
    if (value.isalpha() and (value.islower() or value.istitle())) or _CODE.fullmatch(value):
        return found[0]
    return f"{found[1]}{SECRET}{found[2][len(value) :]}"


def _guessed(found: re.Match[str]) -> str:
    """A long word of capitals, small letters and digits, no path or name made of short ones."""
    word = found[0]
    mixed = any(map(str.isupper, word)) and any(map(str.islower, word))
    mixed = mixed and sum(map(str.isdigit, word)) >= 3
    unbroken = max(map(len, re.split("[-_/=]", word))) >= UNBROKEN
    return SECRET if mixed and unbroken and _bits(word) > GUESSED_FROM_BITS else word


def _bits(word: str) -> float:
    """Shannon's entropy of its signs."""
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)


def _account(found: re.Match[str]) -> str:
    """The longest beginning that is an IBAN (ISO 13616: check digits, and each country's length).

    Words may follow it without a sign between.
    """
    from stdnum import iban  # here, because the bot's process imports us and need not hold its 1 MB

    text = found[0]
    for end in range(len(text), 14, -1):
        if (end == len(text) or not text[end].isalnum()) and iban.is_valid(text[:end]):
            return IBAN + text[end:]
    return text


def _is_card(number: str) -> bool:
    """The check digit of ISO/IEC 7812-1, and what card numbers begin with."""
    from stdnum import luhn

    bare = re.sub(r"[ -]", "", number)
    return bare[0] in "23456" and luhn.is_valid(bare)


def _host(found: re.Match[str]) -> str:
    """An address of a machine; this one's own name nobody, nor do the parts of a program."""
    text = found[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    groups = [group for group in text.split(":") if group]
    if address.is_loopback or address.is_unspecified or (len(groups) < 2 and ":" in text):
        return text
    return ADDRESS if any(c.isdigit() for c in text) else text


def _is_date(text: str) -> bool:
    return re.fullmatch(r"0?\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", text) is not None
