"""How sources are: whether events come in, and are taken."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from .ranges import named_range
from .reports import UNCOUNTED
from .rollup_tables import HOUR, LIVE

WAITING, LIVELY, QUIET, FAILING, DISABLED = "waiting", "live", "quiet", "failing", "disabled"
STATES = (WAITING, LIVELY, QUIET, FAILING, DISABLED)
MAX_REJECTED = 0.05  # the part of a day's events; with more, a source is failing
QUIET_AFTER = timedelta(hours=24)


@dataclass(frozen=True)
class SourceState:
    """A source in the present hour and the 23 before. `hours`: stored events of each by their own
    time, bots among them; `events`: of all; `rejected`: those that came in these hours."""

    source_id: str
    state: str
    last_event_at: str | None
    events: int
    hours: list[int]
    rejected: int

    @property
    def rejected_part(self) -> float:
        """The part of what came in that was rejected, from 0 to 1."""
        total = self.events + self.rejected
        return self.rejected / total if total else 0.0


def source_states(
    connection: sqlite3.Connection,
    sources: Sequence[str] | None = None,
    now: datetime | None = None,
) -> list[SourceState]:
    """The states of these sources, or of all, in the order of `list_sources`; those that do not exist
    are left out. Inside `reports.up_to_date`."""
    now = now or datetime.now(UTC)
    periods = named_range("24h", now).periods()
    wanted = None if sources is None else json.dumps([*sources])
    rows = connection.execute(
        """SELECT s.id, s.enabled, coalesce(k.key, 0),
            (SELECT max(received_at) FROM request_rows WHERE source = k.key AND run IS NULL),
            (SELECT sum(events) FROM rejected_hours
                WHERE source = k.key AND hour BETWEEN ?2 AND ?3)
        FROM sources s LEFT JOIN source_keys k ON k.id = s.id
        WHERE ?1 IS NULL OR s.id IN (SELECT value FROM json_each(?1))
        ORDER BY s.created_at, s.id""",
        (wanted, periods[0], periods[-1]),
    ).fetchall()
    counts = _events_by_hour(connection, [key for _, _, key, *_ in rows], periods)
    found = []
    for source_id, enabled, key, last_at, rejected in rows:
        hours = [counts[key, period] for period in periods]
        state = SourceState(source_id, DISABLED, last_at, sum(hours), hours, rejected or 0)
        found.append(replace(state, state=_state_of(state, now)) if enabled else state)
    return found


def _events_by_hour(
    connection: sqlite3.Connection, keys: Sequence[int], periods: Sequence[str]
) -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = defaultdict(int)
    where = "kind = 'types' AND grain = ?2 AND period BETWEEN ?3 AND ?4"
    for source, period, events in connection.execute(
        f"""SELECT c.source, c.period, sum(c.count) FROM json_each(?1) j
        CROSS JOIN {LIVE.counts} c ON c.source = j.value AND {where} GROUP BY 1, 2
        UNION ALL SELECT source, period, sum(count) FROM {UNCOUNTED} WHERE {where} GROUP BY 1, 2""",
        (json.dumps([*keys]), HOUR, periods[0], periods[-1]),
    ):
        found[source, period] += events
    return found


def _state_of(found: SourceState, now: datetime) -> str:
    """The state of a source that is enabled."""
    if found.rejected_part > MAX_REJECTED:
        return FAILING
    if found.last_event_at is None:
        return WAITING
    return QUIET if now - datetime.fromisoformat(found.last_event_at) > QUIET_AFTER else LIVELY
