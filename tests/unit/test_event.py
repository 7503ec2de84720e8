"""Bytes → Payload, both ways through the parser."""

import json
import uuid
from typing import Any

import pytest

from collector.errors import Invalid, TooLarge
from collector.event import parse as parser
from collector.event import timestamps
from collector.event.limits import MAX_KNOWN
from collector.event.types import Payload

REQUEST = str(uuid.uuid4())
NOW = "2026-11-23T10:00:00.000Z"
RECEIVED = timestamps.stored(NOW)


def parse(body: Any) -> Payload:
    return parser.parse(
        body if isinstance(body, bytes) else json.dumps(body).encode(), REQUEST, RECEIVED
    )


EXACT: dict[str, Any] = {
    "source": {"id": "s"},
    "session": {"id": "v"},
    "profile": None,
    "device": {"id": "d"},
    "context": {"screen": {"width": 1}},
    "sentAt": NOW,
    "options": {},
    "events": [
        {
            "id": "e1",
            "type": " a ",
            "properties": {"x": [1, {"y": None}]},
            "options": {"fire": True},
        },
        {"type": "b"},
    ],
}


def test_both_ways_say_the_same() -> None:
    """An unknown key sends a request the long way round; everything else of it must come out as
    before."""
    quick, lenient = parse(EXACT), parse(EXACT | {"unknown": 1})
    assert lenient.request == '{"unknown":1}'
    for name in (
        "source_id",
        "session_id",
        "profile_id",
        "device_id",
        "context",
        "events",
        "rejected",
        "warnings",
    ):
        assert getattr(quick, name) == getattr(lenient, name), name
    assert [e.type for e in quick.events] == ["a", "b"]
    assert quick.events[0].options == '{"fire": true}'


@pytest.mark.parametrize(
    "created",
    ["2026-11-23T09:00:00.120Z", "2026-11-23T09:00:00,120Z", "2026-11-23T090000.12000Z",
     "2026-11-23T09:00:00.12Z", "2026-11-23 09:00:00.120Z", "2026-11-23T10:00:00.12+01:00"],
)  # fmt: skip
def test_times_are_stored_in_one_form_however_they_are_written(created: str) -> None:
    """As far as they are times: what is not becomes the time of arrival, with a warning."""
    events = [{"type": "a", "time": {"create": created}}]
    payload = parse({"source": {"id": "s"}, "events": events})
    expected = NOW if payload.warnings else "2026-11-23T09:00:00.120Z"
    assert payload.events[0].occurred_at == expected


@pytest.mark.parametrize(
    ("given", "counted"), [("3", 3), ("3.0", 3), ("1e22", 10**9), ("-1", 0), ("9" * 40, 10**9)]
)
def test_a_whole_number_of_dropped_events_may_be_written_as_json_allows(
    given: str, counted: int
) -> None:
    body = b'{"source":{"id":"s"},"dropped":%s,"events":[]}' % given.encode()
    assert parse(body).dropped == ((("", counted),) if counted else ())


@pytest.mark.parametrize("given", ["1.5", "1e999", '"3"', "true", "[]"])
def test_what_is_no_whole_number_of_dropped_events_is_refused(given: str) -> None:
    with pytest.raises(Invalid, match="/dropped: expected a whole number"):
        parse(b'{"source":{"id":"s"},"dropped":%s,"events":[]}' % given.encode())


def test_properties_stay_the_bytes_that_came() -> None:
    body = b'{"source":{"id":"s"},"events":[{"type":"a","properties":{ "n":1.50, "big":123456789012345678901234567890 }}]}'
    assert parse(body).events[0].properties == '{ "n":1.50, "big":123456789012345678901234567890 }'


@pytest.mark.parametrize(
    "missing",
    ["session", "profile", "device", "context", "properties", "options", "events", "sentAt"],
)
@pytest.mark.parametrize("null", [True, False])
def test_parts_may_be_missing_or_null(missing: str, null: bool) -> None:
    body = {key: value for key, value in EXACT.items() if key != missing} | (
        {missing: None} if null else {}
    )
    whole, rest = parse(EXACT), parse(body)
    lost = {"session": "session_id", "device": "device_id", "context": "context"}.get(missing)
    assert rest.source_id == "s"
    assert [event.type for event in rest.events] == ([] if missing == "events" else ["a", "b"])
    for name in ("session_id", "profile_id", "device_id", "context", "request", "rejected"):
        if name != lost:
            assert getattr(rest, name) == getattr(whole, name), name
    if lost:
        assert getattr(rest, lost) in (None, "{}")


@pytest.mark.parametrize("part", ["id", "time", "properties", "context", "options", "tags"])
def test_parts_of_an_event_may_be_null(part: str) -> None:
    payload = parse({"source": {"id": "s"}, "events": [{"type": "a", part: None}]})
    assert (len(payload.events), payload.rejected, payload.events[0].occurred_at) == (1, (), NOW)


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [(29, True), (30, False), (200, False)],
    ids=["as deep as allowed", "one deeper", "far deeper"],
)
@pytest.mark.parametrize("pair", [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
def test_depth_is_bounded(levels: int, verdict: bool, pair: tuple[str, str]) -> None:
    """Envelope and events array are two levels, an event is the third, its properties the first of
    `levels`."""
    value = '{"a":' + pair[0] * (levels - 1) + "1" + pair[1] * (levels - 1) + "}"
    body = f'{{"source":{{"id":"s"}},"events":[{{"type":"a","properties":{value}}}]}}'.encode()
    assert parser.is_too_deep(body) is not verdict
    if verdict:
        assert len(parse(body).events) == 1
    else:
        with pytest.raises(TooLarge):
            parse(body)


def test_brackets_in_texts_are_no_depth() -> None:
    text = "[" * 500 + '\\"' + "{" * 500
    assert (
        len(
            parse(
                {"source": {"id": "s"}, "events": [{"type": "a", "properties": {"text": text}}]}
            ).events
        )
        == 1
    )


@pytest.mark.parametrize(
    ("escaped", "mended"),
    [
        (r"\ud83d", "\ufffd"),
        (r"\ude00", "\ufffd"),
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\ud83dx\u0041", "\ufffdxA"),
    ],
)
def test_halves_of_surrogate_pairs_become_replacement_characters(escaped: str, mended: str) -> None:
    body = f'{{"source":{{"id":"s"}},"events":[{{"type":"a","properties":{{"t":"{escaped}"}}}}]}}'.encode()
    assert json.loads(parse(body).events[0].properties) == {"t": mended}


def test_a_byte_order_mark_is_no_reason_to_refuse() -> None:
    assert parse(b"\xef\xbb\xbf" + json.dumps(EXACT).encode()).session_id == "v"


@pytest.mark.parametrize(
    "body",
    [b"", b"nil", b"[1]", b'"x"', b"{]", b'{"a":NaN}', b'{"a":1}}', b'{"a":"\x01"}', b'{"a":01}'],
)
def test_what_is_no_json_object_is_invalid(body: bytes) -> None:
    with pytest.raises(Invalid) as raised:
        parse(body)
    assert raised.value.status == 422


def test_a_batch_that_was_cut_off_is_not_json_rather_than_too_deep() -> None:
    body = json.dumps(
        {"source": {"id": "s"}, "events": [{"type": "a", "context": {"page": {}}}] * 40}
    ).encode()
    with pytest.raises(Invalid, match="Not JSON"):
        parse(body[:-20])


def test_known_ids_are_bounded() -> None:
    assert len(parse({"source": {"id": "s"}, "known": ["x"] * 5000}).known) == MAX_KNOWN


def test_a_text_that_never_ends_costs_no_more_than_its_length() -> None:
    body = b'{"source":{"id":"' + b"[" * 100 + b'\\"' * 120_000
    with pytest.raises(Invalid):
        parse(body)
