"""Long texts are cut without losing a character, and code stays code on every page."""

import re

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.pages import pages

RULERS = {
    "characters": len,
    "UTF-16": lambda text: len(text.encode("utf-16-le")) // 2,
    "escaped": lambda text: len(text) + 3 * (text.count("<") + text.count(">")) + text.count("&"),
}
RULE = re.compile(r"^\|?[ ]*:?-+:?[ ]*(\|[ ]*:?-+:?[ ]*)*\|?$")
FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,})([^\n]*)$")

words = st.lists(
    st.sampled_from(["a", "two", "😀", "e\u0301", "<&>", "x" * 30, "end.", "- ", "``", "`", "*b*"]),
    min_size=1,
    max_size=12,
).map(" ".join)
signs = [*"ab `~>-.\n\n\t*1<&", "\u0301", "😀", "👍🏽", "\u200d", "é", "ก", "🇩🇪"]
anything = st.lists(st.sampled_from(signs), max_size=600).map("".join)
persons_signs = ["😀", "👍🏽", "👩‍👩‍👧", "🇩🇪", "e\u0301\u0323", "각", "क्षि", "a"]


@st.composite
def code(draw):
    """A fenced block as models write it: bare, in a list, quoted; long fences, of ~ or `."""
    sign = draw(st.sampled_from(["```", "````", "~~~", "~~~~~"]))
    info = draw(st.sampled_from(["", "py", "c++", "text title=x"]))
    lines = draw(
        st.lists(st.sampled_from(["CODE x = 1", "", "CODE " + "y" * 40, "``"]), max_size=25)
    )
    first, prefix = draw(
        st.sampled_from(
            [
                ("", ""),
                ("  ", "  "),
                ("- PROSE\n\n  ", "  "),
                ("1. PROSE\n   - PROSE\n\n     ", "     "),
                ("> ", "> "),
                ("> > ", "> > "),
            ]
        )
    )
    body = [f"{first}{sign}{info}", *(prefix + line for line in lines), f"{prefix}{sign}"]
    return "\n".join(body)


@st.composite
def tables(draw):
    """With a pipe at each side, or with those between the columns only."""
    edge = draw(st.sampled_from(["|", ""]))
    columns = draw(st.integers(2, 3))
    cell = st.sampled_from(["PROSE", "two words.", "a\\|b", "x" * 25, "1 < 2"])
    rows = draw(st.lists(st.lists(cell, min_size=columns, max_size=columns), max_size=9))
    rule = draw(st.sampled_from(["---", ":-:", "-:"]))
    lines = [["HEAD"] * columns, [rule] * columns, *rows]
    return "\n".join(f"{edge} {' | '.join(line)} {edge}".strip() for line in lines)


@st.composite
def documents(draw):
    prose = words.map(lambda text: "PROSE " + text.replace("``", "'").replace("`", "'"))
    blocks = draw(st.lists(st.one_of(prose, code(), tables()), min_size=1, max_size=8))
    return "\n\n".join(blocks) + draw(st.sampled_from(["", "\n"]))


def test_a_short_text_is_one_page():
    assert pages("", 100) == [""]
    assert pages("hello\n", 100) == ["hello\n"]


@given(anything, st.integers(40, 200), st.sampled_from(sorted(RULERS)))
def test_every_page_measures_at_most_the_limit_by_the_platforms_ruler(text, limit, ruler):
    size = RULERS[ruler]
    assert all(size(page) <= limit for page in pages(text, limit, size))


@given(st.one_of(anything, documents()), st.integers(40, 200), st.sampled_from(sorted(RULERS)))
def test_nothing_is_lost_and_nothing_added_but_fences(text, limit, ruler):
    assert holds(pages(text, limit, RULERS[ruler]), text)


def holds(cut: list[str], text: str) -> bool:
    """Whether the pages, each with or without its first line's or its last line's fence, or a
    table's head, are it. What follows a first line's fence may have lost its list's indentation.
    """
    left = {0}  # how much of the text may have been consumed
    for page in cut:
        bodies = {page}
        for body in set(bodies):
            lines = body.splitlines(keepends=True)
            if lines and FENCE.match(lines[0].rstrip("\n")):
                bodies.add(body[len(lines[0]) :])
                bodies.add(re.sub(r"^[ >]*>", "", body[len(lines[0]) :]))  # a quote goes on
            if len(lines) > 2 and RULE.match(lines[1].strip()):
                bodies.add("".join(lines[2:]))
        for body in set(bodies):
            at = body.rfind("\n") + 1
            if FENCE.match(body[at:]):
                bodies |= {body[:at], body[: max(0, at - 1)]}
        may_dedent = bool(FENCE.match(page.partition("\n")[0])) and page[0] in "`~"
        left = {
            end for at in left for body in bodies if (end := behind(text, at, body, may_dedent))
        }
        left |= {0} if cut == [""] else set()
    return len(text) in left


def behind(text: str, at: int, body: str, may_dedent: bool) -> int:
    """Where `body` ends in the text if it stands at `at`, 0 otherwise."""
    for line in body.splitlines(keepends=True):
        if may_dedent and not text.startswith(line, at):
            at += len(text[at:]) - len(text[at:].lstrip(" "))
        if not text.startswith(line, at):
            return 0
        at += len(line)
    return at


@settings(max_examples=200)
@given(documents(), st.integers(200, 500))
def test_code_is_code_and_prose_is_prose_on_every_page(text, limit):
    for page in pages(text, limit):
        for token in MarkdownIt().parse(page):
            if token.type == "fence":
                assert "PROSE" not in token.content, page
            elif token.content:
                assert "CODE" not in token.content, page


@settings(max_examples=200)
@given(st.one_of(anything, documents()), st.integers(60, 200), st.sampled_from(sorted(RULERS)))
def test_pages_before_the_last_do_not_change_while_the_text_grows(text, limit, ruler):
    whole = pages(text, limit, RULERS[ruler])
    for end in range(0, len(text), 7 + len(text) // 60):
        done = pages(text[:end], limit, RULERS[ruler])[:-1]
        assert done == whole[: len(done)]


@given(st.lists(st.sampled_from(persons_signs), max_size=100).map("".join))
def test_no_character_is_cut_as_a_person_sees_it(text):
    ends = {match.end() for match in regex.finditer(r"\X", text)}
    at = 0
    for page in pages(text, 60)[:-1]:
        at += len(page)
        assert at in ends


def test_cuts_are_made_at_the_best_place_that_leaves_no_short_page():
    paragraphs = f"{'a ' * 30}\n\n{'b ' * 10}\n{'c ' * 40}"
    assert pages(paragraphs, 100)[0] == f"{'a ' * 30}\n\n"
    lines = f"{'a ' * 30}\n{'b ' * 10}. {'c ' * 40}"
    assert pages(lines, 100)[0] == f"{'a ' * 30}\n"
    sentences = f"{'a ' * 30}end. {'b ' * 40}"
    assert pages(sentences, 100)[0] == f"{'a ' * 30}end. "
    link = f"see {'a' * 20} https://example.com/{'b' * 60} there"
    assert pages(link, 100)[0] == f"see {'a' * 20} "


def test_a_code_block_that_fits_on_the_next_page_is_not_cut():
    text = "Intro. " * 10 + "\n\n```py\n" + "x = 1\n" * 10 + "```\n"
    assert pages(text, 120)[1] == "```py\n" + "x = 1\n" * 10 + "```\n"


@pytest.mark.parametrize("length", range(130, 160))
def test_no_page_begins_or_ends_with_an_empty_code_block(length):
    code = "\n".join(["x" * 9] * 40)[:length]
    for page in pages(f"```py\n{code}\n```\n{'word ' * 30}", 200):
        assert "```py\n```" not in page


@pytest.mark.parametrize("edge", ["|", ""])
def test_a_table_that_goes_on_has_its_head_again(edge):
    def row(*cells):
        return f"{edge} {' | '.join(cells)} {edge}".strip() + "\n"

    head = row("Town", "Souls") + row("---", "--:")
    rows = [row(f"town{n}", str(n)) for n in range(60)]
    cut = pages(f"Towns:\n\n{head}{''.join(rows)}\nThat is all.", 200)
    assert len(cut) > 5
    assert all(page.startswith(head) for page in cut[1:])
    assert "".join(page.replace(head, "") for page in cut) == (
        f"Towns:\n\n{''.join(rows)}\nThat is all."
    )


@pytest.mark.parametrize("lead", range(80, 160))
def test_a_tables_head_is_not_parted_from_its_rows(lead):
    head, rows = "| a | b |\n|---|---|\n", "| 1 | 2 |\n" * 30
    for page in pages(f"{'word ' * (lead // 5)}{'x' * (lead % 5)}\n{head}{rows}", 200):
        for line, after in zip(page.splitlines(), page.splitlines()[1:], strict=False):
            assert ("|---|" in after) == ("| a |" in line)
        assert not page.rstrip().endswith(("| b |", "---|"))


def test_no_head_stands_over_what_is_no_row_and_none_that_is_half_a_page():
    table = "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 5
    for text in [
        f"{table}\n{'word ' * 30}",
        f"{table}{'word ' * 30}",
        f"{table}- item\n" + "- item\n" * 20,
        f"```\n{table}```\n{'word ' * 30}",
    ]:
        assert "".join(pages(text, 100)[1:]).count("| a | b |") == 0, text
    wide = f"| {'a' * 40} | b |\n|---|---|\n" + "| 1 | 2 |\n" * 20
    assert "".join(pages(wide, 100)).count("a" * 40) == 1


def test_where_the_ruler_does_not_add_up_a_row_is_not_cut():
    """Such as where a table is shown with its columns aligned: one wide row makes all rows wide."""

    def size(text):
        lines = text.splitlines()
        widest = max(map(len, lines), default=0)
        return len(text) if widest > 30 else sum(30 for _ in lines)

    wide = f"| {'x' * 95} | b |\n"
    text = "| a | b |\n|---|---|\n" + "| 01 | b |\n" * 4 + wide + wide
    cut = pages(text, 200, size)
    assert len(cut) > 1
    assert all(size(page) <= 200 for page in cut)
    assert all(page.endswith("|\n") for page in cut)


def test_a_fence_that_only_looks_like_an_end_does_not_end_the_code():
    text = "````md\n" + "```py\nx\n```\n" * 20 + "````\nafter"
    first, *middle, last = pages(text, 100)
    assert all(page.startswith("````md\n") and page.endswith("\n````") for page in middle)
    assert first.startswith("````md\n")
    assert last.endswith("````\nafter")


def test_code_that_is_still_being_written_is_closed():
    assert pages("```py\nx = 1", 100) == ["```py\nx = 1\n```"]


def test_a_hundred_thousand_characters_are_measured_in_small_pieces():
    measured = []

    def size(text):
        measured.append(len(text))
        return len(text)

    assert len(pages("word " * 20_000, 2_000, size)) > 50
    assert sum(measured) < 3_000_000
