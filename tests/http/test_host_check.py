"""Pages whose name leads to this machine (DNS rebinding) get nothing of an administrator's."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ..support import Collector, run

MANAGEMENT = [
    "/metrics",
    "/docs",
    "/docs/openapi.json",
    "/api/sources",
    "/qa/events",
    "/%61pi/stats",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    options = ("--allowed-hosts", "Events.example.com, stats.example.com", "--qa")
    collector = Collector(tmp_path_factory.mktemp("guarded"), options=options).start()
    yield collector
    collector.end()


def get(collector: Collector, path: str, host: str) -> httpx.Response:
    return httpx.get(f"{collector.url}{path}", headers={"Host": host})


@pytest.mark.parametrize("path", MANAGEMENT)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8686", "[::1", "a:b:c"],
)
def test_other_names_are_refused_for_management(guarded: Collector, path: str, host: str) -> None:
    answer = get(guarded, path, host)
    assert answer.status_code in ((421, 404) if "%" in path else (421,))
    assert answer.status_code == 404 or "--allowed-hosts" in answer.json()["detail"]
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8686", "shop.localhost", "127.0.0.1", "127.0.0.9:80", "[::1]:8686",
        "10.1.2.3", "events.example.com", "EVENTS.example.com.:443", "stats.example.com",
    ],
)  # fmt: skip
def test_own_names_and_addresses_are_served(guarded: Collector, host: str) -> None:
    found = {path: get(guarded, path, host).status_code for path in MANAGEMENT[:5]}
    assert found == dict(zip(MANAGEMENT, [200, 200, 200, 401, 422], strict=False))


def test_events_are_taken_whatever_the_host(guarded: Collector) -> None:
    source = guarded.add_source(bridges=("rest", "webhook"))
    host = {"Host": "evil.example"}
    body = {"source": {"id": source}, "events": [{"type": "a"}]}
    assert guarded.post(body, headers=host).status_code == 200
    answers = [
        httpx.get(f"{guarded.url}/collect/b/{source}", headers=host),
        httpx.get(f"{guarded.url}/collect/c/{source}/pixel.gif", headers=host),
        httpx.get(f"{guarded.url}/tracker/tracker.min.js", headers=host),
        httpx.get(f"{guarded.url}/health", headers=host),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [row["type"] for row in guarded.events(source)] == ["a", "b", "c"]


def test_pages_of_a_site_below_docs_are_served_under_any_name(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    (site / "docs" / "index.html").write_text("a page")
    collector = Collector(tmp_path, options=("--site", str(site))).start()
    assert get(collector, "/docs/index.html", "evil.example").text == "a page"


def test_metrics_take_a_token_if_one_is_set(tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--metrics-token", "s3cret-ü")).start()
    address = f"{collector.url}/metrics"

    def status(header: str | None) -> int:
        headers = {b"Authorization": header.encode()} if header else {}
        return httpx.get(address, headers=headers).status_code

    wrong = (None, "Bearer", "Bearer s3cret", "Basic s3cret-ü", "Bearer s3cret-ü2", "s3cret-ü")
    assert [status(header) for header in wrong] == [401] * len(wrong)
    assert [status("Bearer s3cret-ü"), status("bearer s3cret-ü")] == [200, 200]
    assert httpx.get(address).headers["WWW-Authenticate"] == "Bearer"
    assert "s3cret" not in "\n".join(collector.log)


def test_the_token_is_not_shown_with_the_settings(tmp_path: Path) -> None:
    shown = run("config", "show", cwd=tmp_path, env={"THAMESTHRIVE_METRICS_TOKEN": "s3cret"})
    assert "(hidden)" in shown.stdout
    assert "s3cret" not in shown.stdout
