"""`--site` serves the files of its folder, and nothing else."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from ..support import Collector


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("served")
    site = folder / "site"
    for path, text in {
        "index.html": "the index",
        "a/index.html": "of a",
        "a/ü b.txt": "odd name",
        "404.html": "nothing here",
        ".env": "s3cret",
        ".git/config": "s3cret",
        "a/.hidden/x.txt": "s3cret",
    }.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    (folder / "outside.txt").write_text("s3cret")
    (site / "out.txt").symlink_to(folder / "outside.txt")
    (site / "out").symlink_to(folder)
    (site / "env.txt").symlink_to(site / ".env")
    (site / "loop").symlink_to(site / "loop")
    (site / "inside.txt").symlink_to(site / "a" / "ü b.txt")
    (site / "empty").mkdir()
    collector = Collector(folder, options=("--site", str(site))).start()
    yield collector
    collector.end()


def get(collector: Collector, path: str) -> tuple[int, str]:
    """A raw request: clients tidy addresses up. Status and body."""
    host, port = collector.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        parts = []
        while part := sock.recv(65536):
            parts.append(part)
    head, _, body = b"".join(parts).decode().partition("\r\n\r\n")
    return int(head.split(" ")[1]), body


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "the index"),
        ("/index.html", "the index"),
        ("/?a=../b", "the index"),
        ("/a/", "of a"),
        ("/a", "of a"),
        ("/a/%C3%BC%20b.txt", "odd name"),
        ("/inside.txt", "odd name"),
    ],
)
def test_files_of_the_folder_are_served(served: Collector, path: str, text: str) -> None:
    assert get(served, path) == (200, text)


@pytest.mark.parametrize(
    "path",
    [
        "/.env", "/%2eenv", "/.git/config", "/a/.hidden/x.txt", "/env.txt", "/a/../.env",
        "/out.txt", "/out/outside.txt", "/loop", "/loop/x", "/empty", "/empty/", "/index.html/x",
        "/..", "/../outside.txt", "/%2e%2e/outside.txt", "/a/..%2f..%2foutside.txt", "/a/../index.html",
        "/..%5coutside.txt", "/a%5cindex.html", "/\\..\\outside.txt", "//etc/passwd", "/%2fetc/passwd",
        "/%00", "/index.html%00", "/%00/../.env", "/a%0a", "/%1b%5b2J", "/%ff", "/%c0%ae%c0%ae/outside.txt",
        "/%ed%a0%80", "/%E2%80%AE", "/%", "/%zz", "/" + "a" * 300, "/" + "a/" * 3000, "/./index.html",
        "/nowhere", "/index.html%20",
    ],
)  # fmt: skip
def test_everything_else_is_404_and_leaves_no_trace(served: Collector, path: str) -> None:
    lines = len(served.settled_log())
    status, body = get(served, path)
    assert (status, body) == (404, '{"detail": "Not Found."}')
    assert served.settled_log()[lines:] == []


def test_pages_are_asked_for_again_only_if_they_changed(served: Collector) -> None:
    first = httpx.get(f"{served.url}/a/")
    seen = {"If-Modified-Since": first.headers["Last-Modified"]}
    assert httpx.get(f"{served.url}/a/", headers=seen).status_code == 304
    for odd in ("yesterday\x9b2J", "", "Mon, 01 Jan 0001 00:00:00 GMT", "9" * 500):
        headers = {b"If-Modified-Since": odd.encode()}
        assert httpx.get(f"{served.url}/a/", headers=headers).status_code == 200
    plain = httpx.head(f"{served.url}/a/", headers={"Accept-Encoding": "identity"})
    assert plain.headers["Content-Length"] == "4"
    assert "yesterday" not in "\n".join(served.settled_log())
