"""`/api/sources/{source_id}/reports/*`: what was stored and rejected, counted."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from msgspec import Raw

from ... import store
from ...errors import NotFound
from ...store import reports
from ...store.connection import connect_readonly
from ...store.rollup_tables import DAY
from ...store.tokens import READ
from .api_call import CURSOR, MAX_LIMIT, Call, Operation, Page, Reach, Work
from .routes import query_parameter

DEFAULT_DAYS = 30


def _report(read: Callable[[sqlite3.Connection, str, Call], Any]) -> Work:
    """A report of one source, in one snapshot of the database."""

    def work(call: Call) -> Any:
        source = store.get_source(call.db, call.path["source_id"])
        with closing(connect_readonly(call.database)) as reading, reports.up_to_date(reading):
            return read(reading, source.id, call)

    return work


def _days(call: Call) -> int:
    return call.number("days", reports.MAX_DAYS) or DEFAULT_DAYS


def _report_events(reading: sqlite3.Connection, source_id: str, call: Call) -> Any:
    return _by_period(call, "events", partial(reports.events_over_time, reading, source_id))


def _report_rejected(reading: sqlite3.Connection, source_id: str, call: Call) -> Any:
    return _by_period(call, "rejected", partial(reports.rejections, reading, source_id))


def _by_period(call: Call, name: str, read: Callable[..., Iterable[dict[str, Any]]]) -> Any:
    """A report of the periods after the one that `cursor` names. A page ends with a period."""
    grain = call.choice("by", reports.GRAINS, DAY)
    first, last = reports.last_periods(grain, _days(call))
    after = call.query.get("cursor", "")
    found = groupby(read(grain, max(first, after), last), itemgetter("period"))
    page = Page((period, [*rows]) for period, rows in found if period > after)
    rows = b",".join(bytes(array)[1:-1] for array in page)
    return {name: Raw(b"[%b]" % rows), "next": page.next}


def _report_visits(reading: sqlite3.Connection, source_id: str, call: Call) -> Any:
    days = reports.last_days(_days(call))
    return {
        "days": reports.visits_over_time(reading, source_id, *days),
        "total": reports.visitors_between(reading, source_id, *days),
    }


def _report_top(reading: sqlite3.Connection, source_id: str, call: Call) -> Any:
    kind, limit = call.path["kind"], call.number("limit", MAX_LIMIT) or 10
    if kind not in store.KINDS:
        raise NotFound(f"There is no report of {kind!r}. Choose from {', '.join(store.KINDS)}.")
    days = reports.last_days(_days(call))
    return {kind: reports.most_frequent(reading, source_id, kind, *days, limit)}


def _report_numbers(reading: sqlite3.Connection, source_id: str, call: Call) -> Any:
    return {"numbers": reports.numbers(reading, source_id, *reports.last_days(_days(call)))}


_REPORTS = "/api/sources/{source_id}/reports"
_DAYS = query_parameter(
    "days",
    {"type": "integer", "minimum": 1, "maximum": reports.MAX_DAYS},
    f"The last days, in UTC, today among them; {DEFAULT_DAYS} by default.",
)
_BY = query_parameter(
    "by", {"enum": [*reports.GRAINS]}, f"The length of a period; {DAY} by default."
)
_TOP = query_parameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "How many; 10 by default."
)

OPERATIONS = (
    Operation(
        "GET",
        f"{_REPORTS}/events",
        _report(_report_events),
        "How many events of each type were stored in each hour, day or month.",
        READ,
        Reach.PATH,
        query=(_BY, _DAYS, CURSOR),
    ),
    Operation(
        "GET",
        f"{_REPORTS}/rejected",
        _report(_report_rejected),
        "How many events were rejected, by reason and type.",
        READ,
        Reach.PATH,
        query=(_BY, _DAYS, CURSOR),
    ),
    Operation(
        "GET",
        f"{_REPORTS}/visits",
        _report(_report_visits),
        "Visitors, sessions and page-views of each day, and the visitors of all days.",
        READ,
        Reach.PATH,
        query=(_DAYS,),
    ),
    Operation(
        "GET",
        f"{_REPORTS}/top/{{kind}}",
        _report(_report_top),
        f"The most frequent {', '.join(store.KINDS).replace('_', ' ')}.",
        READ,
        Reach.PATH,
        query=(_DAYS, _TOP),
    ),
    Operation(
        "GET",
        f"{_REPORTS}/numbers",
        _report(_report_numbers),
        "Count, sum, least and largest of the numbers that the source names.",
        READ,
        Reach.PATH,
        query=(_DAYS,),
    ),
)
