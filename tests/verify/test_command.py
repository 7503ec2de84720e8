"""`thamesthrive verify` as people run it: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest

from collector import store

from ..support import Collector, run, wait_for
from .conftest import EVENTS, filled
from .pages import CLASSIC, frame
from .site import HOST, Answered, Site

STAGES = ("--stage", "static", "--stage", "collector")
RESOLVE = ("--resolve", f"{HOST}=127.0.0.1", "--resolve", f"{EVENTS}=127.0.0.1")


def serve(site: Site, collector: Collector, html: str) -> str:
    """Has the site serve a page, and gives the id of its source."""
    source = collector.add_source()
    body = filled(html, source, f"http://{EVENTS}:{collector.port}").encode()
    site.answers = lambda _: Answered(body)
    return source


def test_a_page_that_works_exits_0(plain_site: Site, behind: Collector) -> None:
    source = serve(plain_site, behind, CLASSIC)
    done = run("verify", plain_site.url, "--source", source, *STAGES, *RESOLVE)
    assert (done.returncode, done.stderr) == (0, "No problems found.\n"), done.stdout
    assert done.stdout == "✓ static: nothing wrong\n✓ collector: nothing wrong\n"


def test_a_finding_exits_1_with_evidence_and_what_to_paste(
    plain_site: Site, behind: Collector
) -> None:
    serve(plain_site, behind, frame("<!-- @ONE_LINE@ -->"))
    done = run("verify", plain_site.url, *STAGES, *RESOLVE)
    assert done.returncode == 1
    assert done.stderr == "Error: 1 problem found: V012, the snippet is in a comment.\n"
    assert "V012" in done.stdout
    assert f"line 6 of {plain_site.url}: <!-- <script async src=" in done.stdout
    assert "reference/verify#v012" in done.stdout


def test_a_page_that_cannot_be_fetched_exits_2() -> None:
    done = run("verify", "http://127.0.0.1:1/", *STAGES)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: http://127.0.0.1:1/ cannot be fetched: ")
    assert "! static" in done.stdout


def test_a_stage_can_run_alone(plain_site: Site, behind: Collector) -> None:
    source = serve(plain_site, behind, CLASSIC)
    for stage in ("static", "collector"):
        done = run("verify", plain_site.url, "--stage", stage, "--json", *RESOLVE)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert [one["name"] for one in found["stages"]] == [stage]
    with behind.database() as database:
        store.update_source(database, source, {"enabled": False})
    asked = {"source": {"id": source}, "known": ["x"]}
    wait_for(lambda: behind.post(asked).status_code == 401, "the source to be disabled")
    done = run("verify", plain_site.url, "--stage", "collector", "--json", *RESOLVE)
    assert [one["code"] for one in json.loads(done.stdout)["findings"]] == ["V071"]


def test_a_collector_can_be_asked_without_a_page(behind: Collector) -> None:
    source = behind.add_source(origins=("https://shop.example.com",))
    for page, code in (("https://shop.example.com", 0), ("https://example.com", 1)):
        done = run(
            "verify", page, "--api", behind.url, "--source", source, "--stage", "collector",
            "--resolve", f"{page.removeprefix('https://')}=127.0.0.1",
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        assert ("V073" in done.stdout) == bool(code)


def test_looking_stores_nothing(plain_site: Site, behind: Collector) -> None:
    source = serve(plain_site, behind, CLASSIC)
    before = behind.counts()
    assert run("verify", plain_site.url, "--source", source, *STAGES, *RESOLVE).returncode == 0
    assert behind.counts() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stage", "moon"), "There is no stage 'moon'. Choose among: static, collector"),
        (("--resolve", "shop.example"), "write a name and an IP address"),
    ],
)
def test_wrong_usage_says_what_is_right(words: tuple[str, str], said: str, tmp_path: Path) -> None:
    done = run("verify", "https://shop.example/", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
