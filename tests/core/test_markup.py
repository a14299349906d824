"""Tables as code, and code blocks around any text."""

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.markup import fenced, tables_as_code


def test_a_table_becomes_aligned_code():
    text = "Prices:\n\n| what | cost |\n|:--|--:|\n| **tea** | 2 |\n| a\\|b | `1,000` |\n\nAll."
    assert tables_as_code(text) == (
        "Prices:\n\n```\nwhat   cost\n----  -----\ntea       2\na|b   1,000\n```\n\nAll."
    )


def test_where_a_link_leads_stays_to_be_read():
    text = "| docs |\n|---|\n| [here](https://example.com/a) |\n| <https://example.com/b> |"
    assert tables_as_code(text).splitlines()[3:5] == [
        "here (https://example.com/a)",
        "https://example.com/b",
    ]


def test_a_table_that_would_lose_a_cell_stays_as_it_is():
    text = "| a | b |\n|---|---|\n| 1 | 2 | and more |"
    assert tables_as_code(text) == text


def test_wide_signs_and_marks_keep_their_columns():
    text = "| a | b |\n|:-:|---|\n| 日本語 | x |\n| e\u0301 | y |"
    assert tables_as_code(text) == "```\n  a     b\n------  -\n日本語  x\n  e\u0301     y\n```"


def test_a_table_that_is_too_wide_becomes_a_line_per_cell():
    text = f"| name | what |\n|---|---|\n| a | {'x' * 80} |\n| b | short |"
    assert tables_as_code(text) == (f"```\nname: a\nwhat: {'x' * 80}\n\nname: b\nwhat: short\n```")


def test_what_is_no_table_stays_as_it_is():
    for text in [
        "a | b",
        "| a | b |\nno rule",
        "```\n| a | b |\n|---|---|\n```",
        "- | a | b |\n  |---|---|",
        "---\n|",
    ]:
        assert tables_as_code(text) == text


def test_two_tables_and_what_stands_between_them():
    table = "| a |\n|---|\n| 1 |"
    assert tables_as_code(f"{table}\n\nand\n\n{table}\n") == (
        "```\na\n-\n1\n```\n\nand\n\n```\na\n-\n1\n```\n"
    )


def test_every_kind_of_line_end_is_one():
    text = "a\rb\r\n\r| x |\n|---|\n| 1 |\n\n!\n"
    assert tables_as_code(text) == "a\nb\n\n```\nx\n-\n1\n```\n\n!\n"


@given(st.text(st.sampled_from("ab|-: \n`*>"), max_size=80))
def test_no_text_breaks_it_and_no_word_is_lost(text):
    shown = tables_as_code(text)
    for letter in "ab":
        assert shown.count(letter) >= text.count(letter)


@given(st.text(st.sampled_from("a`~\n "), max_size=60))
def test_a_code_block_holds_exactly_its_text(text):
    [token] = MarkdownIt().parse(fenced(text, "py"))
    assert (token.type, token.info) == ("fence", "py")
    assert token.content == text + "\n" * (not text.endswith("\n"))
