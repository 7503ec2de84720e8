"""System: how the collector is doing, how large its database is, and who changed what."""

from collections.abc import Iterator
from typing import Any

from .. import __version__, metrics, store
from ..doctor import Finding, examine
from ..errors import StoreError
from ..store import AuditEntry
from ..store.forward_state import list_destinations
from .page import Call, Html, Page, get

ENTRIES = 50  # of the audit, on a page
LATEST = 5  # of the audit, on the page of the system
SEVERITY = {"problem": 0, "warning": 1, "ok": 2}


def _system(call: Call) -> Html:
    size = store.database_size(call.db)
    shown = {
        "load": metrics.load(),
        "workers": call.settings.workers,
        "database": call.settings.db.resolve(),
        "version": __version__,
        "size": size,
        "sizes": size.sizes,
        "sources": call.sources(),
        **_destinations(call),
        "retention_problem": store.paused(call.db),
        "audit": list(store.iter_audit(call.db, limit=LATEST)) if call.session.is_admin else [],
    }
    return Html("system.html", shown)


def _destinations(call: Call) -> dict[str, Any]:
    try:
        found = list_destinations(call.settings.db, call.db)
    except StoreError as error:
        return {"destinations": [], "forwarding_problem": str(error)}
    return {"destinations": found, "forwarding_problem": ""}


def _load(_: Call) -> Html:
    """What of the page changes all the time."""
    return Html("system-load.html", {"load": metrics.load()})


def _doctor(call: Call) -> Html:
    found = sorted(examine(call.settings, from_collector=True), key=lambda one: SEVERITY[one.state])
    return Html("doctor.html", {"findings": found, "summary": _summary(found)})


def _summary(found: list[Finding]) -> str:
    problems = sum(one.state == "problem" for one in found)
    warnings = sum(one.state == "warning" for one in found)
    parts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((problems, "problem"), (warnings, "warning"))
        if count
    ]
    return f"{' and '.join(parts)}." if parts else "No problems found."


def _audit(call: Call) -> Html:
    before = call.query.get("before", "")
    if before and not (before.isascii() and before.isdigit() and len(before) <= 18):
        raise StoreError(f"{before!r} is not the number of a change.")
    source_id = call.query.get("source") or None
    if source_id:
        call.source_of(source_id)
    found = list(
        store.iter_audit(
            call.db, source_id=source_id, before=int(before) if before else None, limit=ENTRIES
        )
    )
    more = found[-1].seq if len(found) == ENTRIES else None
    shown = {
        "entries": found,
        "more": more,
        "sources": call.sources(),
        "chosen": source_id,
        "changes_of": changes_of,
    }
    return Html("audit.html", shown)


def changes_of(entry: AuditEntry) -> Iterator[str]:
    """What an entry says of each field, or how many rows it was about."""
    for name, change in entry.changes.items():
        yield f"{name}: {_said(change['from'])} → {_said(change['to'])}"
    for name, count in (entry.counts or {}).items():
        yield f"{name}: {count}"


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)


PAGES: tuple[Page, ...] = (
    get("/system", _system, all_sources=True),
    get("/system/load", _load, all_sources=True),
    get("/system/doctor", _doctor, all_sources=True),
    Page("GET", "/system/audit", _audit, store.ADMIN, all_sources=True),
)
