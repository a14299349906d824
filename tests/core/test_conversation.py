"""Prompts: what they hold, that they grow at the end only, and that cuts are large."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.conversation import (
    TOKENS_PER_MESSAGE,
    Messages,
    Past,
    digest,
    fitting,
    quote_line,
    render,
)
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, Quoted, ThreadRef, Turn

ROOM = ChannelRef("wire", "me", "room")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def turn(number, question="q", answer="a"):
    message = IncomingMessage(
        MessageRef(ROOM, str(number)), ThreadRef(ROOM), Author("ann", "Ann"), question, True, NOW
    )
    return Turn(number, message, "done", "answered", answer)


def test_a_prompt_is_the_system_text_then_the_turns_in_order_then_the_question():
    assert render("Be kind.", [turn(1, "one", "1"), turn(2, "two", "2")], "three") == (
        ("system", "Be kind."),
        ("user", "one"),
        ("assistant", "1"),
        ("user", "two"),
        ("assistant", "2"),
        ("user", "three"),
    )


def test_an_empty_system_text_is_no_message():
    assert render("", [], "hi") == (("user", "hi"),)


def test_the_digest_sees_every_border_and_role():
    prompts: list[Messages] = [
        (("user", "ab"), ("user", "c")),
        (("user", "a"), ("user", "bc")),
        (("user", "ab"), ("assistant", "c")),
        (("user", 'ab"],["user","c'),),
    ]
    assert len({digest(prompt) for prompt in prompts}) == len(prompts)
    assert digest((("user", "ä😀"),)) == digest((("user", "ä😀"),))


def test_nothing_is_left_out_while_all_fits():
    assert fitting([10, 10, 10], fixed=20, budget=50) == 0


def test_what_no_longer_fits_is_cut_to_half_at_once():
    assert fitting([10] * 10, fixed=20, budget=119) == 6  # room 99: 4 turns take at most 49


def test_a_single_turn_larger_than_half_is_left_out_too():
    assert fitting([90], fixed=20, budget=100) == 1


@given(st.lists(st.integers(1, 200), max_size=60), st.integers(0, 300), st.integers(300, 2_000))
def test_a_prompt_never_outgrows_its_budget_and_a_cut_leaves_room_to_grow(sizes, fixed, budget):
    left_out = fitting(sizes, fixed, budget)
    kept = sum(sizes[left_out:])
    assert fixed + kept <= budget
    if left_out:
        assert kept <= (budget - fixed) // 2
        assert kept + sizes[left_out - 1] > (budget - fixed) // 2  # and cuts no more than that


def test_over_a_long_conversation_the_beginning_changes_seldom():
    sizes, first, cuts = [], 0, 0
    for _ in range(200):
        left_out = fitting(sizes[first:], fixed=50, budget=1_000)
        cuts += left_out > 0
        first += left_out
        sizes.append(20)
    assert cuts == 7  # 950 tokens of room: the 48th turn overflows, 23 stay, so one cut in 25 turns


def test_what_is_left_out_of_the_channel_is_no_beginning_that_is_forgotten():
    turns = tuple(turn(number) for number in range(4))

    def within(turns):  # 50 tokens of room: of turns that take 20 each, one stays when cut
        return Past(turns, ahead=2, whole=True).within([10] * 2 * len(turns), 60, 110)

    assert (within(turns[:3]).turns, within(turns[:3]).forgets) == (turns[2:3], False)
    assert (within(turns).turns, within(turns).forgets) == (turns[3:], True)


@given(st.integers(0, 300), st.integers(0, 900), st.integers(100, 1_000))
def test_the_beginning_of_a_long_quote_never_outgrows_its_room(dense, fixed, budget):
    """Also where its beginning has far more tokens than its end: here each byte of it is one."""
    text = "語" * dense + "well " * 2_000
    said = Quoted(MessageRef(ROOM, "1"), Author("ann", "Ann"), text, NOW)
    past = Past((), quotes=(said,), is_first=True)

    def tokens(text):
        return len(text.encode()) - 4 * text.count("well ")

    sizes = [tokens(one) + TOKENS_PER_MESSAGE for one in past.texts]
    quotes = past.within(sizes, fixed, budget).quotes
    taken = sum(tokens(quote_line(one)) + TOKENS_PER_MESSAGE for one in quotes)
    assert taken + (sizes[0] if quotes else 0) <= max(0, min(budget // 4, budget - fixed))
    if budget - fixed > budget // 4 > sizes[0] + 100:
        (one,) = quotes
        assert one.text.endswith(" […]")
