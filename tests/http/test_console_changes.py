"""Changes by the console: nobody makes one who may not, and no page of another site does."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from collector import store
from collector.console.routes import PAGES

from ..support import Collector


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("changes")).start()
    yield collector
    collector.end()


@pytest.fixture
def source(console: Collector) -> str:
    with console.database() as database:
        source = store.add_source(database, "Shop").id
        store.set_schema(database, source, "order", '{"required": ["total"]}')
    console.post({"source": {"id": source}, "events": [{"type": "order"}, {"type": "a"}]})
    return source


@contextmanager
def logged_in(console: Collector, **options: str) -> Iterator[httpx.Client]:
    with console.database() as database:
        _, secret = store.create_token(database, "test", **options)
    with httpx.Client(base_url=f"{console.url}/console", timeout=20) as browser:
        assert browser.post("/login", data={"token": secret}).status_code == 303
        yield browser


def csrf_of(browser: httpx.Client) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', browser.get("/live").text)
    assert found
    return found[1]


def changes(source: str) -> dict[str, dict[str, str]]:
    """Every change of these pages, with a form that would make it."""
    own = f"/sources/{source}"
    return {
        f"{own}/settings": {"name": "Changed", "bridges": "rest", "ip_policy": "none",
                            "profiles": "shared"},
        f"{own}/enabled": {"enabled": "no"},
        f"{own}/rotate": {"grace": "7d"},
        f"{own}/delete": {"name": "Shop", "with_events": "yes"},
        f"{own}/schemas": {"type": "order", "schema": "{}"},
        f"{own}/schemas/try": {"type": "order", "schema": "{}"},
        f"{own}/schemas/remove": {"type": "order"},
        "/rejected/replay": {"source": source},
        "/rejected/replay/stop": {"source": source},
        "/system/tokens": {"name": "mine", "role": "admin"},
        "/system/tokens/revoke": {"id": "x"},
    }  # fmt: skip


OF_ALL_SOURCES = ("/delete", "/system/tokens", "/system/tokens/revoke")


def state(console: Collector) -> list[object]:
    tables = ("sources", "schemas", "former_ids", "rejected")
    rows: list[object] = [console.rows(f"SELECT * FROM {table}") for table in tables]
    names = "SELECT id, name, role FROM tokens WHERE name <> 'test'"
    audit = "SELECT * FROM audit WHERE action NOT IN ('token.create', 'console.login')"
    return [*rows, console.rows(names), console.rows(audit)]


def test_every_change_of_these_pages_is_tried_here(source: str) -> None:
    rooms = ("/sources/{source_id}/", "/rejected/", "/system/")
    declared = {
        page.path for page in PAGES if page.method == "POST" and page.path.startswith(rooms)
    }
    tried = {path.replace(source, "{source_id}") for path in changes(source)}
    assert {path for path in declared if "install" not in path} <= tried


def test_who_may_only_look_changes_nothing(console: Collector, source: str) -> None:
    before = state(console)
    with logged_in(console, role=store.READ) as browser:
        token = csrf_of(browser)
        for path, form in changes(source).items():
            answer = browser.post(path, data={**form, "csrf": token})
            assert (answer.status_code, "You may look" in answer.text) == (403, True), path
        for path in ("/system/tokens", "/system/audit"):
            assert browser.get(path).status_code == 403
    assert state(console) == before


def test_who_is_limited_to_a_source_does_not_reach_another(console: Collector, source: str) -> None:
    with console.database() as database:
        own = store.add_source(database, "Own").id
    before = state(console)
    with logged_in(console, source_id=own) as browser:
        token = csrf_of(browser)
        for path, form in changes(source).items():
            answer = browser.post(path, data={**form, "csrf": token})
            assert answer.status_code == 403, path
        shown = browser.get("/rejected").text
        assert source not in shown
        for path in (
            f"/rejected?source={source}", f"/rejected/download?source={source}",
            f"/rejected/group?source={source}&reason=invalid&type=order&pointer=",
            f"/rejected/replay?source={source}", f"/sources/{source}/settings",
            f"/sources/{source}/schemas", f"/sources/{source}/schemas/edit?type=order",
            "/system", "/system/load", "/system/doctor", "/system/audit", "/system/tokens",
        ):  # fmt: skip
            assert browser.get(path).status_code == 403, path
    assert state(console) == before


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"csrf": "0" * 64}, {}),
        ({"csrf": None}, {"Origin": "https://evil.example.org"}),
        ({"csrf": None}, {"Sec-Fetch-Site": "cross-site"}),
    ],
    ids=["no token", "a wrong token", "another origin", "another site"],
)
def test_a_form_of_another_page_changes_nothing(
    console: Collector, source: str, fields: dict[str, str | None], headers: dict[str, str]
) -> None:
    before = state(console)
    with logged_in(console) as browser:
        sent = {name: value or csrf_of(browser) for name, value in fields.items()}
        for path, form in changes(source).items():
            answer = browser.post(path, data={**form, **sent}, headers=headers)
            assert (answer.status_code, "was not sent by a page" in answer.text) == (403, True), (
                path
            )
    assert state(console) == before


def test_with_its_token_each_form_does_what_it_says(console: Collector, source: str) -> None:
    with logged_in(console) as browser:
        token = csrf_of(browser)
        with console.database() as database:
            revoked = store.create_token(database, "gone")[0].id
        forms = {**changes(source), "/system/tokens/revoke": {"id": revoked}}
        last = [path for path in forms if path.endswith(("/rotate", "/delete"))]
        for path in [path for path in forms if path not in last]:
            answer = browser.post(path, data={**forms[path], "csrf": token})
            assert answer.status_code in (200, 303), (path, answer.text)
        rotated = browser.post(f"/sources/{source}/rotate", data={"grace": "0", "csrf": token})
        new = rotated.headers["location"].split("/")[3]
        gone = {"name": "Changed", "with_events": "yes", "csrf": token}
        assert browser.post(f"/sources/{new}/delete", data=gone).status_code == 303
    assert console.rows("SELECT * FROM sources WHERE id IN (?, ?)", source, new) == []
    actions = [row["action"] for row in console.rows("SELECT * FROM audit ORDER BY seq")]
    wanted = {
        "source.set", "schema.set", "schema.remove", "rejected.replay", "token.create",
        "token.revoke", "source.rotate", "source.remove",
    }  # fmt: skip
    assert wanted <= set(actions)
    (actor,) = console.rows("SELECT * FROM audit WHERE action = 'source.rotate'")
    assert actor["actor"] == "test"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/rejected?source=nothing", 404),
        ("/rejected/group?source=%00", 404),
        ("/rejected/download?format=exe", 422),
        ("/rejected/download", 404),
        ("/system/audit?before=x", 422),
        ("/system/audit?before=99999999999999999999", 422),
        ("/sources/nothing/settings", 404),
        ("/sources/%2e%2e/settings", 404),
    ],
)
def test_addresses_that_lead_nowhere_are_answered(
    console: Collector, path: str, status: int
) -> None:
    with logged_in(console) as browser:
        assert browser.get(path).status_code == status
    assert not [line for line in console.log if " error " in line]


def test_a_large_schema_fits_a_form(console: Collector, source: str) -> None:
    schema = '{"description": "' + "x" * 100_000 + '"}'
    with logged_in(console) as browser:
        form = {"type": "order", "schema": schema, "csrf": csrf_of(browser)}
        assert browser.post(f"/sources/{source}/schemas", data=form).status_code == 303
    (row,) = console.rows("SELECT schema FROM schemas WHERE source_id = ?", source)
    assert row["schema"] == schema
