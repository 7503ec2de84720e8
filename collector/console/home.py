"""Inbound traffic: all sources at a glance, and adding one."""

from collections.abc import Iterable
from typing import Any

from ..errors import BadAddress, NotBuilt, StoreError
from ..install.snippet import render_snippet
from ..store import add_source, reports
from ..store.source_states import SourceState, source_states
from .page import Call, Html, Page, Redirect, Result, get, post
from .responses import ROOT

_ID = "SOURCE-ID"  # stands for that of a source


def _home(call: Call) -> Html:
    names = {source.id: source.name for source in call.sources()}
    states: list[SourceState] = []
    problem = ""
    try:
        with reports.up_to_date(call.db):
            states = source_states(call.db, [*names])
    except reports.NotCounted as error:  # after an update, for a while
        problem = str(error)
    shown = {"sources": states, "names": names, "can_add": _can_add(call), "problem": problem}
    return Html("home.html", {**shown, "snippets": _snippets(call, names)})


def _snippets(call: Call, ids: Iterable[str]) -> dict[str, str]:
    """The snippet of each source in one line, to copy; nothing if the tracker is not built."""
    settings = call.settings
    try:
        # Rendered once, as it reads files: only the id differs.
        snippet = render_snippet(
            _ID, call.url, settings.tracker_folder, one_line=True, aliases=settings.aliases
        ).html
    except (BadAddress, NotBuilt):  # which Install says
        return {}
    return {source_id: snippet.replace(_ID, source_id) for source_id in ids}


def _can_add(call: Call) -> bool:
    return call.session.is_admin and call.session.source_id is None


def _new(call: Call) -> Result:
    return Html("source-new.html", {"problem": "", "name": "", "origins": ""})


def _add(call: Call) -> Result:
    name, origins = call.form.get("name", ""), call.form.get("origins", "")
    values: dict[str, Any] = {"origins": origins.split()} if origins.split() else {}
    try:
        source = add_source(call.utils, name, **values)
    except StoreError as error:
        shown = {"problem": str(error), "name": name, "origins": origins}
        return Html("source-new.html", shown, 422)
    return Redirect(
        f"{ROOT}/sources/{source.id}/install", f"{source.name} is added. Next: its snippet."
    )


def _source(call: Call) -> Result:
    source = call.source()
    return Redirect(call.with_query(f"{ROOT}/overview", source=source.id))


PAGES: tuple[Page, ...] = (
    get("", _home),
    get("/sources/{source_id}", _source),
    Page("GET", "/sources/new", _new, "admin", all_sources=True),
    post("/sources/new", _add, all_sources=True),
)
