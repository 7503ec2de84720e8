"""Profiles: find a visitor by an id, one visitor's story, giving it out, and forgetting it."""

import json
from collections.abc import Iterator
from typing import Any

from ..errors import StoreError
from ..store import (
    ProfileMatch,
    count_profile,
    export_profile,
    find_profiles,
    forget_profile,
    get_profile,
    list_profile_events,
    list_profile_sessions,
    source_names,
)
from .page import Call, Download, Html, Page, Redirect, get, post
from .responses import ROOT

SESSIONS, EVENTS = 20, 50  # on a page
MAX_ID = 500  # characters
MAX_TEXT = 300  # of an event's properties
NDJSON = "application/x-ndjson"


def _profiles(call: Call) -> Html:
    """The story of the profile that the address names, or of the only one that has the id it names."""
    named = call.query.get("profile", "")[:MAX_ID]
    wanted = call.query.get("id", "").strip()[:MAX_ID]
    matches = find_profiles(call.db, wanted, call.source_ids) if wanted and not named else []
    found = {match.profile_id for match in matches if match.profile_id}
    if named or len(found) == 1:
        return _story(call, named or found.pop(), wanted)
    values = {"wanted": wanted, "matches": _distinct(matches), "names": _names(call)}
    return Html("profiles.html", values)


def _distinct(matches: list[ProfileMatch]) -> list[ProfileMatch]:
    return list(dict.fromkeys(matches))


def _names(call: Call) -> dict[str, str]:
    return dict(source_names(call.db))


def _story(call: Call, profile_id: str, wanted: str) -> Html:
    sources = call.source_ids
    profile = get_profile(call.db, profile_id, sources)
    session = call.query.get("session") or None
    sessions = list_profile_sessions(
        call.db, profile_id, sources, before=_number(call, "sessions_before"), limit=SESSIONS + 1
    )
    events = list_profile_events(
        call.db,
        profile_id,
        sources,
        session_id=session,
        before=_number(call, "events_before"),
        limit=EVENTS + 1,
    )
    values: dict[str, Any] = {
        "profile": profile,
        "wanted": wanted,
        "names": _names(call),
        "sessions": sessions[:SESSIONS],
        "older_sessions": sessions[SESSIONS - 1].key if len(sessions) > SESSIONS else None,
        "events": events[:EVENTS],
        "older_events": events[EVENTS - 1].seq if len(events) > EVENTS else None,
        "texts": {event.seq: _text(event.properties) for event in events[:EVENTS]},
        "chosen_session": session,
        "may_forget": call.session.is_admin and sources is None,
        "may_export": sources is None,
    }
    return Html("profile.html", values)


def _text(properties: Any) -> str:
    return json.dumps(properties, ensure_ascii=False)[:MAX_TEXT]


def _number(call: Call, name: str) -> int | None:
    text = call.query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise StoreError(f"{name} must be a number.")
    return int(text)


def _export(call: Call) -> Download:
    profile_id = call.query.get("profile", "")
    get_profile(call.db, profile_id)  # before the answer begins
    return Download("profile.ndjson", NDJSON, _lines(call, profile_id))


def _lines(call: Call, profile_id: str) -> Iterator[str]:
    for table, _, row in export_profile(call.db, profile_id):
        yield json.dumps({"table": table, **row}, ensure_ascii=False) + "\n"


def _ask(call: Call) -> Html:
    return _question(call, call.query.get("profile", ""), "")


def _question(call: Call, profile_id: str, problem: str) -> Html:
    values = {
        "profile_id": profile_id,
        "counts": count_profile(call.db, profile_id),
        "problem": problem,
    }
    return Html("profile-forget.html", values, 422 if problem else 200)


def _forget(call: Call) -> Html | Redirect:
    profile_id = call.form.get("profile", "")
    if call.form.get("typed", "").strip() != profile_id:
        return _question(call, profile_id, "What you typed is not the profile's id.")
    removed = forget_profile(call.db, profile_id)
    counts = ", ".join(f"{table} {count:,}" for table, count in removed.items())
    return Redirect(f"{ROOT}/profiles", f"The visitor is forgotten. Removed: {counts}.")


PAGES: tuple[Page, ...] = (
    get("/profiles", _profiles),
    get("/profiles/export", _export, all_sources=True),
    Page("GET", "/profiles/forget", _ask, "admin", all_sources=True),
    post("/profiles/forget", _forget, all_sources=True),
)
