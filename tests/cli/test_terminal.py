"""What senders wrote is shown, and never obeyed: by a terminal or by a spreadsheet."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import Collector, on_terminal, run

# Clears the screen, sets the title, rings, returns; the same with C1; turns text around; ends lines.
ATTACK = "\x1b[2J\x1b]0;owned\x07\r\x9b2J\x7f\u202eevil\u2066\u200f\u2028\u061c"
BIDI = "evil\u202e\u2066\u200f\u061c"  # allowed in types
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Rich's own: bold headings. CSV ends lines with \r\n, and a terminal driver adds another \r.
OURS = re.compile(r"\x1b\[[0-9;]*m|\r+(?=\n)")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, str]]:
    """A source with the attack wherever an event has room for it: stored, and rejected."""
    collector = Collector(tmp_path_factory.mktemp("attacked")).start()
    source = collector.add_source()
    page = {"url": "https://shop.example.com/evil", "title": ATTACK}
    event = {"type": BIDI, "properties": {ATTACK: ATTACK}, "context": {"page": page}}
    answer = collector.post(
        {
            "source": {"id": source},
            "session": {"id": "s"},
            "context": {"utm": {"campaign": ATTACK}},
            "events": [
                {**event, "id": "a"},
                {**event, "id": "b", "type": f"evil{ATTACK}"},
            ],
        }
    )
    assert len(answer.json()["errors"]) == 1
    yield collector, source
    collector.end()


@pytest.mark.parametrize(
    "command",
    [
        "events list",
        "events list --json",
        "events export -",
        "events export - --format csv",
        "rejected list --json",
        "rejected show 1",
        "stats",
        "report events --source SOURCE",
        "report events --json --source SOURCE",
        "profile export PROFILE",
        "profile show PROFILE",
    ],
)
def test_control_characters_of_events_never_reach_a_terminal(
    attacked: tuple[Collector, str], command: str
) -> None:
    collector, source = attacked
    profile = str(collector.events(source)[0]["profile_id"])
    words = command.replace("PROFILE", profile).replace("SOURCE", source).split(" ")
    shown = OURS.sub("", on_terminal("--quiet", *words, "--db", str(collector.db), columns=300))
    assert "evil" in shown
    assert UNSAFE.findall(shown) == []


def test_control_characters_of_names_and_errors_never_reach_a_terminal(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    run("source", "add", BIDI, "--db", str(db))
    listed = on_terminal("--quiet", "source", "list", "--db", str(db), columns=300)
    refused = on_terminal(
        "--quiet", "events", "export", f"{tmp_path}/{ATTACK}/x.csv", "--db", str(db), columns=300
    )
    assert "evil" in listed
    assert "There is no folder" in refused
    assert UNSAFE.findall(OURS.sub("", listed + refused)) == []


def test_json_means_what_was_sent(attacked: tuple[Collector, str]) -> None:
    collector, source = attacked
    db = str(collector.db)
    printed = run("events", "list", "--json", "--source", source, "--db", db).stdout
    (event,) = json.loads(printed)
    assert (event["type"], event["properties"]) == (BIDI, {ATTACK: ATTACK})


@pytest.mark.parametrize("first", "=+-@")
def test_a_spreadsheet_runs_no_cell(
    attacked: tuple[Collector, str], tmp_path: Path, first: str
) -> None:
    collector, _ = attacked
    formula = f'{first}HYPERLINK("https://evil.example")'
    source = collector.add_source()
    event = {"type": formula, "id": formula}
    collector.post({"source": {"id": source}, "session": {"id": formula}, "events": [event]})
    file = tmp_path / "events.csv"
    run("events", "export", str(file), "--source", source, "--db", str(collector.db))
    (row,) = csv.DictReader(io.StringIO(file.read_text(), newline=""))
    assert [row[name] for name in ("id", "type", "session_id")] == [f"'{formula}"] * 3


@pytest.mark.parametrize(
    "words", [[ATTACK], ["events", f"--evil{ATTACK}"], ["db", "check", ATTACK]]
)
def test_control_characters_of_a_wrong_command_line_never_reach_a_terminal(
    words: list[str],
) -> None:
    shown = OURS.sub("", on_terminal(*words, columns=300))
    assert "evil" in shown
    assert UNSAFE.findall(shown) == []
