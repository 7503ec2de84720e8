"""`thamesthrive demo`, as `make demo` runs it: a page address on stdout, then the rows as they
arrive."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from ..support import ROOT, run

pytestmark = pytest.mark.alone


def start_demo(folder: Path, stderr: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "demo", "--port", "0"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@contextmanager
def demo_in(folder: Path) -> Iterator[str]:
    """A demo that has started; gives its address."""
    with start_demo(folder) as demo:
        assert demo.stdout
        try:
            yield demo.stdout.readline().strip().removesuffix("/pages/basic.html")
        finally:
            demo.terminate()


def test_a_second_demo_leaves_the_first_one_alone(tmp_path: Path) -> None:
    with demo_in(tmp_path) as first, demo_in(tmp_path) as second:
        databases = [*(tmp_path / "build").glob("*/thamesthrive.db")]
        assert len(databases) == 2
        for address in (first, second):
            page = httpx.get(f"{address}/pages/basic.html").text
            (source,) = set(re.findall(r'source: { id: "([^"]+)"', page))
            body = {"source": {"id": source}, "events": [{"type": "a"}]}
            assert httpx.post(f"{address}/track", json=body).status_code == 200
            assert httpx.get(f"{address}/ready").status_code == 200
    with demo_in(tmp_path):  # those that have ended leave their folders to others
        assert len([*(tmp_path / "build").glob("*/thamesthrive.db")]) == 2


@pytest.mark.parametrize("command", ["demo", "dev"])
def test_a_wanted_port_that_is_taken_is_told_with_its_cure(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(command, "--port", str(port), cwd=tmp_path, timeout=20)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"Error: Port {port} is in use. Stop what listens there, or choose another port with --port;"
        " --port 0 takes a free one."
    )


@pytest.mark.parametrize("target", ["demo", "dev"])
def test_make_passes_the_port_on(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target],
        cwd=ROOT,
        env={**os.environ, "PORT": "8711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"thamesthrive {target} --port 8711" in done.stdout


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_demo_prints_an_address_shows_rows_and_stops_cleanly(
    tmp_path: Path, browser: Browser, stop: signal.Signals
) -> None:
    with start_demo(tmp_path, subprocess.PIPE) as demo:
        assert demo.stdout
        assert demo.stderr
        address = demo.stdout.readline().strip()
        assert address.endswith("/pages/basic.html")
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#verdict.good")
        rows = [demo.stdout.readline() for _ in range(3)]
        page.close()
        demo.send_signal(stop)
        assert demo.wait(30) == 0
        said = demo.stderr.read()
    assert [row.split()[1] for row in rows] == ["purchase-order", "interest", "page-view"]
    assert json.loads(rows[0].split("  ")[-1]) == {"product": "Sun glasses - Badoo", "price": 13.45}
    assert said.splitlines()[-1] == "Stopped."
    assert re.search(r"^http://127\.0\.0\.1:\d+/console/login/\S{40,}$", said, re.MULTILINE)
    assert "Traceback" not in said
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)
