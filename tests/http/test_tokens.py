"""What each token may do, and what those try who want more."""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_utils import Database

from collector import store
from collector.store.migrations import migrations

from ..support import Collector, run, wait_for

Operation = tuple[str, str]  # method and path
READ_ONLY = "This token may only read. A token of the role admin is needed."
SENT = '{"name": "A"}'
# What a token that is limited to a source may not use at all.
OF_ALL: set[Operation] = {
    ("GET", "/api/sources"),
    ("POST", "/api/sources"),
    ("DELETE", "/api/sources/{source_id}"),
    ("GET", "/api/stats"),
    ("GET", "/api/profiles/{profile_id}"),
    ("DELETE", "/api/profiles/{profile_id}"),
}


@dataclass
class Two:
    """Two sources that share a visitor, each with an event, a rejected one, a schema and a
    redirect; and tokens of the first."""

    collector: Collector
    mine: str
    other: str
    redirects: dict[str, str]  # by source
    profile: str

    def token(self, **options: Any) -> str:
        with self.collector.database() as database:
            return store.create_token(database, "test", **options)[1]

    def call(self, secret: str, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.request(
            method, self.collector.url + path, headers=headers, timeout=20, **options
        )

    def everything(self) -> list[Any]:
        """All that an administrator decides about, and what is stored."""
        tables = ("sources", "schemas", "redirects", "events", "rejected", "profiles", "audit")
        return [self.collector.rows(f"SELECT * FROM {table}") for table in tables]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    collector = Collector(tmp_path_factory.mktemp("tokens"), workers=2).start()
    sources = [collector.add_source(bridges=["rest", "redirect"]) for _ in range(2)]
    redirects, profile = {}, None
    for source in sources:
        body: dict[str, Any] = {
            "source": {"id": source},
            "session": {"id": "s"},
            "events": [{"id": "e", "type": "a"}, {"id": "bad", "type": "", "x": f"of {source}"}],
        }
        answer = collector.post({**body, **({"profile": {"id": profile}} if profile else {})})
        assert profile in (None, answer.json()["profile"]["id"])
        profile = answer.json()["profile"]["id"]
        with collector.database() as database:
            target = f"https://a.example.com/{source}"
            redirects[source] = store.add_redirect(database, source, target).id
            store.set_schema(database, source, "order", f'{{"title": "of {source}"}}')
    assert profile
    mine, other = sources
    yield Two(collector, mine, other, redirects, profile)
    collector.end()


@pytest.fixture(scope="module")
def operations(two: Two) -> dict[Operation, dict[str, Any]]:
    """What /docs says of each operation of the API."""
    paths = httpx.get(f"{two.collector.url}/docs/openapi.json").json()["paths"]
    return {
        (method.upper(), path): operation
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith("/api/")
    }


def address(path: str, two: Two, source: str) -> str:
    """A path with the names of things of this source in it."""
    names = {
        "source_id": source,
        "event_type": "order",
        "redirect_id": two.redirects[source],
        "profile_id": two.profile,
        "kind": "pages",
    }
    return re.sub(r"{(\w+)}", lambda found: names[found[1]], path)


def test_a_read_token_reads_and_changes_nothing(
    two: Two, operations: dict[Operation, dict[str, Any]]
) -> None:
    secret = two.token(role="read")
    before = two.everything()
    for (method, path), said in operations.items():
        for content in [""] if method == "GET" else ["", SENT, "{"]:
            answer = two.call(secret, method, address(path, two, two.mine), content=content)
            if method == "GET" and path != "/api/audit":
                assert answer.status_code == 200, (path, answer.text)
            else:
                assert (answer.status_code, answer.json()) == (403, {"detail": READ_ONLY}), path
        role = "read" if method == "GET" and path != "/api/audit" else "admin"
        assert said["security"] == [{"token": [role]}]
        assert {"401", "403"} <= set(said["responses"])
    assert two.everything() == before


@pytest.mark.parametrize("role", ["admin", "read"])
def test_a_token_of_one_source_reaches_nothing_of_another(
    two: Two, operations: dict[Operation, dict[str, Any]], role: str
) -> None:
    """Whether it names the other source in the path, the query or the body, or nothing at all."""
    secret, before = two.token(role=role, source_id=two.mine), two.everything()
    for method, path in operations:
        for query in (
            "",
            f"?source_id={two.other}",
            f"?source_id={two.other}&source_id={two.mine}",
        ):
            body = {"source_id": two.other, "target": "https://evil.example.com/"}
            answer = two.call(
                secret,
                method,
                address(path, two, two.other) + query,
                content=None if method == "GET" else json.dumps(body),
            )
            refused = answer.status_code in (403, 404)
            own_list = method == "GET" and not query and answer.status_code == 200
            assert refused or own_list, (method, path, query, answer.text)
            if own_list:
                assert "source_id}" not in path
                assert two.other not in answer.text
    assert two.everything() == before


def test_operations_of_all_sources_refuse_tokens_of_one(
    two: Two, operations: dict[Operation, dict[str, Any]]
) -> None:
    secret = two.token(source_id=two.mine)
    detail = f"This token is limited to the source {two.mine}."
    refused = set()
    for method, path in operations:
        if method == "GET" or (method, path) in OF_ALL:
            answer = two.call(secret, method, address(path, two, two.mine), content=SENT)
            if answer.status_code == 403:
                assert answer.json() == {"detail": detail}
                refused.add((method, path))
    assert refused == OF_ALL
    said = {operation: operations[operation]["description"] for operation in OF_ALL}
    assert set(said.values()) == {"Not for tokens that are limited to a source."}


def test_what_there_is_not_is_refused_like_what_belongs_to_others(two: Two) -> None:
    secret = two.token(source_id=two.mine)
    for path in ("/api/sources/{}", "/api/sources/{}/schemas/order", "/api/events?source_id={}"):
        answers = [
            two.call(secret, "GET", path.format(name)) for name in (two.other, "nobody", "%00")
        ]
        assert {(answer.status_code, answer.text) for answer in answers} == {
            (403, f'{{"detail":"This token is limited to the source {two.mine}."}}')
        }
    there, absent = (
        two.call(secret, "DELETE", f"/api/redirects/{name}")
        for name in (two.redirects[two.other], "nobody")
    )
    assert there.status_code == absent.status_code == 404
    assert there.text.replace(two.redirects[two.other], "nobody") == absent.text


def test_a_token_of_one_source_sees_lists_of_its_own_only(two: Two) -> None:
    secret = two.token(source_id=two.mine)
    for name, path in (
        ("events", "/api/events"),
        ("rejected", "/api/rejected"),
        ("redirects", "/api/redirects"),
        ("audit", "/api/audit"),
    ):
        answer = two.call(secret, "GET", path)
        found = answer.json()[name]
        assert found, path
        assert {row["source_id"] for row in found} == {two.mine}
        assert two.other not in answer.text


def test_filters_and_cursors_lead_to_no_event_of_another_source(two: Two) -> None:
    """The visitor is of both sources, the ids of session and events are the same in both."""
    secret = two.token(role="read", source_id=two.mine)
    seqs = [row["seq"] for row in two.collector.rows("SELECT seq FROM events")]
    queries = [
        f"profile_id={two.profile}", "session_id=s", "type=a", "cursor=999999999999&limit=1000",
        *(f"cursor={seq + 1}&limit=1" for seq in seqs), "source_id&source_id=",
        f"SOURCE_ID={two.other}", f"source_id[]={two.other}", f"source%5Fid={two.mine}",
    ]  # fmt: skip
    for query in queries:
        answer = two.call(secret, "GET", f"/api/events?{query}")
        assert answer.status_code in (200, 403), query
        events = answer.json().get("events", [])
        assert {event["source_id"] for event in events} <= {two.mine}, query


def test_an_administrator_of_one_source_manages_it(two: Two) -> None:
    secret = two.token(source_id=two.mine)

    def call(method: str, path: str, body: Any = None) -> Any:
        answer = two.call(secret, method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    own = f"/api/sources/{two.mine}"
    assert call("PATCH", own, {"rate_limit": 6000})["rate_limit"] == 6000
    call("PUT", f"{own}/schemas/click", {"required": ["x"]})
    assert call("DELETE", f"{own}/schemas/click") == {"removed": True}
    # It need not name the source.
    redirect = call("POST", "/api/redirects", {"target": "https://b.example.com/"})
    assert redirect["source_id"] == two.mine
    assert call("DELETE", f"/api/redirects/{redirect['id']}") == {"removed": True}
    assert call("POST", "/api/rejected/replay") == {"stored": 0, "duplicate": 0, "invalid": 1}
    actions = [row["action"] for row in call("GET", "/api/audit?limit=6")["audit"]]
    assert actions[::-1] == [
        "source.set", "schema.set", "schema.remove", "redirect.add", "redirect.remove",
        "rejected.replay",
    ]  # fmt: skip


@pytest.mark.parametrize("named", [None, 1, ["x"], "", {"source_id": "x"}])
def test_a_body_that_names_no_source_in_the_right_way_is_refused(two: Two, named: object) -> None:
    secret, before = two.token(source_id=two.mine), two.everything()
    for path in ("/api/rejected/replay", "/api/redirects"):
        body = {"source_id": named, "target": "https://b.example.com/"}
        assert two.call(secret, "POST", path, json=body).status_code == 403
    twice = f'{{"source_id": "{two.mine}", "source_id": "{two.other}"}}'
    assert two.call(secret, "POST", "/api/rejected/replay", content=twice).status_code == 403
    assert two.everything() == before


def test_no_token_makes_tokens_over_http(two: Two) -> None:
    for secret in (two.token(), two.token(role="read"), two.token(source_id=two.mine)):
        before = two.collector.rows("SELECT id, role, source_id, expires_at FROM tokens")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            for path in ("/api/tokens", "/api/tokens/x"):
                assert two.call(secret, method, path, content=SENT).status_code == 404
        assert two.collector.rows("SELECT id, role, source_id, expires_at FROM tokens") == before


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "TRACE", "PROPFIND"])
def test_other_methods_get_nothing(two: Two, method: str) -> None:
    secret = two.token(role="read", source_id=two.mine)
    for path in ("/api/events", "/api/stats", f"/api/sources/{two.other}", "/api/audit"):
        answer = two.call(secret, method, path)
        assert answer.status_code in (400, 405), (method, path)
        assert two.other not in answer.text
        assert "access-control-allow-origin" not in answer.headers


def test_an_expired_token_is_answered_401_and_says_so(two: Two) -> None:
    with two.collector.database() as database:
        token, secret = store.create_token(database, "short", expires="1d")
        assert two.call(secret, "GET", "/api/stats").status_code == 200
        # By hand, as with any SQLite client.
        past = "2026-01-01T00:00:00.000Z"
        database.conn.execute("UPDATE tokens SET expires_at = ? WHERE id = ?", [past, token.id])
    answer = wait_for(
        lambda: (
            found if (found := two.call(secret, "GET", "/api/stats")).status_code == 401 else None
        ),
        "the end",
        3,
    )
    assert answer.json()["detail"].startswith(f"This token expired at {past}.")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    (listed,) = [
        row
        for row in json.loads(run("token", "list", "--json", "--db", str(two.collector.db)).stdout)
        if row["id"] == token.id
    ]
    assert (listed["state"], listed["expires_at"]) == ("expired", past)


def test_a_token_ends_with_its_source(two: Two) -> None:
    """However the source is removed."""
    for by_hand in (False, True):
        source = two.collector.add_source()
        secret = two.token(source_id=source)
        assert two.call(secret, "GET", f"/api/sources/{source}").status_code == 200
        if by_hand:
            connection = sqlite3.connect(two.collector.db)
            connection.execute("DELETE FROM sources WHERE id = ?", [source])
            connection.commit()
            connection.close()
        else:
            with two.collector.database() as database:
                store.remove_source(database, source)
        wait_for(
            lambda: all(
                two.call(secret, "GET", "/api/events").status_code == 401  # noqa: B023
                for _ in range(4)
            ),
            "the end",
            3,
        )


def test_a_token_of_before_is_an_administrators_without_an_end(tmp_path: Path) -> None:
    """A file as the version before wrote it, with a token in use."""
    collector, secret = Collector(tmp_path), "tt_made-by-the-version-before"
    connection = store.connect(collector.db)
    migrations.apply(Database(connection), stop_before="m006_tokens_audit")
    connection.execute(
        "INSERT INTO tokens (id, name, hash, created_at) VALUES ('t', 'old', ?, '2026-01-01')",
        [hashlib.sha256(secret.encode()).hexdigest()],
    )
    connection.close()
    collector.start()
    two = Two(collector, "", "", {}, "")
    assert two.call(secret, "POST", "/api/sources", content=SENT).status_code == 201
    (token,) = json.loads(run("token", "list", "--json", "--db", str(collector.db)).stdout)
    assert token.pop("last_used_at")
    assert token == {
        "id": "t", "name": "old", "created_at": "2026-01-01", "role": "admin", "source_id": None,
        "expires_at": None, "state": "active",
    }  # fmt: skip
    assert [row["actor"] for row in collector.rows("SELECT actor FROM audit")] == ["old"]


def test_the_last_use_is_noted_also_of_what_was_refused(two: Two) -> None:
    with two.collector.database() as database:
        token, secret = store.create_token(database, "used", role="read")
    find = "SELECT last_used_at FROM tokens WHERE id = ?"
    assert two.collector.rows(find, token.id)[0]["last_used_at"] is None
    version = two.collector.rows("SELECT version FROM registry")
    assert two.call(secret, "POST", "/api/sources", content=SENT).status_code == 403
    (first,) = two.collector.rows(find, token.id)
    assert first["last_used_at"] > token.created_at
    for _ in range(20):  # by both workers
        two.call(secret, "GET", "/api/redirects")
    assert two.collector.rows(find, token.id) == [first]
    assert two.collector.rows("SELECT version FROM registry") == version
    listed = run("token", "list", "--db", str(two.collector.db)).stdout
    assert first["last_used_at"] in listed


def test_a_use_that_cannot_be_noted_holds_nobody_up(two: Two) -> None:
    secret = two.token(role="read")
    with two.collector.database() as database:
        database.conn.execute("BEGIN IMMEDIATE")
        assert two.call(secret, "GET", "/api/redirects").status_code == 200
        database.conn.execute("ROLLBACK")
    assert two.collector.rows("SELECT 1 FROM tokens WHERE last_used_at IS NULL")


def test_tokens_are_made_and_listed_with_what_they_may_do(two: Two) -> None:
    db = ["--db", str(two.collector.db)]
    options = ["--role", "read", "--source", two.mine, "--expires", "2099-01-31"]
    made = json.loads(run("token", "create", "board", *options, "--json", *db).stdout)
    known = {"role": "read", "source_id": two.mine, "expires_at": "2099-01-31T00:00:00.000Z"}
    assert {name: made[name] for name in known} == known
    assert two.call(made["token"], "GET", "/api/events").status_code == 200
    (line,) = [line for line in run("token", "list", *db).stdout.splitlines() if "board" in line]
    for word in ("read", two.mine, "2099-01-31T00:00:00.000Z", "active"):
        assert word in line
    plain = json.loads(run("token", "create", "plain", "--json", *db).stdout)
    assert [plain[name] for name in ("role", "source_id", "expires_at")] == ["admin", None, None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--role", "boss"], "'boss' is not a role. Choose from admin, read."),
        (["--source", "nobody"], "There is no event source 'nobody'."),
        (["--expires", "soon"], "'soon' is not a time. Write a date, as in 2027-01-31, a time"),
        (["--expires", "0d"], "0d is in the past."),
        (["--expires", "99999d"], None),
        (["--expires", "0001-01-01T00:00+14:00"], "'0001-01-01T00:00+14:00' is not a time."),
        (["--expires", "2020-01-01"], "2020-01-01 is in the past."),
    ],
)
def test_a_token_that_cannot_be_is_refused(
    two: Two, options: list[str], message: str | None
) -> None:
    done = run("token", "create", "x", *options, "--db", str(two.collector.db))
    assert message is None or done.stderr.startswith(f"Error: {message}")
    assert (done.returncode == 0) is (message is None)
