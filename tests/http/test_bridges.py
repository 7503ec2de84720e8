"""Webhook, pixel and redirect."""

import json
from typing import Any, cast

import httpx
import pytest

from collector import store
from collector.errors import StoreError

from ..support import Collector

ORIGIN = "https://shop.example.com"


def get(collector: Collector, path: str, **options: Any) -> httpx.Response:
    return httpx.get(collector.url + path, timeout=20, **options)


@pytest.fixture
def source(shared_collector: Collector) -> str:
    return shared_collector.add_source(bridges=["webhook", "redirect"])


def test_webhook_by_get_stores_the_query_and_makes_no_profile(
    shared_collector: Collector, source: str
) -> None:
    before = shared_collector.counts()
    answer = get(
        shared_collector,
        f"/collect/newsletter%20opened/{source}?issue=12&tag=a&tag=b",
        headers={"Origin": ORIGIN},
    )
    assert (answer.status_code, answer.headers["X-Collector-Reason"]) == (200, "stored")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert (answer.json()["profile"], answer.json()["session"]) == (None, None)
    (row,) = shared_collector.events(source)
    assert (row["type"], row["session_id"], row["profile_id"]) == ("newsletter opened", None, None)
    assert json.loads(row["properties"]) == {"issue": "12", "tag": ["a", "b"]}
    assert row["id"] == answer.json()["events"][0]
    assert shared_collector.counts() == {**before, "events": before["events"] + 1}


BODIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "json": (
        {"json": {"price": 1.5, "deep": {"a": [1]}}},
        {"price": 1.5, "deep": {"a": [1]}, "q": "1"},
    ),
    "form": (
        {"data": {"price": "1.5", "x": ["a", "b"]}},
        {"price": "1.5", "x": ["a", "b"], "q": "1"},
    ),
    "json without a content type": ({"content": b'{"q": 2}'}, {"q": 2}),
    "nothing": ({}, {"q": "1"}),
}


@pytest.mark.parametrize("kind", BODIES)
def test_webhook_by_post_stores_query_and_body(
    shared_collector: Collector, source: str, kind: str
) -> None:
    body, properties = BODIES[kind]
    answer = httpx.post(f"{shared_collector.url}/collect/order/{source}/visit-{source}?q=1", **body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["session"] == {"id": f"visit-{source}"}
    (row,) = shared_collector.events(source)
    assert json.loads(row["properties"]) == properties
    assert row["profile_id"] == answer.json()["profile"]["id"]


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/collect/a/nobody", None, 401, "unknown_source"),
        ("/collect/a/{source}", b"[1]", 422, "invalid"),
        ("/collect/a/{source}", b"{", 422, "invalid"),
        ("/collect/a/{source}", b'{"a":"\xff"}', 422, "invalid"),
        ("/collect/{long}/{source}", None, 200, "invalid"),
        ("/collect/a/{source}/{long}", None, 422, "invalid"),
    ],
)
def test_webhooks_that_are_refused(
    shared_collector: Collector,
    source: str,
    path: str,
    body: bytes | None,
    status: int,
    reason: str,
) -> None:
    url = shared_collector.url + path.format(source=source, long="x" * 129)
    answer = httpx.post(url, content=body) if body else httpx.get(url)
    assert (answer.status_code, answer.headers["X-Collector-Reason"]) == (status, reason)
    assert shared_collector.events(source) == []


def test_a_source_for_pages_takes_no_webhooks(shared_collector: Collector) -> None:
    answer = get(shared_collector, f"/collect/a/{shared_collector.add_source()}")
    assert (answer.status_code, answer.json()) == (
        401,
        {"detail": "Access denied. Source does not accept this bridge."},
    )


def test_the_pixel_is_a_gif_of_43_bytes_and_stores_an_event(
    shared_collector: Collector, source: str
) -> None:
    answer = get(shared_collector, f"/collect/page-view/{source}/pixel.gif?path=/sale")
    assert (answer.headers["Content-Type"], len(answer.content), answer.content[:6]) == (
        "image/gif",
        43,
        b"GIF89a",
    )
    assert answer.headers["Cache-Control"] == "no-store"
    (row,) = shared_collector.events(source)
    assert (row["type"], json.loads(row["properties"])) == ("page-view", {"path": "/sale"})
    assert (
        httpx.head(f"{shared_collector.url}/collect/page-view/{source}/pixel.gif").status_code
        == 200
    )
    assert len(shared_collector.events(source)) == 1


def add_redirect(collector: Collector, source: str, **options: Any) -> str:
    with collector.database() as database:
        return store.add_redirect(
            database, source, "https://shop.example.com/sale?a=1", **options
        ).id


def test_a_redirect_stores_an_event_and_leads_to_the_stored_target(
    shared_collector: Collector, source: str
) -> None:
    redirect = add_redirect(shared_collector, source, event_type="newsletter-click")
    answer = get(
        shared_collector,
        f"/redirect/{redirect}/visit-{source}?target=https://evil.example.org&issue=3",
    )
    assert (answer.status_code, answer.headers["Location"]) == (
        307,
        "https://shop.example.com/sale?a=1",
    )
    (row,) = shared_collector.events(source)
    assert (row["type"], row["session_id"]) == ("newsletter-click", f"visit-{source}")
    assert json.loads(row["properties"]) == {
        "target": "https://shop.example.com/sale?a=1",
        "redirect": redirect,
        "issue": "3",
    }
    assert httpx.head(f"{shared_collector.url}/redirect/{redirect}").status_code == 307
    assert len(shared_collector.events(source)) == 1


def test_visitors_are_led_on_even_if_nothing_can_be_stored(shared_collector: Collector) -> None:
    source = shared_collector.add_source()  # does not accept redirects
    answer = get(shared_collector, f"/redirect/{add_redirect(shared_collector, source)}")
    assert (answer.status_code, answer.headers["Location"]) == (
        307,
        "https://shop.example.com/sale?a=1",
    )
    assert answer.headers["X-Collector-Reason"] == "bridge_not_allowed"


@pytest.mark.parametrize(
    "path",
    ["/redirect/nothing", "/redirect/https:%2F%2Fevil.example.org", "/redirect//evil.example.org"],
)
def test_there_is_no_open_redirect(shared_collector: Collector, path: str) -> None:
    answer = get(shared_collector, path)
    assert answer.status_code == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example.org",
        "javascript:alert(1)",
        "/relative",
        "https://",
        "ftp://x.example.com",
        "https://a.example.com/\r\nSet-Cookie: x",
    ],
)
def test_targets_that_are_no_web_address_are_refused(
    shared_collector: Collector, source: str, target: str
) -> None:
    with (
        shared_collector.database() as database,
        pytest.raises(StoreError, match="A target is a whole address"),
    ):
        store.add_redirect(database, source, target)


@pytest.mark.parametrize("path", ["/collect/a/b", "/collect/a/b/c", "/track"])
def test_preflights_are_answered(shared_collector: Collector, path: str) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Headers": "x-timestamp"}
    answer = httpx.request("OPTIONS", shared_collector.url + path, headers=headers)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Headers"] == "x-timestamp"


def test_a_visitor_from_another_site_keeps_the_profile_that_exists(
    shared_collector: Collector,
) -> None:
    site = shared_collector.add_source(origins=["https://blog.example"])
    shop, open_source = shared_collector.add_source(), shared_collector.add_source()
    foreign = shared_collector.add_source(origins=["https://blog.example"], profile_group="others")
    first = {"source": {"id": open_source}, "events": [{"type": "a"}]}
    there = shared_collector.post(first).json()["profile"]["id"]

    def arrive(session: str, passed: str, source: str, referrer: str) -> dict[str, Any]:
        page = {"page": {"url": "https://shop.example/", "referrer": referrer}}
        return cast(
            "dict[str, Any]",
            shared_collector.post(
                {
                    "source": {"id": shop},
                    "session": {"id": f"{session}-{shop}"},
                    "context": {"pass": {"__tt_pid": passed, "__tt_src": source}},
                    "events": [{"type": "page-view", "context": page}],
                }
            ).json(),
        )

    listed = "https://blog.example/post?x=1"
    assert arrive("new", there, site, listed)["profile"]["id"] == there
    unknown = arrive("unknown", "somebody", site, listed)
    assert unknown["profile"]["id"] not in (there, "somebody")
    assert "no such profile exists" in unknown["warnings"][0]["detail"]
    assert arrive("unknown", there, site, listed)["profile"]["id"] == unknown["profile"]["id"]
    # A link that a stranger wrote, on a page or in a letter.
    for number, (source, referrer) in enumerate(
        (
            (site, "https://evil.example/"),
            (site, "https://blog.example.evil.example/"),
            (site, ""),
            (site, "https://[bad"),
            (open_source, listed),  # it lists no origins
            (foreign, listed),  # it shares no profiles with the shop
            ("nobody", listed),
        )
    ):
        answer = arrive(f"forged-{number}", there, source, referrer)
        assert answer["profile"]["id"] != there
        assert "does not come from a page" in answer["warnings"][0]["detail"]


def test_sessions_and_profiles_count_events_and_keep_their_campaigns(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    for campaign, events in (("spring", 2), (None, 1), ("autumn", 3)):
        context = {"utm": {"campaign": campaign}} if campaign else {}
        shared_collector.post(
            {
                "source": {"id": source},
                "session": {"id": source},
                "context": context,
                "events": [{"type": "a"}] * events,
            }
        )
    (session,) = shared_collector.rows("SELECT * FROM sessions WHERE id = ?", source)
    (profile,) = shared_collector.rows("SELECT * FROM profiles WHERE id = ?", session["profile_id"])
    for row in (session, profile):
        assert (row["events"], json.loads(row["first_utm"]), json.loads(row["last_utm"])) == (
            6,
            {"campaign": "spring"},
            {"campaign": "autumn"},
        )
        assert row["first_seen_at"] < row["last_seen_at"]


@pytest.mark.parametrize(
    ("policy", "stored"), [("truncate", "127.0.0.0"), ("full", "127.0.0.1"), ("none", None)]
)
def test_addresses_are_stored_as_the_source_wants(
    shared_collector: Collector, policy: str, stored: str | None
) -> None:
    source = shared_collector.add_source(ip_policy=policy)
    spoofed = {"X-Forwarded-For": "8.8.8.8", "Forwarded": "for=8.8.8.8", "X-Real-IP": "8.8.8.8"}
    shared_collector.post({"source": {"id": source}, "events": [{"type": "a"}]}, headers=spoofed)
    assert shared_collector.events(source)[0]["ip"] == stored


def test_bots_are_stored_and_flagged(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    for agent in (
        "Mozilla/5.0 (compatible; Googlebot/2.1)",
        "Mozilla/5.0 (X11; Linux x86_64) Chrome/125.0 Safari/537.36",
    ):
        shared_collector.post(
            {"source": {"id": source}, "events": [{"type": "a"}]}, headers={"User-Agent": agent}
        )
    assert [row["bot"] for row in shared_collector.events(source)] == [1, 0]
