"""Install: the snippet of a source for each platform, and whether it works."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import BadAddress, NotBuilt, StoreError
from ..event.timestamps import iso
from ..install import Tab, install_tabs
from ..store import (
    ACCEPT_BRIDGE,
    ALLOW_ORIGIN,
    ENABLE,
    Cause,
    InstallState,
    Source,
    allow_origin,
    install_state,
    likely_causes,
    time_ago,
    update_source,
)
from ..store.install import GUESSES
from .page import Call, Html, Page, Redirect, get, post
from .responses import ROOT
from .sample import send_sample

PATIENCE = timedelta(seconds=60)  # without an event, after which causes are guessed
SINCE = "24h"  # what the lamps are about, unless the address says otherwise
# Title, and what has to happen.
LAMPS = {
    "page_seen": ("Page seen", "Open a page that has the snippet."),
    "script_loaded": ("Script loaded", "The page has to track something."),
    "event_stored": ("First event stored", "Then everything works."),
}


@dataclass(frozen=True)
class Progress:
    """How far a source's pages have come. `causes`: why no further, as far as that may be said yet;
    `opened`: when somebody began to look; `mark`: changes when something here does."""

    state: InstallState
    causes: list[Cause]
    opened: str

    @property
    def mark(self) -> str:
        found = repr((self.state.lamps, self.causes))
        return hashlib.sha256(found.encode("utf-8", "replace")).hexdigest()[:16]


def _install(call: Call) -> Html:
    source = call.source()
    tabs, problem = _tabs(call, source)
    wanted = call.query.get("tab")
    shown = next((tab for tab in tabs if tab.slug == wanted), tabs[0] if tabs else None)
    values = {
        **_values(call, source),
        "tabs": tabs,
        "tab": shown,
        "api": _api(call),
        "problem": problem,
    }
    return Html("install.html", values)


def _values(call: Call, source: Source) -> dict[str, Any]:
    progress = _progress(call, source)
    # What the page is about stays the same on the way through forms and parts of it.
    here = call.with_query(f"{ROOT}/sources/{source.id}/install", opened=progress.opened, seen=None)
    return {
        "source": source,
        "progress": progress,
        "names": LAMPS,
        "query": here.partition("?")[2],
        "is_default_since": "since" not in call.query,
        "now": iso(datetime.now(UTC)),
        "ALLOW_ORIGIN": ALLOW_ORIGIN,
    }


def _progress(call: Call, source: Source) -> Progress:
    since = time_ago(call.query.get("since") or SINCE)
    now = datetime.now(UTC)
    opened = time_ago(call.query["opened"]) if call.query.get("opened") else iso(now)
    state = install_state(call.utils, source.id, since)
    causes = likely_causes(call.utils, source.id, since, _api(call))
    if datetime.fromisoformat(opened) > now - PATIENCE:
        causes = [cause for cause in causes if cause.code not in GUESSES]
    return Progress(state, causes, opened)


def _api(call: Call) -> str:
    """The collector's address, as pages reach it: what the reader has typed, or that of this page."""
    return (call.query.get("api") or call.url).strip()[:500]


def _tabs(call: Call, source: Source) -> tuple[list[Tab], str]:
    """The tabs, or what is wrong with the address."""
    settings = call.settings
    try:
        return install_tabs(source, _api(call), settings.tracker_folder, settings.aliases), ""
    except (BadAddress, NotBuilt) as error:
        return [], str(error)


def _lamps(call: Call) -> Html:
    """The lamps alone. An answer without content, if they are as the page shows them."""
    values = _values(call, call.source())
    if values["progress"].mark == call.query.get("seen"):
        return Html("nothing.html", status=204)
    return Html("install-lamps.html", values)


def _fix(call: Call) -> Redirect:
    """Does what a click on a cause, or on a tab, asks for."""
    source = call.source()
    action = call.form.get("action")
    if action == ALLOW_ORIGIN:
        origin = call.form.get("origin", "")
        allow_origin(call.utils, source.id, origin)
        done = f"Pages of {origin} may send now."
    elif action == ENABLE:
        update_source(call.utils, source.id, {"enabled": True})
        done = "The source is enabled."
    elif action == ACCEPT_BRIDGE:
        bridge = call.form.get("bridge", "rest")
        bridges = dict.fromkeys([*source.bridges, bridge])
        update_source(call.utils, source.id, {"bridges": [*bridges]})
        done = f"The source accepts the bridge {bridge}."
    else:
        raise StoreError("The form does not say what to do.")
    return Redirect(_back(call, source), done)


def _sample(call: Call) -> Redirect:
    source = call.source()
    return Redirect(_back(call, source), send_sample(call, source))


def _back(call: Call, source: Source) -> str:
    return call.with_query(f"{ROOT}/sources/{source.id}/install", seen=None)


def _test_page(call: Call) -> Html:
    aliases = call.settings.aliases
    script = aliases[0].script_path if aliases else "/tracker/tracker.min.js"
    return Html("install-test.html", {"source": call.source(), "script": script})


_PATH = "/sources/{source_id}/install"
PAGES: tuple[Page, ...] = (
    get(_PATH, _install),
    get(f"{_PATH}/lamps", _lamps),
    get(f"{_PATH}/test-page", _test_page),
    post(f"{_PATH}/fix", _fix),
    post(f"{_PATH}/sample", _sample),
)
