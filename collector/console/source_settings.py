"""Settings of a source: its fields, its id, and its end."""

import threading
from contextlib import closing
from contextvars import copy_context
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from .. import store
from ..errors import InUse, StoreError
from ..store import SOURCE_FIELDS, Source
from ..store.source_fields import SourceField
from .page import Call, Html, Page, Redirect, Result, get, post
from .rendering import shown
from .responses import ROOT

REMOVAL_SECONDS = 2.0  # that a page waits for a removal; a long one goes on without it
GRACES = (("7d", "7 days"), ("30d", "30 days"), ("1d", "a day"), ("0", "not at all"))
# Of the fields, in the order of the page; "enabled" has a button of its own.
GROUPS = (
    ("Who may send", ("name", "origins", "bridges", "validate_only")),
    ("Limits and retention", ("rate_limit", "quota_mb", "retention_days", "ip_policy")),
    ("Visitors", ("static_profiles", "profiles", "profile_group")),
    ("Reports", ("numbers",)),
)
LABELS = {
    "bridges": "Ways in",
    "ip_policy": "Addresses",
    "quota_mb": "Quota in megabytes a minute",
    "validate_only": "Validate only",
    "retention_days": "Retention in days",
}
# What the words of a choice mean.
WORDS = {
    "rest": "Pages with the snippet, and programs that send JSON",
    "webhook": "Webhooks, and the noscript pixel",
    "redirect": "Links that count whoever follows them",
    "truncate": "Shortened, to 203.0.113.0",
    "full": "Whole, as in 203.0.113.7",
    "none": "Not stored",
}


def label_of(name: str) -> str:
    """What people call a field."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def kind_of(spec: SourceField) -> str:
    """How a field is asked for: text, lines, words, choice, count or flag."""
    schema = spec.kind.schema
    if "enum" in schema:
        return "choice"
    if schema.get("type") == "array":
        return "words" if "enum" in schema["items"] else "lines"
    if schema.get("type") == "boolean":
        return "flag"
    return "count" if "integer" in schema.get("type", "") else "text"


def _settings(call: Call) -> Html:
    return _page(call, call.source())


def _page(
    call: Call, source: Source, *, status: int = 200, problem: str = "", given: Any = None
) -> Html:
    values = {
        "source": source,
        "values": given or source.as_dict(),
        "groups": GROUPS,
        "fields": SOURCE_FIELDS,
        "kinds": {name: kind_of(spec) for name, spec in SOURCE_FIELDS.items()},
        "labels": {name: label_of(name) for name in SOURCE_FIELDS},
        "former": store.list_former_ids(call.db, source.id),
        "graces": GRACES,
        "words": WORDS,
        "problem": problem,
        "may_delete": call.session.is_admin and call.session.source_id is None,
    }
    return Html("source-settings.html", values, status)


def _save(call: Call) -> Result:
    source = call.source()
    given = {name: _given(call, name) for _, names in GROUPS for name in names}
    try:
        values = {name: _value(name, value) for name, value in given.items()}
        store.update_source(call.utils, source.id, values)
    except StoreError as error:
        kept = {**source.as_dict(), **given}
        return _page(call, source, status=422, problem=str(error), given=kept)
    return Redirect(
        _address(source.id), "The settings are saved. The collector uses them within a second."
    )


def _given(call: Call, name: str) -> Any:
    """What a form says of a field, as the form shows it again."""
    text = call.form.get(name, "")
    match kind_of(SOURCE_FIELDS[name]):
        case "flag":
            return text == "yes"
        case "words":
            return list(call.lists.get(name, ()))
        case "lines":
            return [line.strip() for line in text.splitlines() if line.strip()]
        case _:
            return text


def _value(name: str, given: Any) -> Any:
    """What a form says of a field, as the library takes it. Raises StoreError."""
    if kind_of(SOURCE_FIELDS[name]) != "count":
        return given
    text = given.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise StoreError(f"{label_of(name)} must be a whole number of at least 1, or empty.")
    return int(text)


def _check_origins(call: Call) -> Html:
    """What is wrong with origins that are being typed."""
    lines = [line.strip() for line in call.query.get("origins", "").splitlines() if line.strip()]
    problem = ""
    try:
        SOURCE_FIELDS["origins"].kind.to_column("origins", lines)
    except StoreError as error:
        problem = str(error)
    return Html("origins-check.html", {"problem": problem, "count": len(lines)})


def _enable(call: Call) -> Redirect:
    source, enabled = call.source(), call.form.get("enabled") == "yes"
    store.update_source(call.utils, source.id, {"enabled": enabled})
    done = (
        "Its events are accepted." if enabled else "Its events are refused. Stored ones are kept."
    )
    return Redirect(_address(source.id), done)


def _rotate(call: Call) -> Redirect:
    source = store.rotate_source(call.utils, call.source().id, call.form.get("grace", store.GRACE))
    return Redirect(
        f"{ROOT}/sources/{source.id}/install", "The source has a new id. This is its snippet."
    )


def _delete(call: Call) -> Result:
    source = call.source()
    with_events = call.form.get("with_events") == "yes"
    try:
        # What turns the direction of writing is shown as an escape, and typed as it is shown.
        if call.form.get("name", "").strip() not in (source.name, shown(source.name)):
            raise StoreError("Nothing was deleted: type the name of the source as it is above.")
        is_done = _remove(call.settings.db, source.id, with_events=with_events)
    except InUse:
        problem = "The source has events. Tick the box to delete them too, or disable the source."
        return _page(call, source, status=409, problem=problem)
    except StoreError as error:
        return _page(call, source, status=422, problem=str(error))
    if is_done:
        return Redirect(ROOT, f"{source.name} is deleted.")
    return Redirect(ROOT, f"{source.name} is disabled, and is being deleted in the background.")


def _remove(path: Path, source_id: str, *, with_events: bool) -> bool:
    """Removes a source in a thread: millions of events take minutes. Returns whether that is done
    already. Raises what `remove_source` raises, if it does so at once."""
    failed: list[Exception] = []

    def remove() -> None:
        try:
            with closing(store.connect(path)) as connection:
                store.remove_source(Database(connection), source_id, with_events=with_events)
        except StoreError as error:
            failed.append(error)

    thread = threading.Thread(target=copy_context().run, args=(remove,), daemon=True)
    thread.start()
    thread.join(REMOVAL_SECONDS)
    if failed:
        raise failed[0]
    return not thread.is_alive()


def _address(source_id: str) -> str:
    return f"{ROOT}/sources/{source_id}/settings"


PAGES: tuple[Page, ...] = (
    get("/sources/{source_id}/settings", _settings),
    get("/origins", _check_origins),
    post("/sources/{source_id}/settings", _save),
    post("/sources/{source_id}/enabled", _enable),
    post("/sources/{source_id}/rotate", _rotate),
    post("/sources/{source_id}/delete", _delete, all_sources=True),
)
