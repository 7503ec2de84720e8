"""Whatever an administrator changes leaves a row in `audit`, and only with that row it is changed."""

import hashlib
import json
import os
import pwd
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.builder.command_reference import commands
from collector import store
from collector.store.audit import MAX_TEXT

from ..support import Collector, run

# Commands that change nothing an administrator decides about. Any other one must be in CHANGES.
NO_CHANGES = {
    "console",  # who follows its link is recorded then
    "source list", "source show", "source status", "snippet", "schema list", "schema show", "redirect list",
    "stats saved list", "stats saved show", "stats saved run", "token list", "events list", "events export", "rejected list", "rejected show",
    "rejected groups", "schema try", "schema diff", "schema infer", "schema types",
    "verify", "qa record", "qa show", "qa tail", "qa diff",
    "stats overview", "report events", "report rejected", "report visits", "report top", "report numbers", "profile export", "profile show",
    "audit list", "doctor", "config show", "cluster init", "cluster show", "db backup", "db check", "db size", "build bundle", "build site", "forward",
    # These make a source of their own by the same library call as `source add`.
    "serve", "dev", "demo",
}  # fmt: skip
CHANGED = (
    "sources", "schemas", "redirects", "tokens", "saved_reports", "cluster", "registry", "event_rows", "request_rows",
    "session_rows", "profile_rows", "rejected", "tombstones",
)  # fmt: skip
SCHEMAS = "/api/sources/{source_id}/schemas"
KEY = "key-4711"  # a secret in an address
USER = f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"


@dataclass
class Shop:
    """A collector whose database has one of everything that can be changed."""

    collector: Collector
    source: str
    listing: str  # a source that lists origins
    other: str
    profile: str
    redirect: str
    token: store.Token
    secret: str

    def audit(self) -> list[dict[str, Any]]:
        return self.collector.rows("SELECT * FROM audit ORDER BY seq")

    def contents(self) -> str:
        """A fingerprint of all that can be changed. Not of the rollups, which the collector counts
        meanwhile: but of which tables there are, of which a rebuild makes some."""
        look = self.collector.rows
        found = {table: look(f"SELECT * FROM {table}") for table in CHANGED}
        for token in found["tokens"]:
            del token["last_used_at"]
        tables = look("SELECT name FROM sqlite_schema ORDER BY name")
        return hashlib.sha256(repr((found, tables)).encode()).hexdigest()

    def lock(self) -> None:
        """From now on nothing can be recorded."""
        self._script(
            "CREATE TRIGGER audit_fails BEFORE INSERT ON audit"
            " BEGIN SELECT RAISE(ABORT, 'no room for it'); END"
        )

    def unlock(self) -> None:
        self._script("DROP TRIGGER audit_fails")

    def _script(self, sql: str) -> None:
        with self.collector.database() as database:
            database.conn.executescript(sql)


@pytest.fixture
def shop(collector: Collector) -> Shop:
    source = collector.add_source(bridges=["rest", "redirect"])
    listing = collector.add_source(origins=["https://a.example.com"])
    body = {
        "source": {"id": source},
        "session": {"id": "s"},
        "events": [{"id": "e", "type": "a"}, {"id": "bad", "type": ""}],
    }
    profile = collector.post(body).json()["profile"]["id"]
    with collector.database() as database:
        redirect = store.add_redirect(database, source, f"https://a.example.com/?key={KEY}")
        store.set_schema(database, source, "order", '{"required": ["price"]}')
        token, secret = store.create_token(database, "deploy")
        other = store.add_source(database, "Other").id
        store.join_cluster(database.conn, "fingerprint")
        return Shop(collector, source, listing, other, profile, redirect.id, token, secret)


def command_changes(shop: Shop, folder: Path) -> dict[str, tuple[list[str], str, str | None]]:
    """Every command that changes something: its arguments, action, and the source concerned."""
    file = folder / "order.json"
    file.write_text('{"required": ["total"]}')
    plan = folder / "plan"
    plan.mkdir(exist_ok=True)
    (plan / "refund.json").write_text('{"required": ["refund"]}')
    source = shop.source
    target = f"https://b.example.com/?key={KEY}"
    return {
        "source add": (["Other"], "source.add", "new"),
        "source set": ([source, "--rate-limit", "5"], "source.set", source),
        "source allow": ([shop.listing, "https://b.example.com"], "source.set", shop.listing),
        "source disable": ([source], "source.set", source),
        "source enable": ([source], "source.set", source),
        "source rotate": ([shop.other], "source.rotate", "new"),
        "schema set": ([source, "order", str(file)], "schema.set", source),
        "schema apply": ([str(plan), "--source", source], "schema.set", source),
        "schema remove": ([source, "order"], "schema.remove", source),
        "redirect add": ([source, target], "redirect.add", source),
        "redirect remove": ([shop.redirect], "redirect.remove", source),
        "token create": (["x", "--source", source], "token.create", source),
        "token revoke": ([shop.token.id], "token.revoke", None),
        "stats explore": (["--save", "A", "--source", source], "report.add", source),
        "stats funnel": (["a", "b", "--save", "B"], "report.add", None),
        "stats retention": (["--save", "C"], "report.add", None),
        "stats saved remove": (["A"], "report.remove", source),
        "rejected replay": (["--source", source], "rejected.replay", source),
        "profile forget": ([shop.profile, "--yes"], "profile.forget", None),
        "db clock": (["--accept"], "clock.accept", None),
        "db rollups rebuild": ([], "rollups.rebuild", None),
        "cluster leave": (["--yes"], "cluster.leave", None),
        "source remove": ([source, "--with-events"], "source.remove", source),
    }


def test_every_command_is_known_to_this_test(shop: Shop, tmp_path: Path) -> None:
    found = [(name.removeprefix("thamesthrive "), command) for name, command, _ in commands()]
    leaves = {name for name, command in found if not hasattr(command, "commands")}
    assert leaves == NO_CHANGES | set(command_changes(shop, tmp_path))


def check(
    shop: Shop, change: Callable[[], bool], action: str, source: str | None, actor: tuple[Any, Any]
) -> dict[str, Any]:
    """That a change is not made if it cannot be recorded, and else leaves one row. Returns it."""
    before = shop.contents(), shop.audit()
    shop.lock()
    assert not change(), action
    shop.unlock()
    assert (shop.contents(), shop.audit()) == before, action
    assert change(), action
    *old, row = shop.audit()
    assert old == before[1], action
    assert (row["action"], row["actor"], row["token_id"]) == (action, *actor)
    assert row["source_id"] == source or (source == "new" and row["source_id"] == row["object"])
    return row


def test_every_command_that_changes_something_is_recorded_with_its_change(
    shop: Shop, tmp_path: Path
) -> None:
    for name, (arguments, action, source) in command_changes(shop, tmp_path).items():
        command = [*name.split(), *arguments, "--db", str(shop.collector.db)]
        check(shop, lambda: run(*command).returncode == 0, action, source, (USER, None))  # noqa: B023
    no_secrets(shop)


def api_changes(source: str, shop: Shop) -> dict[tuple[str, str], tuple[str, Any, str, str | None]]:
    """Every operation that changes something: its path, body, action, and the source concerned."""
    own = f"/api/sources/{source}"
    schema = f"{SCHEMAS}/{{event_type}}"
    target = {"source_id": source, "target": f"https://b.example.com/?key={KEY}"}
    return {
        ("POST", "/api/sources"): ("/api/sources", {"name": "A"}, "source.add", "new"),
        ("PATCH", "/api/sources/{source_id}"): (own, {"rate_limit": 5}, "source.set", source),
        ("POST", "/api/sources/{source_id}/rotate"): (
            f"/api/sources/{shop.other}/rotate", {"grace": "1d"}, "source.rotate", "new",
        ),
        ("PUT", schema): (f"{own}/schemas/order", {"required": ["x"]}, "schema.set", source),
        ("DELETE", schema): (f"{own}/schemas/order", None, "schema.remove", source),
        ("POST", "/api/redirects"): ("/api/redirects", target, "redirect.add", source),
        ("DELETE", "/api/redirects/{redirect_id}"): (
            f"/api/redirects/{shop.redirect}", None, "redirect.remove", source,
        ),
        ("POST", "/api/rejected/replay"): (
            "/api/rejected/replay", {"source_id": source}, "rejected.replay", source,
        ),
        ("DELETE", "/api/profiles/{profile_id}"): (
            f"/api/profiles/{shop.profile}", None, "profile.forget", None,
        ),
        ("DELETE", "/api/sources/{source_id}"): (
            f"{own}?with_events=true", None, "source.remove", source,
        ),
    }  # fmt: skip


def test_every_operation_that_changes_something_is_recorded_with_its_change(shop: Shop) -> None:
    paths = httpx.get(f"{shop.collector.url}/docs/openapi.json").json()["paths"]
    operations = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/") and method != "get"
    }
    changes = api_changes(shop.source, shop)
    assert operations - {("POST", f"{SCHEMAS}/{{event_type}}/try")} == set(changes)
    for (method, _), (path, body, action, source) in changes.items():

        def change(method: str = method, path: str = path, body: Any = body) -> bool:
            answer = httpx.request(
                method,
                shop.collector.url + path,
                json=body,
                headers={"Authorization": f"Bearer {shop.secret}"},
                timeout=20,
            )
            return answer.is_success

        check(shop, change, action, source, ("deploy", shop.token.id))
    no_secrets(shop)


def no_secrets(shop: Shop) -> None:
    written = json.dumps(shop.audit())
    known = hashlib.sha256(shop.profile.encode()).hexdigest()
    for secret in (shop.secret, KEY, shop.profile, known[:16], "required"):
        assert secret not in written


def test_a_change_names_the_fields_that_changed(shop: Shop) -> None:
    with shop.collector.database() as database:
        changes = {"rate_limit": 7, "origins": ["https://a.example.com"], "name": "Test"}
        store.update_source(database, shop.source, changes)
        store.update_source(database, shop.source, changes)
    *_, row = shop.audit()
    assert json.loads(row["changes"]) == {
        "rate_limit": {"from": None, "to": 7},
        "origins": {"from": [], "to": ["https://a.example.com"]},
    }
    assert len([row for row in shop.audit() if row["action"] == "source.set"]) == 1


def test_what_takes_many_transactions_says_at_the_end_how_many_rows_it_removed(
    shop: Shop,
) -> None:
    with shop.collector.database() as database:
        store.forget_profile(database.conn, shop.profile)
        store.create_token(database, "bound", source_id=shop.source)
        store.remove_source(database, shop.source, with_events=True)
    counts = {row["action"]: row["counts"] for row in shop.audit() if row["counts"]}
    assert json.loads(counts["profile.forget"]) == {
        "events": 1, "rejected": 1, "sessions": 1, "profiles": 1,
    }  # fmt: skip
    assert json.loads(counts["source.remove"]) == {"events": 0, "tokens": 1}


def test_a_row_is_bounded(shop: Shop) -> None:
    hosts = [f"https://{n}.example.com" for n in range(20_000)]
    with shop.collector.database() as database:
        store.update_source(database, shop.source, {"name": "x" * 100_000, "origins": hosts})
    *_, row = shop.audit()
    assert len(row["changes"]) < 5 * MAX_TEXT
    assert json.loads(row["changes"])["name"]["to"] == "x" * (MAX_TEXT - 1) + "…"


@pytest.fixture
def api(shop: Shop) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=shop.collector.url, headers={"Authorization": f"Bearer {shop.secret}"}
    ) as client:
        yield client


def test_the_audit_is_read_in_pages_by_source_and_time(shop: Shop, api: httpx.Client) -> None:
    for limit in range(1, 8):
        api.patch(f"/api/sources/{shop.source}", json={"rate_limit": limit})
    found: list[Any] = []
    query = {"source_id": shop.source, "limit": "3"}
    while True:
        page = api.get("/api/audit", params=query).json()
        found += page["audit"]
        if not page["next"]:
            break
        query["cursor"] = page["next"]
    written = [row["seq"] for row in shop.audit() if row["source_id"] == shop.source]
    assert [row["seq"] for row in found] == written[::-1]
    assert found[0]["changes"] == {"rate_limit": {"from": 6, "to": 7}}
    assert len(api.get("/api/audit", params={"since": "1d"}).json()["audit"]) == len(shop.audit())
    assert api.get("/api/audit", params={"since": "2099-01-01"}).json()["audit"] == []
    assert api.get("/api/audit", params={"since": "soon"}).status_code == 422
    assert api.get("/api/audit", params={"limit": "0"}).status_code == 422


def test_the_command_shows_who_changed_what(shop: Shop, api: httpx.Client) -> None:
    api.patch(f"/api/sources/{shop.source}", json={"name": "\x1b".join("AB")})
    api.patch(f"/api/sources/{shop.source}", json={"rate_limit": 5})
    db = ["--db", str(shop.collector.db)]
    first, *_ = run("audit", "list", *db).stdout.splitlines()[1:]
    assert "token deploy" in first
    assert first.rstrip().endswith("rate_limit: none → 5")
    own = ["--source", shop.source, "--since", "1d", "-n", "2", "--json"]
    entries = json.loads(run("audit", "list", *own, *db).stdout)
    assert [entry["action"] for entry in entries] == ["source.set", "schema.set"]
    none = run("audit", "list", "--since", "2099-01-01", *db)
    assert (none.stdout, none.stderr) == (
        "", "No changes match. Without --source and --since, all are listed.\n",
    )  # fmt: skip
    assert run("audit", "list", "--since", "soon", *db).returncode == 2
