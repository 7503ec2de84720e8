"""The second stage: the collector, asked as a browser on the page would ask it.

The request that it sends names no event and no session, so the collector stores nothing.
"""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx

from .check import Check, CouldNotLook, Skipped
from .collector_facts import CollectorFacts, Probe
from .collector_rules import COLLECTOR_GROUPS
from .connection_rules import is_mismatch
from .csp import upgrades_insecure
from .fetch import Client, TooManyRedirects
from .findings import Finding
from .guard import Refusal
from .installation import Installation, is_id
from .platform import UNKNOWN, platform_of
from .rules import judge
from .served_tracker import api_of_tracker, endpoint_of
from .static import learn, policies_of

PROBE = "thamesthrive-verify"
"""The id of an event that no collector has: asking for it tells that the source would be let in."""
_PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


class CollectorStage:
    """Asks the collector that a page names, or that was named."""

    name = "collector"

    def look(self, check: Check, /) -> Iterator[Finding]:
        """Yields what is wrong with the collector. Raises Skipped if none is named, CouldNotLook if it
        may not be asked."""
        with Client(check.guard) as client:
            facts = _facts(check, client)
        yield from judge(COLLECTOR_GROUPS, facts, facts.values)


def _facts(check: Check, client: Client) -> CollectorFacts:
    if check.page is None:
        _learn(check, client)
    installation = check.installation
    script = _script(check)
    script = _upgraded(check, script)
    origin = origin_of(check.page.url if check.page else check.url)
    source = check.source or (installation.source if installation else None)
    asked_with = _bundle_headers(installation, origin)
    bundle = _ask(client, "GET", script, asked_with, follow=True)
    text = bundle.response.text if bundle.response else ""
    api = _upgraded(check, _api(check, installation, script, text))
    values = {
        "source": source or "ID",
        "api": api,
        "host": urlsplit(script).hostname or "",
        "origin": origin,
        "address": script,
        "platform": UNKNOWN.cache,
        "place": (platform_of(check.page) if check.page else UNKNOWN).place,
    }
    facts = CollectorFacts(check, origin, installation, source, bundle, values=values)
    if bundle.failure:
        names = _names_of(client, script) if is_mismatch(bundle.failure) else ()
        return replace(facts, names=names)
    endpoint = f"{api}{endpoint_of(text)}"
    return replace(
        facts,
        health=_ask(client, "GET", f"{api}/health?proxies", {}),
        preflight=_ask(client, "OPTIONS", endpoint, {"Origin": origin, **_PREFLIGHT}),
        post=_post(client, endpoint, origin, source),
    )


def _learn(check: Check, client: Client) -> None:
    """Fetches the page, if no stage before has. With --api, the collector can be asked without."""
    try:
        learn(check, client)
    except CouldNotLook:
        if not check.api:
            raise


def _script(check: Check) -> str:
    """The address of the tracker's script. Raises Skipped if it is not known, or known to be wrong."""
    if check.installation and check.installation.script_url and not check.is_misaddressed:
        return check.installation.script_url
    if check.api:
        return f"{check.api.rstrip('/')}/tracker/tracker.min.js"
    if check.is_misaddressed:
        raise Skipped("the page has a wrong address; --api names the right one")
    raise Skipped("the page names no collector; --api names one")


def _post(client: Client, endpoint: str, origin: str, source: str | None) -> Probe | None:
    if source is None or not is_id(source):
        return None
    return _ask(client, "POST", endpoint, _post_headers(origin), _body(source))


def _api(check: Check, installation: Installation | None, script: str, bundle: str) -> str:
    """Where requests go: what was said, what the page says, else what this very tracker makes of its
    own address."""
    given = check.api or (installation.given_api if installation else None)
    return (given or api_of_tracker(bundle, script)).rstrip("/")


def _upgraded(check: Check, address: str) -> str:
    is_upgraded = check.page is not None and upgrades_insecure(policies_of(check.page))
    return "https" + address[4:] if is_upgraded and address.startswith("http:") else address


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, as a browser's header Origin has them."""
    parts = httpx.URL(url)
    port = "" if parts.port is None else f":{parts.port}"
    host = f"[{parts.host}]" if ":" in parts.host else parts.raw_host.decode()
    return f"{parts.scheme}://{host}{port}"


def _bundle_headers(installation: Installation | None, origin: str) -> dict[str, str]:
    """Browsers name the page's origin only where the tag has crossorigin."""
    has_cors = installation is not None and "crossorigin" in installation.attributes
    return {"Origin": origin} if has_cors else {}


def _post_headers(origin: str) -> dict[str, str]:
    return {"Origin": origin, "Content-Type": "text/plain;charset=UTF-8"}


def _body(source: str) -> bytes:
    asked = {"source": {"id": source}, "known": [PROBE], "events": []}
    return json.dumps(asked, separators=(",", ":")).encode()


def _ask(
    client: Client,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None = None,
    *,
    follow: bool = False,
) -> Probe:
    started = time.time()
    try:
        if follow:
            response = client.follow(url, headers)[-1]
        else:
            response = client.request(method, url, headers, content)
    except Refusal as error:
        raise CouldNotLook(f"{url} may not be asked: {error}") from error
    except (httpx.TransportError, httpx.InvalidURL, TooManyRedirects) as error:
        return Probe(url, failure=error)
    return Probe(url, response, seconds=(started + time.time()) / 2)


def _names_of(client: Client, url: str) -> tuple[str, ...]:
    """The names of a certificate that is trusted, but for other names."""
    parts = urlsplit(url)
    context = client.trust
    context.check_hostname = False
    try:
        stream = client.network.connect_tcp(parts.hostname or "", parts.port or 443)
        secured = stream.start_tls(context, parts.hostname)
        tls = secured.get_extra_info("ssl_object")
        certificate = tls.getpeercert() if isinstance(tls, ssl.SSLSocket) else None
        secured.close()
    finally:
        context.check_hostname = True
    names: Any = (certificate or {}).get("subjectAltName", ())
    return tuple(str(value) for kind, value in names if kind == "DNS")
