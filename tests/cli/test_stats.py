"""`thamesthrive stats`: what comes in, at a glance."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ..support import Collector, on_terminal, run, wait_for

NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"


def view(path: str, **more: Any) -> dict[str, Any]:
    url = f"https://shop.example{path}"
    page = {"url": url, "path": path, "referrer": "https://search.example/?q=tea"}
    return {"type": "page-view", "context": {"page": page}, **more}


def visit(collector: Collector, source: str, session: str, *events: dict[str, Any]) -> None:
    body = {
        "source": {"id": source},
        "session": {"id": session},
        "context": {"utm": {"campaign": "spring"}} if session == "one" else {},
        "events": list(events),
    }
    answer = collector.post(body, headers={"User-Agent": BROWSER})
    assert answer.json()["errors"] == []


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, str, str]]:
    """Two sources that a visitor comes to, and a third without events. Days in the past belong to
    events that say so."""
    collector = Collector(tmp_path_factory.mktemp("stats")).start()
    shop, blog = collector.add_source(), collector.add_source()
    collector.add_source()
    before = (NOW - timedelta(days=2)).isoformat()
    visit(collector, shop, "one", view("/"), view("/tea"), {"type": "order"})
    visit(collector, shop, "two", view("/", time={"create": before}))
    visit(collector, blog, "three", view("/post"))
    robot = {"source": {"id": shop}, "session": {"id": "robot"}, "events": [view("/")]}
    collector.post(robot, headers={"User-Agent": BOT})
    yield collector, shop, blog
    collector.end()


def stats(collector: Collector, *options: str) -> dict[str, Any]:
    done = run("stats", "--json", "--db", str(collector.db), *options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_each_day_of_each_source_is_counted(shops: tuple[Collector, str, str]) -> None:
    collector, shop, blog = shops
    found = stats(collector)
    by_id = {source["id"]: source for source in found["sources"]}
    assert [*by_id][:2] == [shop, blog]
    assert found["last"] == TODAY
    days = {day["day"]: day for day in by_id[shop]["days"]}
    assert len(days) == 7
    assert days[TODAY] == {
        "day": TODAY, "events": 4, "bots": 1, "visitors": 1, "sessions": 1, "page_views": 2
    }  # fmt: skip
    before = (NOW - timedelta(days=2)).date().isoformat()
    assert (days[before]["events"], days[before]["page_views"]) == (1, 1)
    assert by_id[shop]["total"] == {
        "events": 5, "bots": 1, "visitors": 2, "sessions": 2, "page_views": 3,
        "exact": True, "error": 0.0,
    }  # fmt: skip
    assert by_id[blog]["total"]["events"] == 1


def test_the_most_frequent_values_are_listed(shops: tuple[Collector, str, str]) -> None:
    collector, shop, _ = shops
    (found,) = stats(collector, "--source", shop, "-n", "1")["sources"]
    assert found["top"] == {
        "types": [{"value": "page-view", "count": 4}],
        "pages": [{"value": "/", "count": 2}],
        "referrers": [{"value": "search.example", "count": 2}],
        "campaigns": [{"value": "", "count": 1}],
    }


def test_only_the_days_asked_for_are_counted(shops: tuple[Collector, str, str]) -> None:
    collector, shop, _ = shops
    (found,) = stats(collector, "--source", shop, "--days", "1")["sources"]
    assert [day["day"] for day in found["days"]] == [TODAY]
    assert found["total"]["events"] == 4


def test_people_read_it_without_colours_or_cut_lines(shops: tuple[Collector, str, str]) -> None:
    collector, shop, blog = shops
    done = run("stats", "--db", str(collector.db))
    lines = done.stdout.splitlines()
    assert lines[0] == f"Test ({shop})"
    assert lines[1].startswith(f"5 events, the latest was received at {TODAY} ")
    assert "Together         5         2         2           3" in lines
    assert re.search(rf"^{TODAY} +4 +1 +1 +2$", done.stdout, re.MULTILINE)
    for line in (r"page-view +4", r"/tea +1", r"search\.example +2", r"\(none\) +1"):
        assert re.search(rf"^{line}$", done.stdout, re.MULTILINE), line
    assert f"Test ({blog})\n1 event, " in done.stdout
    assert "\x1b" not in done.stdout
    assert "Bots sent 1 of these events" in done.stderr
    assert "A visitor of several sources counts in each of them." in done.stderr


def test_a_terminal_of_80_columns_shows_two_lists_beside_each_other(
    shops: tuple[Collector, str, str],
) -> None:
    collector, shop, _ = shops
    shown = on_terminal("stats", "--source", shop, "--db", str(collector.db))
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= 80
    assert any(re.fullmatch(r"Type +Events +Page +Page-views", line) for line in lines)
    assert any(re.fullmatch(r"Referrer +Sessions +Campaign +Sessions", line) for line in lines)


def test_what_is_empty_says_what_is_next(tmp_path: Path, shops: tuple[Collector, str, str]) -> None:
    collector, *_ = shops
    silent = collector.add_source()
    done = run("stats", "--source", silent, "--db", str(collector.db))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        f"Test ({silent}): No events yet. Put the snippet into a page:"
        f" thamesthrive snippet {silent}\n"
    )
    old = {"type": "a", "time": {"create": (NOW - timedelta(days=9)).isoformat()}}
    collector.post({"source": {"id": silent}, "events": [old]})
    done = run("stats", "--source", silent, "--db", str(collector.db))
    assert (done.returncode, done.stdout) == (0, "")
    assert re.search(r"No events in the last 7 days; .*UTC\. --days goes back further", done.stderr)
    db = str(tmp_path / "empty.db")
    source = run("source", "add", "A", "--db", db).stdout.strip()
    run("source", "remove", source, "--db", db)
    none = run("stats", "--db", db)
    assert (none.returncode, none.stdout) == (0, "")
    assert none.stderr == (
        "There is no event source yet. `thamesthrive source add NAME` creates one.\n"
    )
    assert json.loads(run("stats", "--json", "--db", db).stdout)["sources"] == []


def test_an_unknown_source_or_database_is_an_error(
    tmp_path: Path, shops: tuple[Collector, str, str]
) -> None:
    collector, *_ = shops
    done = run("stats", "--source", "nobody", "--db", str(collector.db))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: There is no event source 'nobody'.")
    assert run("stats", "--db", str(tmp_path / "none.db")).returncode == 3


def overview(collector: Collector, *options: str) -> dict[str, Any]:
    done = run("stats", "overview", "--json", "--db", str(collector.db), *options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_overview_filters_and_compares(shops: tuple[Collector, str, str]) -> None:
    collector, shop, _ = shops
    found = overview(collector, "--source", shop, "--compare")
    names = ("visitors", "sessions", "page_views", "events", "bounces", "bots")
    assert [found[name] for name in names] == [2, 2, 3, 4, 1, 1]
    assert found["before"]["visitors"] == 0
    assert len(found["points"]) == 7
    assert found["top"]["pages"]["values"][0] == {"value": "/", "count": 2}
    found = overview(collector, "--filter", "type=order", "--filter", "campaign=spring")
    assert (found["events"], found["visitors"]) == (1, 1)
    assert overview(collector, "--filter", "campaign=")["sessions"] == 2
    today = overview(collector, "--source", shop, "--first", TODAY)
    assert (today["sessions"], len(today["points"])) == (1, 24)


def test_an_overview_is_read_by_people(shops: tuple[Collector, str, str]) -> None:
    collector, shop, _ = shops
    done = run(
        "stats", "overview", "--db", str(collector.db), "--source", shop, "--compare", "-n", "1"
    )
    assert re.search(r"Visitors +2 +0 +-\n", done.stdout)
    assert re.search(r"Type +Events\npage-view +3\nAll others +1", done.stdout)
    assert "Bots sent 1 more events" in done.stderr
    old = ("--first", "2020-01-01", "--last", "2020-01-02")
    done = run("stats", "overview", "--db", str(collector.db), *old)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Nothing in this time.\n")


def test_queries_of_an_overview_run_in_any_program(shops: tuple[Collector, str, str]) -> None:
    collector, shop, _ = shops
    done = run("stats", "overview", "--db", str(collector.db), "--source", shop, "--sql")
    queries = dict(part.split("\n", 1) for part in done.stdout.split("-- ")[1:])
    wait_for(lambda: collector.rows(queries["sessions"])[0]["sessions"] == 2, "two sessions")
    assert collector.rows(queries["events"])[0]["events"] == 4
    assert collector.rows(queries["pages"])[0]["count"] == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--range", "1y"),
            "'1y' is not a range. Choose from 30min, 24h, today, yesterday, 7d, 30d, 12mo.",
        ),
        (("--filter", "colour=red"), "Write a filter as NAME=VALUE"),
        (("--filter", "browser"), "Write a filter as NAME=VALUE"),
        (("--filter", "type=a", "--filter", "type=b"), "Each filter can be given once."),
        (("--first", "yesterday"), "Write days as in 2026-11-27."),
        (("--first", "2026-02-02", "--last", "2026-02-01"), "is no range"),
        (("--source", "nobody"), "There is no event source 'nobody'"),
    ],
)
def test_an_overview_says_what_is_wrong(
    shops: tuple[Collector, str, str], options: tuple[str, ...], said: str
) -> None:
    done = run("stats", "overview", "--db", str(shops[0].db), *options)
    assert done.returncode in (1, 2)
    assert said in done.stderr
