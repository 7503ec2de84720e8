"""The routes of the tracker's bundle."""

import base64
import gzip
import hashlib
import json

import brotli
import httpx
import pytest

from ..support import ROOT, Collector

DIST = ROOT / "js" / "dist"
MANIFEST = json.loads((DIST / "manifest.json").read_text())["files"]
HASHED = next(name for name, facts in MANIFEST.items() if facts["immutable"])


@pytest.mark.parametrize(
    "name", ["tracker.min.js", "loader.min.js", "tracker.min.js.map", "loader.min.js.map", HASHED]
)
def test_files_are_served_as_built(shared_collector: Collector, name: str) -> None:
    answer = httpx.get(
        f"{shared_collector.url}/tracker/{name}", headers={"Origin": "https://shop.example.com"}
    )
    assert answer.status_code == 200
    assert answer.content == (DIST / name).read_bytes()
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Timing-Allow-Origin"] == "*"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example.com"
    assert answer.headers["Vary"] == "Origin, Accept-Encoding"
    age = "max-age=31536000, immutable" if name == HASHED else "max-age=300"
    assert answer.headers["Cache-Control"] == f"public, {age}"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("*", "br"),
        ("identity", None),
        ("deflate", None),
    ],
)
def test_encoding_is_negotiated(
    shared_collector: Collector, accepted: str, encoding: str | None
) -> None:
    with httpx.stream(
        "GET",
        f"{shared_collector.url}/tracker/tracker.min.js",
        headers={"Accept-Encoding": accepted},
    ) as answer:
        raw = b"".join(answer.iter_raw())
    inflate = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert answer.headers.get("Content-Encoding") == encoding
    assert inflate(raw) == (DIST / "tracker.min.js").read_bytes()


def test_a_known_etag_is_answered_304(shared_collector: Collector) -> None:
    url = f"{shared_collector.url}/tracker/tracker.min.js"
    etag = httpx.get(url).headers["ETag"]
    again = httpx.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_head_tells_the_size_without_the_body(shared_collector: Collector) -> None:
    answer = httpx.head(
        f"{shared_collector.url}/tracker/tracker.min.js", headers={"Accept-Encoding": "identity"}
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["Content-Length"]) == MANIFEST["tracker.min.js"]["raw"]


@pytest.mark.parametrize(
    "name", ["manifest.json", "tracker.js", "..%2fpackage.json", "tracker.min.js.gz"]
)
def test_nothing_else_is_served(shared_collector: Collector, name: str) -> None:
    assert httpx.get(f"{shared_collector.url}/tracker/{name}").status_code == 404


def test_integrity_in_the_manifest_is_that_of_the_file() -> None:
    content = (DIST / HASHED).read_bytes()
    assert (
        MANIFEST[HASHED]["integrity"]
        == "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
    )
