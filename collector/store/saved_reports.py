"""Saved reports: analyses with a name, so that nobody has to put them together again."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from ..errors import InUse, NotFound, StoreError
from ..event.timestamps import now
from ..event.types import is_printable
from .analyses import AnyAnalysis, read_analysis
from .audit import add_entry
from .connection import transaction
from .sources import get_source

MAX_NAME = 200  # characters
MAX_REPORTS = 1000

TABLES = (
    """
    CREATE TABLE saved_reports (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL UNIQUE,
        source_id TEXT REFERENCES sources(id) ON DELETE CASCADE,
        definition TEXT NOT NULL,
        created_at TEXT NOT NULL
    )
    """,
)


@dataclass(frozen=True)
class SavedReport:
    """An analysis with a name. `source_id`: that of the only source it is about, None for all; it is
    removed with it."""

    id: str
    name: str
    source_id: str | None
    created_at: str
    analysis: AnyAnalysis

    @property
    def kind(self) -> str:
        """`explore`, `funnel` or `retention`."""
        return str(self.analysis.as_dict()["kind"])

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data, with the command that makes it."""
        return {
            "id": self.id,
            "name": self.name,
            "source_id": self.source_id,
            "created_at": self.created_at,
            "definition": self.analysis.as_dict(),
            "command": self.analysis.command(),
        }


def add_saved_report(db: Database, name: str, analysis: AnyAnalysis) -> SavedReport:
    """Saves an analysis. Raises StoreError for a name or an analysis that cannot be, InUse for a name
    that another report has, NotFound for the source."""
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME or not is_printable(name):
        raise StoreError(f"The name of a report is one line of at most {MAX_NAME} characters.")
    analysis.check()
    source = get_source(db, analysis.source).id if analysis.source else None
    report = SavedReport(str(uuid.uuid4()), name, source, now(), analysis)
    with transaction(db.conn):
        (count,) = db.execute("SELECT count(*) FROM saved_reports").fetchone()
        if count >= MAX_REPORTS:
            raise StoreError(f"There are {MAX_REPORTS} saved reports. Remove one first.")
        if db.execute("SELECT 1 FROM saved_reports WHERE name = ?", [name]).fetchone():
            raise InUse(
                f"There is a report {name!r} already. Choose another name, or remove it first:"
                " thamesthrive stats saved remove NAME"
            )
        db.table("saved_reports").insert(
            {
                "id": report.id,
                "name": name,
                "source_id": source,
                "definition": json.dumps(analysis.as_dict(), ensure_ascii=False),
                "created_at": report.created_at,
            }
        )
        changes = {"name": (None, name), "kind": (None, report.kind)}
        add_entry(db.conn, "report.add", report.id, source_id=source, changes=changes)
    return report


def list_saved_reports(db: Database, sources: Sequence[str] | None = None) -> list[SavedReport]:
    """The saved reports by name. `sources`: only those about one of these alone; None for all."""
    rows = db["saved_reports"].rows_where(order_by="name")
    return [_report(row) for row in rows if sources is None or row["source_id"] in sources]


def get_saved_report(db: Database, name: str, sources: Sequence[str] | None = None) -> SavedReport:
    """A saved report by its name or id. `sources`: see `list_saved_reports`. Raises NotFound."""
    where = "name = ?1 OR id = ?1"
    for row in db["saved_reports"].rows_where(where, [name], order_by="name <> ?1"):
        if sources is None or row["source_id"] in sources:
            return _report(row)
    raise NotFound(
        f"There is no saved report {name!r}. `thamesthrive stats saved list` lists them."
    )


def remove_saved_report(
    db: Database, name: str, sources: Sequence[str] | None = None
) -> SavedReport:
    """Removes a saved report by its name or id, and returns it. `sources`: see
    `list_saved_reports`. Raises NotFound."""
    with transaction(db.conn):
        report = get_saved_report(db, name, sources)
        db.table("saved_reports").delete(report.id)
        changes = {"name": (report.name, None), "kind": (report.kind, None)}
        add_entry(db.conn, "report.remove", report.id, source_id=report.source_id, changes=changes)
    return report


def _report(row: Mapping[str, Any]) -> SavedReport:
    return SavedReport(
        row["id"],
        row["name"],
        row["source_id"],
        row["created_at"],
        read_analysis(json.loads(row["definition"])),
    )
