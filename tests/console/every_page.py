"""Addresses of every page of the console, with something to see on each."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from collector import store
from collector.console.routes import PAGES

from ..support import Collector, wait_for

# Not pages: files to keep, and parts of a page.
PARTS = {
    "/sources/{source_id}/install/lamps",
    "/sources/{source_id}/install/test-page",  # a page of the site, as it were
    "/origins",
}
FILES = {path for page in PAGES if (path := page.path).endswith(("/csv", "/download", "/export"))}


@dataclass(frozen=True)
class Shown:
    """A source, and one row of each kind in it."""

    source_id: str
    type: str
    stored: int
    rejected: int
    group: str
    profile: str

    def addresses(self) -> list[str]:
        """What follows /console in the address of every page, with filters that find the rows."""
        named = {"source_id": self.source_id, "seq": str(self.stored)}
        queries = {
            "/live": ["", f"?source={self.source_id}", f"?type={quote(self.type, safe='')}"],
            "/rejected": [f"?source={self.source_id}"],
            "/rejected/group": [self.group],
            "/profiles": ["", f"?id={quote(self.profile, safe='')}"],
            "/profiles/forget": [f"?id={quote(self.profile, safe='')}"],
            "/sources/{source_id}/schemas/edit": [f"?type={quote(self.type, safe='')}"],
            "/explore": ["", f"?type={quote(self.type, safe='')}&by=type"],
        }
        found = []
        for page in PAGES:
            if page.method != "GET" or page.path in PARTS | FILES:
                continue
            named["seq"] = str(self.rejected if "rejected" in page.path else self.stored)
            path = page.path.format(**named)
            found += [path + query for query in queries.get(page.path, [""])]
        return found


def fill(collector: Collector, name: str, event: dict[str, Any], request: dict[str, Any]) -> Shown:
    """A source with an event of a kind that is stored, and another one that is rejected."""
    with collector.database() as database:
        source = store.add_source(database, name).id
        store.set_schema(database, source, "judged", json.dumps({"required": ["total"]}))
    kept = {"source": {"id": source}, "session": {"id": "s"}, "events": [event], **request}
    answer = collector.post(kept)
    assert answer.status_code == 200, answer.text
    judged = {**kept, "events": [{**event, "type": "judged"}]}
    wait_for(lambda: collector.post(judged).json().get("errors"), "the schema to hold")
    (row,) = collector.rows(
        "SELECT * FROM events WHERE source_id = ? AND type <> 'judged' ORDER BY seq LIMIT 1", source
    )
    (bad,) = collector.rows("SELECT * FROM rejected WHERE source_id = ? LIMIT 1", source)
    with collector.database() as database:
        found = store.list_rejected_groups(database.conn, sources=[source])
    group = next(group for group in found if group.type == "judged")
    query = {"source": source, "reason": group.reason, "type": "judged", "pointer": group.pointer}
    return Shown(
        source, row["type"], row["seq"], bad["seq"], f"?{urlencode(query)}", row["profile_id"] or ""
    )
