"""Thumbs in every skin tone are verdicts; nothing else is."""

import pytest

from core.feedback import score


@pytest.mark.parametrize("tone", ["", "🏻", "🏼", "🏽", "🏾", "🏿", "\ufe0f"])
def test_thumbs_count_in_every_form(tone):
    assert score("👍" + tone) == 1
    assert score("👎" + tone) == -1


@pytest.mark.parametrize("emoji", ["", "❤", "👀", "🎉", "👍👍", "👍👎", "+1", "thumbsup", "🏽"])
def test_other_reactions_are_no_verdict(emoji):
    assert score(emoji) is None
