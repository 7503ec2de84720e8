"""The SQL that makes an overview's numbers, for whoever wants to check or change it: over tables and
views that the reference explains. The overview itself reads the same from sums where there are any.

What was stored in the last moments may not be counted in the tables yet.
"""

from .overview import FILTERS, KIND_OF, Question
from .overview_scan import EVENT_FILTERS
from .ranges import MINUTE, TEXTS
from .rollup_visits import BOUNCE, PAGE_VIEW

MEASURES = ("visitors", "sessions", "events", "page_views")
_PATH = "json_extract(context, '$.page.path')"


def queries_of(question: Question, limit: int = 10) -> dict[str, str]:
    """A query for each number (MEASURES, `bounces`, `bots`), for each kind (`value` and `count`), and
    for each measure by period (`visitors by period` and so on: `period` and its number)."""
    return _Queries(question, limit).all()


def quoted(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


class _Queries:
    def __init__(self, question: Question, limit: int) -> None:
        self._range, self._limit = question.range, limit
        self._sources = question.sources
        self._filters = dict(question.filters)
        self._is_of_events = bool(set(self._filters) & {*EVENT_FILTERS})
        self._length = TEXTS[question.range.grain]

    def all(self) -> dict[str, str]:
        names = (*MEASURES, "bounces", "bots")
        found = {name: f"{self._start(name)}SELECT {self._count(name)}" for name in names}
        for name in MEASURES:
            found[f"{name} by period"] = (
                f"{self._start(name)}SELECT {self._period(name)} AS period, {self._count(name)}"
                "\nGROUP BY period ORDER BY period"
            )
        for name in FILTERS:
            found[KIND_OF[name]] = self._top(name)
        return found

    def _top(self, name: str) -> str:
        value, where = name, ""
        if name == "page":
            value, where = _PATH, f"\nWHERE {self._views}"
        order = f"\nGROUP BY value ORDER BY count DESC, value LIMIT {self._limit}"
        select = f"SELECT {value} AS value, count(*) AS count FROM"
        if name in EVENT_FILTERS:
            return f"{self._found(bots=False)}{select} found{where}{order}"
        return f"{self._start('sessions')}{select} visits\nWHERE {self._begun}{order}"

    def _start(self, name: str) -> str:
        """What a query begins with."""
        if name == "bots":
            return self._found(bots=True)
        is_of_found = name in ("events", "page_views", "visitors") or self._is_of_events
        return self._found(bots=False) if is_of_found else ""

    def _count(self, name: str) -> str:
        """What a query counts, and from where."""
        if name in ("sessions", "bounces"):
            bounce = f" AND page_views <= {BOUNCE}" if name == "bounces" else ""
            if self._is_of_events and not bounce:
                return "count(DISTINCT session) AS sessions FROM found WHERE session > 0"
            return f"count(*) AS {name} FROM visits\nWHERE {self._begun}{bounce}"
        if name == "visitors":
            return (
                "count(DISTINCT source || '-' || profile) AS visitors FROM found WHERE session > 0"
            )
        where = f" WHERE {self._views}" if name == "page_views" else ""
        return f"count(*) AS {name} FROM found{where}"

    def _period(self, name: str) -> str:
        column = "began" if name == "sessions" and not self._is_of_events else "occurred_at"
        return f"substr({column}, 1, {self._length})"

    @property
    def _views(self) -> str:
        return f"type = {quoted(PAGE_VIEW)} AND session > 0 AND {_PATH} IS NOT NULL"

    @property
    def _begun(self) -> str:
        """Which visits count."""
        if self._is_of_events:
            return "session IN (SELECT session FROM found)"
        start, end = (text[: TEXTS[MINUTE]] for text in self._range.times)
        terms = [*self._of_sources("source"), f"began >= {quoted(start)}", f"began < {quoted(end)}"]
        return " AND ".join([*terms, *self._of_visits()])

    def _found(self, *, bots: bool) -> str:
        """The events that count, or those of bots."""
        start, end = self._range.times
        terms = [
            f"r.bot = {int(bots)}",
            "r.run IS NULL",
            f"e.occurred_at >= {quoted(start)}",
            f"e.occurred_at < {quoted(end)}",
            *self._of_sources("e.source"),
        ]
        if visits := self._of_visits():
            terms.append(f"r.session IN (SELECT session FROM visits WHERE {' AND '.join(visits)})")
        if "type" in self._filters:
            terms.append(f"t.name = {quoted(self._filters['type'])}")
        if "page" in self._filters:
            path = "json_extract(coalesce(e.context, r.context), '$.page.path')"
            terms.append(
                f"t.name = {quoted(PAGE_VIEW)} AND r.session > 0"
                f" AND {path} = {quoted(self._filters['page'])}"
            )
        where = "\n    AND ".join(terms)
        return f"""WITH found AS (
  SELECT e.source, t.name AS type, e.occurred_at, r.session, s.profile,
    coalesce(e.context, r.context) AS context
  FROM event_rows e
  JOIN request_rows r ON r.key = e.request
  JOIN session_rows s ON s.key = r.session
  JOIN event_types t ON t.key = e.type
  WHERE {where}
)
"""

    def _of_visits(self) -> list[str]:
        return [
            f"{name} = {quoted(value)}"
            for name, value in self._filters.items()
            if name not in EVENT_FILTERS
        ]

    def _of_sources(self, column: str) -> list[str]:
        if self._sources is None:
            return []
        ids = ", ".join(quoted(source) for source in self._sources)
        return [f"{column} IN (SELECT key FROM source_keys WHERE id IN ({ids}))"]
