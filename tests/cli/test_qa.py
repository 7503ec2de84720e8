"""`thamesthrive qa`: what a person and a script are told of runs."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import store

from ..http.test_runs import PRICE, envelope, run_id
from ..support import COMMAND, PATIENCE, ROOT, Collector, run, wait_for


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("qa"), options=("--qa",)).start()
    yield collector
    collector.end()


def qa(collector: Collector, *words: str) -> subprocess.CompletedProcess[str]:
    return run("qa", *words, "--port", str(collector.port))


def send(collector: Collector, source: str, name: str, *events: dict[str, Any]) -> None:
    collector.post(envelope(source, *events, options={"run": name}, session={"id": name}))


def order(price: Any, **more: Any) -> dict[str, Any]:
    return {"type": "order", "properties": {"price": price, **more}}


def test_show_has_events_rejected_ones_and_requests(watched: Collector) -> None:
    name, source = run_id(), watched.add_source()
    with watched.database() as database:
        store.set_schema(database, source, "order", json.dumps(PRICE))
    send(watched, source, name, order(13.45), order(-1))
    send(watched, "unknown", name, order(2))
    shown = qa(watched, "show", name)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == f"Run {name}: 1 event, 1 rejected event, 2 requests"
    assert [line for line in lines if '{"price": 13.45}' in line and name in line]
    assert [line for line in lines if "/properties/price" in line and "minimum" in line]
    assert [
        line for line in lines if "200  stored" in line and "order stored, order invalid" in line
    ]
    assert [line for line in lines if "401  unknown_source" in line and "payload" in line]
    found = json.loads(qa(watched, "show", name, "--json").stdout)
    assert [len(found[part]) for part in ("events", "rejected", "requests")] == [1, 1, 2]


def test_show_reads_a_database_without_a_collector(watched: Collector) -> None:
    name, source = run_id(), watched.add_source()
    send(watched, source, name, order(1), {"type": ""})
    db = ("--db", str(watched.db))
    found = json.loads(run("qa", "show", name, "--json", *db).stdout)
    assert [len(found[part]) for part in ("events", "rejected", "requests")] == [1, 1, 0]
    none = run("qa", "show", "mistyped", *db)
    assert (none.returncode, f"The latest runs are {name}" in none.stderr) == (1, True)


def test_show_says_which_runs_there_are_if_there_is_none_of_that_name(watched: Collector) -> None:
    name, source = run_id(), watched.add_source()
    send(watched, source, name, order(1))
    shown = qa(watched, "show", "mistyped")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith(
        f"Error: There is nothing of run mistyped. The latest runs are {name}"
    )


def test_diff_says_what_is_missing_new_and_different(watched: Collector) -> None:
    one, two, source = run_id(), run_id(), watched.add_source()
    send(watched, source, one, order(1, item="hat"), {"type": "view"}, {"type": "refund"})
    send(watched, source, two, order(2, item="hat", tags=["a"]), {"type": "view"}, {"type": "view"})
    shown = qa(watched, "diff", one, two)
    assert shown.returncode == 1
    assert shown.stdout.splitlines() == [
        f"- refund {{}}   only in {one}",
        f"+ view {{}}   only in {two}",
        "~ order (number 1)",
        "    price: 1 → 2",
        '    tags: (nothing) → ["a"]',
    ]
    found = json.loads(qa(watched, "diff", one, two, "--json").stdout)
    assert found["changed"][0]["fields"]["price"] == [1, 2]
    same = qa(watched, "diff", one, one)
    assert (same.returncode, same.stdout) == (0, f"{one} and {one} have the same events.\n")


def test_tail_follows_a_run(watched: Collector, tmp_path: Path) -> None:
    name, source = run_id(), watched.add_source()
    send(watched, source, name, order(1))
    words = [*COMMAND, "qa", "tail", name, "--port", str(watched.port)]
    with (tmp_path / "shown").open("w") as out:
        process = subprocess.Popen(words, stdout=out, cwd=ROOT)

    def shown() -> str:
        return (tmp_path / "shown").read_text()

    try:
        wait_for(lambda: "request  POST /track: 200 stored in" in shown(), "what there was")
        send(watched, source, name, {"type": "later"}, {"type": ""})
        wait_for(lambda: "event    later {}" in shown(), "what came then")
        wait_for(lambda: "rejected ? invalid, /type: must not be empty" in shown(), "the rejected")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_who_cannot_be_reached_is_said_with_a_code_of_its_own(
    watched: Collector, tmp_path: Path
) -> None:
    none = run("qa", "show", "a", "--url", "http://127.0.0.1:9")
    assert none.returncode == 4
    assert (
        "No collector answers at http://127.0.0.1:9. Start one: thamesthrive serve --qa."
        in none.stderr
    )
    without = Collector(tmp_path).start()
    shown = qa(without, "show", "a")
    without.end()
    assert (shown.returncode, "Start it with --qa" in shown.stderr) == (4, True)
    assert qa(watched, "show", "a b").stderr.startswith("Error: A run id has up to 64")


def stream(
    collector: Collector, name: str, count: int, last: str = ""
) -> list[tuple[str, str, dict[str, Any]]]:
    """So many messages of a stream: kind, id, data."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    url = f"{collector.url}/qa/runs/{name}/stream"
    headers = {"Last-Event-ID": last} if last else {}
    with httpx.stream("GET", url, headers=headers, timeout=PATIENCE) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        message: dict[str, str] = {}
        for line in answer.iter_lines():
            key, _, value = line.partition(": ")
            message[key] = value
            if key == "data":
                found.append((message["event"], message["id"], json.loads(value)))
                if len(found) == count:
                    break
    return found


def test_a_stream_goes_on_where_it_ended(watched: Collector) -> None:
    name, source = run_id(), watched.add_source()
    send(watched, source, name, order(1), {"type": ""})
    first = stream(watched, name, 3)
    assert [kind for kind, *_ in first] == ["event", "rejected", "request"]
    assert first[0][2]["properties"] == {"price": 1}
    send(watched, source, name, order(2))
    rest = stream(watched, name, 2, last=first[-1][1])
    assert [(kind, item.get("properties")) for kind, _, item in rest] == [
        ("event", {"price": 2}),
        ("request", None),
    ]


def test_a_collector_stops_although_somebody_waits_and_streams(tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--qa",)).start()
    base = f"{collector.url}/qa/runs/x"
    with httpx.stream("GET", f"{base}/stream", timeout=PATIENCE) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": here"
        assert collector.stop() == 0
        assert [line for line in lines if line] == []
    assert not [line for line in collector.log if "did not finish" in line]
