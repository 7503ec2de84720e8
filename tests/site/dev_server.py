"""`thamesthrive dev`, running in a copy of the repository that a test may change."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

from ..support import PATIENCE, ROOT, wait_for

PARTS = ("cli", "collector", "templates", "site")


def copy_repository(target: Path) -> Path:
    """Copies what the command line needs, without a built site."""
    target.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        shutil.copytree(ROOT / part, target / part, ignore=ignore)
    (target / "js").mkdir()
    for part in ("src", "site", "console", "verify", "dist"):
        shutil.copytree(ROOT / "js" / part, target / "js" / part)
    for name in ("tsconfig.json", "minify.mjs"):
        shutil.copy(ROOT / "js" / name, target / "js")
    (target / "js" / "node_modules").symlink_to(ROOT / "js" / "node_modules")
    return target


class DevServer:
    """`thamesthrive dev` in a copy of the repository."""

    def __init__(self, folder: Path) -> None:
        self.root = copy_repository(folder)
        self.output: list[str] = []
        self.notes: list[str] = []
        self.url = ""

    def __enter__(self) -> "DevServer":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "dev", "--port", "0"],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        assert self.process.stderr
        self._readers = [
            threading.Thread(target=_read, args=(self.process.stdout, self.output), daemon=True),
            threading.Thread(target=_read, args=(self.process.stderr, self.notes), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        address = wait_for(
            lambda: "".join(self.output[:1]).strip(),
            f"dev to be up: {self.notes}",
            PATIENCE * 2,
        )
        self.url = re.sub(r"/index\.html$", "", address)
        return self

    def replace(self, name: str, old: str, new: str) -> None:
        """Replaces a text in a file in one step, as many editors do when they save: one build
        follows."""
        path = self.root / name
        text = path.read_text()
        assert old in text, name
        changed = self.root / "saved"
        changed.write_text(text.replace(old, new, 1))
        changed.replace(path)

    def stop(self) -> int:
        """Presses Ctrl-C, and returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.process.poll() is None:
            self.stop()


def _read(stream: IO[str], lines: list[str]) -> None:
    with stream:
        lines.extend(iter(stream.readline, ""))
