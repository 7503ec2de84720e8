import contextlib
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from collector.install import render_snippet
from collector.verify import Check, Guard, Limits, Report, verify

from ..support import ROOT, Collector
from .certificates import make_certificates
from .pages import Served
from .site import HOST, Answered, Asked, Site, server_context, site

EVENTS = "events.example"
LIMITS = Limits(seconds=30, answer_seconds=2, size=2_000_000, redirects=10)
HOSTS = {HOST: "127.0.0.1", EVENTS: "127.0.0.1"}
_HOP = ("connection", "keep-alive", "content-length", "transfer-encoding", "content-encoding")


@pytest.fixture(scope="module", autouse=True)
def chromium_of_the_tests(
    executable: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Has `verify` find the Chromium that the other tests use, unless Playwright has its own."""
    folder = tmp_path_factory.mktemp("path")
    (folder / "chromium").symlink_to(executable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """The collector that pages send to, with an alias and its own name."""
    collector = Collector(
        tmp_path_factory.mktemp("behind"), options=("--alias", "/a/{app.js,hello}")
    )
    try:
        yield collector.start()
    finally:
        collector.end()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of certificates, whose authority this process trusts."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
        yield folder


@pytest.fixture(scope="session")
def behind_a_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that expects a proxy before it."""
    collector = Collector(tmp_path_factory.mktemp("proxied"), options=("--proxies", "1"))
    try:
        yield collector.start()
    finally:
        collector.end()


@pytest.fixture(scope="session")
def plain_site() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture(scope="session")
def secure_site(certificates: Path) -> Iterator[Site]:
    with site(server_context(certificates / "shop.pem")) as running:
        yield running


@pytest.fixture(scope="session")
def fronts(certificates: Path) -> Iterator[dict[str, Site]]:
    """What stands before the collector: without TLS (named by nothing), and with each certificate."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(
                site(server_context(certificates / f"{name}.pem") if name else None)
            )
            for name in ("", "events", "other", "expired", "own")
        }


@pytest.fixture(scope="session")
def ports(fronts: dict[str, Site]) -> Iterator[dict[str, str]]:
    """Ports where nobody listens, where nobody answers, and where no TLS is spoken."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield {
            "CLOSED": str(port),
            "SILENT": str(silent.getsockname()[1]),
            "PLAIN": str(fronts[""].port),
        }


def forward(collector: Collector, asked: Asked) -> Answered:
    """The collector's answer, as a proxy passes it on."""
    headers = {
        k: v for k, v in asked.headers.items() if k.lower() not in (*_HOP, "accept-encoding")
    }
    answer = httpx.request(
        asked.method, collector.url + asked.path, headers=headers, content=asked.body
    )
    kept = tuple(
        (name, value) for name, value in answer.headers.multi_items() if name.lower() not in _HOP
    )
    return Answered(answer.content, answer.status_code, kept)


def filled(text: str, source: str, api: str) -> str:
    """A page's HTML with what stands between at signs filled in. After a colon, attributes."""
    bundle = ROOT / "js" / "dist"
    one_line = render_snippet(source, api, bundle, one_line=True).html
    pinned = render_snippet(source, api, bundle, one_line=True, integrity=True).html
    values = {
        "CLASSIC": render_snippet(source, api, bundle).html,
        "ONE_LINE": one_line,
        "PINNED": pinned.replace(' crossorigin="anonymous"', ""),
        "PINNED_WELL": pinned,
        "OLD_PIN": re.sub(r"sha384-\S+\"", f'sha384-{"A" * 64}"', pinned),
        "ONE_LINE_OF_OLD_BUILD": re.sub(r"tracker\.[0-9a-f]+\.", "tracker.0123456789ab.", pinned),
        "LAZY": one_line.replace(" src=", " data-lazy-src="),
        "LOADER": (bundle / "loader.min.js").read_text(encoding="utf-8"),
        "SOURCE": source,
        "API": api,
    }

    def fill(found: re.Match[str]) -> str:
        value = values[found[1]]
        return value.replace("<script", f"<script {found[2]}", 1) if found[2] else value

    return re.sub(r"@([A-Z_]+)(?::([^@]*))?@", fill, text)


@pytest.fixture
def serve(
    behind: Collector,
    behind_a_proxy: Collector,
    fronts: dict[str, Site],
    ports: dict[str, str],
    plain_site: Site,
    secure_site: Site,
) -> Callable[[Served], Check]:
    """Serves a page, with the collector that it needs; gives what verifies it."""

    def begin(page: Served) -> Check:
        collector = behind_a_proxy if page.proxies else behind
        source = collector.add_source(**page.options)
        for _ in range(page.sent):
            collector.post({"source": {"id": source}, "events": [{"type": "a"}] * 10})
        api = page.api or f"http://{EVENTS}:{collector.port}"
        if page.change or page.tls:
            front = fronts[page.tls]
            front.answers = _changed(page, collector)
            api = f"{front.scheme}://{EVENTS}:{front.port}"
        api = re.sub("@([A-Z]+)@", lambda found: ports[found[1]], api)
        served = secure_site if page.https else plain_site
        body = filled(page.html, source, api).encode()
        headers = tuple((name, filled(value, source, api)) for name, value in page.headers)

        def answer(asked: Asked) -> Answered:
            given = page.answers(asked, body) if page.answers else Answered(body)
            return replace(given, headers=(*given.headers, *headers))

        served.answers = answer
        address = f"{served.url}/{page.name}/{secrets.token_hex(2)}"
        expected = collector.add_source() if page.source == "@OTHER@" else page.source
        return Check(address, expected, guard=Guard(hosts=HOSTS, limits=LIMITS))

    return begin


@pytest.fixture
def look_at(serve: Callable[[Served], Check]) -> Callable[[Served], Report]:
    """Serves a page, and verifies it without a browser."""
    return lambda page: verify(serve(page))


def _changed(page: Served, collector: Collector) -> Callable[[Asked], Answered]:
    """The collector's answers, as what stands before it passes them on."""
    change = page.change or (lambda _, answer: answer)
    return lambda asked: change(asked, forward(collector, page.passed(asked)))
