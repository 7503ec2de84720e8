"""Runs of tests: what names one, and where a request's payload does."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Raw, Struct

from .limits import MAX_EVENTS

PARAMETER = "__tt_run"
"""Of the address of a page, or of a bridge."""
HEADER = "x-thamesthrive-run"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_NUMBER = re.compile(rb"[0-9]{1,64}")
_EMPTY = Raw(b"null")
# In what is no JSON any more, because it was cut.
_IN_OPTIONS = re.compile(r'"options"\s*+:\s*+\{\s*+"run"\s*+:\s*+"([^"]{1,64})"')


class _Ref(Struct):
    id: Raw = _EMPTY


class _Wire(Struct):
    source: Raw = _EMPTY
    session: Raw = _EMPTY
    options: Raw = _EMPTY
    context: Raw = _EMPTY
    events: Raw = _EMPTY


class Named(NamedTuple):
    """What a payload says of its run, whether or not it is valid. `run_from`: `payload`,
    `address` or `page`; `events`: id and type of each, where it has them."""

    run: str | None = None
    run_from: str | None = None
    source_id: str | None = None
    session_id: str | None = None
    events: tuple[tuple[str | None, str | None], ...] = ()


_decode_wire = msgspec.json.Decoder(_Wire).decode
_decode_ref = msgspec.json.Decoder(_Ref).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


def is_run_id(text: str | None) -> bool:
    """Whether a text can name a run."""
    return text is not None and _ID.fullmatch(text) is not None


def run_in_query(query: str) -> str | None:
    """The run that a query names, without its question mark; None if it names none."""
    if PARAMETER not in query:
        return None
    try:
        values = parse_qs(query, max_num_fields=1000).get(PARAMETER, [])
    except ValueError:  # more fields than that
        return None
    return next((value for value in values if is_run_id(value)), None)


def named_in(body: bytes) -> Named:
    """What the body of a `POST /track` says of its run. Whatever is wrong with it, it is read as far
    as it can be: refused requests belong to their run as well."""
    try:
        body.decode()  # parts are read as text below, so all of it must be UTF-8
        wire = _decode_wire(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _IN_OPTIONS.search(body.decode("utf-8", "replace"))
        return Named(found[1], "payload") if found and is_run_id(found[1]) else Named()
    items = _items_of(wire.events)
    run, run_from = _named_run(wire, items[0] if items else {})
    return Named(
        run,
        run_from,
        _id_of(wire.source),
        _id_of(wire.session),
        tuple(
            (_text_of(item.get("id")), _text_of(item.get("type"))) for item in items[:MAX_EVENTS]
        ),
    )


def _named_run(wire: _Wire, event: dict[str, Raw]) -> tuple[str | None, str | None]:
    """The run, and what names it. `event`: the first one."""
    if run := _run_of(_object_of(wire.options).get("run")):
        return run, "payload"
    if run := _run_of(_object_of(_object_of(wire.context).get("pass")).get(PARAMETER)):
        return run, "address"
    page = _object_of(_object_of(event.get("context")).get("page"))
    if run := _run_of_page(_text_of(page.get("url")) or ""):
        return run, "page"
    return None, None


def _run_of_page(url: str) -> str | None:
    if PARAMETER not in url:
        return None
    try:
        return run_in_query(urlsplit(url).query)
    except ValueError:
        return None


def _run_of(raw: Raw | None) -> str | None:
    """A run id: a text, or a number as its digits."""
    if raw is None:
        return None
    data = bytes(raw)
    text = data.decode() if _NUMBER.fullmatch(data) else _text_of(raw)
    return text if is_run_id(text) else None


def _text_of(raw: Raw | None) -> str | None:
    try:
        return _decode_text(raw) if raw is not None else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _object_of(raw: Raw | None) -> dict[str, Raw]:
    try:
        return _decode_object(raw) if raw is not None else {}
    except (msgspec.DecodeError, RecursionError):
        return {}


def _items_of(raw: Raw) -> list[dict[str, Raw]]:
    try:
        return [_object_of(item) for item in _decode_list(raw)]
    except (msgspec.DecodeError, RecursionError):
        return []


def _id_of(raw: Raw) -> str | None:
    try:
        return _text_of(_decode_ref(raw).id)
    except (msgspec.DecodeError, RecursionError):
        return None
