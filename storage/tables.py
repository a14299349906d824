"""The tables. Rows are made and read only in this room; the core sees its own types.

Columns may change with a migration; the core's types do not notice. The predicates at the top are
shared by partial indexes and queries: a database uses such an index only where both say the same,
with the same literals.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

HEAD = "0014"  # the newest revision in migrations/versions; a test compares

OPEN = "status <> 'done'"
COUNTS = "outcome IN ('answered', 'cut', 'stopped') AND NOT deleted"  # history shows the turn
PROMPTED = "digest IS NOT NULL"  # the turn has a recipe
RESETS = "resets"
THREADED = "thread <> ''"
OPENLY = "NOT private"  # not for its author's eyes only
QUOTED = "quoted"  # the prompt quoted others
RUNS = "ended IS NULL"  # the canary does
MAY_LEAD = f"judged AND outcome = 'answered' AND NOT deleted AND {OPENLY} AND NOT {QUOTED}"
SHOWN_BESIDE = f"{COUNTS} AND {OPENLY} AND {THREADED}"  # new threads of the channel show the turn


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as UTC: SQLite knows no zones, PostgreSQL answers in its own.

    On SQLite it is ISO text that sorts, made by datetime itself: half the cost of SQLAlchemy's.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(26) if dialect.name == "sqlite" else self.impl)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None  # the column says whether it may
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        moment = value.astimezone(UTC)
        if dialect.name != "sqlite":
            return moment
        return moment.replace(tzinfo=None).isoformat(" ", "microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        found: datetime = value
        return found.astimezone(UTC)


def moment() -> Any:
    return Field(sa_column=Column(Moment, nullable=False))


def words(default: str | None = None) -> Any:
    return Field(sa_column=Column(Text, nullable=False, server_default=default))


def flag() -> Any:
    return Field(sa_column_kwargs={"server_default": false()})


def number() -> Any:
    """A key that is never given out twice, also after its row is gone."""
    return Field(default=None, sa_column=Column(Integer, primary_key=True))


def partial(name: str, where: str, *columns: str) -> Index:
    """On PostgreSQL with the same predicate: storage.migrate sees to it."""
    return Index(name, *columns, sqlite_where=text(where))


CONVERSATION = ("platform", "account", "channel", "thread", "id")


class TurnRow(SQLModel, table=True):
    """A message that we answer. Rows are emptied, never removed: the key keeps doubles out.

    Hearing in a channel touches the unique key, the inbox, the author's index and the one by time,
    which grows at its end; the others fill later.
    """

    __tablename__ = "turns"
    __table_args__ = (
        UniqueConstraint("platform", "account", "channel", "message", name="turns_message"),
        partial("turns_open", OPEN, "platform", "account", "id"),
        partial("turns_counting", COUNTS, *CONVERSATION),
        partial("turns_prompted", PROMPTED, *CONVERSATION),
        partial("turns_resetting", RESETS, *CONVERSATION),
        partial("turns_threaded", THREADED, *CONVERSATION[:-1]),
        partial("turns_beside", SHOWN_BESIDE, "platform", "account", "channel", "id"),
        partial("turns_judged", MAY_LEAD, "platform", "account", "channel", "id"),
        partial("turns_quoting", QUOTED, *CONVERSATION[:-1]),
        partial("turns_recent", OPENLY, "platform", "account", "at"),
        Index("turns_author", "platform", "account", "author_id"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = number()
    platform: str
    account: str
    channel: str
    thread: str
    message: str
    author_id: str
    author_name: str
    question: str = words()
    at: datetime = moment()
    private: bool
    status: str = Field(sa_column_kwargs={"server_default": "heard"})
    outcome: str | None = None
    answer: str = words("")
    model: str | None = None
    system_id: int | None = Field(default=None, foreign_key="texts.id")
    first: int | None = None  # the oldest turn in the prompt
    digest: str | None = None
    tries: int = Field(sa_column_kwargs={"server_default": "0"})
    resets: bool = flag()  # the conversation begins anew after this turn
    deleted: bool = flag()
    place: str = Field(sa_column_kwargs={"server_default": "public"})
    unread: str = words("")  # names of attachments, one a line
    quoted: bool = flag()  # its prompt quoted what was said before it, or may
    ahead: str = words("")  # the turns of the channel that stood ahead of it: "12 15"
    judged: bool = flag()  # somebody said something of the answer, perhaps taken back since
    led: bool = flag()  # its prompt showed examples


class QuoteRow(SQLModel, table=True):
    """What somebody said before a turn, in its channel, and its prompt quotes; of one without a
    prompt, what it replies to.
    """

    __tablename__ = "quotes"
    __table_args__ = (Index("quotes_message", "message"), Index("quotes_author", "author_id"))
    turn_id: int = Field(foreign_key="turns.id", primary_key=True)
    number: int = Field(primary_key=True)
    message: str
    author_id: str
    author_name: str
    text: str = words()
    at: datetime = moment()


class ExampleRow(SQLModel, table=True):
    """An exchange that stood as example in a turn's prompt. `author_id`: whose correction of
    `source_id`; "": the answer there.
    """

    __tablename__ = "examples"
    __table_args__ = (Index("examples_source", "source_id"), Index("examples_author", "author_id"))
    turn_id: int = Field(foreign_key="turns.id", primary_key=True)
    number: int = Field(primary_key=True)
    source_id: int = Field(foreign_key="turns.id")
    author_id: str


class ReplyRow(SQLModel, table=True):
    """A message that carries an answer or a part of it; without an id while it is being posted."""

    __tablename__ = "replies"
    __table_args__ = (
        UniqueConstraint("platform", "account", "channel", "message", name="replies_message"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = number()
    turn_id: int = Field(foreign_key="turns.id", index=True)
    platform: str
    account: str
    channel: str
    message: str | None = None


class FeedbackRow(SQLModel, table=True):
    __tablename__ = "feedback"
    __table_args__ = (Index("feedback_author", "author_id"),)
    turn_id: int = Field(foreign_key="turns.id", primary_key=True)
    author_id: str = Field(primary_key=True)
    score: int
    at: datetime = moment()
    found: bool = flag()  # after an absence: it was given at any time since `at`


class CorrectionRow(SQLModel, table=True):
    __tablename__ = "corrections"
    __table_args__ = (Index("corrections_author", "author_id"),)
    turn_id: int = Field(foreign_key="turns.id", primary_key=True)
    author_id: str = Field(primary_key=True)
    text: str = words()
    at: datetime = moment()


class CreditRow(SQLModel, table=True):
    """That a correction's author was told that a tune learnt it, ahead of which turn's answer."""

    __tablename__ = "credits"
    __table_args__ = (Index("credits_author", "author_id"),)
    turn_id: int = Field(foreign_key="turns.id", primary_key=True)
    author_id: str = Field(primary_key=True)
    told_in: int = Field(foreign_key="turns.id")


class TextRow(SQLModel, table=True):
    """System texts, each once: thousands of recipes share one."""

    __tablename__ = "texts"
    id: int | None = Field(default=None, primary_key=True)
    hash: str = Field(unique=True)  # SHA-256 in hex
    text: str = words()


class TuneNameRow(SQLModel, table=True):
    """The numbers in tunes' names that were given out."""

    __tablename__ = "tune_names"
    __table_args__ = {"sqlite_autoincrement": True}
    number: int | None = number()
    at: datetime = moment()


class TuneRow(SQLModel, table=True):
    __tablename__ = "tunes"
    name: str = Field(primary_key=True)
    base: str
    path: str
    status: str
    turns: list[int] = Field(sa_column=Column(JSON, nullable=False))
    summary: str = words()
    at: datetime = moment()
    forgotten: bool = flag()  # something that it used is


class TuneVerdictRow(SQLModel, table=True):
    """Whose verdicts and corrections a tune's run used, also those that were taken back since: all
    that forgetting goes by. `learnt`, `corrected`: as in core.types_learning.Used.
    """

    __tablename__ = "tune_verdicts"
    __table_args__ = (Index("tune_verdicts_author", "author_id"),)
    tune: str = Field(foreign_key="tunes.name", primary_key=True)
    turn_id: int = Field(foreign_key="turns.id", primary_key=True)
    author_id: str = Field(primary_key=True)
    learnt: bool = Field(sa_column_kwargs={"server_default": true()})
    corrected: bool = flag()


class ServingRow(SQLModel, table=True):
    """What served, and since when: rows are only added, the last one serves."""

    __tablename__ = "servings"
    __table_args__ = {"sqlite_autoincrement": True}
    id: int | None = number()
    name: str | None = Field(default=None, foreign_key="tunes.name")  # null: the base
    back_to: int | None = Field(default=None, foreign_key="servings.id")  # where a roll-back leads
    at: datetime = moment()


class CanaryRow(SQLModel, table=True):
    """A tune that answers a share of new conversations; without an end it still does. One does."""

    __tablename__ = "canaries"
    __table_args__ = (
        Index("canaries_running", text(f"({RUNS})"), unique=True, sqlite_where=text(RUNS)),
    )
    tune: str = Field(primary_key=True, foreign_key="tunes.name")
    share: float
    by: str | None = None  # who started its run: "platform:account:author id"
    after: int  # the newest turn when it began
    at: datetime = moment()
    ended: datetime | None = Field(default=None, sa_column=Column(Moment))
    outcome: str | None = None


class ConsentRow(SQLModel, table=True):
    """Whether what a person or a channel says may train. No row: nobody chose."""

    __tablename__ = "consents"
    platform: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)  # person, channel
    id: str = Field(primary_key=True)
    on: bool


class ReviewRow(SQLModel, table=True):
    """What an admin decided on a verdict that was set aside. No row: nobody decided."""

    __tablename__ = "reviews"
    __table_args__ = (Index("reviews_author", "author_id"),)
    turn_id: int = Field(foreign_key="turns.id", primary_key=True)
    author_id: str = Field(primary_key=True)
    let_in: bool
    at: datetime = moment()


class ExportRow(SQLModel, table=True):
    """A data set that was exported. `stale`: how often something was forgotten since its cut."""

    __tablename__ = "exports"
    folder: str = Field(primary_key=True)
    stale: int


class JobRunRow(SQLModel, table=True):
    """A night. The key is the local date: whoever adds its row has it, and nobody else."""

    __tablename__ = "job_runs"
    day: date = Field(primary_key=True)
    began: datetime = moment()
    ended: datetime | None = Field(default=None, sa_column=Column(Moment, nullable=True))
    outcome: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class AnnouncementRow(SQLModel, table=True):
    """What is announced and not told yet."""

    __tablename__ = "announcements"
    id: str = Field(primary_key=True)
    channel: str
    text: str = words()
    at: datetime = moment()
    # Of each message that tells a part of it: platform, account, channel, id.
    replies: list[list[str]] = Field(sa_column=Column(JSON, nullable=False))
    placing: bool


class VersionRow(SQLModel, table=True):
    """The tables' revision. Alembic's own table, declared here to be read without Alembic."""

    __tablename__ = "alembic_version"
    __table_args__ = (PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),)
    version_num: str = Field(sa_column=Column(String(32), nullable=False))


_tables = SQLModel.metadata.tables
turns = _tables["turns"]
quotes = _tables["quotes"]
examples = _tables["examples"]
replies = _tables["replies"]
feedback = _tables["feedback"]
corrections = _tables["corrections"]
credits = _tables["credits"]
texts = _tables["texts"]
tune_names = _tables["tune_names"]
tunes = _tables["tunes"]
tune_verdicts = _tables["tune_verdicts"]
servings = _tables["servings"]
canaries = _tables["canaries"]
consents = _tables["consents"]
reviews = _tables["reviews"]
exports = _tables["exports"]
job_runs = _tables["job_runs"]
announcements = _tables["announcements"]
version = _tables["alembic_version"]
