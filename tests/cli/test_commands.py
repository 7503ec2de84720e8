"""The command line as a newcomer uses it: what it prints where, and how it ends."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ..support import Collector, on_terminal, run

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "x.db")


def add(db: str, *options: str) -> str:
    done = run("source", "add", "Shop", "--db", db, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_source_add_prints_the_id_on_stdout_and_what_is_next_on_stderr(db: str) -> None:
    done = run("source", "add", "My shop", "--db", db)
    assert UUID.fullmatch(done.stdout.strip())
    assert f"thamesthrive snippet {done.stdout.strip()}" in done.stderr
    assert done.returncode == 0


def test_source_add_as_json(db: str) -> None:
    done = run(
        "source",
        "add",
        "A",
        "--origin",
        "https://Shop.example.com/",
        "--bridge",
        "rest",
        "--bridge",
        "webhook",
        "--db",
        db,
        "--json",
    )
    source = json.loads(done.stdout)
    assert UUID.fullmatch(source["id"])
    assert (source["origins"], source["bridges"], source["enabled"]) == (
        ["https://shop.example.com"],
        ["rest", "webhook"],
        True,
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["  "], "An event source needs a name."),
        (["a\nb"], "The name of an event source must be one line"),
        (
            ["A", "--ip-policy", "some"],
            "'some' is not an IP policy. Choose from truncate, full, none.",
        ),
        (["A", "--origin", "shop.example.com"], "'shop.example.com' is not an origin."),
        (
            ["A", "--bridge", "telepathy"],
            "'telepathy' is not a bridge. Choose from rest, webhook, redirect.",
        ),
    ],
)
def test_source_add_says_what_is_wrong(db: str, options: list[str], problem: str) -> None:
    done = run("source", "add", *options, "--db", db)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {problem}")
    assert done.stderr.count("\n") == 1


def test_sources_are_listed_switched_and_removed(db: str) -> None:
    source = add(db)
    assert run("source", "disable", source, "--db", db).stderr == f"Source {source} is disabled.\n"
    assert "disabled" in run("source", "list", "--db", db).stdout
    assert (
        json.loads(run("source", "show", source, "--db", db, "--json").stdout)["enabled"] is False
    )
    assert (
        json.loads(run("source", "enable", source, "--db", db, "--json").stdout)["enabled"] is True
    )
    assert "Shop" in run("source", "show", source, "--db", db).stdout
    assert run("source", "remove", source, "--db", db).returncode == 0
    empty = run("source", "list", "--db", db)
    assert (empty.stdout, empty.stderr) == (
        "",
        "No event sources yet. Create one: thamesthrive source add NAME\n",
    )
    assert json.loads(run("source", "list", "--db", db, "--json").stdout) == []


def test_a_source_with_events_is_only_removed_with_them(collector: Collector) -> None:
    source = collector.add_source()
    collector.post({"source": {"id": source}, "events": [{"type": "a"}, {"type": "b"}]})
    kept = run("source", "remove", source, "--db", str(collector.db))
    assert kept.returncode == 1
    assert f"Source {source} has 2 events. Disable it to keep them" in kept.stderr
    gone = run("source", "remove", source, "--with-events", "--json", "--db", str(collector.db))
    assert json.loads(gone.stdout) == {"id": source, "removed": True, "events": 2}
    assert collector.events(source) == []


@pytest.mark.parametrize(
    "command", [["source", "show"], ["source", "disable"], ["source", "remove"], ["snippet"]]
)
def test_an_unknown_source_is_said(db: str, command: list[str]) -> None:
    add(db)
    done = run(*command, "nobody", "--db", db)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == "Error: There is no event source 'nobody'. `thamesthrive source list` lists them.\n"
    )


@pytest.mark.parametrize("command", [["source", "list"], ["events", "list"], ["snippet", "x"]])
def test_a_missing_database_is_missing(tmp_path: Path, command: list[str]) -> None:
    done = run(*command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: There is no database thamesthrive.db.")
    assert not (tmp_path / "thamesthrive.db").exists()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_snippet_prints_paste_ready_html_and_nothing_else(db: str) -> None:
    source = add(db)
    done = run("snippet", source, "--db", db, "--api", "https://events.example.com/")
    lines = done.stdout.splitlines()
    assert lines[0] == "<script>"
    assert lines[1].strip().startswith("!function(){")
    assert lines[1].endswith("}();")
    assert lines[-1] == "</script>"
    assert (
        'url: { script: "https://events.example.com/tracker", api: "https://events.example.com" }'
        in done.stdout
    )
    assert f'source: {{ id: "{source}" }}' in done.stdout
    assert "script-src 'sha256-" in done.stderr


def test_snippet_one_line(db: str) -> None:
    source = add(db)
    done = run("snippet", source, "--one-line", "--db", db)
    assert (
        done.stdout
        == f'<script async src="http://127.0.0.1:8686/tracker/tracker.min.js" data-source="{source}"></script>\n'
    )
    assert '(window.tracker ||= []).push(["page-view", {}])' in done.stderr


def test_snippet_without_a_global_is_a_block(db: str) -> None:
    source = add(db)
    plain = run("snippet", source, "--db", db).stdout.split("\n")
    done = run("snippet", source, "--global-free", "--db", db)
    assert done.stdout.split("\n") == [plain[0], "{", *plain[1:-2], "}", *plain[-2:]]
    refused = run("snippet", source, "--global-free", "--one-line", "--db", db)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--global-free is for the classic snippet" in refused.stderr


def test_snippet_one_line_below_a_path_names_the_collector(db: str) -> None:
    for form in ([], ["--integrity"]):
        tags = _Tags()
        api = "https://site.example/t/"
        tags.feed(run("snippet", add(db), "--one-line", *form, "--api", api, "--db", db).stdout)
        ((_, attributes),) = tags.tags
        assert attributes["data-api"] == "https://site.example/t"
        assert (attributes["src"] or "").startswith("https://site.example/t/tracker/tracker.")


def test_a_policy_names_the_origin_of_a_collector_below_a_path(db: str) -> None:
    """A path in a policy stands for that one file."""
    done = run("snippet", add(db), "--api", "https://shop.example.com/t/", "--db", db)
    assert " https://shop.example.com; connect-src https://shop.example.com\n" in done.stderr


def test_snippet_with_integrity_and_nonce(db: str) -> None:
    tags = _Tags()
    tags.feed(
        run("snippet", add(db), "--one-line", "--integrity", "--nonce", 'a"b', "--db", db).stdout
    )
    ((_, attributes),) = tags.tags
    assert attributes["nonce"] == 'a"b'
    assert (attributes["integrity"] or "").startswith("sha384-")
    assert re.search(r"/tracker\.[0-9a-f]{12}\.min\.js$", attributes["src"] or "")


def test_snippet_takes_the_address_from_the_settings(db: str) -> None:
    done = run("snippet", add(db), "--one-line", "--db", db, env={"THAMESTHRIVE_PORT": "9999"})
    assert 'src="http://127.0.0.1:9999/tracker/' in done.stdout


def test_snippet_refuses_what_is_no_address(db: str) -> None:
    done = run("snippet", add(db), "--api", "events.example.com", "--db", db)
    assert done.returncode == 2
    assert "'events.example.com' is not an address." in done.stderr


def test_snippet_warns_of_a_disabled_source(db: str) -> None:
    source = add(db)
    run("source", "disable", source, "--db", db)
    assert f"Source {source} is disabled" in run("snippet", source, "--db", db).stderr


def test_snippet_without_a_built_tracker_says_how_to_build_it(db: str, tmp_path: Path) -> None:
    done = run("snippet", add(db), "--bundle", str(tmp_path), "--db", db)
    assert (done.returncode, done.stderr) == (
        3,
        "Error: The tracker is not built. Run: thamesthrive build bundle\n",
    )


def test_events_list_filters_and_orders(collector: Collector) -> None:
    source, db = collector.add_source(), str(collector.db)
    empty = run("events", "list", "--db", db)
    assert (empty.returncode, empty.stdout) == (0, "")
    assert empty.stderr.startswith("No events.")
    events = [{"type": kind, "properties": {"text": "é"}} for kind in ("a", "b", "c")]
    collector.post({"source": {"id": source}, "session": {"id": "s1"}, "events": events})
    assert [
        e["type"] for e in json.loads(run("events", "list", "-n", "2", "--json", "--db", db).stdout)
    ] == ["b", "c"]
    assert [
        e["type"]
        for e in json.loads(run("events", "list", "--type", "b", "--json", "--db", db).stdout)
    ] == ["b"]
    assert json.loads(run("events", "list", "--session", "s2", "--json", "--db", db).stdout) == []
    shown = run("events", "list", "--source", source, "--db", db).stdout
    assert [line.split()[1] for line in shown.splitlines()[1:]] == ["a", "b", "c"]
    assert '{"text": "é"}' in shown


WAITING = "No events yet. They are shown as they arrive; Ctrl-C stops.\n"


def test_events_list_follow_says_that_it_waits(collector: Collector) -> None:
    command = ("events", "list", "--follow", "--db", str(collector.db))
    shown = on_terminal(*command, until="stops.", columns=100)
    assert WAITING.strip() in shown


def test_events_list_follow_shows_new_ones_until_interrupted(collector: Collector) -> None:
    import signal

    source = collector.add_source()
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "events",
        "list",
        "--follow",
        "--json",
        "--db",
        str(collector.db),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as follower:
        assert follower.stdout
        for kind in ("one", "two"):
            collector.post({"source": {"id": source}, "events": [{"type": kind}]})
            assert json.loads(follower.stdout.readline())["type"] == kind
        follower.send_signal(signal.SIGINT)
        assert follower.wait(20) == 130
        assert follower.stderr
        assert follower.stderr.read() in ("", WAITING)  # the first may have come before it looked


@pytest.mark.parametrize(
    ("words", "problem", "path"),
    [
        ("nonsense", "There is no command 'nonsense'.", ""),
        ("events lst", "There is no command 'lst'. Did you mean 'list'?", "events"),
        (
            "source add A --orign x",
            "There is no option --orign. Did you mean --origin?",
            "source add",
        ),
        ("events list -x", "There is no option -x.", "events list"),
        ("--quiet=1", "Option '--quiet' does not take a value.", ""),
        ("events list --type", "Option '--type' requires an argument.", "events list"),
        ("source add", "Missing argument 'NAME'.", "source add"),
        ("report top", "Missing argument 'KIND'.", "report top"),
        ("source list more", "Unexpected argument: more.", "source list"),
        (
            "serve --alias /a/app.js /a/hello",  # as a shell gives it without quotes
            "Unexpected argument: /a/hello. Put the value of --alias in quotes: shells expand braces.",
            "serve",
        ),
        ("serve --port x", "--port must be a whole number, not 'x'.", "serve"),
        ("serve --request-seconds x", "--request-seconds must be a number, not 'x'.", "serve"),
        (
            "events list -n 0",
            "--limit must be a whole number (1 to 1000000), not 0.",
            "events list",
        ),
        ("rejected show -- -1", "SEQ must be a whole number (1 or more), not -1.", "rejected show"),
    ],
)
def test_wrong_usage_is_one_line_with_a_cure_and_ends_with_2(
    words: str, problem: str, path: str
) -> None:
    done = run(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    command = f"python -m cli.main {path}".strip()
    assert done.stderr == f"Error: {problem} See: {command} --help\n"


def test_no_words_at_all_show_the_help_and_end_with_2() -> None:
    for words in ([], ["events"]):
        done = run(*words)
        assert (done.returncode, done.stderr) == (2, "")
        assert "Usage: " in done.stdout


def test_a_question_that_nobody_answers_changes_nothing(collector: Collector) -> None:
    source = collector.add_source()
    event = {"source": {"id": source}, "session": {"id": "s"}, "events": [{"type": "a"}]}
    profile = collector.post(event).json()["profile"]["id"]
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "profile", "forget", profile, "--db", collector.db],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "Error: The question was not answered, so nothing was done. --yes answers it."
    )
    assert len(collector.events(source)) == 1


@pytest.mark.parametrize(
    ("env", "toml", "problem"),
    [
        (
            {"THAMESTHRIVE_PORT": "eight"},
            "",
            "THAMESTHRIVE_PORT: expected a whole number from 0 to 65535, not 'eight'",
        ),
        ({"THAMESTHRIVE_QA": "maybe"}, "", "THAMESTHRIVE_QA: expected true or false, not 'maybe'"),
        ({}, "prot = 1", "thamesthrive.toml: there is no setting 'prot'"),
        ({}, "port = ", "thamesthrive.toml: Invalid value"),
        (
            {},
            "port = 70000",
            "thamesthrive.toml: port: expected a whole number from 0 to 65535, not 70000",
        ),
        (
            {"THAMESTHRIVE_WORKERS": "0"},
            "",
            "THAMESTHRIVE_WORKERS: expected a whole number from 1 to 256, not '0'",
        ),
        (
            {"THAMESTHRIVE_QUEUE_MB": "0"},
            "",
            "THAMESTHRIVE_QUEUE_MB: expected a whole number from 1 to 65536, not '0'",
        ),
        ({}, "port = true", "thamesthrive.toml: port: expected a whole number"),
        ({}, "workers = 1.5", "thamesthrive.toml: workers: expected a whole number"),
        ({}, "db = 5", "thamesthrive.toml: db: expected a string, not 5"),
        (
            {},
            "queue-mb = 3",
            "thamesthrive.toml: there is no setting 'queue-mb'. Did you mean queue_mb?",
        ),
        (
            {"THAMESTHRIVE_LOG_LEVEL": "loud"},
            "",
            "THAMESTHRIVE_LOG_LEVEL: expected one of debug, info, warning, error, not 'loud'",
        ),
        ({"THAMESTHRIVE_SITE": "nowhere"}, "", "site: there is no folder nowhere."),
    ],
)
def test_wrong_configuration_ends_with_2_and_names_the_place(
    tmp_path: Path, env: dict[str, str], toml: str, problem: str
) -> None:
    (tmp_path / "thamesthrive.toml").write_text(toml)
    done = run("serve", cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {problem}")
    assert done.stderr.count("\n") == 1


def test_version_and_help() -> None:
    assert re.match(r"thamesthrive \d+\.\d+\.\d+\b", run("--version").stdout)
    help_text = run("--help").stdout
    for command in ("serve", "demo", "source", "snippet", "events", "build"):
        assert command in help_text
    serve = re.sub(r"\s+", " ", run("serve", "--help", env={"COLUMNS": "200"}).stdout)
    assert "[THAMESTHRIVE_PORT]" in serve


def test_completion_is_offered() -> None:
    assert "--show-completion" in run("--help").stdout


def test_reports_count_what_was_stored(collector: Collector) -> None:
    source = collector.add_source(numbers=["buy:price"])
    page = {
        "page": {"url": "https://shop.example/a", "path": "/a", "referrer": "https://x.example"}
    }
    events = [
        {"type": "page-view", "context": page},
        {"type": "buy", "properties": {"price": 2.5}},
        {"type": "buy", "properties": {"price": 10}},
        {"type": ""},
    ]
    browser = {"browser": {"userAgent": "Mozilla/5.0 Firefox/140.0", "language": "de"}}
    collector.post(
        {
            "source": {"id": source},
            "session": {"id": "s"},
            "context": {**browser, "utm": {"campaign": "spring"}},
            "events": events,
        },
        headers={"User-Agent": "Mozilla/5.0 Firefox/140.0"},  # visitors are no programs
    )

    def report(*words: str) -> str:
        done = run("report", *words, "--db", str(collector.db))
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert re.search(r"20\S+ +1 +1 +1\nTogether: 1 visitor\.", report("visits"))
    assert re.search(r"buy +2 +0\n\S+ +page-view +1 +0", report("events"))
    assert re.search(r"T\d\d +buy +2", report("events", "--by", "hour", "--days", "1"))
    for kind, value in (
        ("pages", "/a"),
        ("referrers", "x.example"),
        ("campaigns", "spring"),
        ("browsers", "Firefox"),
        ("languages", "de"),
        ("screens", r"\(unknown\)"),
    ):
        assert re.search(rf"{value} +1", report("top", kind))
    assert re.search(r"invalid +1", report("rejected"))
    assert re.search(r"buy +price +2 +12\.5 +2\.5 +10", report("numbers"))
    assert json.loads(report("top", "pages", "--json")) == [{"value": "/a", "count": 1}]
    rebuilt = run("db", "rollups", "rebuild", "--db", str(collector.db), "--json")
    assert json.loads(rebuilt.stdout)["events"] == 3
    assert re.search(r"/a +1", report("top", "pages"))


def test_a_report_says_what_it_needs(db: str) -> None:
    first, _ = add(db), add(db)
    several = run("report", "visits", "--db", db)
    assert several.returncode == 2
    assert "Name a source with --source" in several.stderr
    unknown = run("report", "visits", "--source", "nobody", "--db", db)
    assert unknown.returncode == 1
    assert "There is no event source 'nobody'" in unknown.stderr
    assert run("report", "top", "hats", "--source", first, "--db", db).returncode == 2
    assert run("report", "events", "--by", "year", "--source", first, "--db", db).returncode == 2
    empty = run("report", "visits", "--source", first, "--db", db)
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "No visits in the last 7 days." in empty.stderr
