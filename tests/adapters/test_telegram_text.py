"""What CommonMark looks like on Telegram: words, and which of them are marked."""

import pytest

from adapters.telegram_text import render


def shown(text):
    plain, entities = render(text)
    units = plain.encode("utf-16-le")
    return plain, [
        (one.type, units[2 * one.offset : 2 * (one.offset + one.length)].decode("utf-16-le"))
        for one in entities
    ]


@pytest.mark.parametrize(
    ("text", "plain", "marks"),
    [
        (
            "1. Step\n   ```bash\n   ls\n   ```\n   Then look.\n2. Next",
            "1. Step\nls\nThen look.\n2. Next",
            [("pre", "ls")],
        ),
        (
            "Do this:\n\n1. ### Install\n\n   Run it.\n\n   And wait.",
            "Do this:\n\n1. Install\nRun it.\nAnd wait.",
            [("bold", "Install")],
        ),
        (
            "- a\n\n  > said\n\n  so\n- b\n  - c\n\n    ---\n\n    d\n\nEnd.",
            "• a\nsaid\nso\n• b\n  • c\n————————\nd\n\nEnd.",
            [("blockquote", "said\n")],
        ),
        ("- ```\n  x\n  ```\n- y", "• x\n• y", [("pre", "x")]),
        (
            "- a\n\n  | b | c |\n  |---|---|\n  | d | e |\n\n  f",
            "• a\nb | c\n--+--\nd | e\nf",
            [("pre", "b | c\n--+--\nd | e")],
        ),
    ],
)
def test_blocks_in_a_list_have_lines_of_their_own(text, plain, marks):
    assert shown(text) == (plain, marks)


def test_where_a_link_leads_is_shown_where_telegram_would_not():
    """It takes http alone; tg:// would notify somebody."""
    text = (
        "[we](mailto:a@b.c), [call](tel:+49123), <a@b.c>, [site](https://x.y), [he](tg://user?id=1)"
    )
    text += ", [file](./main.py)"
    plain = "we (mailto:a@b.c), call (tel:+49123), a@b.c, site, he, file"
    assert shown(text) == (plain, [("text_link", "site")])
    table, _ = shown("- So:\n\n  | who | is |\n  |---|---|\n  | [we](mailto:a@b.c) | us |")
    assert "we (mailto:a@b.c) | us" in table
