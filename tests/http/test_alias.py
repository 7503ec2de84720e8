"""Names of the owner's own: each is served as the default one is, which stays served."""

import base64
import gzip
import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest

from collector import Settings, running
from collector.errors import SettingsError

from ..support import ROOT, Collector, run

DIST = ROOT / "js" / "dist"
ALIASES = "/shop/a/{app.js,hello} /old/{s.js,h,kept}"
ENDPOINTS = ("/track", "/shop/a/hello", "/old/h")
ORIGIN = "https://shop.example.com"


@pytest.fixture(scope="module")
def aliased(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("aliased")
    collector = Collector(folder, options=("--alias", ALIASES))
    try:
        yield collector.start()
    finally:
        collector.end()


def event(source: str) -> dict[str, Any]:
    return {"source": {"id": source}, "events": [{"id": str(uuid.uuid4()), "type": "a"}]}


@pytest.mark.parametrize("path", ENDPOINTS)
def test_events_are_stored_under_each_name(aliased: Collector, path: str) -> None:
    source = aliased.add_source()
    sent = event(source)
    for encoding in ("identity", "gzip"):
        body = json.dumps(sent).encode()
        answer = httpx.post(
            aliased.url + path,
            content=gzip.compress(body) if encoding == "gzip" else body,
            headers={"Content-Encoding": encoding, "Origin": ORIGIN},
        )
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    (row,) = aliased.events(source)  # the second is a duplicate
    assert row["id"] == sent["events"][0]["id"]


def test_refusals_are_the_same_under_each_name(aliased: Collector) -> None:
    listed = aliased.add_source(origins=["https://other.example"])
    webhook = aliased.add_source(bridges=["webhook"])
    before = aliased.counts()
    requests: dict[str, dict[str, Any]] = {
        "unknown": {"json": event("ee2db027-46cf-4034-a759-79f1c930f80d")},
        "malformed": {"json": event("nobody")},
        "origin": {"json": event(listed)},
        "bridge": {"json": event(webhook)},
        "not JSON": {"content": b"{"},
        "too large": {"content": b" " * 300_000},
        "GET": {"method": "GET"},
        "PUT": {"method": "PUT", "content": b"{}"},
        "HEAD": {"method": "HEAD"},
        "query": {"json": event("nobody"), "params": {"n": "1"}},
        "preflight": {
            "method": "OPTIONS",
            "headers": {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "x-own",
            },
        },
    }
    seen: dict[str, list[tuple[int, bytes, dict[str, str]]]] = {}
    for name, given in requests.items():
        for path in ENDPOINTS:
            options = {"method": "POST", **given}
            options["headers"] = {"Origin": ORIGIN, **given.get("headers", {})}
            answer = httpx.request(url=aliased.url + path, **options)
            seen.setdefault(name, []).append(
                (answer.status_code, answer.content, dict(answer.headers))
            )
    for name, (default, *others) in seen.items():
        assert others == [default, default], name
    assert [seen[name][0][0] for name in requests] == [
        401, 401, 403, 401, 422, 413, 405, 405, 405, 401, 204,
    ]  # fmt: skip
    assert json.loads(seen["unknown"][1][1]) == {"detail": "Access denied. Invalid source."}
    assert aliased.counts() | {"rejected": 0} == before | {"rejected": 0}


def test_what_the_connection_itself_refuses_can_be_read_by_pages(
    aliased: Collector,
) -> None:
    """Whatever the route."""
    for path in ENDPOINTS:
        answer = httpx.post(
            aliased.url + path,
            content=b"{}",
            headers={"Origin": ORIGIN, "Expect": "the unexpected"},
        )
        assert answer.status_code == 417
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


FILES = {
    "app.js": "tracker.min.js",
    "app.js.map": "tracker.min.js.map",
    "page.app.js": "page.min.js",
    "debug.app.js.map": "debug.min.js.map",
    "loader.app.js": "loader.min.js",
    "app.mjs": "tracker.mjs",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("accepted", ["br", "gzip", "identity"])
def test_files_are_served_as_those_of_the_default_name(
    aliased: Collector, name: str, accepted: str
) -> None:
    given = {"Accept-Encoding": accepted, "Origin": ORIGIN}
    answers = [
        httpx.get(f"{aliased.url}{path}", headers=given)
        for path in (f"/shop/a/{name}", f"/tracker/{FILES[name]}")
    ]
    other = {"content-length", "date", "etag", "sourcemap"}
    mine, default = (
        {key: value for key, value in answer.headers.items() if key not in other}
        for answer in answers
    )
    assert [answer.status_code for answer in answers] == [200, 200]
    assert mine == default
    assert ("sourcemap" in answers[0].headers) == (not name.endswith(".map"))
    again = httpx.get(
        f"{aliased.url}/shop/a/{name}",
        headers={**given, "If-None-Match": answers[0].headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")


def test_all_encodings_have_the_same_bytes_with_the_names_replaced(aliased: Collector) -> None:
    url = f"{aliased.url}/shop/a/app.js"
    raw = {}
    for accepted in ("br", "gzip", "identity"):
        with httpx.stream("GET", url, headers={"Accept-Encoding": accepted}) as answer:
            raw[accepted] = b"".join(answer.iter_raw())
    content = raw["identity"]
    assert brotli.decompress(raw["br"]) == gzip.decompress(raw["gzip"]) == content
    assert b'"shop-a-session-id"' in content
    assert b'"/shop/a/hello"' in content
    # What it moves away from, the newest names first.
    assert b'"kept- thamesthrive-"' in content
    assert content.count(b"thamesthrive-") == 2  # and in #thamesthrive-debug
    assert b'"kept-session-id"' in httpx.get(f"{aliased.url}/old/s.js").content


@pytest.mark.parametrize(
    "path", ["/shop/a/tracker.min.js", "/shop/a/page.min.js", "/shop/app.js", "/shop/a/app"]
)
def test_no_other_name_is_served(aliased: Collector, path: str) -> None:
    assert httpx.get(aliased.url + path).status_code == 404


def test_the_snippet_has_the_names_and_the_hash_of_the_served_bytes(aliased: Collector) -> None:
    source = aliased.add_source()
    given = ("snippet", source, "--db", str(aliased.db), "--api", aliased.url)
    own = run(*given, "--one-line", "--integrity", env={"THAMESTHRIVE_ALIAS": ALIASES})
    assert own.returncode == 0, own.stderr
    src = own.stdout.split('src="')[1].split('"')[0]
    integrity = own.stdout.split('integrity="')[1].split('"')[0]
    assert src.startswith(f"{aliased.url}/shop/a/app.")
    answer = httpx.get(src)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    digest = hashlib.sha384(answer.content).digest()
    assert integrity == "sha384-" + base64.b64encode(digest).decode()
    default = run(*given, "--no-alias", env={"THAMESTHRIVE_ALIAS": ALIASES}).stdout
    assert default == run(*given).stdout
    assert "/tracker" in default


@pytest.mark.parametrize("form", [(), ("--global-free",), ("--one-line",)])
def test_no_form_of_the_snippet_has_a_listed_address(aliased: Collector, form: tuple[str]) -> None:
    source = aliased.add_source()
    options = ("--db", str(aliased.db), "--api", "https://x.example/t", "--alias", ALIASES)
    html = run("snippet", source, *form, *options).stdout
    assert "https://x.example/t/shop/a" in html
    assert "/tracker" not in html
    assert "thamesthrive-queue" not in html


WRONG = {
    "/a/app.js": "in quotes",
    "a/{app.js,hello}": "Write it like '/a/{app.js,hello}'",
    "x/a/{app.js,hello}y": "Write it like",
    "/a/{app.js}": "Write it like",
    "/a/{app.js,}": "'' in",
    "//{app.js,hello}": "'' in",
    "/a/../b/{app.js,hello}": "'..' in",
    '/a/{app.js,he"llo}': "cannot be a part of an address",
    "/a/{app.js,héllo}": "cannot be a part of an address",
    "/a/{app.js,hello,m'ine}": "cannot begin the names of cookies",
    "/1/{app.js,hello}": "Add a third name",
    "/api/{app.js,hello}": "/api belongs to the collector",
    "/Track/{app.js,hello}": "/Track belongs to the collector",
    "/a/{app.js,app.js}": "the endpoint cannot be called app.js",
    "/a/{app.js,page.app.js}": "the endpoint cannot be called page.app.js",
    "/a/{app.map,hello}": "the script cannot be called app.map",
    "/a/{app.js,hello} /a/{b.js,c}": "has the path /a twice",
    "/" + "a" * 300 + "/{b,c}": "more than 200 characters",
}


@pytest.mark.parametrize("value", WRONG)
def test_a_wrong_value_says_where_it_is_and_what_is_right(tmp_path: Path, value: str) -> None:
    done = run("serve", "--port", "0", cwd=tmp_path, env={"THAMESTHRIVE_ALIAS": value})
    assert done.returncode == 2
    assert done.stderr.startswith("Error: THAMESTHRIVE_ALIAS: ")
    assert WRONG[value] in " ".join(done.stderr.split())
    assert len(done.stderr.strip().splitlines()) == 1


def test_every_route_of_the_collector_is_reserved(aliased: Collector) -> None:
    document = httpx.get(f"{aliased.url}/docs/openapi.json").json()
    firsts = {path.split("/")[1] for path in document["paths"]} | {"docs", "qa", "console"}
    assert "shop" not in firsts
    for first in firsts:
        with pytest.raises(SettingsError, match=f"/{first} belongs"):
            _ = Settings(alias=f"/{first}/{{a.js,b}}").aliases


def test_a_bundle_without_the_names_does_not_start(tmp_path: Path) -> None:
    """One that an older version has built, say."""
    bundle = tmp_path / "bundle"
    shutil.copytree(DIST, bundle, ignore=shutil.ignore_patterns("alias", "site"))
    settings = Settings(db=tmp_path / "e.db", port=0, bundle=bundle, alias="/a/{app.js,hello}")
    message = r"another version .*thamesthrive build bundle"
    with pytest.raises(SettingsError, match=message), running(settings):
        pass


def test_names_that_blockers_look_for_are_pointed_out(tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--alias", "/a/{script,collect}")).start()
    said = [line for line in collector.log if "blockers look for collect" in line]
    source = collector.add_source()
    note = run("snippet", source, "--db", str(collector.db), "--alias", "/a/{script,collect}")
    # It is the owner's word: it works all the same.
    answer = httpx.post(f"{collector.url}/a/collect", json=event(source))
    collector.end()
    assert len(said) == 1
    assert "Blockers look for collect" in note.stderr
    assert answer.status_code == 200


def test_doctor_shows_the_names(aliased: Collector) -> None:
    given = ("doctor", "--db", str(aliased.db), "--port", str(aliased.port))
    well = run(*given, env={"THAMESTHRIVE_ALIAS": ALIASES})
    said = " ".join(well.stdout.split())
    assert "also serves the tracker at /shop/a/app.js, which sends to /shop/a/hello." in said
    assert "at /old/s.js" in said
    listed = run(*given, env={"THAMESTHRIVE_ALIAS": "/a/{script,collect}"})
    assert "Blockers look for collect: choose other names." in " ".join(listed.stdout.split())
    assert re.match(r"\d warnings?, no problems\.", listed.stderr)
    assert (well.returncode, listed.returncode) == (0, 0)


def test_metrics_count_requests_whatever_their_name(aliased: Collector) -> None:
    def stored(source: str) -> list[str]:
        lines = httpx.get(f"{aliased.url}/metrics").text.splitlines()
        return [line for line in lines if source in line and "requests_total" in line]

    source = aliased.add_source()
    for path in ENDPOINTS:
        httpx.post(aliased.url + path, json=event(source))
    (line,) = stored(source)
    assert line.endswith(" 3.0")
    assert "shop" not in line
