"""What a payload says of its run is read as far as it can be, whatever else is wrong."""

import json
from typing import Any

import pytest

from collector.event.run_id import is_run_id, named_in, run_in_query


@pytest.mark.parametrize("text", ["a", "0", "A.b_c:d-9", "a" * 64])
def test_run_ids(text: str) -> None:
    assert is_run_id(text)


@pytest.mark.parametrize("text", [None, "", "-a", ".a", "a b", "a/b", "a\n", "ä", "a" * 65, "*"])
def test_what_is_none(text: str | None) -> None:
    assert not is_run_id(text)


@pytest.mark.parametrize(
    ("query", "run"),
    [
        ("__tt_run=a", "a"),
        ("x=1&__tt_run=b%3A1&y=2", "b:1"),
        ("__tt_run=-&__tt_run=c", "c"),
        ("x=__tt_run", None),
        ("__tt_run", None),
        ("&".join(["x=1"] * 2000) + "&__tt_run=a", None),
    ],
)
def test_a_query_names_a_run(query: str, run: str | None) -> None:
    assert run_in_query(query) == run


PAYLOADS: list[tuple[Any, str | None, str | None]] = [
    ({"options": {"run": "a"}, "events": "no list"}, "a", "payload"),
    ({"options": {"run": 7}}, "7", "payload"),
    ({"options": {"run": 7.5}}, None, None),
    ({"options": [], "context": {"pass": {"__tt_run": "b"}}}, "b", "address"),
    (
        {"context": {"pass": []}, "events": [{"context": {"page": {"url": "/?__tt_run=c"}}}]},
        "c",
        "page",
    ),
    ({"events": [7, {"context": {"page": {"url": "/?__tt_run=c"}}}]}, None, None),
    ({"events": [{"context": {"page": {"url": "http://[/?__tt_run=c"}}}]}, None, None),
    ([], None, None),
    ({"source": 7, "session": {"id": 7}}, None, None),
]


@pytest.mark.parametrize(("payload", "run", "place"), PAYLOADS)
def test_a_payload_names_a_run(payload: Any, run: str | None, place: str | None) -> None:
    assert named_in(json.dumps(payload).encode())[:2] == (run, place)


@pytest.mark.parametrize(
    ("body", "run"),
    [
        (b'{"source":{"id":"x"},"options":{"run":"cut"},"events":[{"ty', "cut"),
        (b'{"options": {"run": "-bad"}, ', None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b'{"options":' + b"{" * 100_000, None),
        (b"", None),
    ],
)
def test_what_is_no_json_names_one_if_that_can_be_seen(body: bytes, run: str | None) -> None:
    assert named_in(body).run == run


def test_events_are_named_for_the_journal() -> None:
    body = {
        "source": {"id": "s"},
        "session": {"id": "t"},
        "events": [{"id": "1", "type": "a"}, {}, 7],
    }
    named = named_in(json.dumps(body).encode())
    assert (named.source_id, named.session_id) == ("s", "t")
    assert named.events == (("1", "a"), (None, None), (None, None))


@pytest.mark.parametrize(
    "body",
    [
        b'{"source": {"id": "\x80"}}',
        b"[" * 200_000,
        b'{"events": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"events": [' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]}",
        b'{"source": {"id": "\\ud800"}, "options": {"run": "\\ud800"}}',
    ],
    ids=["no UTF-8", "open", "deep list", "deep object", "half a pair"],
)
def test_what_cannot_be_read_names_no_run(body: bytes) -> None:
    assert named_in(body).run is None
