"""What a question may be about: event types, and what the latest events have in them."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .conditions import COLUMNS
from .events import StoredEvent, list_events
from .json_values import NAMES
from .keys import source_key
from .rollup_tables import LIVE, MONTH, OTHER

MAX_TYPES = 300
LOOKED_AT = 200  # events
MAX_PATHS = 300
DEPTH = 4  # of objects within each other
_PLAIN_KEY = re.compile(r"[^\s\"'=!<>.]+")


@dataclass
class Suggestions:
    """`types`: the most frequent first. `paths`: of values that events can be grouped by, as
    conditions name them; `numbers`: of those that are numbers."""

    types: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)


def suggest(
    connection: sqlite3.Connection, sources: Sequence[str] | None, types: Sequence[str]
) -> Suggestions:
    """Suggestions for events of some sources, None for all; paths are those of these types' latest
    events, or of the latest of all if none is named."""
    chosen: Sequence[str | None] = sources if sources else [None]
    kinds: Sequence[str | None] = types if types else [None]
    limit = max(1, LOOKED_AT // len(chosen) // len(kinds))
    latest = [
        event
        for source in chosen
        for kind in kinds
        for event in list_events(connection, source_id=source, type=kind, limit=limit)
    ]
    counted = _types(connection, sources)
    found = Suggestions([*dict.fromkeys([*counted, *(event.type for event in latest)])])
    found.types = found.types[:MAX_TYPES]
    paths: dict[str, bool] = {}
    for name, value in _values(latest):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        paths[name] = paths.get(name, False) or is_number
        if len(paths) >= MAX_PATHS:
            break
    found.paths = sorted(paths)
    found.numbers = sorted(name for name, is_number in paths.items() if is_number)
    return found


def _types(connection: sqlite3.Connection, sources: Sequence[str] | None) -> list[str]:
    """The types that the rollups know, the most frequent first."""
    keys = [source_key(connection, source) for source in sources] if sources is not None else None
    where = "SELECT key FROM source_keys" if keys is None else ", ".join(map(str, keys))
    rows = connection.execute(
        f"SELECT value FROM {LIVE.counts} WHERE source IN ({where}) AND kind = 'types'"
        f" AND grain = '{MONTH}' AND value <> '{OTHER}'"
        " GROUP BY 1 ORDER BY sum(count) DESC, 1 LIMIT ?",
        [MAX_TYPES],
    )
    return [value for (value,) in rows]


def _values(events: Iterable[StoredEvent]) -> Iterator[tuple[str, Any]]:
    """Path and value of whatever is in events."""
    for event in events:
        for column, value in ((COLUMNS[0], event.properties), (COLUMNS[1], event.context)):
            yield from _inside((), column, value)


def _inside(keys: tuple[str, ...], column: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and len(keys) < DEPTH:
        for key, inner in value.items():
            if key and key.isprintable() and len(key) <= 100:
                yield from _inside((*keys, key), column, inner)
    elif keys and not isinstance(value, dict | list):
        yield _path_text(column, keys), value


def _path_text(column: str, keys: Sequence[str]) -> str:
    """A path as conditions have it."""
    parts = [key if _PLAIN_KEY.fullmatch(key) else _quoted(key) for key in keys]
    is_clear = column == COLUMNS[0] and keys[0] not in (*COLUMNS, *NAMES)
    return ".".join(parts if is_clear else [column, *parts])


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
