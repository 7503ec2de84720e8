"""POST /track through the front door: the answer, and the rows."""

import gzip
import json
import uuid
from typing import Any

import httpx
import pytest

from ..support import Collector, wait_for

ORIGIN = "https://shop.example.com"


def envelope(source: str, *events: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"source": {"id": source}, "events": list(events), **parts}


def test_three_events_become_three_rows_in_order(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    ids = [str(uuid.uuid4()) for _ in range(3)]
    properties = [
        {"product": "Sun glasses - Badoo", "price": 13.45},
        {"Eletronics": ["Mobile phones", "Accessories"]},
        {},
    ]
    types = ["purchase-order", "interest", "page-view"]
    events = [
        {
            "id": i,
            "type": t,
            "properties": p,
            "time": {"create": "2026-11-23T10:00:00.123Z"},
            "context": {"page": {"url": "u"}},
        }
        for i, t, p in zip(ids, types, properties, strict=True)
    ]
    answer = shared_collector.post(envelope(source, *events, session={"id": "s-" + source}))
    rows = shared_collector.events(source)
    assert answer.status_code == 200
    assert answer.json()["events"] == ids == [row["id"] for row in rows]
    assert [row["type"] for row in rows] == types
    assert [json.loads(row["properties"]) for row in rows] == properties
    assert {row["occurred_at"] for row in rows} == {"2026-11-23T10:00:00.123Z"}
    assert {(row["session_id"], row["profile_id"]) for row in rows} == {
        ("s-" + source, answer.json()["profile"]["id"])
    }
    assert {row["context"] for row in rows} == {'{"page":{"url":"u"}}'}


def test_answer_has_the_contracts_shape(shared_collector: Collector) -> None:
    answer = shared_collector.post(envelope(shared_collector.add_source(), {"type": "page-view"}))
    body = answer.json()
    assert set(body) == {
        "task",
        "ux",
        "response",
        "events",
        "profile",
        "session",
        "errors",
        "warnings",
    }
    assert (body["ux"], body["response"], body["errors"], body["warnings"]) == ([], {}, [], [])
    assert answer.headers["X-Collector-Reason"] == "stored"


def test_a_repeat_is_stored_once_and_answered_as_duplicate(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    body = envelope(
        source,
        {"id": str(uuid.uuid4()), "type": "a"},
        {"id": str(uuid.uuid4()), "type": "b"},
        session={"id": source},
    )
    first, second = shared_collector.post(body), shared_collector.post(body)
    assert "duplicate" not in first.json()
    assert second.json()["duplicate"] is True
    assert second.json()["events"] == first.json()["events"]
    assert [w["reason"] for w in second.json()["warnings"]] == ["duplicate", "duplicate"]
    assert second.headers["X-Collector-Reason"] == "duplicate"
    assert second.json()["profile"] == first.json()["profile"]
    assert len(shared_collector.events(source)) == 2


def test_a_repeat_among_new_events_does_not_cost_them(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    old, new = {"id": str(uuid.uuid4()), "type": "old"}, {"id": str(uuid.uuid4()), "type": "new"}
    shared_collector.post(envelope(source, old))
    answer = shared_collector.post(envelope(source, old, new, new)).json()
    assert [w["id"] for w in answer["warnings"]] == [old["id"], new["id"]]
    assert [row["type"] for row in shared_collector.events(source)] == ["old", "new"]


def test_one_bad_event_costs_no_neighbour_and_becomes_a_rejected_event(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    bad = {"id": "bad-" + source, "type": "  ", "properties": {"a": 1}}
    answer = shared_collector.post(envelope(source, {"type": "good"}, bad, {"type": "good too"}))
    assert answer.status_code == 200
    assert answer.json()["errors"] == [
        {"index": 1, "id": bad["id"], "reason": "invalid", "detail": "/type: must not be empty"}
    ]
    assert [row["type"] for row in shared_collector.events(source)] == ["good", "good too"]
    (rejected,) = shared_collector.rows("SELECT * FROM rejected WHERE source_id = ?", source)
    assert (rejected["reason"], rejected["detail"], rejected["event_id"]) == (
        "invalid",
        "/type: must not be empty",
        bad["id"],
    )
    assert json.loads(rejected["payload"]) == bad


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        ({}, "/type: required"),
        ({"type": 7}, "/type: expected a string"),
        ({"type": "x" * 129}, "/type: expected at most 128 printable characters"),
        ({"type": "a\u0000b"}, "/type: expected at most 128 printable characters"),
        ({"type": "a", "id": 5}, "/id: expected a string"),
        ({"type": "a", "id": ""}, "/id: expected 1 to 128 printable characters"),
        ({"type": "a", "dropped": "x"}, "/dropped: expected a whole number"),
        ({"type": "a", "properties": [1]}, "/properties: expected an object"),
        ({"type": "a", "context": "x"}, "/context: expected an object"),
        ({"type": "a", "options": 1}, "/options: expected an object"),
        ({"type": "a", "tags": {}}, "/tags: expected an array"),
        ("not an object", ": expected an object"),
    ],
)
def test_bad_event_says_where_and_what(
    shared_collector: Collector, event: Any, detail: str
) -> None:
    source = shared_collector.add_source()
    answer = shared_collector.post(envelope(source, event)).json()
    assert [(e["reason"], e["detail"]) for e in answer["errors"]] == [("invalid", detail)]
    assert shared_collector.events(source) == []


def test_unknown_keys_are_kept(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    event = {
        "type": "a",
        "colour": "blue",
        "tags": ["x"],
        "options": {"fire": True},
        "time": {"create": None, "insert": "later"},
    }
    shared_collector.post(
        envelope(
            source, event, metadata={"v": 1}, properties={"p": 2}, session={"id": source, "more": 3}
        )
    )
    (row,) = shared_collector.events(source)
    assert json.loads(row["extra"]) == {"colour": "blue", "time": event["time"]}
    assert json.loads(row["request"]) == {
        "metadata": {"v": 1},
        "properties": {"p": 2},
        "session": {"id": source, "more": 3},
    }
    assert (json.loads(row["tags"]), json.loads(row["options"])) == (["x"], {"fire": True})


def test_an_unreadable_time_costs_a_warning_not_the_event(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    answer = shared_collector.post(
        envelope(source, {"type": "a", "time": {"create": "yesterday"}})
    ).json()
    (row,) = shared_collector.events(source)
    assert row["occurred_at"] == row["received_at"]
    assert "not an ISO 8601 time" in answer["warnings"][0]["detail"]
    assert json.loads(row["extra"]) == {"time": {"create": "yesterday"}}


def test_times_of_other_zones_are_stored_in_utc(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    shared_collector.post(
        envelope(source, {"type": "a", "time": {"create": "2026-11-23T12:00:00.5+02:00"}})
    )
    assert shared_collector.events(source)[0]["occurred_at"] == "2026-11-23T10:00:00.500Z"


def test_events_without_an_id_get_one(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    answer = shared_collector.post(envelope(source, {"type": "a"}, {"type": "b"})).json()
    assert [uuid.UUID(i).version for i in answer["events"]] == [5, 5]
    assert answer["events"][1] == str(uuid.uuid5(uuid.UUID(answer["task"][0]), "1"))


def test_half_of_an_emoji_is_stored_as_a_replacement(shared_collector: Collector) -> None:
    """JSON.stringify writes a text that was cut inside a surrogate pair as a lone escape; the batch
    must not be lost."""
    source = shared_collector.add_source()
    body = '{"source":{"id":"%s"},"events":[{"type":"a","properties":{"cut":"x\\ud83d","whole":"\\ud83d\\ude00","path":"\\\\ud83d"}}]}'
    assert shared_collector.post(body % source).status_code == 200
    assert json.loads(shared_collector.events(source)[0]["properties"]) == {
        "cut": "x\ufffd",
        "whole": "😀",
        "path": "\\ud83d",
    }


@pytest.mark.parametrize("content_type", ["application/json", "text/plain;charset=UTF-8", None])
def test_every_content_type_is_read_as_json(
    shared_collector: Collector, content_type: str | None
) -> None:
    source = shared_collector.add_source()
    headers = {"Content-Type": content_type} if content_type else {}
    answer = shared_collector.post(json.dumps(envelope(source, {"type": "a"})), headers=headers)
    assert answer.status_code == 200
    assert len(shared_collector.events(source)) == 1


def test_gzip_bodies_are_read(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    body = gzip.compress(json.dumps(envelope(source, {"type": "a"})).encode())
    assert shared_collector.post(body, headers={"Content-Encoding": "gzip"}).status_code == 200
    assert len(shared_collector.events(source)) == 1


REFUSALS: dict[str, tuple[Any, dict[str, str], int, str, Any]] = {
    "no JSON": (b"{", {}, 422, "invalid", None),
    "empty": (b"", {}, 422, "invalid", None),
    "not an object": (b"[]", {}, 422, "invalid", {"detail": "Expected a JSON object."}),
    "not UTF-8": (b'{"a":"\xff"}', {}, 422, "invalid", {"detail": "Not UTF-8: byte 6."}),
    "events no array": ({"events": {}}, {}, 422, "invalid", {"detail": "/events: expected an array."}),
    "context no object": ({"context": 1}, {}, 422, "invalid", {"detail": "/context: expected an object."}),
    "session no object": ({"session": 1}, {}, 422, "invalid", {"detail": "/session: expected an object with a string id."}),
    "session id too long": (
        {"session": {"id": "x" * 129}}, {}, 422, "invalid", {"detail": "/session/id: expected at most 128 printable characters."},
    ),
    "known no strings": ({"known": [1]}, {}, 422, "invalid", {"detail": "/known: expected an array of strings."}),
    "too many events": ({"events": [{"type": "a"}] * 501}, {}, 413, "too_large", {"detail": "More than 500 events."}),
    "too deep": (b'{"a":' + b"[" * 33 + b"]" * 33 + b"}", {}, 413, "too_large", {"detail": "Nested deeper than 32 levels."}),
    "far too deep": (b"[" * 100_000, {}, 413, "too_large", {"detail": "Nested deeper than 32 levels."}),
    "too long": (b"x" * 300_000, {}, 413, "too_large", {"detail": "More than 256 KB."}),
    "a bomb": (gzip.compress(b"x" * 5_000_000), {"Content-Encoding": "gzip"}, 413, "too_large", {"detail": "More than 1 MB inflated."}),
    "not gzip": (b"{}", {"Content-Encoding": "gzip"}, 422, "invalid", {"detail": "Content-Encoding: the body is not gzip."}),
    "gzip cut short": (
        gzip.compress(b"{}" * 50)[:-9], {"Content-Encoding": "gzip"}, 422, "invalid",
        {"detail": "Content-Encoding: the gzip body is cut short."},
    ),
    "other encoding": (b"{}", {"Content-Encoding": "zstd"}, 422, "invalid", {"detail": "Content-Encoding: only identity, gzip, x-gzip, deflate, br are understood."}),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_requests_say_why_and_write_nothing(shared_collector: Collector, case: str) -> None:
    body, headers, status, reason, expected = REFUSALS[case]
    if isinstance(body, dict):
        body = {"source": {"id": shared_collector.add_source()}, **body}
    before = shared_collector.counts()
    answer = shared_collector.post(body, headers={**headers, "Origin": ORIGIN})
    assert (answer.status_code, answer.headers["X-Collector-Reason"]) == (status, reason)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert expected is None or answer.json() == expected
    # Of a request of another shape, the owner of the source that it names can see what came.
    noted = isinstance(body, dict) and status == 422
    assert shared_collector.counts() == {**before, "rejected": before["rejected"] + noted}


@pytest.mark.parametrize(
    "source",
    ["00000000-0000-4000-8000-000000000000", "nonsense", "", None, 5, ["x"], "x" * 10_000],
    ids=lambda value: str(value)[:12],
)
def test_an_unknown_source_gets_exactly_the_401_and_nothing_is_written(
    shared_collector: Collector, source: Any
) -> None:
    before = shared_collector.counts()
    answer = shared_collector.post(
        {"source": {"id": source}, "events": [{"type": "a"}]}, headers={"Origin": ORIGIN}
    )
    assert answer.status_code == 401
    assert answer.content == b'{"detail": "Access denied. Invalid source."}'
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["X-Collector-Reason"] == "unknown_source"
    assert shared_collector.counts() == before


@pytest.mark.parametrize(
    "body",
    [{}, {"source": None}, {"source": 5}, {"source": {}}, {"events": 5}, {"session": 7}],
    ids=str,
)
def test_a_missing_source_is_an_unknown_source(
    shared_collector: Collector, body: dict[str, Any]
) -> None:
    answer = shared_collector.post(body)
    assert (answer.status_code, answer.json()) == (
        401,
        {"detail": "Access denied. Invalid source."},
    )


def test_a_disabled_source_is_refused_within_a_second_and_let_in_again(
    shared_collector: Collector,
) -> None:
    from collector import store

    source = shared_collector.add_source()
    body = envelope(source, {"type": "a"})
    assert shared_collector.post(body).status_code == 200
    with shared_collector.database() as database:
        store.update_source(database, source, {"enabled": False})
    refused = wait_for(
        lambda: a if (a := shared_collector.post(body)).status_code == 401 else None,
        "the refusal",
        2,
    )
    assert refused.json() == {"detail": "Access denied. Source disabled."}
    assert refused.headers["X-Collector-Reason"] == "disabled_source"
    with shared_collector.database() as database:
        store.update_source(database, source, {"enabled": True})
    assert wait_for(
        lambda: shared_collector.post(body).status_code == 200, "the source to be let in", 2
    )


def test_a_source_for_another_bridge_is_refused(shared_collector: Collector) -> None:
    answer = shared_collector.post(
        envelope(shared_collector.add_source(bridges=["webhook"]), {"type": "a"})
    )
    assert answer.json() == {"detail": "Access denied. Source does not accept this bridge."}
    assert (answer.status_code, answer.headers["X-Collector-Reason"]) == (401, "bridge_not_allowed")


@pytest.mark.parametrize(
    ("origin", "status"), [(ORIGIN, 200), ("https://evil.example.org", 403), (None, 403)]
)
def test_a_source_that_lists_origins_refuses_others(
    shared_collector: Collector, origin: str | None, status: int
) -> None:
    source = shared_collector.add_source(origins=[ORIGIN])
    answer = shared_collector.post(
        envelope(source, {"type": "a"}), headers={"Origin": origin} if origin else {}
    )
    assert answer.status_code == status
    assert len(shared_collector.events(source)) == (status == 200)
    assert status == 200 or answer.json() == {"detail": "Access denied. Origin not allowed."}


def test_a_removed_source_is_unknown(shared_collector: Collector) -> None:
    from collector import store

    source = shared_collector.add_source()
    assert shared_collector.post(envelope(source)).status_code == 200
    with shared_collector.database() as database:
        store.remove_source(database, source)
    assert wait_for(
        lambda: shared_collector.post(envelope(source)).status_code == 401,
        "the removal to be noticed",
        2,
    )


def test_missing_tells_which_known_ids_are_not_stored(shared_collector: Collector) -> None:
    source, other = shared_collector.add_source(), shared_collector.add_source()
    mine, theirs, lost = (str(uuid.uuid4()) for _ in range(3))
    shared_collector.post(envelope(source, {"id": mine, "type": "a"}))
    shared_collector.post(envelope(other, {"id": theirs, "type": "a"}))
    answer = shared_collector.post(envelope(source, known=[mine, theirs, lost])).json()
    assert answer["missing"] == [theirs, lost]


def test_dropped_events_are_counted_in_the_session_once(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    first, second = ({"id": f"{source}-{n}", "type": "a", "dropped": n} for n in (2, 3))
    for events in ([first], [first, second], [second, {"type": "b"}]):
        shared_collector.post(envelope(source, *events, session={"id": source}))
    assert shared_collector.rows("SELECT dropped FROM sessions WHERE id = ?", source) == [
        {"dropped": 5}
    ]


def test_dropped_events_of_a_whole_request_are_counted_with_its_first(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    events = [{"id": f"{source}-{n}", "type": "a"} for n in (1, 2)]
    for sent in (events, events, []):
        shared_collector.post(envelope(source, *sent, session={"id": source}, dropped=3))
    assert shared_collector.rows("SELECT dropped FROM sessions WHERE id = ?", source) == [
        {"dropped": 6}
    ]


def test_preflights_allow_any_header(shared_collector: Collector) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-timestamp",
    }
    answer = httpx.options(f"{shared_collector.url}/track", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type,x-timestamp"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Max-Age"] == "7200"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_answers_can_be_read_by_pages(shared_collector: Collector) -> None:
    answer = shared_collector.post(
        envelope(shared_collector.add_source(), {"type": "a"}), headers={"Origin": ORIGIN}
    )
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Vary"] == "Origin"
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_an_answer_lists_twenty_errors_and_counts_the_rest(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    bad = [{"type": ""} for _ in range(70)]
    body = {"source": {"id": source}, "events": [*bad, {"id": "good", "type": "a"}]}
    answer = shared_collector.post(body)
    facts = answer.json()
    assert [error["index"] for error in facts["errors"]] == [*range(20)]
    assert facts["unlisted"] == {"invalid": 50}
    assert facts["events"] == ["good"]
    assert len(answer.content) < 10 * len(json.dumps(body))
    assert "unlisted" not in shared_collector.post({**body, "events": bad[:20]}).json()
    rows = "SELECT count(*) AS rows FROM rejected WHERE source_id = ?"
    assert shared_collector.rows(rows, source) == [{"rows": 90}]


def test_what_rejected_events_share_is_not_stored_with_each_of_many(
    shared_collector: Collector,
) -> None:
    """Some kilobytes on the wire must not become hundreds of megabytes on the disk."""
    source = shared_collector.add_source()
    size = "SELECT sum(length(request)) AS size FROM rejected WHERE source_id = ?"
    for number, room in ((500, 0), (3, 3)):
        body = {
            "source": {"id": source},
            "properties": {"text": "x" * 50_000},
            "events": [{"type": ""} for _ in range(number)],
        }
        assert shared_collector.post(body).status_code == 200
        found = shared_collector.rows(size, source)[0]["size"] or 0
        assert room * 50_000 <= found <= room * 51_000


def test_rejected_events_count_for_the_rate_limit(shared_collector: Collector) -> None:
    source = shared_collector.add_source(rate_limit=30)
    bad = {"source": {"id": source}, "events": [{"type": ""} for _ in range(25)]}
    assert shared_collector.post(bad).status_code == 200
    refused = shared_collector.post(bad)
    assert (refused.status_code, refused.headers["X-Collector-Reason"]) == (429, "rate_limited")
