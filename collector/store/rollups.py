"""Rollups: what charts are drawn from, counted ahead, and always equal to a count over the rows.

Events are counted in the order of their numbers, up to a mark that is committed with the counts, so
each is counted exactly once. Rows after the mark are counted by whoever reads (reports.py). Who
removes rows takes off what was counted of them, in the same transaction (`removing`).
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .audit import add_entry, complete_entry
from .connection import changes_of_others, transaction
from .events import last_seq
from .rollup_changes import (
    Changes,
    Key,
    Tally,
    change_facts,
    change_sessions,
    changed_sessions,
    changes_between,
    changes_of_removal,
    numbers_of,
    numbers_wanted,
)
from .rollup_tables import LIVE, MONTHLY_RETURNS, NEXT, OTHER, RETURNS, RollupSet, schema_of
from .rollup_visits import Visit
from .rows import insert_rows

# Events counted in one transaction. The more, the less each costs; and the longer a sender waits.
STEP = 5000
MAX_VALUES = 5000  # of a kind in an hour, day or month of a source; the rest is OTHER

Period = tuple[int, str, str, str]  # source, kind, grain, period


def mark_of(connection: sqlite3.Connection, names: RollupSet = LIVE) -> int | None:
    """Returns the number of the last event counted in a set, or None if the set does not exist."""
    find = "SELECT seq FROM rollup_marks WHERE name = ?"
    row = connection.execute(find, [names.name]).fetchone()
    return int(row[0]) if row else None


def _sets(connection: sqlite3.Connection) -> list[tuple[RollupSet, int]]:
    """The sets that there are, with their marks."""
    found = ((names, mark_of(connection, names)) for names in (LIVE, NEXT))
    return [(names, mark) for names, mark in found if mark is not None]


# --- Counting forward ---


class RollUp:
    """Counts events beside other work of the same connection: `read` takes a small piece of them at
    a time, `write` commits what was read. The more is written at once, the less each event costs.

    What was read is dropped if another connection has changed the database meanwhile, which may
    have removed some of it; then the next piece is counted in one transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._was_dropped = False
        self.drop()

    def drop(self) -> None:
        """Forgets what was read: rows may have been removed."""
        self._tally: Tally | None = None
        self._upto = self._version = 0

    @property
    def rows(self) -> int:
        """How many rows `write` has to write, about."""
        return self._tally.rows if self._tally else 0

    def read(self, limit: int) -> bool:
        """Reads some more events. Returns whether there are others."""
        connection = self._connection
        with transaction(connection):  # in which nobody else can move the mark
            version = changes_of_others(connection)
            if self._tally is None:
                self._upto = mark_of(connection) or 0
                self._version, self._tally = version, Tally(connection, LIVE)
            if version == self._version:
                # The first events of a source make its numbers known here. They are still to read.
                _register_numbers(connection, LIVE, self._upto)
        last = last_seq(connection)
        upto = min(self._upto + limit, last)
        self._tally.read(self._upto, upto, numbers_of(connection, LIVE))
        self._upto = upto
        return upto < last

    def write(self) -> bool:
        """Commits what was read. Returns false if it was dropped instead."""
        connection, tally, upto = self._connection, self._tally, self._upto
        if tally is None:
            return True
        version, was_dropped = self._version, self._was_dropped
        self.drop()
        self._was_dropped = False
        with transaction(connection):
            if version == changes_of_others(connection):
                apply_changes(connection, LIVE, tally.changes())
                _set_mark(connection, LIVE, upto)
            elif was_dropped:
                _step(connection, LIVE, mark_of(connection) or 0)
            else:
                self._was_dropped = True
                return False
            _count_changed(connection)
        return not was_dropped


def _step(connection: sqlite3.Connection, names: RollupSet, mark: int) -> int:
    """Counts the next events of a set, inside the caller's transaction. Returns how many are
    left."""
    _register_numbers(connection, names, mark)
    last = last_seq(connection)
    upto = min(mark + STEP, last)
    if upto > mark:
        apply_changes(connection, names, changes_between(connection, mark, upto, names))
        _set_mark(connection, names, upto)
    return int(max(0, last - upto))


def _set_mark(connection: sqlite3.Connection, names: RollupSet, seq: int) -> None:
    connection.execute("UPDATE rollup_marks SET seq = ? WHERE name = ?", [seq, names.name])


def _count_changed(connection: sqlite3.Connection) -> None:
    """Counts changed sessions in all sets, inside the caller's transaction."""
    if not changed_sessions(connection):
        return
    for names, _ in _sets(connection):
        changes = Changes()
        change_facts(connection, changes, names)
        apply_changes(connection, names, changes)
    connection.execute("DELETE FROM changed_sessions")


# --- Taking off ---


@contextmanager
def removing(connection: sqlite3.Connection, requests: Sequence[int]) -> Iterator[None]:
    """Takes off what was counted of these requests, which are removed inside, with their events.
    In the caller's transaction."""
    find = (
        "SELECT DISTINCT r.session FROM json_each(?) j CROSS JOIN request_rows r"
        " ON r.key = j.value WHERE r.session > 0"
    )
    sessions = [key for (key,) in connection.execute(find, [json.dumps(list(requests))])]
    found = [
        (names, mark, changes_of_removal(connection, names, requests, mark))
        for names, mark in _sets(connection)
    ]
    yield
    for names, mark, changes in found:
        change_sessions(connection, names, sessions, mark, changes)
        apply_changes(connection, names, changes)


def remove_source_counts(connection: sqlite3.Connection, source: int) -> None:
    """Removes all counts of a source, inside the caller's transaction."""
    for names, _ in _sets(connection):
        for number in numbers_of(connection, names):
            if number.source == source:
                _remove_number(connection, names, number.key)
        for table in (names.counts, names.visitors, names.visits, names.hours):
            connection.execute(f"DELETE FROM {table} WHERE source = ?", [source])


# --- Writing ---


def apply_changes(connection: sqlite3.Connection, names: RollupSet, changes: Changes) -> None:
    """Writes changes, inside the caller's transaction."""
    _apply_counts(connection, names.counts, changes.counts())
    _add(
        connection,
        f"{names.visitors} (source, profile, day, events)",
        [(*key, events) for key, events in sorted(changes.visitors.items())],
        ("source", "profile", "day"),
        ("events",),
    )
    _add(
        connection,
        f"{names.hours} (source, hour, session, profile, events, page_views)",
        [(*key, *values) for key, values in sorted(changes.hours.items())],
        ("source", "hour", "session", "profile"),
        ("events", "page_views"),
    )
    connection.executemany(
        f"DELETE FROM {names.visits} WHERE session = ?",
        [(session,) for session, visit in changes.visits.items() if visit is None],
    )
    insert_rows(
        connection,
        f"REPLACE INTO {names.visits} (session, {', '.join(Visit._fields)})",
        [(session, *visit) for session, visit in sorted(changes.visits.items()) if visit],
    )
    _apply_numbers(connection, names, changes)


def _add(
    connection: sqlite3.Connection,
    table: str,
    rows: list[tuple[Any, ...]],
    keys: Sequence[str],
    sums: Sequence[str],
) -> None:
    """Adds to sums, or takes off where they are negative. Rows are removed when the first of their
    sums becomes 0. `table`: with its columns, which are `keys` and then `sums`."""
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
    insert_rows(connection, f"INSERT INTO {table}", rows, f"ON CONFLICT DO UPDATE SET {added}")
    where = " AND ".join(f"{name} = ?" for name in keys)
    connection.executemany(
        f"DELETE FROM {table.split(maxsplit=1)[0]} WHERE {where} AND {sums[0]} <= 0",
        [row[: len(keys)] for row in rows if row[len(keys)] < 0],
    )


def _apply_counts(
    connection: sqlite3.Connection, table: str, counts: dict[Key, tuple[int, int]]
) -> None:
    periods: dict[Period, dict[str, tuple[int, int]]] = defaultdict(dict)
    for (source, kind, grain, period, value), change in counts.items():
        periods[source, kind, grain, period][value] = change
    written = [
        (*period, value, count, bots)
        for period, changed in sorted(periods.items())
        for value, count, bots in _bounded(connection, table, period, changed)
    ]
    insert_rows(
        connection,
        f"INSERT INTO {table} (source, kind, grain, period, value, count, bots)",
        written,
        "ON CONFLICT DO UPDATE SET count = count + excluded.count, bots = bots + excluded.bots",
    )
    connection.executemany(
        f"DELETE FROM {table} WHERE source = ? AND kind = ? AND grain = ? AND period = ?"
        " AND value = ? AND count <= 0",
        [row[:5] for row in written if row[5] < 0],
    )


def _bounded(
    connection: sqlite3.Connection, table: str, period: Period, changed: dict[str, tuple[int, int]]
) -> list[tuple[str, int, int]]:
    """The changes of a period by value. What has no room is OTHER.

    What is taken off is taken from the value's own row first: a value may have been counted in
    both, if the period was full for some time. So the sum is right, and no count negative.
    """
    # Days and months, of which nobody makes up more than there are.
    if period[1] in (RETURNS, MONTHLY_RETURNS):
        return [(value, *change) for value, change in sorted(changed.items())]
    where = "source = ? AND kind = ? AND grain = ? AND period = ?"
    known = {
        value: (count, bots)
        for value, count, bots in connection.execute(
            f"SELECT c.value, c.count, c.bots FROM json_each(?) j CROSS JOIN {table} c"
            f" ON {where} AND c.value = j.value",
            (json.dumps([*changed]), *period),
        )
    }
    if len(known) == len(changed) and all(count > 0 for count, _ in changed.values()):
        return [(value, *change) for value, change in sorted(changed.items())]
    values, others = connection.execute(
        f"SELECT count(*), coalesce(sum(value = '{OTHER}'), 0) FROM {table} WHERE {where}", period
    ).fetchone()
    room = MAX_VALUES - (values - others)
    if room >= len(changed) and not others:
        return [(value, *change) for value, change in sorted(changed.items())]
    result: list[tuple[str, int, int]] = []
    other, other_bots = 0, 0
    for value, (count, bots) in sorted(changed.items()):
        own, own_bots = known.get(value, (0, 0))
        if count < 0:
            count, bots = max(count, -own), max(bots, -own_bots)  # noqa: PLW2901
            other += changed[value][0] - count
            other_bots += changed[value][1] - bots
        elif not own and room <= 0:
            other, other_bots = other + count, other_bots + bots
            continue
        elif not own:
            room -= 1
        if count:
            result.append((value, count, bots))
    if other:
        result.append((OTHER, other, other_bots))
    return result


def _apply_numbers(connection: sqlite3.Connection, names: RollupSet, changes: Changes) -> None:
    insert_rows(
        connection,
        f"INSERT INTO {names.number_values} (number, day, value, count)",
        [(*key, count) for key, count in sorted(changes.values.items())],
        "ON CONFLICT DO UPDATE SET count = count + excluded.count",
    )
    connection.executemany(
        f"DELETE FROM {names.number_values} WHERE number = ? AND day = ? AND value = ?"
        " AND count <= 0",
        [key for key, count in changes.values.items() if count < 0],
    )
    counts: dict[tuple[int, str], int] = defaultdict(int)
    for (number, day, _), count in changes.values.items():
        counts[number, day] += count
    for key, count in counts.items():
        find = f"SELECT count, sum FROM {names.number_days} WHERE number = ? AND day = ?"
        before, total = connection.execute(find, key).fetchone() or (0, "0")
        connection.execute(
            f"REPLACE INTO {names.number_days} (number, day, count, sum) VALUES (?, ?, ?, ?)",
            (*key, before + count, str(int(total) + changes.sums[key])),
        )
        gone = f"DELETE FROM {names.number_days} WHERE number = ? AND day = ? AND count <= 0"
        connection.execute(gone, key)


# --- Numbers that owners name ---


def _register_numbers(connection: sqlite3.Connection, names: RollupSet, mark: int) -> None:
    """Makes the numbers of a set what the sources' owners want, from the mark on."""
    wanted = numbers_wanted(connection, names, mark)
    for number in numbers_of(connection, names):
        if number not in wanted:
            _remove_number(connection, names, number.key)
    insert_rows(
        connection,
        f"INSERT INTO {names.numbers} (source, type, property, since)",
        [number[1:] for number in wanted if number.key < 0],
    )


def _remove_number(connection: sqlite3.Connection, names: RollupSet, key: int) -> None:
    for table in (names.number_days, names.number_values):
        connection.execute(f"DELETE FROM {table} WHERE number = ?", [key])
    connection.execute(f"DELETE FROM {names.numbers} WHERE key = ?", [key])


# --- Counting again ---


def rebuild_rollups(connection: sqlite3.Connection) -> Iterator[tuple[int, int]]:
    """Counts all events again, while others store and read, and yields how many numbers of events
    are done, of how many. The new counts replace the old ones at the end, at once.

    It works in small transactions. If it is interrupted, the next call begins again.
    """
    with transaction(connection):
        _drop_set(connection, NEXT)
        for statement in schema_of(NEXT):
            connection.execute(statement)
        connection.execute("INSERT INTO rollup_marks VALUES (?, 0)", [NEXT.name])
        entry = add_entry(connection, "rollups.rebuild")
    while True:
        with transaction(connection):
            mark = mark_of(connection, NEXT)
            if mark is None:
                return  # another process has begun again, and ended
            left = _step(connection, NEXT, mark)
            done = mark_of(connection, NEXT) or 0
            if not left:
                _count_changed(connection)
                _replace_live(connection, done)
                complete_entry(connection, entry, {"events": done})
        yield done, done + left
        if not left:
            return


def _replace_live(connection: sqlite3.Connection, mark: int) -> None:
    for table, new in zip(LIVE.tables, NEXT.tables, strict=True):
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"ALTER TABLE {new} RENAME TO {table}")
    connection.execute("DELETE FROM rollup_marks WHERE name = ?", [NEXT.name])
    _set_mark(connection, LIVE, mark)


def _drop_set(connection: sqlite3.Connection, names: RollupSet) -> None:
    for table in names.tables:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute("DELETE FROM rollup_marks WHERE name = ?", [names.name])
