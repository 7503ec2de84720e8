"""Sessions as they are counted in the rollups."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..event.visit import campaign_of, client_of, page_of
from .rollup_tables import RollupSet

PAGE_VIEW = "page-view"
BOUNCE = 1  # page-views of a visit, at most, with which it is a bounce
VIEW_KEY = f"(SELECT key FROM event_types WHERE name = '{PAGE_VIEW}')"


class Visit(NamedTuple):
    """A session as it is counted. `began`: the minute of its first event."""

    source: int
    began: str
    entry_page: str = ""
    exit_page: str = ""
    referrer: str = ""
    campaign: str = ""
    browser: str = ""
    screen: str = ""
    language: str = ""
    time_zone: str = ""
    country: str = ""
    page_views: int = 0

    @property
    def kinds(self) -> tuple[str, ...]:
        """Its value of each of SESSION_KINDS."""
        return self[2:-1]

    @property
    def is_bounce(self) -> bool:
        return self.page_views <= BOUNCE


def with_facts_of(visit: Visit, other: Visit) -> Visit:
    """A visit with what the session said when another form of it was counted."""
    return visit._replace(**{name: getattr(other, name) for name in Facts._fields})


def known_visits(
    connection: sqlite3.Connection, names: RollupSet, sessions: Iterable[int]
) -> dict[int, Visit]:
    """Sessions as a set has counted them."""
    rows = connection.execute(
        f"SELECT v.session, {', '.join(f'v.{name}' for name in Visit._fields)}"
        f" FROM json_each(?) j CROSS JOIN {names.visits} v ON v.session = j.value",
        [json.dumps(list(sessions))],
    )
    return {session: Visit(*values) for session, *values in rows}


class Facts(NamedTuple):
    """What a session, not its events, says of a visit."""

    campaign: str = ""
    browser: str = ""
    screen: str = ""
    language: str = ""
    time_zone: str = ""
    country: str = ""


def with_facts(visit: Visit, facts: Facts | None) -> Visit:
    return visit._replace(**(facts or Facts())._asdict())


def facts_of(connection: sqlite3.Connection, sessions: Iterable[int]) -> dict[int, Facts]:
    """What sessions say of campaign, browser and country."""
    rows = connection.execute(
        "SELECT s.key, s.context, s.first_utm, s.country FROM json_each(?) j"
        " CROSS JOIN session_rows s ON s.key = j.value",
        [json.dumps(list(sessions))],
    )
    return {
        key: Facts(campaign_of(utm or ""), *client_of(context), country or "")
        for key, context, utm, country in rows
    }


def visit_of(
    connection: sqlite3.Connection, session: int, upto: int, *, with_bots: bool = False
) -> Visit | None:
    """A session as its events up to a number make it; None if it has none. `with_bots`: also by
    those that are not counted, of bots and of runs of tests. Its page-views are not: there may be any number of them."""

    def events(order: str, where: str) -> Iterator[tuple[int, str, str]]:
        return connection.execute(
            f"""SELECT e.source, substr(e.occurred_at, 1, 16), coalesce(e.context, r.context)
            FROM request_rows r CROSS JOIN event_rows e
                ON e.seq BETWEEN r.key AND r.key + r.events - 1 AND e.request = r.key
            WHERE r.session = ? AND (r.bot = 0 AND r.run IS NULL OR ?) AND e.seq <= ? {where}
            ORDER BY r.key {order}, e.seq {order}""",
            (session, with_bots, upto),
        )

    first = next(events("ASC", ""), None)
    if first is None:
        return None
    is_view = f"AND e.type = {VIEW_KEY}"
    views = [
        next((page for *_, text in events(order, is_view) if (page := page_of(text))), None)
        for order in ("ASC", "DESC")
    ]
    visit = Visit(first[0], first[1])
    entry, last = views
    if entry and last:
        visit = visit._replace(entry_page=entry.path, exit_page=last.path, referrer=entry.referrer)
    return with_facts(visit, facts_of(connection, [session]).get(session))
