"""The command line as a newcomer meets it: help, examples, hints, quiet, colours, completion,
configuration."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_utils import Database

from cli.builder.command_reference import commands, examples_of
from collector import Settings, running, store
from collector.store import saved_reports
from collector.store.analyses import Explore

from ..support import ROOT, run, wait_for

COMMANDS = {name: command for name, command, _ in commands()}
CONTEXTS = {name: context for name, _, context in commands()}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_words_and_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert len((command.help or "").split("\n")[0]) > 10
    assert all(
        example.split()[0] in ("thamesthrive", "THAMESTHRIVE_PORT=9000")
        for example in examples_of(command)
    )
    assert examples_of(command), name


@pytest.fixture
def help_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Gives a function that returns a command's help as a terminal of 80 columns shows it."""
    monkeypatch.setenv("COLUMNS", "80")

    def text_of(name: str) -> str:
        text: str = CONTEXTS[name].get_help()
        return text + capsys.readouterr().out

    return text_of


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_can_be_read_on_80_columns(help_of: Callable[[str], str], name: str) -> None:
    lines = help_of(name).splitlines()
    assert max(map(len, lines)) <= 80
    options = lines[next(n for n, line in enumerate(lines) if line.startswith("╭─ Options")) :]
    begins = [
        found.end() for line in options if (found := re.match(r"│ --\S.*?  +(?=[^\s│])", line))
    ]
    assert begins
    assert max(begins) <= 42, "less than half of the line is for what an option means"
    assert "…" not in "".join(options), "something is cut"


@pytest.mark.parametrize("name", COMMANDS)
def test_values_are_words_in_capitals_and_brackets_are_never_doubled(
    help_of: Callable[[str], str], name: str
) -> None:
    text = help_of(name)
    usage = next(line for line in text.splitlines() if "Usage: " in line)
    assert re.fullmatch(
        r" Usage: thamesthrive( [a-z-]+)* \[OPTIONS\](( [A-Z]+| \[[A-Z]+\])*| COMMAND \[ARGS\]\.\.\.)",
        usage.rstrip(),
    )
    # The braces of --alias are part of its value.
    assert not re.search(r"<[a-z ]+>|[\[({][\[({]|: \(|\{(?!app\.js,hello)", text)


SCHEMA = '{"required": ["price"]}'  # the shop's, of an order


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A database in which everything exists that the examples name, and what it is called there."""
    folder = tmp_path_factory.mktemp("shop")
    db = folder / "thamesthrive.db"
    source = run("source", "add", "Shop", cwd=folder).stdout.strip()
    with (
        running(Settings(db=db, port=0, workers=1, log_level="warning")) as collector,
        closing(store.connect(db)) as connection,
    ):
        database = Database(connection)
        store.set_schema(database, source, "purchase-order", SCHEMA)
        redirect = store.add_redirect(database, source, "https://example.com/").id
        token, _ = store.create_token(database, "script")
        saved_reports.add_saved_report(database, "Purchases by campaign", Explore(by="campaign"))
        events = [{"type": "purchase-order", "properties": {"price": 1}}]
        wrong = [{"type": "purchase-order", "id": f"wrong-{n}"} for n in range(17)]
        body = {"source": {"id": source}, "session": {"id": "s"}, "events": events + wrong}

        def rejected() -> dict[str, Any]:
            # Until the collector has noticed the schema.
            answer: dict[str, Any] = httpx.post(f"{collector.url}/track", json=body).json()
            return answer if len(answer["errors"]) == 17 else {}

        answer = wait_for(rejected, "the schema to be applied")
        # So that those whose schema came late are not in the way of a replay.
        connection.execute("DELETE FROM events WHERE id LIKE 'wrong-%'")
    names = {"ID": source, "REDIRECT": redirect, "TOKEN": token.id}
    return folder, {**names, "PROFILE": answer["profile"]["id"]}


def in_a_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a line does in a folder. A shell is started only where the line needs one."""
    if line.startswith("thamesthrive ") and not re.search(r"[|<>&;$*?]", line):
        _, *words = shlex.split(line)
        return run(*words, cwd=folder, env={"THAMESTHRIVE_PORT": "0"}, timeout=60)
    line = line.replace("thamesthrive", f"{sys.executable} -m cli.main", 1)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "THAMESTHRIVE_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def example_lines() -> list[str]:
    return sorted({example for command in COMMANDS.values() for example in examples_of(command)})


# These run on, or need what is not here: tests of their own run them.
NOT_HERE = r" (serve|demo|dev|build|console|verify|qa)\b|--follow|forward (postgresql|--check)"


@pytest.mark.parametrize(
    "example",
    [line for line in example_lines() if not re.search(NOT_HERE, line)],
)
def test_every_example_of_a_help_works(
    shop: tuple[Path, dict[str, str]], tmp_path: Path, example: str
) -> None:
    folder, names = shop
    shutil.copy(folder / "thamesthrive.db", tmp_path)
    if "--db events-backup.db" in example:
        shutil.copy(folder / "thamesthrive.db", tmp_path / "events-backup.db")
    if example == "thamesthrive source remove ID":
        names = {"ID": run("source", "add", "Empty", cwd=tmp_path).stdout.strip()}
    (tmp_path / "order.schema.json").write_text('{"type": "object"}')
    (tmp_path / "tracking-plan").mkdir()
    (tmp_path / "tracking-plan" / "purchase-order.json").write_text(SCHEMA)
    line = example
    for word, name in names.items():
        line = re.sub(rf"\b{word}\b", name, line)
    line = line.replace("/var/lib/thamesthrive/events.db", "thamesthrive.db")
    done = in_a_shell(line, tmp_path)
    assert (done.returncode, "Error" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["sorce"], "source"),
        (["source", "lst"], "list"),
        (["source", "add", "--orign", "x", "n"], "--origin"),
    ],
)
def test_what_was_meant_is_said(words: list[str], meant: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert meant in done.stderr


def test_help_is_grouped_in_the_order_of_the_work() -> None:
    text = run("--help", env={"COLUMNS": "100"}).stdout
    places = [
        text.index(f" {heading} ─")
        for heading in ("Run", "Set up", "Inspect", "Operate", "Develop")
    ]
    assert places == sorted(places)
    names = [
        text.index(f"│ {name} ")
        for name in ("serve", "dev", "demo", "source", "events", "doctor", "build")
    ]
    assert names == sorted(names)


def test_the_version_says_what_it_was_built_from() -> None:
    first, second, third = run("--version").stdout.splitlines()
    assert re.fullmatch(r"thamesthrive \d+\.\d+\.\d+( \(commit [0-9a-f]+(-dirty)?\))?", first)
    assert "Python" in second
    assert "SQLite" in second
    assert re.fullmatch(r"Tracker: tracker\.[0-9a-f]{12}\.min\.js, \d+ bytes \(brotli\)", third)


def test_quiet_silences_notes_and_not_data_or_errors(tmp_path: Path) -> None:
    done = run("--quiet", "source", "add", "Shop", cwd=tmp_path)
    assert done.stderr == ""
    assert re.fullmatch(r"[0-9a-f-]{36}\n", done.stdout)
    assert run("source", "list", "--quiet", cwd=tmp_path).stderr == ""
    done = run("-q", "source", "show", "nobody", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: There is no event source 'nobody'")


def test_nothing_is_coloured_where_nobody_looks_or_no_color_is_wanted(tmp_path: Path) -> None:
    run("source", "add", "Shop", cwd=tmp_path)
    assert "\x1b[" not in run("source", "list", cwd=tmp_path).stdout
    forced = {"FORCE_COLOR": "1", "NO_COLOR": "1"}
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", run("--help", env=forced).stdout)


def test_completion_knows_commands_and_ids(tmp_path: Path) -> None:
    source = run("source", "add", "Shop", cwd=tmp_path).stdout.strip()

    def completed(words: str) -> str:
        env = {
            "_THAMESTHRIVE_COMPLETE": "complete_zsh",
            "_TYPER_COMPLETE_ARGS": words,
            "_TYPER_COMPLETE_PROG_NAME": "thamesthrive",
        }
        done = subprocess.run(
            [str(Path(sys.executable).with_name("thamesthrive"))],
            cwd=tmp_path, env={**os.environ, **env}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout

    assert "source" in completed("thamesthrive sou")
    assert "remove" in completed("thamesthrive source rem")
    shown = completed(f"thamesthrive source show {source[:4]}")
    assert source in shown
    assert "Shop" in shown


def test_configuration_is_found_up_the_tree(tmp_path: Path) -> None:
    (tmp_path / "thamesthrive.toml").write_text('db = "data/events.db"\nport = 9999\n')
    (tmp_path / "data").mkdir()
    deep = tmp_path / "some" / "where"
    deep.mkdir(parents=True)
    shown = json.loads(run("config", "show", "--json", cwd=deep).stdout)
    assert shown["port"] == {"value": 9999, "from": str(tmp_path / "thamesthrive.toml")}
    assert run("source", "add", "Shop", cwd=deep).returncode == 0
    assert (tmp_path / "data" / "events.db").is_file()  # what the file names lies beside the file
    (deep / "thamesthrive.toml").write_text("port = 1234\n")
    assert json.loads(run("config", "show", "--json", cwd=deep).stdout)["port"]["value"] == 1234


def test_a_command_is_up_before_anybody_waits() -> None:
    """What another command needs is not imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cli.main", "build", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert "sanic" not in done.stderr
    assert "sqlite_utils" not in done.stderr
