"""The tables of the rollups (rollups.py), and what they count."""

import sqlite3
from typing import NamedTuple

OTHER = "(other)"
# Of a session, each with a value.
SESSION_KINDS = (
    "entry_pages", "exit_pages", "referrers", "campaigns", "browsers", "screens", "languages",
    "time_zones", "countries",
)  # fmt: skip
# Visitors of a day by the day on which they came before; empty for those who never did. Visitors of
# a range are those of its days who came before its beginning or never.
RETURNS = "returns"
MONTHLY_RETURNS = "monthly_returns"  # the same by months
KINDS = ("types", "pages", *SESSION_KINDS)  # those that have values
HOUR, DAY, MONTH = "hour", "day", "month"
LENGTHS = {HOUR: 13, DAY: 10, MONTH: 7}  # of the text of a time


class RollupSet(NamedTuple):
    """The names of the tables of one set of rollups. There is a second one while all is counted
    again."""

    name: str
    counts: str
    visitors: str
    visits: str
    hours: str
    numbers: str
    number_days: str
    number_values: str

    @property
    def tables(self) -> tuple[str, ...]:
        return self[1:]


def _set(name: str, end: str) -> RollupSet:
    tables = (
        "rollups", "visitor_days", "visits", "visit_hours", "numbers", "number_days",
        "number_values",
    )  # fmt: skip
    return RollupSet(name, *(table + end for table in tables))


LIVE = _set("live", "")
NEXT = _set("next", "_next")


def schema_of(names: RollupSet) -> tuple[str, ...]:
    """The statements that create a set of tables."""
    return (
        f"""
        CREATE TABLE {names.counts} (
            source INTEGER NOT NULL,
            kind TEXT NOT NULL,
            grain TEXT NOT NULL,
            period TEXT NOT NULL,
            value TEXT NOT NULL,
            count INTEGER NOT NULL,
            bots INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (source, kind, grain, period, value)
        ) WITHOUT ROWID
        """,
        f"""
        CREATE TABLE {names.visitors} (
            source INTEGER NOT NULL,
            profile INTEGER NOT NULL,
            day TEXT NOT NULL,
            events INTEGER NOT NULL,
            PRIMARY KEY (source, profile, day)
        ) WITHOUT ROWID
        """,
        f"""
        CREATE TABLE {names.visits} (
            session INTEGER PRIMARY KEY,
            source INTEGER NOT NULL,
            began TEXT NOT NULL,
            entry_page TEXT NOT NULL,
            exit_page TEXT NOT NULL,
            referrer TEXT NOT NULL,
            campaign TEXT NOT NULL,
            browser TEXT NOT NULL,
            screen TEXT NOT NULL,
            language TEXT NOT NULL,
            time_zone TEXT NOT NULL,
            page_views INTEGER NOT NULL,
            country TEXT NOT NULL DEFAULT ''
        )
        """,
        # Each session in each hour in which it had events: the way to the sessions of some hours.
        f"""
        CREATE TABLE {names.hours} (
            source INTEGER NOT NULL,
            hour TEXT NOT NULL,
            session INTEGER NOT NULL,
            profile INTEGER NOT NULL,
            events INTEGER NOT NULL,
            page_views INTEGER NOT NULL,
            PRIMARY KEY (source, hour, session)
        ) WITHOUT ROWID
        """,
        f"""
        CREATE TABLE {names.numbers} (
            key INTEGER PRIMARY KEY,
            source INTEGER NOT NULL,
            type TEXT NOT NULL,
            property TEXT NOT NULL,
            since INTEGER NOT NULL,
            UNIQUE (source, type, property)
        )
        """,
        # `sum` is in millionths, as text: it may be larger than SQLite's integers.
        f"""
        CREATE TABLE {names.number_days} (
            number INTEGER NOT NULL,
            day TEXT NOT NULL,
            count INTEGER NOT NULL,
            sum TEXT NOT NULL,
            PRIMARY KEY (number, day)
        ) WITHOUT ROWID
        """,
        # For the least and the largest, whichever is removed.
        f"""
        CREATE TABLE {names.number_values} (
            number INTEGER NOT NULL,
            day TEXT NOT NULL,
            value REAL NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (number, day, value)
        ) WITHOUT ROWID
        """,
    )


TABLES = (
    *schema_of(LIVE),
    # How far each set has counted: the number of the last event.
    "CREATE TABLE rollup_marks (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO rollup_marks VALUES ('live', 0)",
    # Sessions that have changed since they were counted.
    "CREATE TABLE changed_sessions (session INTEGER PRIMARY KEY)",
)


def recount(connection: sqlite3.Connection) -> None:
    """Replaces the tables of before by empty ones, inside the caller's transaction. All is counted
    again; a number from where its owner named it."""
    numbers = connection.execute(f"SELECT * FROM {LIVE.numbers}").fetchall()
    for names in (LIVE, NEXT):
        for table in names.tables:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in schema_of(LIVE):
        connection.execute(statement)
    connection.executemany(f"INSERT INTO {LIVE.numbers} VALUES (?, ?, ?, ?, ?)", numbers)
    connection.execute("DELETE FROM rollup_marks")
    connection.execute("INSERT INTO rollup_marks VALUES (?, 0)", [LIVE.name])
