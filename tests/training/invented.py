"""Secrets, personal data and ordinary text, invented: by the vendors' own descriptions and by the
norms, not by what the product looks for. Put together here, so that no scanner takes it for a leak.

Each is made by a function of the dice.
"""

import string

LETTERS, HEX = string.ascii_letters + string.digits, "0123456789abcdef"


def signs(dice, alphabet, count):
    return "".join(dice.choices(alphabet, k=count))


def digits(dice, count):
    return signs(dice, string.digits, count)


def letters(dice, count):
    return signs(dice, LETTERS, count)


def hexes(dice, count):
    return signs(dice, HEX, count)


def luhn(digits):
    """With the check digit that makes it a card's number (ISO/IEC 7812-1, annex B)."""
    twice = sum(sum(map(int, str(2 * int(one)))) for one in digits[::-1][::2])
    once = sum(int(one) for one in digits[::-1][1::2])
    return f"{digits}{-(twice + once) % 10}"


def iban(dice, country, bank, length):
    account = bank + digits(dice, length)
    moved = "".join(str(int(sign, 36)) for sign in f"{account}{country}00")
    return f"{country}{98 - int(moved) % 97:02}{account}"


SECRETS = {
    "Slack": lambda d: f"xox{d.choice('bp')}-{digits(d, 12)}-{letters(d, 24)}",
    "Slack's app": lambda d: f"xapp-1-A{letters(d, 10)}-{hexes(d, 64)}",
    "Discord": lambda d: ".".join(("M" + letters(d, 25), letters(d, 6), letters(d, 38))),
    "Telegram": lambda d: f"{signs(d, '123456789', 10)}:AA{letters(d, 33)}",
    "GitHub": lambda d: f"gh{d.choice('posr')}_{letters(d, 36)}",
    "AWS": lambda d: "AKIA" + signs(d, string.ascii_uppercase + "234567", 16),
    "OpenAI": lambda d: f"sk-proj-{letters(d, 20)}T3BlbkFJ{letters(d, 20)}",
    "Anthropic": lambda d: f"sk-ant-api03-{letters(d, 93)}AA",
    "Google": lambda d: "AIza" + signs(d, LETTERS + "-_", 35),
    "Stripe": lambda d: f"sk_live_{letters(d, 24)}",
    "JWT": lambda d: f"eyJ{letters(d, 33)}.eyJ{letters(d, 50)}.{letters(d, 43)}",
    "private key": lambda d: (
        f"-----BEGIN PRIVATE KEY-----\n{letters(d, 64)}\n-----END PRIVATE KEY-----"
    ),
}
FIRST = ("ann", "bo", "carla", "dirk", "eva.m")
LAST = ("smith", "jansen", "o-neil", "kaya", "lopez")
HOSTS = ("mail.example", "corp.dev", "post.co.uk", "a-b.com")
PERSONAL = {
    "e-mail": lambda d: f"{d.choice(FIRST)}.{d.choice(LAST)}{d.randrange(99)}@{d.choice(HOSTS)}",
    "phone": lambda d: d.choice(
        (
            f"+49 {d.randrange(151, 180)} {digits(d, 7)}",
            f"+1 {d.randrange(201, 990)}-{d.randrange(201, 990)}-{digits(d, 4)}",
            f"(0{d.randrange(20, 99)}) {signs(d, '123456789', 7)}",
            f"+44 20 {digits(d, 4)} {digits(d, 4)}",
            f"0{d.randrange(151, 180)}/{signs(d, '123456789', 8)}",
        )
    ),
    "IBAN": lambda d: d.choice(
        (
            iban(d, "DE", "", 18),
            iban(d, "GB", "NWBK", 14),
            iban(d, "FR", "", 23),
            iban(d, "NL", "ABNA", 10),
        )
    ),
    "card": lambda d: d.choice(
        (
            luhn("4" + digits(d, 14)),
            luhn("53" + digits(d, 13)),
            luhn("37" + digits(d, 12)),
        )
    ),
    "IPv4": lambda d: ".".join(str(d.randrange(1, 255)) for _ in range(4)),
    "IPv6": lambda d: (
        f"2001:db8:{signs(d, HEX[1:], 3)}::{signs(d, HEX[1:], 4)}:{signs(d, HEX[1:], 2)}"
    ),
    "mention": lambda d: f"<@U{signs(d, string.ascii_uppercase + string.digits, 10)}>",
}
AROUND = (
    "use {}, please", "it was {} yesterday", "my colleague sent {} to me", "({})", "{}", "see {}.",
    "is {} right?", "'{}'", "I put {} into the form; it failed", "first {}, then nothing", "`{}`",
)  # fmt: skip
ORDINARY = (
    lambda d: f"version {d.randrange(9)}.{d.randrange(30)}.{d.randrange(30)} is out",
    lambda d: f"it costs {d.randrange(1, 99)},{digits(d, 3)}.{digits(d, 2)} euros",
    lambda d: f"on 20{digits(d, 2)}-0{d.randrange(1, 9)}-1{d.randrange(9)} at 14:{digits(d, 2)}:00",
    lambda d: f"commit {hexes(d, 40)} broke it",
    lambda d: f"order {d.randrange(10**5, 10**8)} came late",
    lambda d: f"run pytest tests/test_{signs(d, string.ascii_lowercase, 8)}.py::test_it -k a_b",
    lambda d: f"id {hexes(d, 8)}-{hexes(d, 4)}-4{hexes(d, 3)}-a{hexes(d, 3)}-{hexes(d, 12)}",
    lambda d: f"listen on 127.0.0.1:{d.randrange(1024, 65000)} or localhost",
    lambda d: f"pi is 3.{digits(d, 12)}",
    lambda d: f"the token count was {digits(d, 5)} and the password was wrong",
    lambda d: f"x = [{', '.join(str(d.randrange(999)) for _ in range(9))}]",
    lambda d: f"between {d.randrange(1900, 2000)} and {d.randrange(2000, 2030)} +{digits(d, 2)} %",
)
