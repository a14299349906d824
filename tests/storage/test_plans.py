"""The queries of every message use indexes that fit them, so that a full store costs the same."""

import pytest
from sqlalchemy import URL, create_engine, make_url

from storage.canaries import LABELS
from storage.conversations import EARLIER, LATEST, LEFT_BEHIND, SEEN, SPOKEN
from storage.examples import CORRECTIONS, NEWEST, SCORES
from storage.migrate import migrate
from storage.turns import BY_KEY, FRAME, INBOX, SHOWN
from storage.votes import FORGOTTEN_SINCE


@pytest.fixture(params=["sqlite", "postgres"])
def connection(request, tmp_path):
    if request.param == "sqlite":
        url = URL.create("sqlite", database=str(tmp_path / "mynah.db"))
    else:
        url = make_url(request.getfixturevalue("postgres_url"))
    migrate(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        if request.param == "postgres":
            connection.exec_driver_sql("SET enable_seqscan = off")  # the tables are empty
            connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
        yield connection
    engine.dispose()


def plan(connection, query):
    words = dict.fromkeys(("platform", "account", "channel", "thread", "message"), "w")
    words["since"] = "2026-01-01"
    numbers = {"turn": 9, "before": 9, "first": 1, "limit": 5}
    compiled = query.compile(connection, compile_kwargs={"render_postcompile": True})
    given = {**compiled.params, **words, **numbers}
    names = compiled.positiontup if compiled.positional else compiled.params
    values = {name: given[name] for name in names}
    in_order = compiled.positional and tuple(given[name] for name in names)
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    rows = connection.exec_driver_sql(explain + str(compiled), in_order or values).all()
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (INBOX, ["turns_open"]),
        (FRAME, ["turns_resetting", "turns_prompted", "turns_counting"]),
        (SHOWN, ["turns_counting"]),
        (LATEST, ["turns_beside"]),
    ],
    ids=["inbox", "frame", "shown", "latest"],
)
def test_what_every_message_asks_for_is_found_by_index(connection, query, indexes):
    text = plan(connection, query)
    for index in indexes:
        assert index in text
    assert "SCAN turns" not in text
    assert "Seq Scan on turns" not in text
    assert "TEMP B-TREE" not in text
    assert "Sort" not in text


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (SPOKEN, "turns_threaded"),
        (LEFT_BEHIND, "turns_threaded"),
        (EARLIER, "turns_"),  # the unique key, or on an empty PostgreSQL another
        (SEEN, "turns_recent"),
        (NEWEST, "turns_judged"),
        (NEWEST, "turns_quoting"),
        (SCORES, "turns_judged"),
        (CORRECTIONS, "turns_judged"),
        (BY_KEY, "turns_"),
        (FORGOTTEN_SINCE, "turns_author"),
    ],
    ids=[
        "spoken",
        "left behind",
        "earlier",
        "seen",
        "newest judged",
        "whether their threads quote",
        "what was said of them",
        "what was to be said instead",
        "heard",
        "forgotten since",
    ],
)
def test_what_is_asked_about_a_place_is_found_by_index(connection, query, index):
    text = plan(connection, query)
    assert index in text
    # Under its own name and under that of a subquery.
    for table in ("turns", "quoting", "forgotten", "feedback", "corrections", "reviews"):
        assert f"SCAN {table}" not in text
        assert f"Seq Scan on {table}" not in text


def test_what_a_canary_is_asked_for_looks_at_nothing_that_was_said_before_it(connection):
    text = plan(connection, LABELS)
    for table in ("feedback", "turns"):
        assert f"SCAN {table}" not in text
        assert f"Seq Scan on {table}" not in text
