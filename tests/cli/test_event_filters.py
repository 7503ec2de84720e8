"""Which events `events list` and `events export` are asked for."""

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.commands.event_filters import EVENT_FILTERS

from ..support import COMMAND, ROOT, Collector, on_terminal, run, wait_for


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, dict[str, str]]]:
    """Orders of two visitors, one of them an hour ago and one two days ago."""
    collector = Collector(tmp_path_factory.mktemp("filters")).start()
    source = collector.add_source()
    names = {"SOURCE": source}
    for session, orders in (
        ("ann", [("a1", 5, "hat"), ("a2", 20, "shoes")]),
        ("bob", [("b1", 30, "shoes"), ("b2", 100, "red hat")]),
    ):
        for id_, price, item in orders:
            properties = {"price": price, "item": item, "size.eu": 41}
            page = {"path": f"/{id_}"}
            event = {
                "id": id_,
                "type": "order",
                "properties": properties,
                "context": {"page": page},
            }
            body = {"source": {"id": source}, "session": {"id": session}, "events": [event]}
            names[session.upper()] = collector.post(body).json()["profile"]["id"]
    with collector.database() as database:
        for id_, back in (("a1", "-2 days"), ("a2", "-1 hours")):
            database.execute(
                "UPDATE request_rows SET received_at ="
                f" strftime('%Y-%m-%dT%H:%M:%fZ', received_at, '{back}')"
                f" WHERE key = (SELECT request FROM event_rows WHERE id = '{id_}')"
            )
    yield collector, names
    collector.end()


FOUND = {
    "--where price>20": ["b1", "b2"],
    "--where properties.price<=20": ["a1", "a2"],
    "--where item=shoes": ["a2", "b1"],
    "--where item=shoes --where price!=20": ["b1"],
    "--where item='red_hat'": ["b2"],
    '--where "size.eu"=41 --where price>=100': ["b2"],
    "--where context.page.path=/a1": ["a1"],
    "--since 3h": ["a2", "b1", "b2"],
    "--since 30min": ["b1", "b2"],
    "--since 3d --until 1d": ["a1"],
    "--until 30min": ["a1", "a2"],
    "--profile BOB": ["b1", "b2"],
    "--profile ANN --since 1d": ["a2"],
    "--session bob --where price=30": ["b1"],
    "--source SOURCE --type order --since 3d --where item=hat": ["a1"],
}


def words_of(options: str, names: dict[str, str]) -> list[str]:
    return [names.get(word, word).replace("_", " ") for word in options.split(" ")]


@pytest.mark.parametrize("options", FOUND)
def test_list_and_export_find_the_same(
    shop: tuple[Collector, dict[str, str]], options: str
) -> None:
    collector, names = shop
    words = [*words_of(options, names), "--db", str(collector.db)]
    listed = run("events", "list", "--json", *words)
    assert [event["id"] for event in json.loads(listed.stdout)] == FOUND[options], listed.stderr
    exported = run("events", "export", "-", *words)
    ids = [json.loads(line)["id"] for line in exported.stdout.splitlines()]
    assert ids == FOUND[options], exported.stderr


def test_the_latest_matches_are_listed_in_the_order_of_storing(
    shop: tuple[Collector, dict[str, str]],
) -> None:
    collector, _ = shop
    done = run(
        "events", "list", "-n", "2", "--where", "price<50", "--json", "--db", str(collector.db)
    )
    assert [event["id"] for event in json.loads(done.stdout)] == ["a2", "b1"]


def test_every_command_that_reads_events_has_the_same_filters() -> None:
    for command in ("list", "export"):
        text = run("events", command, "--help", env={"COLUMNS": "200"}).stdout
        assert [f"--{name} " in text for name in EVENT_FILTERS] == [True] * 8, command


@pytest.mark.parametrize("command", [["list"], ["export", "-"]])
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--where", "price"], "'price' is not a condition. Write a path, an operator and a value"),
        (["--where", 'a="'], "The quoted text"),
        (
            ["--since", "tomorrow"],
            "'tomorrow' is not a time. Write a date, as in 2027-01-31, a time",
        ),
        (["--until", "3d", "--since", "2d"], "--until is not after --since"),
        (["--profile", ""], "--profile is empty. Give it a value, or leave it out."),
        (["--source", "", "--type", "a"], "--source is empty. Give it a value, or leave it out."),
    ],
)
def test_a_wrong_filter_is_an_error_that_says_what_is_right(
    shop: tuple[Collector, dict[str, str]], command: list[str], options: list[str], problem: str
) -> None:
    collector, _ = shop
    done = run("events", *command, *options, "--db", str(collector.db))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {problem}")
    assert done.stderr.count("\n") == 1


def test_nothing_found_names_what_was_asked_for(
    shop: tuple[Collector, dict[str, str]],
) -> None:
    collector, _ = shop
    one = run("events", "list", "--where", "price>1000", "--db", str(collector.db))
    assert (one.returncode, one.stdout) == (0, "")
    assert one.stderr == "No events match --where. Without it, all are listed.\n"
    several = run(
        "events",
        "list",
        "--profile",
        "x",
        "--since",
        "1d",
        "--type",
        "order",
        "--db",
        str(collector.db),
    )
    assert several.stderr == (
        "No events match --type, --profile and --since. Without them, all are listed.\n"
    )


@contextmanager
def follower(
    collector: Collector, folder: Path, *words: str
) -> Iterator[Callable[[int], list[Any]]]:
    """`events list --follow`; gives a function that waits for so many events that it has shown."""
    shown = folder / "shown.ndjson"
    command = [*COMMAND, "events", "list", "--follow", "--json", *words, "--db", str(collector.db)]
    with shown.open("w") as out, subprocess.Popen(command, cwd=ROOT, stdout=out) as process:

        def events(count: int) -> list[Any]:
            lines = wait_for(
                lambda: found if len(found := shown.read_text().splitlines()) >= count else [],
                f"{count} events to be shown",
            )
            return [json.loads(line) for line in lines]

        try:
            yield events
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130


def send(collector: Collector, source: str, **properties: int) -> None:
    event = {"type": "sale", "properties": properties}
    body = {"source": {"id": source}, "session": {"id": "eve"}, "events": [event]}
    assert collector.post(body).json()["errors"] == []


def test_following_shows_only_what_matches(
    shop: tuple[Collector, dict[str, str]], tmp_path: Path
) -> None:
    collector, names = shop
    words = ["--type", "sale", "--where", "price>10", "--since", "1h"]
    send(collector, names["SOURCE"], price=11)
    with follower(collector, tmp_path, *words) as shown:
        shown(1)
        for price in (5, 12, 6, 13):
            send(collector, names["SOURCE"], price=price)
        assert [event["properties"]["price"] for event in shown(3)] == [11, 12, 13]


def test_following_begins_with_what_comes_if_nothing_matches_yet(
    shop: tuple[Collector, dict[str, str]], tmp_path: Path
) -> None:
    collector, names = shop
    with follower(collector, tmp_path, "--where", "new>=1") as shown:
        send(collector, names["SOURCE"], new=1)
        shown(1)
        send(collector, names["SOURCE"], new=2)
        assert [event["properties"]["new"] for event in shown(2)] == [1, 2]


def test_a_hostile_condition_is_only_a_text(shop: tuple[Collector, dict[str, str]]) -> None:
    collector, _ = shop
    before = collector.counts()
    attack = "x'); DELETE FROM event_rows; --=\x1b[2J"
    shown = on_terminal("events", "list", "--where", attack, "--db", str(collector.db))
    assert "No events match --where" in shown
    assert not re.search(r"\x1b\[2J", shown)
    assert collector.counts() == before
