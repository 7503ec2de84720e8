"""/console/explore over HTTP: who sees and saves what. Its pages in a browser are in tests/console."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
import pytest

from ..support import Collector
from .test_console import csrf_of, logged_in


@dataclass
class Shop:
    """A collector with two sources that have events, and an order in the first one."""

    collector: Collector
    own: str
    other: str


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    collector = Collector(tmp_path_factory.mktemp("explore")).start()
    own, other = collector.add_source(), collector.add_source()
    for source, types in ((own, ["order"]), (other, ["secret-type", "secret-type"])):
        events = [{"type": kind, "properties": {"item": f"{kind}-item"}} for kind in types]
        collector.post({"source": {"id": source}, "session": {"id": "s"}, "events": events})
    yield Shop(collector, own, other)
    collector.end()


def table_of(page: httpx.Response) -> list[list[str]]:
    """The texts of an answer's table."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.text.partition('id="answer"')[2], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells]


def shown(page: httpx.Response, id_: str) -> str:
    found = re.search(rf'id="{id_}"[^>]*>(.*?)</pre>', page.text, re.DOTALL)
    assert found, page.text
    return unescape(found[1])


def test_who_is_not_logged_in_asks_nothing(shop: Shop) -> None:
    url = f"{shop.collector.url}/console/explore"
    for path in ("", "/funnel", "/retention", "/saved", "/csv"):
        assert httpx.get(url + path).status_code == 303
    assert httpx.post(f"{url}/stop", data={"job": "x"}).status_code == 303


def test_a_question_has_its_table_its_command_and_its_sql(shop: Shop) -> None:
    with logged_in(shop.collector) as browser:
        page = browser.get("/explore", params={"by": "type"})
        assert table_of(page) == [
            ["type", "Events"], ["secret-type", "2"], ["order", "1"], ["Total", "3"],
        ]  # fmt: skip
        assert shown(page, "command") == "thamesthrive stats explore --by=type"
        (row, *_) = shop.collector.rows(shown(page, "sql"))
        assert row == {"period": None, "name": "secret-type", "value": 2}


def test_a_file_has_what_the_page_has(shop: Shop) -> None:
    with logged_in(shop.collector) as browser:
        answer = browser.get("/explore/csv", params={"by": "item"})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "explore-2" in answer.headers["content-disposition"]
        assert [*csv.reader(io.StringIO(answer.text))] == [
            ["group", "count"], ["secret-type-item", "2"], ["order-item", "1"],
        ]  # fmt: skip
        answer = browser.get("/explore/funnel/csv", params={"step": ["order", "order"]})
        assert answer.text.splitlines()[0] == "step,visitors,of_previous,of_first,seconds"
        assert browser.get("/explore/retention/csv").text.startswith("week,visitors")


def test_a_reader_of_one_source_is_told_of_that_one_alone(shop: Shop) -> None:
    with logged_in(shop.collector, source_id=shop.own, role="read") as browser:
        page = browser.get("/explore", params={"by": "type"})
        assert table_of(page) == [["type", "Events"], ["order", "1"], ["Total", "1"]]
        assert f"--source={shop.own}" in shown(page, "command")
        assert shop.own in shown(page, "sql")
        for path in ("", "/funnel", "/retention", "/saved"):
            page = browser.get(f"/explore{path}")
            assert "secret-type" not in page.text
            assert shop.other not in page.text
        for path in ("", "/csv", "/retention", "/retention/csv"):
            answer = browser.get(f"/explore{path}", params={"source": shop.other})
            assert answer.status_code in (404, 422), path
            assert "secret-type" not in answer.text


def save(browser: httpx.Client, name: str, **definition: object) -> httpx.Response:
    form = {
        "csrf": csrf_of(browser.get("/explore")),
        "name": name,
        "definition": json.dumps({"kind": "explore", **definition}),
    }
    return browser.post("/explore/save", data=form)


def test_a_question_is_saved_and_removed(shop: Shop) -> None:
    with logged_in(shop.collector) as browser:
        assert save(browser, "By type", by="type", days=3).status_code == 303
        page = browser.get("/explore/saved")
        found = re.search(r'href="(/console/explore\?[^"]+)">By type', page.text)
        assert found
        answer = browser.get(unescape(found[1]).removeprefix("/console"))
        assert table_of(answer)[1] == ["secret-type", "2"]
        assert save(browser, "By type").status_code == 409
        assert save(browser, "x", kind="nothing").status_code == 422
        (row,) = shop.collector.rows("SELECT * FROM saved_reports")
        (entry,) = shop.collector.rows("SELECT * FROM audit WHERE action = 'report.add'")
        assert (entry["object"], entry["actor"]) == (row["id"], "test")
        form = {"csrf": csrf_of(page), "id": row["id"]}
        assert browser.post("/explore/saved/remove", data=form).status_code == 303
        assert "By type" not in browser.get("/explore/saved").text.partition("</main>")[0].replace(
            "Removed By type.", ""
        )
        assert browser.post("/explore/saved/remove", data=form).status_code == 404


def test_who_may_only_read_saves_nothing(shop: Shop) -> None:
    with logged_in(shop.collector, role="read") as browser:
        assert "Save this question" not in browser.get("/explore").text
        assert save(browser, "Read only").status_code == 403
    assert not shop.collector.rows("SELECT * FROM saved_reports WHERE name = 'Read only'")


def test_reports_of_other_sources_are_out_of_reach(shop: Shop) -> None:
    with logged_in(shop.collector) as browser:
        assert save(browser, "Other", source=shop.other).status_code == 303
        assert save(browser, "All").status_code == 303
    (other,) = shop.collector.rows("SELECT id FROM saved_reports WHERE name = 'Other'")
    with logged_in(shop.collector, source_id=shop.own) as browser:
        assert save(browser, "Sneaky", source=shop.other).status_code == 403
        assert save(browser, "Sneaky").status_code == 403
        assert save(browser, "Mine", source=shop.own).status_code == 303
        page = browser.get("/explore/saved")
        assert "Mine" in page.text
        assert "Other" not in page.text
        form = {"csrf": csrf_of(page), "id": other["id"]}
        assert browser.post("/explore/saved/remove", data=form).status_code == 404
    assert shop.collector.rows("SELECT 1 FROM saved_reports WHERE name = 'Other'")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("", "measure=mean"), ("", "measure=sum"), ("", "of=price"), ("", "interval=year"),
        ("", "by=a..b"), ("", "where=price"), ("", "since=soon"), ("", "limit=x"), ("", "limit=0"),
        ("", "days=-1"), ("", "days=" + "9" * 500), ("", "by=" + "x" * 3000),
        ("", "type=%ED%A0%80&by=%00"), ("", "&".join(["type=a"] * 60)),
        ("/funnel", "step=a"), ("/funnel", "step=a&step=b&within=1"), ("/retention", "interval=hour"),
        ("", "source=nobody"), ("/retention", "interval=day&days=3000"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_beside_the_form(shop: Shop, path: str, query: str) -> None:
    with logged_in(shop.collector) as browser:
        answer = browser.get(f"/explore{path}?{query}")
        if "%ED" in query:  # bytes that are no UTF-8 are replaced, and nothing is found
            assert answer.status_code == 200
            return
        assert answer.status_code == 422, answer.text
        assert 'role="alert"' in answer.text
        assert "<form" in answer.text
        assert browser.get(f"/explore{path}/csv?{query}").status_code in (404, 422)


def test_stopping_leads_back_into_the_console_only(shop: Shop) -> None:
    with logged_in(shop.collector, role="read") as browser:
        csrf = csrf_of(browser.get("/explore"))
        for back, place in (
            ("/console/explore?by=type&run=no", "/console/explore?by=type&run=no"),
            ("https://evil.example/", "/console/explore"),
            ("//evil.example", "/console/explore"),
            ("/console/explore\r\nSet-Cookie: a=b", "/console/explore"),
            ("", "/console/explore"),
        ):
            form = {"csrf": csrf, "job": "nothing", "back": back}
            answer = browser.post("/explore/stop", data=form)
            assert answer.headers["location"] == place
        assert browser.post("/explore/stop", data={"job": "x"}).status_code == 403
        page = browser.get("/explore?by=type&run=no")
        assert "Stopped." in page.text
        assert table_of(page) == []


def test_an_empty_database_has_forms_and_no_answers(tmp_path: Path) -> None:
    collector = Collector(tmp_path).start()
    try:
        with logged_in(collector) as browser:
            for path in ("", "/funnel", "/retention", "/saved"):
                assert browser.get(f"/explore{path}").status_code == 200
            page = browser.get("/explore/retention?interval=week")
            assert "No events match." in page.text
    finally:
        collector.end()
