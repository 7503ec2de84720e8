"""What has come in, as the live page reads it."""

import pytest

from collector import store
from collector.store import feed
from collector.store.feed import FeedFilter, cursor_now, latest

from ..support import Collector


def test_a_minute_is_found_however_much_has_come_since_and_a_text_among_the_latest(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = collector.add_source()
    for number in range(5):
        body = {"source": {"id": source}, "events": [{"type": f"boots-{number}"}]}
        assert collector.post(body).status_code == 200
    monkeypatch.setattr(feed, "MAX_LOOKED_AT", 2)
    (first, *_) = collector.events(source)
    since, until = first["received_at"], first["received_at"] + "Z"
    connection = store.connect_readonly(collector.db)
    upto = cursor_now(connection)

    def types(**wanted: str) -> list[str | None]:
        return [row.type for row in latest(connection, FeedFilter(**wanted), upto, 50)]  # type: ignore[arg-type]

    assert types(since=since, until=until) == ["boots-0"]
    assert types(since=since) == [f"boots-{n}" for n in (4, 3, 2, 1, 0)]
    assert types(text="BOOTS") == ["boots-4", "boots-3"]
    assert types(text="boots-0", since=since, until=until) == ["boots-0"]
    connection.close()
