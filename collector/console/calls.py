"""Requests as pages see them."""

import sqlite3
from typing import Any
from urllib.parse import parse_qs

from sanic import Request, Sanic

from ..errors import StoreError
from ..store.console_sessions import ConsoleSession
from .page import Call
from .responses import address_of

MAX_FIELDS = 1000  # of a form


def call_of(
    app: Sanic[Any, Any],
    request: Request,
    session: ConsoleSession,
    names: dict[str, str],
    connection: sqlite3.Connection,
) -> Call:
    """A request as its page sees it. Raises StoreError for a form that cannot be read."""
    query = values_of(request.query_string)
    form = values_of(request.body.decode("utf-8", "replace")) if request.method == "POST" else {}
    return Call(
        session,
        connection,
        app.ctx.settings,
        names,
        {name: values[0] for name, values in query.items()},
        {name: values[0] for name, values in form.items()},
        query | form,
        address_of(request),
        request.conn_info.server_port if request.conn_info else 0,
        app.ctx,
    )


def values_of(text: str) -> dict[str, list[str]]:
    """The values of a query or a form by their names."""
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace")
    except ValueError as error:
        raise StoreError(f"A form has at most {MAX_FIELDS} fields.") from error
