"""Runs of tests: events are told apart by the run that a request names, and by nothing else."""

import gzip
import json
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from collector import store

from ..support import PATIENCE, Collector, wait_for

PRICE = {
    "type": "object",
    "properties": {"price": {"type": "number", "minimum": 0}},
    "required": ["price"],
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector for tests, started with more workers than it may have."""
    folder = tmp_path_factory.mktemp("watched")
    options = ("--qa", "--alias", "/a/{app.js,hello}")
    collector = Collector(folder, workers=2, options=options).start()
    yield collector
    collector.end()


def envelope(source: str, *events: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"source": {"id": source}, "events": list(events), **parts}


def run_id() -> str:
    return f"run-{uuid.uuid4()}"


def ask(collector: Collector, run: str, what: str, **query: Any) -> httpx.Response:
    url = f"{collector.url}/qa/runs/{run}/{what}"
    return httpx.get(url, params=query, timeout=PATIENCE * 3)


def types(collector: Collector, run: str, **query: Any) -> list[str]:
    answer = ask(collector, run, "events", **query)
    assert answer.status_code == 200, answer.text
    return [event["type"] for event in answer.json()["events"]]


def journal(collector: Collector, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(collector, run, "journal").json()["requests"]
    return found


PAGE = "https://shop.example.com/?a=1&__tt_run="


@pytest.mark.parametrize(
    ("run_from", "sent"),
    [
        ("header", lambda run: {"headers": {"X-ThamesThrive-Run": run}}),
        ("payload", lambda run: {"options": {"run": run}}),
        ("address", lambda run: {"context": {"pass": {"__tt_run": run}}}),
        ("page", lambda run: {"events": [{"type": "a", "context": {"page": {"url": PAGE + run}}}]}),
        ("query", lambda run: {"query": f"?__tt_run={run}"}),
    ],
)
def test_a_run_is_named_in_each_of_these_ways(watched: Collector, run_from: str, sent: Any) -> None:
    run, source = run_id(), watched.add_source()
    parts = sent(run)
    body = envelope(source, *parts.pop("events", [{"type": "a"}]), session={"id": run})
    headers, query = parts.pop("headers", {}), parts.pop("query", "")
    url = f"{watched.url}/track{query}"
    answer = httpx.post(url, json={**body, **parts}, headers=headers, timeout=PATIENCE)
    assert answer.headers["X-Collector-Reason"] == "stored", answer.text
    assert types(watched, run) == ["a"]
    assert watched.events(source)[0]["run"] == run
    assert [entry["run_from"] for entry in journal(watched, run)] == [run_from]


def test_a_number_is_a_run_too(watched: Collector) -> None:
    run, source = str(uuid.uuid4().int), watched.add_source()
    watched.post(envelope(source, {"type": "a"}, options={"run": int(run)}))
    assert types(watched, run) == ["a"]


def test_a_header_counts_before_a_payload_and_that_before_the_address(watched: Collector) -> None:
    one, two, three, source = run_id(), run_id(), run_id(), watched.add_source()
    body = envelope(
        source, {"type": "a"}, options={"run": two}, context={"pass": {"__tt_run": three}}
    )
    watched.post(body, headers={"X-ThamesThrive-Run": one})
    watched.post(body)
    assert [row["run"] for row in watched.events(source)] == [one, two]


def test_a_session_stays_with_the_run_that_it_began_with(watched: Collector) -> None:
    run, source = run_id(), watched.add_source()
    first = envelope(source, {"type": "first"}, session={"id": run})
    watched.post({**first, "context": {"pass": {"__tt_run": run}}})
    watched.post(envelope(source, {"type": "second"}, session={"id": run}))
    watched.post(envelope(source, {"type": "other"}, session={"id": "another " + run}))
    assert types(watched, run) == ["first", "second"]
    assert [entry["run_from"] for entry in journal(watched, run)] == ["address", "session"]


HOSTILE = (
    "-a", "a b", "../x", "a" * 65, "ä", "a\x00", "'; DROP TABLE sources; --", "", "a/b", "a%2fb", "*",
)  # fmt: skip


@pytest.mark.parametrize("run", HOSTILE)
def test_what_names_no_run_is_ignored_wherever_it_is(watched: Collector, run: str) -> None:
    source = watched.add_source()
    watched.post(envelope(source, {"type": "a"}, options={"run": run}))
    watched.post(envelope(source, {"type": "a"}, context={"pass": {"__tt_run": run}}))
    page = {"page": {"url": f"https://shop.example.com/?{httpx.QueryParams({'__tt_run': run})}"}}
    watched.post(envelope(source, {"type": "a", "context": page}))
    body, url = envelope(source, {"type": "a"}), f"{watched.url}/track"
    httpx.post(url, json=body, params={"__tt_run": run}, timeout=PATIENCE)
    if run.isprintable():
        watched.post(body, headers={"X-ThamesThrive-Run": run.encode()})
    assert {row["run"] for row in watched.events(source)} == {None}
    assert len(watched.events(source)) == 4 + run.isprintable()


@pytest.mark.parametrize("run", [True, None, [], {}, 1.5, -1])
def test_what_is_neither_text_nor_number_names_no_run(watched: Collector, run: Any) -> None:
    source = watched.add_source()
    watched.post(envelope(source, {"type": "a"}, options={"run": run}))
    assert [row["run"] for row in watched.events(source)] == [None]


def test_without_qa_a_run_is_ignored(shared_collector: Collector) -> None:
    run, source = run_id(), shared_collector.add_source(bridges=["rest", "webhook"])
    body = envelope(source, {"type": "a"}, options={"run": run}, session={"id": run})
    shared_collector.post(body, headers={"X-ThamesThrive-Run": run})
    httpx.get(f"{shared_collector.url}/collect/b/{source}", params={"__tt_run": run, "c": "d"})
    rows = shared_collector.events(source)
    assert [(row["type"], row["run"]) for row in rows] == [("a", None), ("b", None)]
    assert json.loads(rows[1]["properties"]) == {"__tt_run": run, "c": "d"}
    assert ask(shared_collector, run, "events").status_code == 404


def test_bridges_take_a_run_from_the_query_and_it_is_no_property(watched: Collector) -> None:
    run, source = run_id(), watched.add_source(bridges=["webhook"])
    url = f"{watched.url}/collect/signup/{source}"
    httpx.get(url, params={"__tt_run": run, "plan": "basic"}, timeout=PATIENCE)
    httpx.get(f"{url}/pixel.gif", headers={"X-ThamesThrive-Run": run}, timeout=PATIENCE)
    events = ask(watched, run, "events").json()["events"]
    assert [event["properties"] for event in events] == [{"plan": "basic"}, {}]
    assert [(e["method"], e["run_from"], e["route"]) for e in journal(watched, run)] == [
        ("GET", "query", f"/collect/signup/{source}"),
        ("GET", "header", f"/collect/signup/{source}/pixel.gif"),
    ]


def test_redirects_and_aliases_take_a_run_too(watched: Collector) -> None:
    run, source = run_id(), watched.add_source(bridges=["rest", "redirect"])
    with watched.database() as database:
        redirect = store.add_redirect(database, source, "https://example.com/", "left")
    gone = wait_for(
        lambda: (
            answer
            if (
                answer := httpx.get(
                    f"{watched.url}/redirect/{redirect.id}", params={"__tt_run": run}
                )
            ).status_code
            == 307
            else None
        ),
        "the redirect to be known",
    )
    assert gone.headers["X-Collector-Reason"] == "stored"
    body = envelope(source, {"type": "aliased"}, options={"run": run})
    assert httpx.post(f"{watched.url}/a/hello", json=body).status_code == 200
    left, aliased = ask(watched, run, "events").json()["events"]
    assert (left["type"], aliased["type"]) == ("left", "aliased")
    assert left["properties"] == {"redirect": redirect.id, "target": "https://example.com/"}
    routes = [entry["route"] for entry in journal(watched, run)]
    assert routes == [f"/redirect/{redirect.id}", "/a/hello"]


def test_a_compressed_body_names_its_run_too(watched: Collector) -> None:
    run, source = run_id(), watched.add_source()
    body = gzip.compress(json.dumps(envelope(source, {"type": "a"}, options={"run": run})).encode())
    watched.post(body, headers={"Content-Encoding": "gzip"})
    assert types(watched, run) == ["a"]


def test_what_is_refused_for_its_rate_is_in_the_journal(watched: Collector) -> None:
    run, source = run_id(), watched.add_source(rate_limit=2)
    events = [{"type": f"e{number}"} for number in range(3)]
    for _ in range(3):
        watched.post(envelope(source, *events, options={"run": run}))
    last = journal(watched, run)[-1]
    assert (last["status"], last["reason"]) == (429, "rate_limited")
    assert {event["verdict"] for event in last["events"]} == {"rate_limited"}


def test_events_are_found_by_type_condition_and_number(watched: Collector) -> None:
    run, source, other = run_id(), watched.add_source(), watched.add_source()
    orders = [{"type": "order", "properties": {"price": price}} for price in (1, 13.45, 20)]
    watched.post(envelope(source, *orders, {"type": "view"}, options={"run": run}))
    watched.post(envelope(other, {"type": "order"}, options={"run": run}))
    answer = ask(watched, run, "events", where="properties.price==13.45").json()
    (event,) = answer["events"]
    assert (answer["run"], answer["count"], event["run"]) == (run, 1, run)
    assert event["properties"] == {"price": 13.45}
    assert types(watched, run, where=["price>=13.45", "price<20"]) == ["order"]
    assert types(watched, run, type="order", limit=2) == ["order", "order"]
    assert types(watched, run, after=event["seq"]) == ["order", "view", "order"]
    assert types(watched, run, source=other) == ["order"]


def test_a_wait_is_answered_at_the_commit(watched: Collector) -> None:
    source = watched.add_source()
    took: list[float] = []
    # The database is looked at each second without a commit: such answers would all take that long.
    while not took or (min(took) > 0.9 and len(took) < 10):
        run = run_id()
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(
                ask, watched, run, "wait", type="order", where="price==1", count=2, timeout="30s"
            )
            for price in (1, 2, 1):
                order = {"type": "order", "properties": {"price": price}}
                watched.post(envelope(source, order, options={"run": run}))
            answer = waiting.result(PATIENCE)
        assert answer.status_code == 200
        assert (answer.json()["count"], len(answer.json()["events"])) == (2, 2)
        took.append(answer.elapsed.total_seconds())
    assert min(took) <= 0.9


def test_a_wait_that_ends_says_what_there_was_instead(watched: Collector) -> None:
    run, source = run_id(), watched.add_source()
    watched.post(envelope(source, {"type": "b"}, {"type": ""}, {"type": "b"}, options={"run": run}))
    answer = ask(watched, run, "wait", type="order", timeout="10ms")
    body = answer.json()
    assert answer.status_code == 408
    assert body["detail"] == f"Waited for 1 event of type 'order' of run {run}: 0 came."
    assert (body["count"], body["seen"]) == (0, {"b": 2})
    assert [event["type"] for event in body["events"]] == ["b", "b"]
    assert [rejected["pointer"] for rejected in body["rejected"]] == ["/type"]


def test_rejected_events_have_pointer_and_rule(watched: Collector) -> None:
    run, source = run_id(), watched.add_source()
    with watched.database() as database:
        store.set_schema(database, source, "order", json.dumps(PRICE))
    bad = {"type": "order", "properties": {"price": -1}}
    watched.post(envelope(source, bad, options={"run": run}))
    (found,) = ask(watched, run, "rejected").json()["rejected"]
    assert (found["reason"], found["type"], found["source_id"]) == ("invalid", "order", source)
    assert found["pointer"] == "/properties/price"
    assert found["rule"]["pointer"] == "/properties/price/minimum"
    assert found["payload"]["properties"] == {"price": -1}


def test_parallel_runs_never_see_each_others_events(watched: Collector) -> None:
    source = watched.add_source()
    runs = [run_id() for _ in range(8)]

    def send(run: str) -> list[str]:
        for number in range(10):
            body = envelope(source, {"type": f"{run} {number}"}, options={"run": run})
            watched.post(body)
        return types(watched, run)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(send, runs))
    assert found == [[f"{run} {number}" for number in range(10)] for run in runs]


def test_the_journal_has_duplicates_and_refused_requests(watched: Collector) -> None:
    run, source = run_id(), watched.add_source(origins=["https://shop.example.com"])
    event = {"id": str(uuid.uuid4()), "type": "order"}
    body = envelope(source, event, options={"run": run}, session={"id": run})
    headers = {"Origin": "https://shop.example.com", "Authorization": "Bearer x", "Cookie": "a=b"}
    watched.post(body, headers=headers)
    watched.post(envelope(source, event, {"type": ""}, session={"id": run}), headers=headers)
    watched.post(body, headers={"Origin": "https://other.example.com"})
    watched.post(envelope(str(uuid.uuid4()), event, options={"run": run}))
    watched.post("{" + f'"options":{{"run":"{run}"}}', headers=headers)
    watched.post(b"\x00" * 300_000, headers={"X-ThamesThrive-Run": run})
    found = journal(watched, run)
    assert [(entry["status"], entry["reason"]) for entry in found] == [
        (200, "stored"),
        (200, "duplicate"),
        (403, "origin_not_allowed"),
        (401, "unknown_source"),
        (422, "invalid"),
        (413, "too_large"),
    ]
    verdicts = [[event["verdict"] for event in entry["events"]] for entry in found]
    assert verdicts[:4] == [
        ["stored"],
        ["duplicate", "invalid"],
        ["origin_not_allowed"],
        ["unknown_source"],
    ]
    assert found[1]["events"][1]["detail"] == "/type: must not be empty"
    assert found[0]["events"][0]["id"] == event["id"]
    assert (found[0]["origin"], found[0]["route"]) == ("https://shop.example.com", "/track")
    assert (found[0]["headers"]["authorization"], found[0]["headers"]["cookie"]) == ("…", "…")
    assert found[0]["source_id"] == source
    assert found[0]["bytes"] > 0 < found[0]["ms"]


def drip(collector: Collector, body: bytes, headers: str = "") -> socket.socket:
    """A connection on which all of a request has been sent but its last byte."""
    connection = socket.create_connection(("127.0.0.1", collector.port), PATIENCE)
    head = (
        f"POST /track HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    connection.sendall(head.encode() + body[:-1])
    return connection


def test_quiesce_waits_for_a_body_that_is_still_arriving(watched: Collector) -> None:
    run, source = run_id(), watched.add_source()
    body = json.dumps(envelope(source, {"type": "late"}, options={"run": run})).encode()
    with drip(watched, body) as connection:
        early = ask(watched, run, "quiesce", idle="0ms", timeout="100ms")
        assert (early.status_code, early.json()["in_flight"]) == (408, 1)
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(ask, watched, run, "quiesce", idle="50ms", timeout="20s")
            connection.sendall(body[-1:])
            assert connection.recv(12) == b"HTTP/1.1 200"
            answer = waiting.result(PATIENCE)
    assert answer.status_code == 200
    assert answer.json()["requests"] == 1
    assert answer.json()["idle_ms"] >= 50
    assert types(watched, run) == ["late"]


def test_quiesce_does_not_wait_for_another_run_that_names_itself_early(watched: Collector) -> None:
    run = run_id()
    with drip(watched, b"{}", f"X-ThamesThrive-Run: {run_id()}\r\n"):
        assert ask(watched, run, "quiesce", idle="1ms", timeout="1s").status_code == 200


def test_quiesce_does_not_wait_for_one_who_gave_up(watched: Collector) -> None:
    run = run_id()
    with drip(watched, b"{}") as connection:
        assert ask(watched, run, "quiesce", idle="1ms", timeout="1ms").status_code == 408
        connection.close()
    assert ask(watched, run, "quiesce", idle="1ms", timeout="10s").status_code == 200


def test_deleting_a_run_removes_what_is_in_no_other(watched: Collector) -> None:
    run, other, source = run_id(), run_id(), watched.add_source()
    for of in (run, other):
        body = envelope(source, {"type": "a"}, {"type": ""}, options={"run": of})
        watched.post({**body, "session": {"id": of}})
    only_stored = envelope(source, {"type": "a"}, options={"run": run}, session={"id": f"2 {run}"})
    watched.post(only_stored)
    answer = httpx.delete(f"{watched.url}/qa/runs/{run}", timeout=PATIENCE)
    assert answer.json() == {"events": 2, "rejected": 1, "requests": 2}
    assert (types(watched, run), journal(watched, run)) == ([], [])
    assert types(watched, other) == ["a"]
    sessions = watched.rows("SELECT id FROM sessions WHERE source_id = ?", source)
    assert [row["id"] for row in sessions] == [other]
    profiles = "SELECT count(*) AS n FROM profiles p WHERE NOT EXISTS (SELECT 1 FROM sessions s WHERE s.profile_id = p.id)"
    assert watched.rows(profiles) == [{"n": 0}]


def test_runs_are_listed_the_newest_first(watched: Collector) -> None:
    one, two, three, source = run_id(), run_id(), run_id(), watched.add_source()
    watched.post(envelope(source, {"type": "a"}, {"type": "a"}, options={"run": one}))
    watched.post(envelope(source, {"type": ""}, options={"run": two}))
    watched.post(envelope("unknown", {"type": "a"}, options={"run": three}))
    runs = httpx.get(f"{watched.url}/qa/runs").json()["runs"]
    found = {row["run"]: (row["events"], row["rejected"], row["requests"]) for row in runs}
    assert (found[one], found[two], found[three]) == ((2, 0, 1), (0, 1, 1), (0, 0, 1))
    assert [row["last_at"] for row in runs] == sorted((r["last_at"] for r in runs), reverse=True)


def test_a_bad_question_is_answered_with_what_is_right(watched: Collector) -> None:
    run = run_id()
    for what, query, text in (
        ("events", {"where": "price"}, "is not a condition"),
        ("events", {"limit": "0"}, "limit must be a whole number from 1 to 1000."),
        ("events", {"after": "x"}, "after must be"),
        ("wait", {"timeout": "61s"}, "timeout must be a duration up to 60s, as in 300ms or 5s."),
        ("wait", {"timeout": "5"}, "timeout must be a duration"),
        ("quiesce", {"idle": "1h"}, "idle must be a duration"),
    ):
        answer = ask(watched, run, what, **query)
        assert (answer.status_code, text in answer.json()["detail"]) == (422, True), answer.text
    assert ask(watched, "-", "events").json()["detail"].startswith("A run id has up to 64")


def test_pages_of_other_origins_are_refused(watched: Collector) -> None:
    own = watched.url
    for headers, status in (
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": own}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ):
        answer = httpx.get(f"{own}/qa/runs", headers=headers)
        assert answer.status_code == status, (headers, answer.text)
        assert "access-control-allow-origin" not in answer.headers


def test_who_is_not_on_this_machine_needs_a_token(watched: Collector) -> None:
    url = f"{watched.url}/qa/runs"
    elsewhere = {"X-Forwarded-For": "198.51.100.7"}
    with watched.database() as database:
        source = watched.add_source()
        _, secret = store.create_token(database, "ci", role="read")
        _, limited = store.create_token(database, "one", role="read", source_id=source)
    refused = httpx.get(url, headers=elsewhere)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    statuses = [
        httpx.get(url, headers={**elsewhere, "Authorization": f"Bearer {token}"}).status_code
        for token in (secret, limited, "wrong")
    ]
    assert statuses == [200, 403, 401]


def test_there_is_one_worker_however_many_were_asked_for(watched: Collector) -> None:
    assert len(watched.children("collector.child\0worker")) == 1
    wait_for(lambda: any("one worker instead of 2" in line for line in watched.log), "the note")
