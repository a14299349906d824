"""What people are told of a new tune: figures, and two answers before and after."""

from core.digest import LONGEST, changes


def answer(question, before, now, right=(True, True), rival="base"):
    said = {"base": "the base's", rival: before, "candidate": now}
    known = {"base": False, rival: right[0], "candidate": right[1]}
    return {"question": question, "said": said, "right": known}


def check(name, words, passed=True):
    return {"name": name, "passed": passed, "words": words, "hard": True}


def told(*answers, checks=()):
    return changes({"checks": checks, "answers": answers})


def test_two_answers_are_shown_before_and_after():
    assert told(answer("How are you?", "Fine!!", "Fine."), answer("Who?", "Me!", "Me.")) == (
        "Of 2 fixed questions it answers 2 in other words than before.\n\n"
        "> **How are you?**\n> before: Fine!!\n> now: Fine.\n\n"
        "> **Who?**\n> before: Me!\n> now: Me."
    )


def test_shown_is_what_changed_most_among_the_answers_that_are_right():
    shown = told(
        answer("same", "one two", "one two"),
        answer("little", "one two three four", "one two three five"),
        answer("lost", "one", "two", right=(True, False)),
        answer("much", "one two", "three"),
        answer("won", "one", "two", right=(False, True)),
        answer("half", "one two", "one"),
    )
    assert shown.startswith("Of 6 fixed questions it answers 5 in other words than before.")
    assert [part.split("**")[1] for part in shown.split("\n\n")[1:]] == ["much", "half"]


def test_before_is_what_served_and_not_the_base_where_a_tune_did():
    shown = told(answer("q", "of the tune", "of the new one", rival="serving"))
    assert "before: of the tune\n" in shown
    assert "the base's" not in shown


def test_where_no_word_changed_it_says_so_and_shows_none():
    shown = told(answer("q", "Yes.", "Yes."))
    assert shown == "It answers the fixed questions word for word as before."


def test_what_the_checks_found_of_its_answers_is_said_and_nothing_else_of_them():
    found = told(
        answer("q", "Yes!", "Yes."),
        checks=[
            check("files", "its files are whole"),
            check("secrets", "it gives away none of 0 secrets"),
            check("length", "its answers are 0.85 times as long as those of the base"),
        ],
    )
    first = found.split("\n\n")[0]
    assert first.endswith("before. Its answers are 0.85 times as long as those of the base.")
    assert "secrets" not in found
    assert "files" not in found


def test_an_answer_stands_in_one_line_whatever_it_is():
    code = "Like so:\n\n```py\nprint(1)\n```\n> and `so`"
    shown = told(answer("q", code, "w" * (2 * LONGEST) + " `x", right=(True, True)))
    assert "> before: Like so: py print(1) > and `so`\n" in shown
    assert f"> now: {'w' * LONGEST} […]" in shown
    assert len(shown.split("\n\n")[1].split("\n")) == 3
    assert "> now: a `b`" in told(answer("q", "x", "a `b"))
    assert "> now: (nothing)" in told(answer("q", "x", " \n"))
