"""Schemas of a source: set, tried on what has come in, removed."""

from typing import Any
from urllib.parse import urlencode

from .. import store
from ..errors import StoreError
from ..store import Source
from ..store.event_schemas import trimmed_type
from .page import Call, Html, Page, Redirect, Result, get, post
from .responses import ROOT

EXAMPLE = """{
  "type": "object",
  "required": ["price"],
  "properties": {
    "price": {"type": "number", "minimum": 0}
  }
}
"""


def _list(call: Call) -> Html:
    source = call.source()
    schemas = store.list_schemas(call.utils, source.id)
    return Html("schemas.html", {"source": source, "schemas": schemas})


def _edit(call: Call) -> Html:
    source, event_type = call.source(), call.query.get("type", "")
    text = _schema_of(call, source, event_type)
    return _editor(source, event_type, text or EXAMPLE, is_set=text is not None)


def _schema_of(call: Call, source: Source, event_type: str) -> str | None:
    found = store.list_schemas(call.utils, source.id)
    return next((one.schema for one in found if one.type == event_type), None)


def _editor(
    source: Source, event_type: str, text: str, *, is_set: bool, status: int = 200, **more: Any
) -> Html:
    shown = {
        "source": source,
        "type": event_type,
        "text": text,
        "is_set": is_set,
        "tried": None,
        "problem": "",
        **more,
    }
    return Html("schema.html", shown, status)


def _try(call: Call) -> Html:
    source, event_type, text = _form_of(call)
    try:
        found = store.try_schema(call.db, source.id, trimmed_type(event_type), text)
    except StoreError as error:
        return _refused(call, str(error))
    is_set = _schema_of(call, source, event_type) is not None
    return _editor(source, event_type, text, is_set=is_set, tried=found)


def _set(call: Call) -> Result:
    source, event_type, text = _form_of(call)
    try:
        store.set_schema(call.utils, source.id, event_type, text)
    except StoreError as error:
        return _refused(call, str(error))
    rejected = store.count_rejected(call.db, source_id=source.id, type=event_type)
    done = f"Events of type {event_type} are checked by this schema from now on."
    if rejected:
        done += f" {rejected:,} rejected ones can be replayed."
    return Redirect(_address(source.id, event_type), done)


def _form_of(call: Call) -> tuple[Source, str, str]:
    """Source, type and schema of the form."""
    # Browsers send lines as CR LF.
    text = call.form.get("schema", "").replace("\r\n", "\n")
    return call.source(), call.form.get("type", "").strip(), text


def _refused(call: Call, problem: str) -> Html:
    source, event_type, text = _form_of(call)
    is_set = _schema_of(call, source, event_type) is not None
    return _editor(source, event_type, text, is_set=is_set, status=422, problem=problem)


def _remove(call: Call) -> Redirect:
    source, event_type = call.source(), call.form.get("type", "")
    store.remove_schema(call.utils, source.id, event_type)
    done = f"The schema of {event_type} is removed: such events are stored whatever they are."
    return Redirect(f"{ROOT}/sources/{source.id}/schemas", done)


def _address(source_id: str, event_type: str) -> str:
    return f"{ROOT}/sources/{source_id}/schemas/edit?{urlencode({'type': event_type})}"


PAGES: tuple[Page, ...] = (
    get("/sources/{source_id}/schemas", _list),
    get("/sources/{source_id}/schemas/edit", _edit),
    post("/sources/{source_id}/schemas", _set),
    post("/sources/{source_id}/schemas/try", _try),
    post("/sources/{source_id}/schemas/remove", _remove),
)
