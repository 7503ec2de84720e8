"""`thamesthrive demo`, as `make demo` runs it: a page address on stdout, then the rows as they
arrive."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from ..support import ROOT

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_demo_prints_an_address_shows_rows_and_stops_cleanly(
    tmp_path: Path, browser: Browser, stop: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "demo", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
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
    assert "Traceback" not in said
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)
