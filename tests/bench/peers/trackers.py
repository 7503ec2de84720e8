"""The trackers of the comparison: how each is set up, what its server answers, and what it does
with events that have not arrived."""

import json
from dataclasses import dataclass, field
from typing import Any

from ...browser.environment import Reply
from .receiver import Answer

OK: Reply = (200, {"Content-Type": "text/plain"}, b"ok")


def _always(status: int, value: Any) -> Answer:
    reply = (status, {"Content-Type": "application/json"}, json.dumps(value).encode())
    return lambda _path, _body, _origin: reply


@dataclass(frozen=True)
class Tracker:
    """`id_key`: where its events carry an id that its server removes repeats by, "" if nowhere.
    `setup` and `keeps` are read on the page, `attributes` stand on its script element."""

    key: str  # also the name of its file in pages/
    name: str
    package: str
    id_key: str
    answer: Answer
    setup: str
    keeps: str
    config: dict[str, Any] = field(default_factory=dict)
    attributes: str = ""


SEGMENT_SETTINGS = {
    "integrations": {"Segment.io": {"apiKey": "storm", "unbundledIntegrations": []}},
    "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
    "edgeFunction": {},
    "analyticsNextEnabled": True,
    "middlewareSettings": {},
    "enabledMiddleware": {},
    "metrics": {"sampleRate": 0},
    "legacyVideoPluginsEnabled": False,
    "remotePlugins": [],
}
RUDDER_SETTINGS = {
    "source": {
        "id": "storm",
        "name": "storm",
        "writeKey": "storm",
        "workspaceId": "storm",
        "enabled": True,
        "config": {
            "statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}
        },
        "destinations": [],
        "connections": [],
        "dataplanes": {},
    },
    "updatedAt": "2026-01-01T00:00:00.000Z",
}
AMPLITUDE_ANSWER = {
    "code": 200,
    "events_ingested": 1,
    "payload_size_bytes": 1,
    "server_upload_time": 1,
}

OURS_SETUP = "the classic snippet; half of the calls with `fire` or `asBeacon`, as in `make storm`"
OURS_KEEPS = (
    "In localStorage, each under its own key, until the collector has decided about it. Every page sends all that"
    " has no verdict. One that is left before the answer comes leaves it to the next: hence the many repeats, which the"
    " collector drops by their ids."
)

TRACKERS = [
    Tracker(
        "rudder",
        "RudderStack",
        "@rudderstack/analytics-js",
        "messageId",
        _always(200, "OK"),
        "`/bundled`, which has the plug-ins in it; `loadIntegration: false`",
        "In localStorage, a queue of up to 100 events for each page. Other pages take it over once its page has been silent for 10 seconds. Sent again up to 10 times, after 1 s, doubling.",
        config=RUDDER_SETTINGS,
    ),
    Tracker(
        "snowplow",
        "Snowplow",
        "@snowplow/browser-tracker",
        "eid",
        _always(200, "ok"),
        "`keepalive: true`; by default POST, `bufferSize` 1 and a buffer in localStorage",
        "In localStorage under one key, which a page reads when it starts and then overwrites with what it knows itself. So tabs overwrite each other's events. Sent again when the next event is tracked.",
    ),
    Tracker(
        "segment",
        "Segment",
        "@segment/analytics-next",
        "messageId",
        _always(200, {"success": True}),
        "`keepalive: true` with the standard delivery; by default `retryQueue` and persistence",
        "In memory. On `pagehide` they are written to localStorage, and the next page takes them. What is tracked before the settings have come, and what a page that crashes has, is in memory only.",
        config=SEGMENT_SETTINGS,
    ),
    Tracker(
        "posthog",
        "PostHog",
        "posthog-js",
        "uuid",
        _always(200, {"status": 1}),
        "only `capture`: no autocapture, page views, recordings, surveys or flags; `opt_out_useragent_filter`, as it takes a driven browser for a bot",
        "In memory, batched for 3 s, sent again after some 3 s, doubling; after three times without an answer they are dropped. When the page is left they go by beacon, and nobody sees whether it arrives. Nothing is kept for the next page.",
    ),
    Tracker(
        "mixpanel",
        "Mixpanel",
        "mixpanel-browser",
        "$insert_id",
        _always(200, {"status": 1, "error": None}),
        '`persistence: "localStorage"`; by default batched requests',
        "In localStorage once the page has the lock that tabs share, and nowhere before. Batched for 5 s; other pages take over what has not been sent for 10 s. A request that is cut while the browser believes itself online counts as sent, one that is answered 5xx is sent again after 10 s, doubling.",
    ),
    Tracker(
        "amplitude",
        "Amplitude",
        "@amplitude/analytics-browser",
        "insert_id",
        _always(200, AMPLITUDE_ANSWER),
        "`autocapture: false`, no remote configuration; on `pagehide` a `flush` by beacon, without which it lost more",
        "In localStorage under one key, which a page reads when it starts and then overwrites with what it knows itself. So tabs overwrite each other's events. Batched for 1 s, sent up to 5 times; a beacon counts as arrived.",
    ),
    Tracker(
        "plausible",
        "Plausible",
        "@plausible-analytics/tracker",
        "",
        lambda _path, _body, _origin: (202, *OK[1:]),
        "`captureOnLocalhost: true`, no automatic page views",
        "Nowhere: one request for each event, with `keepalive`, never sent again.",
    ),
    Tracker(
        "umami",
        "Umami",
        "umami",
        "",
        lambda _path, _body, _origin: OK,
        '`data-auto-track="false"`. Newer versions, which npm does not have, send with `keepalive`',
        "Nowhere: one request for each event, which ends with its page, never sent again.",
        attributes='data-website-id="00000000-0000-4000-8000-000000000000" data-auto-track="false"'
        ' data-host-url="{api}"',
    ),
]

NOT_HERE = [
    "## Not compared",
    "",
    "- GoatCounter: its `count.js` is not on npm; the packages there load it from GoatCounter's own host. It sends each event once, as a",
    "  picture or a beacon.",
    "- Matomo: the packages on npm are wrappers around the script that a Matomo server has.",
    "- Restarts of the collector and jumping clocks: these moods of `make storm` are about our own parts.",
]
