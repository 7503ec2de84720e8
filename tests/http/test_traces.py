"""Events that carry a text are found, and removed as if they had never come."""

from typing import Any

from collector import store

from ..support import Collector, run

RUN = "verify-0123456789abcdef"
LONG_AGO = "2000"


def event(type_: str, url: str) -> dict[str, Any]:
    return {"type": type_, "context": {"page": {"url": url, "path": "/"}}}


def post(collector: Collector, source: str, *events: dict[str, Any]) -> None:
    answer = collector.post({"source": {"id": source}, "events": events})
    assert answer.status_code == 200, answer.text


def test_traces_are_removed_with_visitor_and_counts_and_nothing_else(collector: Collector) -> None:
    source = collector.add_source()
    with collector.database() as database:
        store.set_schema(database, source, "order", '{"required": ["price"]}')
    post(collector, source, event("page-view", "https://shop.example/"))
    before = collector.counts()
    post(collector, source, event("page-view", f"https://shop.example/?__tt_run={RUN}"))
    post(collector, source, {"type": "probe", "properties": {"run": RUN}})
    post(collector, source, event("order", f"https://shop.example/?__tt_run={RUN}"))
    with collector.database() as database:
        found = store.find_traces(database.conn, RUN, LONG_AGO)
        assert [row.type for row in found] == ["page-view", "probe", "order"]
        assert store.remove_traces(database.conn, RUN, LONG_AGO) == (3, 0)
        assert store.find_traces(database.conn, RUN, LONG_AGO) == []
    assert collector.counts() == before
    assert run("db", "check", "--db", str(collector.db)).returncode == 0


def test_a_request_with_other_events_stays_whole(collector: Collector) -> None:
    source = collector.add_source()
    post(
        collector,
        source,
        event("page-view", f"https://shop.example/?__tt_run={RUN}"),
        event("page-view", "https://shop.example/before"),
    )
    with collector.database() as database:
        assert store.remove_traces(database.conn, RUN, LONG_AGO) == (0, 1)
    assert len(collector.events(source)) == 2
