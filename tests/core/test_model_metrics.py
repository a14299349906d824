"""What a server's page of figures says, alone and beside an earlier one."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Broken
from core.model_metrics import ModelMetrics, quantile, reading, since
from tests.core.figures_page import page


def between(before, now, over_s=10.0):
    return since(reading(before, 100.0), reading(now, 100.0 + over_s))


def test_one_page_tells_of_the_time_since_the_servers_start():
    told = since(
        None,
        reading(
            page(
                first_tokens=(0, 0, 8, 2, 0, 0),
                tokens=1234,
                cache=(400, 300),
                running=3,
                waiting=2,
                ended={"stop": 8, "length": 1, "abort": 4, "error": 1},
                turned_away=5,
            ),
            100.0,
        ),
    )
    assert told.first_token_median_s == pytest.approx(0.01 + 0.09 * 5 / 8)
    assert told.first_token_p95_s == pytest.approx(0.1 + 0.9 * 1.5 / 2)
    assert replace(told, first_token_median_s=None, first_token_p95_s=None) == ModelMetrics(
        over_s=None,
        tokens=1234,
        tokens_per_s=None,
        running=3,
        waiting=2,
        cache_hit_share=0.75,
        errors={"error": 1, "max_num_queued_reqs": 5},
    )


def test_two_pages_tell_of_the_time_between_them():
    before = page(
        first_tokens=(0, 0, 0, 0, 90, 0), tokens=5000, cache=(1000, 0), ended={"error": 7}
    )
    now = page(
        first_tokens=(0, 4, 0, 0, 90, 0),
        tokens=5250,
        cache=(1100, 90),
        ended={"error": 9, "stop": 4},
        running=1,
    )
    told = between(before, now)
    assert (told.over_s, told.tokens, told.tokens_per_s) == (10, 250, 25)
    assert told.first_token_median_s == pytest.approx(0.001 + 0.009 / 2)
    assert told.cache_hit_share == pytest.approx(0.9)
    assert told.errors == {"error": 2}
    assert (told.running, told.waiting) == (1, 0)


def test_in_a_time_without_requests_shares_and_times_are_unknown_and_counts_are_zero():
    same = page(first_tokens=(0, 0, 5, 0, 0, 0), tokens=50, cache=(10, 5), ended={"stop": 5})
    told = between(same, same)
    assert (told.first_token_median_s, told.first_token_p95_s) == (None, None)
    assert told.cache_hit_share is None
    assert (told.tokens, told.tokens_per_s, told.errors) == (0, 0, {})


def test_one_reading_beside_itself_tells_only_what_is_true_at_the_moment():
    one = reading(page(first_tokens=(0, 0, 5, 0, 0, 0), tokens=50, running=2, waiting=1), 100.0)
    assert since(one, one) == ModelMetrics(running=2, waiting=1)


def test_the_engines_of_one_server_are_summed():
    told = since(None, reading(page(tokens=10, running=2, cache=(10, 5), engines=3), 100.0))
    assert (told.tokens, told.running, told.cache_hit_share) == (30, 6, 0.5)


@pytest.mark.parametrize("text", ["", "# nothing\n", 'other_total{a="b"} 3.0\nup 1\n'])
def test_a_page_of_something_else_tells_nothing(text):
    assert since(None, reading(text, 100.0)) == ModelMetrics()
    assert between(text, text) == ModelMetrics(over_s=10)


@pytest.mark.parametrize(
    "text",
    [
        "<!doctype html><title>Sign in</title>",
        '{"detail": "hello"}',
        "vllm:generation_tokens_total{",
        "vllm:generation_tokens_total many",
        'vllm:time_to_first_token_seconds_bucket{le="soon"} 1.0',
        f"vllm:generation_tokens_total {'9' * 400}",
        "\0\0\0",
    ],
)
def test_what_is_no_page_of_figures_is_said_to_be_none(text):
    with pytest.raises(Broken):
        reading(text, 100.0)


@given(st.data())
def test_a_damaged_page_is_read_or_refused_and_nothing_else(data):
    text = page(first_tokens=(0, 1, 5, 2, 0, 0), tokens=50)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        put = data.draw(
            st.sampled_from(["", "{", "}", '"', ",", "=", "#", "\n", "\0", "9e999", "N"])
        )
        text = text[:at] + put + text[at + data.draw(st.integers(0, 9)) :] + " "
    try:
        told = since(None, reading(text, 100.0))
    except Broken:
        return
    numbers = (told.first_token_median_s, told.first_token_p95_s, told.tokens)
    assert not any(number is not None and math.isnan(number) for number in numbers)


def test_a_figure_that_is_no_number_is_unknown():
    text = page(tokens=50, running=3).replace(" 50.0", " NaN").replace(" 3.0", " +Inf")
    told = since(None, reading(text, 100.0))
    assert (told.tokens, told.running, told.waiting) == (None, None, 0)


def test_a_restart_shows_by_the_start_or_by_counters_that_went_back():
    old = reading(page(tokens=50, ended={"stop": 3}), 100.0)
    assert not reading(page(tokens=51, ended={"stop": 3}), 110.0).restarted_since(old)
    assert reading(page(tokens=51, ended={"stop": 2}), 110.0).restarted_since(old)
    assert reading(page(tokens=99, ended={"stop": 9}, started="2e9"), 110.0).restarted_since(old)
    without = page(tokens=51, ended={"stop": 3}).replace("process_start_time_seconds", "other")
    assert not reading(without, 110.0).restarted_since(old)


@pytest.mark.parametrize(
    ("part", "counts", "expected"),
    [
        (0.5, [(0.1, 0), (1.0, 0), (math.inf, 0)], None),
        (0.5, [], None),
        (0.5, [(0.1, 10), (1.0, 10), (math.inf, 10)], 0.05),
        (1.0, [(0.1, 10), (1.0, 10), (math.inf, 10)], 0.1),
        (0.5, [(0.1, 0), (1.0, 4), (math.inf, 4)], 0.55),
        (0.95, [(0.1, 0), (1.0, 1), (math.inf, 10)], 1.0),  # beyond the last bound
        (0.5, [(0.1, 0), (1.0, 0), (math.inf, 10)], 1.0),
    ],
)
def test_a_quantile_lies_evenly_within_its_bucket(part, counts, expected):
    assert quantile(part, counts) == (expected if expected is None else pytest.approx(expected))


def test_what_is_not_known_is_taken_from_elsewhere():
    known = ModelMetrics(tokens=0, running=2, errors={})
    other = ModelMetrics(tokens=7, tokens_per_s=3.5, running=9, errors={"Broken": 1})
    assert known.or_else(other) == ModelMetrics(tokens=0, tokens_per_s=3.5, running=2, errors={})
