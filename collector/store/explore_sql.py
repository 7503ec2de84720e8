"""The answer to a query as one statement over the view `events`, for any client of SQLite 3.38 or
later: columns `period`, `name` and `value`, in the order of `Exploration.rows`."""

from .explore import (
    AVERAGE,
    COUNT,
    MEDIAN,
    OF_NUMBERS,
    OTHER,
    P95,
    PERIODS,
    SUM,
    VISITORS,
    Query,
)
from .json_values import UNITS, JsonPath, inlined
from .selection import VISITOR, label_of_view

_IN_ALL = f"CAST(sum(item / {UNITS}) * {UNITS} + sum(item % {UNITS}) AS REAL)"
_VALUES = {
    COUNT: "count(*)",
    VISITORS: "count(DISTINCT item)",
    SUM: f"{_IN_ALL} / {UNITS}",
    AVERAGE: f"{_IN_ALL} / (count(*) * {UNITS})",
}
_RANKS = {
    VISITORS: "count(DISTINCT item)",
    SUM: f"sum(item / {UNITS}) * {UNITS} + sum(item % {UNITS})",
}
_QUANTILES = {
    MEDIAN: f"CAST(sum(item) AS REAL) / (count(*) * {UNITS}) AS value FROM places"
    " WHERE number IN ((numbers + 1) / 2, (numbers + 2) / 2)",
    P95: f"max(item) / {UNITS}.0 AS value FROM places WHERE number = (95 * numbers + 99) / 100",
}


def sql_of(query: Query) -> str:
    """The statement. Visitors are told apart by their profile id."""
    columns = [f"{PERIODS[query.interval] if query.interval else 'NULL'} AS period"]
    if query.group is not None:
        columns.append(f"{_name(query)} AS name")
    columns.append(f"{_item(query)} AS item")
    where = inlined(query.selection.of_view())
    if query.measure == VISITORS:
        where += f" AND NOT e.bot AND e.{VISITOR} IS NOT NULL"
    shown = ",\n    ".join(columns)
    found = f"SELECT {shown}\n  FROM events e\n  WHERE {where}"
    if query.measure in OF_NUMBERS:
        found = f"SELECT * FROM (\n  {found}\n  ) WHERE item IS NOT NULL"
    tables = {"found": found}
    name, keys = "NULL AS name", "period"
    if query.group is not None:
        tables |= _named(query)
        name, keys = f"iif(place IS NULL, '{OTHER}', name) AS name", "period, place"
    last = [*tables][-1]
    if query.measure in _QUANTILES:
        tables["places"] = (
            f"SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY item) AS number,\n"
            f"    count(*) OVER (PARTITION BY {keys}) AS numbers\n  FROM {last}"
        )
        value = _QUANTILES[query.measure]
    else:
        value = f"{_VALUES[query.measure]} AS value FROM {last}"
    order = keys.replace("place", "place IS NULL, place")
    parts = ",\n".join(f"{table} AS (\n  {text}\n)" for table, text in tables.items())
    return f"WITH {parts}\nSELECT period, {name}, {value}\nGROUP BY {keys} ORDER BY {order}"


def _named(query: Query) -> dict[str, str]:
    """Tables that give what was found its place among the groups."""
    rank = _RANKS.get(query.measure, "count(*)")
    return {
        "ranked": f"SELECT name, row_number() OVER (ORDER BY {rank} DESC, name) AS place\n"
        f"  FROM found GROUP BY name ORDER BY place LIMIT {query.limit}",
        "named": "SELECT period, place, ranked.name, item\n"
        "  FROM found LEFT JOIN ranked ON ranked.name IS found.name",
    }


def _name(query: Query) -> str:
    if isinstance(query.group, JsonPath):
        return inlined(query.group.label())
    return label_of_view(str(query.group))


def _item(query: Query) -> str:
    if query.measure == VISITORS:
        return f"e.{VISITOR}"
    return inlined(query.number.number()) if query.number else "1"
