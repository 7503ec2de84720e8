"""Installs what the tests of forwarding need and this machine has not: `python -m
tests.engines.install`."""

import importlib.util
import os
import shutil
import subprocess
import sys

from ..support import ROOT
from .postgres_server import programs


def _run(*command: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, cwd=ROOT, stdout=sys.stderr, env=environment, check=False)


def main() -> None:
    """Says what it installs. Tests say what is missing after it."""
    if programs() is None and shutil.which("apt-get"):
        sys.stderr.write("Installing PostgreSQL …\n")
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        _run(*root, "apt-get", "update", "-qq")
        _run(*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql")
    if importlib.util.find_spec("chdb") is None:
        sys.stderr.write("Installing ClickHouse's engine …\n")
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(sys.executable, *pip, "--editable", ".[engines]")


if __name__ == "__main__":
    main()
