"""Whether the rollups are what the events make them."""

import sqlite3
from collections.abc import Callable

from .rollup_changes import Changes, changed_sessions, changes_between
from .rollup_tables import LIVE, OTHER, RollupSet, schema_of
from .rollup_visits import known_visits, with_facts_of
from .rollups import STEP, apply_changes, mark_of


def check_rollups(
    connection: sqlite3.Connection, progress: Callable[[int, int], None]
) -> list[str]:
    """Counts all events again into temporary tables. Returns where the rollups differ, in words.

    `progress` is called with how many numbers of events are done, and of how many. In the caller's
    snapshot.
    """
    mark = mark_of(connection) or 0
    again = RollupSet("again", *(f"temp.again_{table}" for table in LIVE.tables))
    for table in again.tables:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in schema_of(again):
        connection.execute(statement)
    # A number is counted from where its owner named it.
    connection.execute(f"INSERT INTO {again.numbers} SELECT * FROM {LIVE.numbers}")
    for after in range(0, mark, STEP):
        upto = min(mark, after + STEP)
        apply_changes(connection, again, changes_between(connection, after, upto, again))
        progress(upto, mark)
    apply_changes(connection, again, _not_yet_changed(connection, again))
    return [
        f"{count} {what} in the rollups differ from the events (mark {mark}):"
        " `thamesthrive db rollups rebuild` counts them again"
        for what, query in _differences(again).items()
        if (count := connection.execute(query).fetchone()[0])
    ]


def _not_yet_changed(connection: sqlite3.Connection, again: RollupSet) -> Changes:
    """What makes the sessions that have changed since they were counted what they were then."""
    sessions = changed_sessions(connection)
    changes, live = Changes(), known_visits(connection, LIVE, sessions)
    for session, visit in known_visits(connection, again, sessions).items():
        if session in live:
            changes.visit(session, visit, with_facts_of(visit, live[session]))
    return changes


def _differences(again: RollupSet) -> dict[str, str]:
    """What may differ, with the query that counts it.

    Which values are OTHER depends on the order in which they came, so periods that have it are
    compared by their sums.
    """
    period = "source, kind, grain, period"
    both = (
        f"(SELECT * FROM {LIVE.counts} UNION ALL"
        f" SELECT {period}, value, -count, -bots FROM {again.counts})"
    )
    full = " UNION ".join(
        f"SELECT {period} FROM {table} WHERE value = '{OTHER}'"
        for table in (LIVE.counts, again.counts)
    )
    differ = "HAVING sum(count) <> 0 OR sum(bots) <> 0"
    queries = {
        "sums of periods": f"SELECT 1 FROM {both} GROUP BY {period} {differ}",
        "counts": f"SELECT 1 FROM {both} WHERE ({period}) NOT IN ({full})"
        f" GROUP BY {period}, value {differ}",
    }
    tables = {
        "visitors": "visitors",
        "sessions": "visits",
        "hours of sessions": "hours",
        "days of numbers": "number_days",
        "values of numbers": "number_values",
    }
    for what, name in tables.items():
        one, other = getattr(LIVE, name), getattr(again, name)
        queries[what] = " UNION ALL ".join(
            f"SELECT * FROM (SELECT * FROM {a} EXCEPT SELECT * FROM {b})"
            for a, b in ((one, other), (other, one))
        )
    return {what: f"SELECT count(*) FROM ({query})" for what, query in queries.items()}
