"""The tracker's bundle: esbuild and terser, pinned in js/package-lock.json, then sizes, hashes and
a manifest."""

import base64
import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import BuildError, Missing, Usage

BUDGETS = {"loader.min.js": 600, "tracker.min.js": 4096}  # bytes, brotli
FEATURES = {
    "consent": "tracker.consent and settings.consent",
    "debug": "settings.debug and #thamesthrive-debug",
    "extras": "context.performance, storage, cookies and location",
    "links": "settings.trackExternalLinks",
    "triggers": "auto.triggers",
    "ux": "settings.allowUx",
    "views": "settings.pageViews",
}
"""What a build may leave out, and what it is."""

SCRIPTS = {
    "loader": "loader.ts",
    "tracker": "tracker.ts",
    "page": "page-entry.ts",
    "debug": "debug-entry.ts",
}
MODULE, TYPES = "tracker.mjs", "tracker.d.ts"
SITE = (
    "site",
    "search",
    "live",
    "test-watch",
    "test-page",
    "test-index",
)  # scripts of the documentation, beside the bundle
ESBUILD = "@esbuild/{machine}/bin/esbuild"
_ARROW, _FUNCTION = ("(()=>{", "})();"), ("!function(){", "}();")
_FLAGS = (
    "--bundle",
    "--minify",
    "--target=es2021",
    "--sourcemap=external",
    "--tsconfig-raw={}",
    "--mangle-props=_$",
    "--log-level=warning",
)


@dataclass(frozen=True)
class BuiltFile:
    """One file of the bundle. Sizes in bytes; `budget` is for brotli; `integrity` as in a script
    tag."""

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
    features: list[str]

    def as_dict(self) -> dict[str, Any]:
        """The manifest: files by name."""
        files = {f.name: {k: v for k, v in asdict(f).items() if k != "name"} for f in self.files}
        return {"features": self.features, "files": files}


def tool(js: Path, path: str) -> str:
    """A tool's own executable for this machine. npm's shim around it needs Node and costs 90 ms a
    call. Raises Missing."""
    system = platform.system().lower()
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    executable = js.resolve() / "node_modules" / path.format(machine=f"{system}-{machine}")
    if not executable.is_file():
        raise Missing(f"{executable.name} is not installed. Run: npm ci --prefix {js}")
    return str(executable)


def check_features(names: Iterable[str]) -> list[str]:
    """The names in order, each once. Raises Usage for one that is none."""
    wanted = set(names)
    if unknown := wanted - set(FEATURES):
        raise Usage(
            f"There is no feature {sorted(unknown)[0]!r}. There are: {', '.join(FEATURES)}."
        )
    return sorted(wanted)


def build_bundle(
    js: Path, features: Iterable[str] = tuple(FEATURES), *, types: bool = True
) -> Bundle:
    """`js/src` → `js/dist`: loader, tracker and the parts it loads on demand, a copy named by its
    content, the module and its types, source maps, compressed copies, the manifest. Without `types`
    the declarations stay as they were.

    The folder is exchanged as a whole. Raises Missing without esbuild, Usage for an unknown
    feature, BuildError for a mistake in the sources or a file over its budget.
    """
    wanted = check_features(features)
    fresh, dist = js / "dist.new", js / "dist"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    _run_esbuild(js, [*SCRIPTS], fresh, wanted)
    _run_module(js, fresh / MODULE, wanted)
    _run_terser(path for path in sorted(fresh.iterdir()) if path.suffix != ".map")
    _as_statement(fresh / "loader.min.js")
    tracker = (fresh / "tracker.min.js").read_bytes()
    hashed = f"tracker.{hashlib.sha256(tracker).hexdigest()[:12]}.min.js"
    (fresh / hashed).write_bytes(tracker)
    files = [_measure(path, immutable=path.name == hashed) for path in sorted(fresh.iterdir())]
    bundle = Bundle(dist, files, wanted)
    _esbuild(
        js,
        [
            *(f"site/{name}.ts" for name in SITE),
            f"--outdir={fresh.name}/site",
            "--format=iife",
            "--sourcemap=linked",
        ],
        wanted,
    )
    (fresh / "manifest.json").write_text(
        json.dumps(bundle.as_dict(), indent=2) + "\n", encoding="utf-8"
    )
    if types:
        (fresh / TYPES).write_text(_declarations(js), encoding="utf-8")
    elif (dist / TYPES).exists():
        shutil.copy(dist / TYPES, fresh / TYPES)
    shutil.rmtree(dist, ignore_errors=True)
    fresh.rename(dist)
    for file in files:
        if file.budget and file.brotli > file.budget:
            raise BuildError(
                f"{dist / file.name} is {file.brotli} bytes (brotli), its budget is {file.budget}: take something out."
            )
    return bundle


def feature_sizes(js: Path) -> dict[str, int]:
    """Bytes (brotli) that each feature adds to the scripts that a page may load, measured by
    leaving it out."""
    out = js / "dist.sizes"
    out.mkdir(exist_ok=True)
    try:
        whole = _size(js, out, list(FEATURES))
        return {
            name: whole - _size(js, out, [other for other in FEATURES if other != name])
            for name in FEATURES
        }
    finally:
        shutil.rmtree(out)


def _size(js: Path, out: Path, features: list[str]) -> int:
    import brotli

    names = ["tracker", "page"]
    scripts = [out / f"{name}.min.js" for name in names]
    _run_esbuild(js, names, out, features)
    _run_terser(scripts)
    return sum(len(brotli.compress(script.read_bytes())) for script in scripts)


def _run_esbuild(js: Path, names: list[str], out: Path, features: list[str]) -> None:
    entries = [f"{name}=src/{SCRIPTS[name]}" for name in names]
    _esbuild(
        js,
        [
            *entries,
            f"--outdir={out.relative_to(js)}",
            "--out-extension:.js=.min.js",
            "--format=iife",
        ],
        features,
    )


def _run_module(js: Path, out: Path, features: list[str]) -> None:
    _esbuild(js, ["src/module.ts", f"--outfile={out.relative_to(js)}", "--format=esm"], features)


def _esbuild(js: Path, arguments: list[str], features: list[str]) -> None:
    defines = [
        f"--define:WITH_{name.upper()}={'true' if name in features else 'false'}"
        for name in FEATURES
    ]
    command = [tool(js, ESBUILD), *arguments, *_FLAGS, *defines]
    done = subprocess.run(command, cwd=js, capture_output=True, text=True, check=False)
    if done.returncode:
        # esbuild names the file relative to js/ and draws the line: people want both from here.
        raise BuildError(re.sub(r"(?m)^( +)(src/)", rf"\1{js.name}/\2", done.stderr.strip()))


def _run_terser(scripts: Iterable[Path]) -> None:
    """Replaces scripts and their source maps by what terser makes of them: see `js/minify.mjs`.
    Raises Missing, or BuildError with terser's words."""
    # The Makefile installs Node beside Python where the machine has none.
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if not node:
        raise Missing("Node is not installed. Install Node 20 or later.")
    if not (paths.JS / "node_modules" / "terser").is_dir():
        raise Missing(f"terser is not installed. Run: npm ci --prefix {paths.JS}")
    command = [node, str(paths.JS / "minify.mjs"), *map(str, scripts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(done.stderr.strip())


def _declarations(js: Path) -> str:
    """The module's types in one file. Raises BuildError with the compiler's words."""
    out = js / "dist.types"
    compiler = js.resolve() / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        raise Missing(f"TypeScript is not installed. Run: npm ci --prefix {js}")
    command = [
        str(compiler),
        "-p",
        ".",
        "--noEmit",
        "false",
        "--emitDeclarationOnly",
        "--declaration",
        "--rootDir",
        ".",
        "--outDir",
        out.name,
    ]
    try:
        done = subprocess.run(command, cwd=js, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(done.stdout.strip())
        types, module = (
            (out / "src" / f"{name}.d.ts").read_text(encoding="utf-8")
            for name in ("types", "module")
        )
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return types + re.sub(r"(?m)^(import|export type \*) .*\n", "", module)


def _as_statement(loader: Path) -> None:
    """`(()=>{…})()` → `!function(){…}()`: the loader shares a script with `options`, and must not
    need a semicolon before it."""
    text = loader.read_text(encoding="utf-8").strip()
    head, tail = _ARROW
    if not (text.startswith(head) and text.endswith(tail)) or "\n" in text:
        raise BuildError(
            f"{loader}: terser's output has another shape than expected, see _as_statement."
        )
    loader.write_text(
        _FUNCTION[0] + text.removeprefix(head).removesuffix(tail) + _FUNCTION[1], encoding="utf-8"
    )
    source_map = loader.with_name(loader.name + ".map")
    mapping = json.loads(source_map.read_text(encoding="utf-8"))
    # The first mapping's column moves by the longer head; all others are relative to it.
    mapping["mappings"] = _vlq(len(_FUNCTION[0])) + mapping["mappings"].removeprefix(
        _vlq(len(head))
    )
    source_map.write_text(json.dumps(mapping), encoding="utf-8")


def _vlq(column: int) -> str:
    """A column below 16 as a source map writes it."""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[column << 1]


def _measure(path: Path, *, immutable: bool) -> BuiltFile:
    import gzip

    import brotli

    content = path.read_bytes()
    # A source map is large and seldom fetched: the best compression is not worth its time.
    zipped, squeezed = (
        gzip.compress(content, 9, mtime=0),
        brotli.compress(content, quality=5 if path.suffix == ".map" else 11),
    )
    path.with_name(path.name + ".gz").write_bytes(zipped)
    path.with_name(path.name + ".br").write_bytes(squeezed)
    integrity = "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
    return BuiltFile(
        path.name,
        len(content),
        len(zipped),
        len(squeezed),
        integrity,
        immutable,
        BUDGETS.get(path.name),
    )
