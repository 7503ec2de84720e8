"""The management API, the docs, and what operators ask."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import store

from ..support import Collector, run, wait_for

ORIGIN = "https://evil.example.org"


@pytest.fixture
def api(shared_collector: Collector) -> Iterator[httpx.Client]:
    with shared_collector.database() as database:
        _, secret = store.create_token(database, "test")
    with httpx.Client(
        base_url=shared_collector.url, headers={"Authorization": f"Bearer {secret}"}, timeout=20
    ) as client:
        yield client


def routes(collector: Collector) -> list[tuple[str, str]]:
    paths = httpx.get(f"{collector.url}/docs/openapi.json").json()["paths"]
    found = [
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/")
    ]
    assert len(found) > 15
    return found


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer", "Basic dHQ6dHQ=", "Bearer \u00ff"]
)
def test_without_a_token_nothing_is_read_or_changed(
    shared_collector: Collector, header: str | None
) -> None:
    before = shared_collector.counts(), shared_collector.rows("SELECT count(*) AS n FROM sources")
    for method, path in routes(shared_collector):
        headers = {b"Origin": ORIGIN.encode()}
        if header:
            headers[b"Authorization"] = header.encode("latin-1")
        answer = httpx.request(
            method,
            shared_collector.url + re.sub(r"\{\w+\}", "x", path),
            headers=headers,
            json={"name": "A"},
        )
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert list(answer.json()) == ["detail"]
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert (
        shared_collector.counts(),
        shared_collector.rows("SELECT count(*) AS n FROM sources"),
    ) == before


def test_a_revoked_token_is_worthless_within_a_second(shared_collector: Collector) -> None:
    with shared_collector.database() as database:
        token, secret = store.create_token(database, "short")
        headers = {"Authorization": f"Bearer {secret}"}
        assert httpx.get(f"{shared_collector.url}/api/stats", headers=headers).status_code == 200
        store.revoke_token(database, token.id)
    wait_for(
        lambda: httpx.get(f"{shared_collector.url}/api/stats", headers=headers).status_code == 401,
        "the end",
        3,
    )
    assert secret not in "".join(str(row) for row in shared_collector.rows("SELECT * FROM tokens"))
    assert secret not in "\n".join(shared_collector.log)


def test_sources_are_managed(api: httpx.Client, shared_collector: Collector) -> None:
    made = api.post(
        "/api/sources",
        json={"name": "By API", "origins": ["https://a.example.com"], "rate_limit": 100},
    )
    assert made.status_code == 201
    source = made.json()["id"]
    assert api.get(f"/api/sources/{source}").json() == made.json()
    assert made.json() in api.get("/api/sources").json()["sources"]
    changed = api.patch(f"/api/sources/{source}", json={"enabled": False, "origins": []}).json()
    assert (changed["enabled"], changed["origins"], changed["rate_limit"]) == (False, [], 100)
    assert api.delete(f"/api/sources/{source}").json() == {"removed": True, "events": 0}
    assert api.get(f"/api/sources/{source}").status_code == 404


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "An event source needs a name."),
        ({"name": "A", "colour": 1}, "There is no field 'colour'."),
        ({"name": "A", "origins": ["shop"]}, "'shop' is not an origin."),
        ({"name": "A", "origins": "https://a.example.com"}, "origins must be a list of strings"),
        ({"name": "A", "rate_limit": 0}, "rate_limit must be a whole number of at least 1"),
        ({"name": "A", "static_profiles": "yes"}, "static_profiles must be true or false"),
        ([1], "The body is not a JSON object."),
    ],
)
def test_values_that_cannot_be_are_refused_with_a_reason(
    api: httpx.Client, body: object, detail: str
) -> None:
    answer = api.post("/api/sources", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.parametrize("by", ["api", "command"])
def test_a_replayed_event_is_the_event_that_was_sent(
    api: httpx.Client, shared_collector: Collector, by: str
) -> None:
    """Two events of one request, one refused by a schema and replayed later: both rows are alike in
    all but their ids."""
    source = shared_collector.add_source()
    schema = f"/api/sources/{source}/schemas/order"
    assert api.put(schema, json={"required": ["total"]}).status_code == 200
    order = {"type": "order", "properties": {"price": 1}, "tags": ["x"], "colour": "red"}
    plain = {**order, "type": "plain"}
    body = {
        "source": {"id": source},
        "session": {"id": f"visit-{source}"},
        "properties": {"of": "the request"},
        "events": [{**plain, "id": f"a-{source}"}, {**order, "id": f"b-{source}"}],
    }
    headers = {"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}

    def rejected() -> bool:
        answer = shared_collector.post(body, headers=headers).json()
        return len(answer["errors"]) == 1

    probe = {**body, "session": {"id": "probe"}, "events": [{**order, "id": f"probe-{source}"}]}
    wait_for(lambda: shared_collector.post(probe).json()["errors"], "the schema to be applied")
    assert rejected()
    assert api.delete(schema).status_code == 200
    if by == "api":
        counts = api.post(
            "/api/rejected/replay", json={"source_id": source, "type": "order"}
        ).json()
    else:
        done = run(
            "rejected", "replay", "--source", source, "--db", str(shared_collector.db), "--json"
        )
        counts = json.loads(done.stdout)
    assert counts["stored"] >= 1
    (a,), (b,) = (
        shared_collector.rows("SELECT * FROM events WHERE id = ?", f"{name}-{source}")
        for name in "ab"
    )
    same = set(a) - {"seq", "id", "type"}
    assert {name: b[name] for name in same} == {name: a[name] for name in same}
    assert (b["ip"], b["bot"]) == ("127.0.0.0", 1)
    assert json.loads(b["request"]) == {"properties": {"of": "the request"}}
    assert json.loads(b["extra"]) == {"colour": "red"}
    assert api.get("/api/rejected", params={"source_id": source}).json()["rejected"] == []
    (session,) = shared_collector.rows("SELECT * FROM sessions WHERE id = ?", f"visit-{source}")
    assert session["events"] == 2


def test_a_schema_by_api_and_replay_of_what_it_had_rejected(
    api: httpx.Client, shared_collector: Collector
) -> None:
    source = shared_collector.add_source()
    path = f"/api/sources/{source}/schemas/order"
    assert api.put(path, json={"required": ["total"]}).status_code == 200
    probe = {
        "source": {"id": source},
        "events": [{"id": f"probe-{source}", "type": "order", "properties": {"price": "no"}}],
    }
    wait_for(
        lambda: [shared_collector.post(probe).json()["errors"] for _ in range(4)].count([]) == 0,
        "the schema in all workers",
    )
    with shared_collector.database() as database:
        database.conn.executescript(
            f"DELETE FROM rejected WHERE source_id = '{source}'; DELETE FROM events WHERE source_id = '{source}'"
        )
    event = {
        "id": f"e-{source}",
        "type": "order",
        "properties": {"price": 5},
        "time": {"create": "2026-01-01T00:00:00.000Z"},
    }
    body = {"source": {"id": source}, "session": {"id": source}, "events": [event]}
    assert shared_collector.post(body).json()["errors"][0]["reason"] == "invalid"
    (row,) = api.get("/api/rejected", params={"source_id": source}).json()["rejected"]
    assert (row["type"], row["detail"]) == ("order", '/properties: "total" is a required property')
    assert api.post("/api/rejected/replay", json={"source_id": source}).json() == {
        "stored": 0,
        "duplicate": 0,
        "invalid": 1,
    }
    assert api.put(path, json={"required": ["price"]}).status_code == 200
    assert json.loads(api.get(path).json()["schema"]) == {"required": ["price"]}
    assert api.post("/api/rejected/replay", json={"source_id": source}).json() == {
        "stored": 1,
        "duplicate": 0,
        "invalid": 0,
    }
    assert api.post("/api/rejected/replay", json={"source_id": source}).json() == {
        "stored": 0,
        "duplicate": 0,
        "invalid": 0,
    }
    (stored,) = shared_collector.events(source)
    assert (stored["id"], stored["occurred_at"]) == (event["id"], "2026-01-01T00:00:00.000Z")
    assert (stored["session_id"], json.loads(stored["properties"])) == (source, {"price": 5})
    assert api.get("/api/rejected", params={"source_id": source}).json() == {
        "rejected": [],
        "next": None,
    }
    wait_for(
        lambda: shared_collector.post(body).json().get("duplicate"),
        "the schema to be known to all workers",
    )
    assert api.delete(path).json() == {"removed": True}
    assert api.get(f"/api/sources/{source}/schemas").json() == {"schemas": [], "next": None}


@pytest.mark.parametrize(
    "schema",
    [
        '{"type": "nope"}',
        '{"$ref": "http://example.com/x"}',
        '{"$ref": "file:///etc/passwd"}',
        '{"pattern": "(?=a)b"}',
        "[]",
        "{",
    ],
)
def test_what_is_no_schema_is_refused(
    api: httpx.Client, shared_collector: Collector, schema: str
) -> None:
    answer = api.put(f"/api/sources/{shared_collector.add_source()}/schemas/a", content=schema)
    assert answer.status_code == 422
    assert "chema" in answer.json()["detail"]


def test_redirects_by_api(api: httpx.Client, shared_collector: Collector) -> None:
    source = shared_collector.add_source(bridges=["redirect"])
    made = api.post(
        "/api/redirects", json={"source_id": source, "target": "https://a.example.com/"}
    )
    assert made.status_code == 201
    assert made.json() in api.get("/api/redirects").json()["redirects"]
    assert api.delete(f"/api/redirects/{made.json()['id']}").status_code == 200
    assert api.delete(f"/api/redirects/{made.json()['id']}").status_code == 404
    assert (
        api.post("/api/redirects", json={"source_id": source, "target": "javascript:1"}).status_code
        == 422
    )


def test_events_come_in_pages_the_latest_first(
    api: httpx.Client, shared_collector: Collector
) -> None:
    source = shared_collector.add_source()
    for n in range(7):
        shared_collector.post(
            {"source": {"id": source}, "events": [{"type": "a", "properties": {"n": n}}]}
        )
    found: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get("/api/events", params={"source_id": source, "limit": 3, **cursor}).json()
        found += [event["properties"]["n"] for event in page["events"]]
        if not page["next"]:
            break
        cursor = {"cursor": page["next"]}
    assert found == [6, 5, 4, 3, 2, 1, 0]
    assert api.get("/api/events", params={"limit": "many"}).status_code == 422
    assert api.get("/api/events", params={"limit": 5000}).status_code == 422


def test_stats_count_what_is_stored(api: httpx.Client, shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    shared_collector.post({"source": {"id": source}, "events": [{"type": "a"}, {"type": "b"}, {}]})
    (mine,) = [entry for entry in api.get("/api/stats").json()["sources"] if entry["id"] == source]
    assert (mine["events"], mine["rejected"]) == (2, 1)
    assert mine["last_event_at"] == shared_collector.events(source)[-1]["received_at"]


def test_a_forgotten_visitor_is_gone_and_late_repeats_do_not_bring_them_back(
    api: httpx.Client, shared_collector: Collector
) -> None:
    source = shared_collector.add_source()
    body: dict[str, Any] = {
        "source": {"id": source}, "session": {"id": source}, "context": {"browser": {"language": "en"}},
        "events": [{"id": f"{source}-{n}", "type": "a", "properties": {"name": "Ada"}} for n in range(3)] + [{"properties": {"name": "Ada"}}],
    }  # fmt: skip
    profile = shared_collector.post(body).json()["profile"]["id"]
    other = shared_collector.post({"source": {"id": source}, "events": [{"type": "a"}]}).json()[
        "profile"
    ]["id"]
    exported = api.get(f"/api/profiles/{profile}").json()
    assert {table: len(rows) for table, rows in exported.items() if table != "next"} == {
        "profiles": 1,
        "sessions": 1,
        "events": 3,
        "rejected": 1,
    }
    assert exported["events"][0]["properties"] == {"name": "Ada"}
    removed = api.delete(f"/api/profiles/{profile}").json()["removed"]
    assert removed == {"events": 3, "rejected": 1, "sessions": 1, "profiles": 1}
    assert api.get(f"/api/profiles/{profile}").status_code == 404
    again = shared_collector.post({**body, "events": body["events"][:3]}).json()
    assert again["duplicate"] is True
    assert [row["profile_id"] for row in shared_collector.events(source)] == [other]
    assert again["profile"]["id"] != profile
    assert (
        shared_collector.rows(
            "SELECT 1 FROM events WHERE properties LIKE '%Ada%' AND source_id = ?", source
        )
        == []
    )


def test_docs_are_there_for_people_and_programs(shared_collector: Collector) -> None:
    page = httpx.get(f"{shared_collector.url}/docs", headers={"Accept": "text/html"})
    assert "POST /track" in page.text
    assert "http" not in re.sub(r'"http[^"]*"', "", page.headers["Content-Security-Policy"])
    assert (
        httpx.get(f"{shared_collector.url}/docs", headers={"Accept": "application/json"}).json()[
            "openapi"
        ]
        == "3.1.0"
    )


def test_ready_says_when_events_are_stored(collector: Collector) -> None:
    answer = httpx.get(f"{collector.url}/ready")
    assert (answer.status_code, answer.json()["ready"], answer.json()["problems"]) == (
        200,
        True,
        [],
    )
    source = collector.add_source()
    assert collector.post({"source": {"id": source}, "events": [{"type": "a"}]}).status_code == 200
    assert httpx.get(f"{collector.url}/ready").json()["last_commit_age_seconds"] < 10


def test_ready_says_no_before_the_collector_stops(tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--drain-seconds", "20")).start()
    source = collector.add_source()
    assert collector.process
    collector.process.terminate()
    body = {"source": {"id": source}, "events": [{"type": "a"}]}
    refused = wait_for(
        lambda: r if (r := httpx.get(f"{collector.url}/ready")).status_code == 503 else None,
        "the drain",
    )
    assert refused.json()["problems"] == ["The collector is stopping."]
    assert collector.post(body).status_code == 200  # who comes all the same is served
    collector.process.terminate()  # a second signal ends the wait
    assert collector.process.wait(10) == 0
    assert len(collector.events(source)) == 1


def test_logs_can_be_json_and_have_a_line_for_each_request_at_debug(tmp_path: Path) -> None:
    collector = Collector(
        tmp_path, options=("--log-format", "json", "--log-level", "debug")
    ).start()
    source = collector.add_source()
    collector.post({"source": {"id": source}, "events": [{"type": "a\\n2026 INFO forged"}]})
    collector.post({"source": {"id": "nobody\n2026"}, "events": []})
    wait_for(lambda: [line for line in collector.log if "unknown_source" in line], "the line")
    lines = [json.loads(line) for line in collector.log]
    assert [line["event"].split(": ")[1] for line in lines if "request " in line["event"]] == [
        "200 stored, 1 events",
        "401 unknown_source",
    ]
    assert "forged" not in "\n".join(collector.log)


def test_metrics_responses_database_and_lane_agree(collector_of_two: Collector) -> None:
    """25,000 events, good, bad, and repeated, from several senders at once."""
    from concurrent.futures import ThreadPoolExecutor

    collector = collector_of_two
    source = collector.add_source()

    def send(n: int) -> tuple[int, int, int]:
        events = (
            [{"id": f"{n}-{i}", "type": "a"} for i in range(450)]
            + [{"type": ""}] * 40
            + [{"id": f"{n}-0", "type": "a"}] * 10
        )
        random.Random(n).shuffle(events)
        answer = collector.post({"source": {"id": source}, "events": events}).json()
        duplicates = sum(w["reason"] == "duplicate" for w in answer["warnings"])
        rejected = len(answer["errors"]) + answer["unlisted"]["invalid"]
        return len(answer["events"]) - duplicates, rejected, duplicates

    with ThreadPoolExecutor(8) as pool:
        told = [sum(column) for column in zip(*pool.map(send, range(50)), strict=True)]
    text = httpx.get(f"{collector.url}/metrics").text
    counted = {
        reason: int(float(value))
        for reason, value in re.findall(
            rf'^thamesthrive_events_total\{{reason="(\w+)",source="{source}"\}} (\S+)$', text, re.M
        )
    }
    counts = collector.counts()
    assert counted["stored"] == counts["events"] == told[0] == 22_500
    assert counted["invalid"] == counts["rejected"] == told[1] == 2_000
    assert counted["duplicate"] == told[2] == 500


def test_reports_over_http(api: httpx.Client, shared_collector: Collector) -> None:
    source = shared_collector.add_source(numbers=["a:n"])
    event = {"type": "a", "properties": {"n": 1.5}}
    page = {"type": "page-view", "context": {"page": {"path": "/x"}}}
    body = {"source": {"id": source}, "session": {"id": "s"}, "events": [event, page, {"type": ""}]}
    shared_collector.post(body, headers={"User-Agent": "Mozilla/5.0 Firefox/140.0"})
    reports = f"/api/sources/{source}/reports"

    def read(report: str, **params: str | int) -> Any:
        answer = api.get(f"{reports}/{report}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    (first, second) = read("events", by="month", days=1)["events"]
    assert (first["type"], first["events"], second["type"]) == ("a", 1, "page-view")
    visits = read("visits")
    assert visits["days"][0]["visitors"] == visits["days"][0]["page_views"] == 1
    assert visits["total"] == {"visitors": 1, "exact": True, "error": 0.0}
    assert read("top/pages", limit=5) == {"pages": [{"value": "/x", "count": 1}]}
    assert read("rejected", by="hour", days=2)["rejected"][0]["reason"] == "invalid"
    assert read("numbers")["numbers"][0]["sum"] == 1.5
    for wrong in ("events?by=year", "visits?days=0", "top/pages?limit=x"):
        assert api.get(f"{reports}/{wrong}").status_code == 422
    assert api.get(f"{reports}/top/hats").status_code == 404
    assert api.get("/api/sources/nobody/reports/visits").status_code == 404
