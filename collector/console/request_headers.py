"""The headers of the request that brought an event: asked of the worker, which keeps them in memory
for runs of tests, with secrets masked. They are stored nowhere."""

import http.client
import json
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..settings import Settings

log = logging.getLogger("collector.console")

TIMEOUT = 3.0  # seconds
MAX_ANSWER = 4 * 1024 * 1024  # bytes: a head of MAX_HEAD, and what became of each event
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - the other way round
NO_RUN = (
    "Headers are not stored. To see them, start the collector with --qa and send the event in a run of"
    " tests: add ?__tt_run=ID to the page's address."
)
NO_QA = (
    "Headers are not stored. A collector that is started with --qa shows those of the runs of tests that"
    " it receives."
)
GONE = (
    "The collector no longer has this request: it keeps the headers of a run in memory, for up to"
    " 24 hours and until it stops."
)
SILENT = "The headers could not be read: the collector did not answer. Open the event again."


@dataclass(frozen=True)
class RequestHeaders:
    """Headers by their names, or why there are none, in a sentence."""

    headers: dict[str, str]
    reason: str = ""


def read_headers(
    settings: Settings, port: int, run: str | None, request_id: str | None
) -> RequestHeaders:
    """The headers of a request. `port`: where the collector answers on this machine."""
    if run is None or request_id is None:
        return RequestHeaders({}, NO_RUN)
    if not settings.qa:
        return RequestHeaders({}, NO_QA)
    try:
        status, answer = _ask(ANY.get(settings.host, settings.host), port, run, request_id)
    except (OSError, http.client.HTTPException, ValueError) as error:
        log.info("the journal could not be read: %s", error)
        return RequestHeaders({}, SILENT)
    if status != 200:
        return RequestHeaders({}, f"The collector does not show the headers: {answer['detail']}")
    found = answer["requests"]
    return RequestHeaders(found[0]["headers"]) if found else RequestHeaders({}, GONE)


def _ask(host: str, port: int, run: str, request_id: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        path = f"/qa/runs/{quote(run, safe='')}/journal?request={quote(request_id, safe='')}"
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read(MAX_ANSWER))
    finally:
        connection.close()
