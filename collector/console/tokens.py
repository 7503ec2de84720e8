"""Tokens of the management API and the console: who has which, a new one, none any more."""

from typing import Any

from .. import store
from ..errors import StoreError
from .page import Call, Html, Page, Redirect, post
from .responses import ROOT

PATH = "/system/tokens"


def _tokens(call: Call) -> Html:
    return _page(call)


def _page(call: Call, status: int = 200, **more: Any) -> Html:
    sources = call.sources()
    shown = {
        "tokens": store.list_tokens(call.utils),
        "roles": store.ROLES,
        "sources": sources,
        "names": {source.id: source.name for source in sources},
        "problem": "",
        "secret": None,
        "given": call.form,
        **more,
    }
    return Html("tokens.html", shown, status)


def _create(call: Call) -> Html:
    source_id = call.form.get("source") or None
    try:
        _, secret = store.create_token(
            call.utils,
            call.form.get("name", ""),
            role=call.form.get("role", store.READ),
            source_id=source_id,
            expires=call.form.get("expires", "").strip() or None,
        )
    except StoreError as error:
        return _page(call, 422, problem=str(error))
    # Not after a redirect: the secret would have to be kept somewhere for the next page.
    return _page(call, secret=secret, given={})


def _revoke(call: Call) -> Redirect:
    store.revoke_token(call.utils, call.form.get("id", ""))
    return Redirect(ROOT + PATH, "The token is worthless now.")


PAGES: tuple[Page, ...] = (
    Page("GET", PATH, _tokens, store.ADMIN, all_sources=True),
    post(PATH, _create, all_sources=True),
    post(f"{PATH}/revoke", _revoke, all_sources=True),
)
