"""The tracker's bundle: esbuild's executable, pinned in js/package-lock.json, then sizes, hashes and a manifest."""

import base64
import gzip
import hashlib
import json
import platform
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import brotli

from ..errors import BuildError, Missing

BUDGETS = {"loader.min.js": 600, "tracker.min.js": 4096}  # bytes, brotli
_ARROW, _FUNCTION = ("(()=>{", "})();"), ("!function(){", "}();")
_FLAGS = (
    "--bundle",
    "--minify",
    "--format=iife",
    "--target=es2020",
    "--sourcemap=external",
    "--tsconfig-raw={}",
    "--log-level=warning",
)


@dataclass(frozen=True)
class BuiltFile:
    """One file of the bundle. Sizes in bytes; `budget` is for brotli; `integrity` as in a script tag."""

    name: str
    raw: int
    gzip: int
    brotli: int
    integrity: str
    immutable: bool
    budget: int | None


@dataclass(frozen=True)
class Bundle:
    """What a build has made."""

    folder: Path
    files: list[BuiltFile]

    def as_dict(self) -> dict[str, Any]:
        """The manifest: files by name."""
        return {"files": {f.name: {k: v for k, v in asdict(f).items() if k != "name"} for f in self.files}}


def esbuild(js: Path) -> Path:
    """esbuild's own executable for this machine. npm's shim around it would cost 90 ms a call. Raises Missing."""
    system = platform.system().lower()
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    executable = js / "node_modules" / "@esbuild" / f"{system}-{machine}" / "bin" / "esbuild"
    if not executable.is_file():
        raise Missing(f"esbuild is not installed. Run: npm ci --prefix {js}")
    return executable


def build_bundle(js: Path) -> Bundle:
    """`js/src` → `js/dist`: loader, tracker, a copy named by its content, source maps, compressed copies, the manifest.

    The folder is exchanged as a whole. Raises Missing without esbuild, BuildError for a mistake in the sources or a file
    over its budget.
    """
    fresh, dist = js / "dist.new", js / "dist"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name in ("loader", "tracker"):
        _run_esbuild(js, name, fresh)
    _as_statement(fresh / "loader.min.js")
    tracker = (fresh / "tracker.min.js").read_bytes()
    hashed = f"tracker.{hashlib.sha256(tracker).hexdigest()[:12]}.min.js"
    (fresh / hashed).write_bytes(tracker)
    files = [_measure(path, immutable=path.name == hashed) for path in sorted(fresh.iterdir())]
    bundle = Bundle(dist, files)
    (fresh / "manifest.json").write_text(json.dumps(bundle.as_dict(), indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(dist, ignore_errors=True)
    fresh.rename(dist)
    for file in files:
        if file.budget and file.brotli > file.budget:
            raise BuildError(
                f"{dist / file.name} is {file.brotli} bytes (brotli), its budget is {file.budget}: take something out."
            )
    return bundle


def _run_esbuild(js: Path, name: str, out: Path) -> None:
    command = [str(esbuild(js)), f"src/{name}.ts", f"--outfile={out.name}/{name}.min.js", *_FLAGS]
    done = subprocess.run(command, cwd=js, capture_output=True, text=True, check=False)
    if done.returncode:
        # esbuild names the file relative to js/ and draws the line: people want both from here.
        raise BuildError(re.sub(r"(?m)^( +)(src/)", rf"\1{js.name}/\2", done.stderr.strip()))


def _as_statement(loader: Path) -> None:
    """`(()=>{…})()` → `!function(){…}()`: the loader shares a script with `options`, and must not need a semicolon before it."""
    text = loader.read_text(encoding="utf-8").strip()
    head, tail = _ARROW
    if not (text.startswith(head) and text.endswith(tail)) or "\n" in text:
        raise BuildError(f"{loader}: esbuild's output has another shape than expected, see _as_statement.")
    loader.write_text(_FUNCTION[0] + text.removeprefix(head).removesuffix(tail) + _FUNCTION[1], encoding="utf-8")
    source_map = loader.with_name(loader.name + ".map")
    facts = json.loads(source_map.read_text(encoding="utf-8"))
    # The first mapping's column moves by the longer head; all others are relative to it.
    facts["mappings"] = _vlq(len(_FUNCTION[0])) + facts["mappings"].removeprefix(_vlq(len(head)))
    source_map.write_text(json.dumps(facts), encoding="utf-8")


def _vlq(column: int) -> str:
    """A column below 16 as a source map writes it."""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[column << 1]


def _measure(path: Path, *, immutable: bool) -> BuiltFile:
    content = path.read_bytes()
    zipped, squeezed = gzip.compress(content, 9, mtime=0), brotli.compress(content)
    path.with_name(path.name + ".gz").write_bytes(zipped)
    path.with_name(path.name + ".br").write_bytes(squeezed)
    integrity = "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
    return BuiltFile(path.name, len(content), len(zipped), len(squeezed), integrity, immutable, BUDGETS.get(path.name))
