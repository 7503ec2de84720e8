"""Runs of pytest beside this one."""

import os
import subprocess
import sys
from pathlib import Path

from ..browser.install import ENGINE
from ..support import ROOT


def run_suite(folder: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A suite with a `pytest.ini` of its own, as a user has it: nothing of this repository's conftest
    is in it. In the engine that this run is for."""
    place = [str(folder), "-c", str(folder / "pytest.ini"), "--rootdir", str(folder)]
    command = [sys.executable, "-m", "pytest", *place]
    return subprocess.run(
        [*command, "-q", "--browser", ENGINE, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]]), **env},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
