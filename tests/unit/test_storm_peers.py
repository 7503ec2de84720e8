"""What `make storm-peers` counts with: how trackers write events, and what a receiver has stored in
which weather."""

import base64
import gzip
import json
from urllib.parse import urlencode

import httpx
import pytest

from ..bench.peers.__main__ import problem
from ..bench.peers.decode import deliveries
from ..bench.peers.receiver import Receiver
from ..bench.peers.run import Case, Run
from ..bench.peers.trackers import TRACKERS
from ..browser.moods import MOODS

DATA = {"n": 5, "page": "0.25"}
SEGMENT = {"messageId": "ajs-1", "event": "storm", "properties": DATA, "context": {"page": {}}}
SNOWPLOW = {"data": [{"eid": "e-1", "ue_pr": json.dumps({"data": {"data": DATA}})}]}
MIXPANEL = [{"event": "storm", "properties": {"$insert_id": "i-1", **DATA}}]
POSTHOG = [{"event": "storm", "uuid": "u-1", "properties": DATA}]


@pytest.mark.parametrize(
    ("body", "id_key", "found"),
    [
        (json.dumps(SEGMENT).encode(), "messageId", "ajs-1"),
        (json.dumps(SNOWPLOW).encode(), "eid", "e-1"),
        (gzip.compress(json.dumps(POSTHOG).encode()), "uuid", "u-1"),
        (
            urlencode({"data": base64.b64encode(json.dumps(MIXPANEL).encode())}).encode(),
            "$insert_id",
            "i-1",
        ),
        (urlencode({"data": json.dumps(MIXPANEL)}).encode(), "$insert_id", "i-1"),
        (
            json.dumps({"n": "storm", "p": DATA}).encode(),
            "",
            "",
        ),  # Plausible has an `n` of another kind
    ],
    ids=["json", "json in json", "gzip", "base64 in a form", "form", "without an id"],
)
def test_an_event_is_found_with_its_id(body: bytes, id_key: str, found: str) -> None:
    assert deliveries(body, id_key) == [(5, found)]


def test_two_events_of_a_request_have_ids_of_their_own() -> None:
    events = [{"insert_id": f"i-{n}", "event_properties": {"n": n, "page": ""}} for n in (1, 2)]
    body = json.dumps({"events": events}).encode()
    assert deliveries(body, "insert_id") == [(1, "i-1"), (2, "i-2")]


@pytest.mark.parametrize("body", [b"", b"{", b"a=b", b"[1]", b'{"n": 1}', b"\xff\xfe"])
def test_other_bodies_have_no_events(body: bytes) -> None:
    assert deliveries(body, "id") == []


def test_a_receiver_stores_what_gets_through_to_it_whether_or_not_it_is_answered() -> None:
    with Receiver(
        "messageId", lambda _path, _body, _origin: (200, {}, b"ok"), {"a": 1}
    ) as receiver:
        assert httpx.post(receiver.url, json=SEGMENT).text == "ok"
        receiver.weather = lambda _: "lost"
        with pytest.raises(httpx.TransportError):
            httpx.post(receiver.url, json=SEGMENT)
        assert receiver.deliveries == [(5, "ajs-1")] * 2

        receiver.weather = lambda _: "down"
        with pytest.raises(httpx.TransportError):
            httpx.post(receiver.url, json=SEGMENT)
        assert httpx.get(f"{receiver.url}/config/x").json() == {"a": 1}  # has another way
        receiver.weather = lambda _: (502, {}, b"")
        assert httpx.post(receiver.url, json=SEGMENT).status_code == 502
        assert len(receiver.deliveries) == 2
        assert receiver.requests == 4


def test_a_receiver_lets_any_page_send_any_header() -> None:
    asked = {"Origin": "http://a.test", "Access-Control-Request-Headers": "authorization"}
    with Receiver("id", lambda _path, _body, _origin: (200, {}, b""), {}) as receiver:
        answer = httpx.options(receiver.url, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "http://a.test"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization"


def result(key: str, tracked: list[int], came: list[tuple[int, str]]) -> Run:
    """What a storm in clean weather would come to."""
    tracker = next(tracker for tracker in TRACKERS if tracker.key == key)
    case = Case(tracker, "1.0", MOODS[0], 1)
    case.tracked, case.receiver.deliveries = tracked, came
    case.receiver.close()
    return case.result()


def test_a_repeat_with_its_id_is_stored_once_and_one_with_another_or_none_twice() -> None:
    run = result("segment", [1, 2, 3], [(1, "a"), (1, "a"), (2, "b"), (2, "c"), (9, "d")])
    assert (run.tracked, run.lost, run.repeats, run.twice) == (3, 1, 2, 1)
    run = result("plausible", [1], [(1, ""), (1, "")])
    assert (run.lost, run.repeats, run.twice) == (0, 1, 1)


def test_a_tracker_of_which_nothing_arrives_in_clean_weather_is_a_problem() -> None:
    assert "nothing arrived" in str(problem(result("umami", [1, 2], [])))
    assert problem(result("umami", [1, 2], [(1, "")])) is None
