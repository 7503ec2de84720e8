"""The tracker's bundle: esbuild and terser, pinned in js/package-lock.json, then sizes, hashes and
a manifest."""

import base64
import fcntl
import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from collector.alias import parse_aliases
from collector.aliased_bundle import FOLDER, FORMER, aliased_files
from collector.errors import SettingsError

from .. import paths
from ..errors import BuildError, Missing, Usage
from . import consent_script, console_files
from .typescript import declarations

BUDGETS = {"loader.min.js": 600, "tracker.min.js": 4200, "page.min.js": 1100}  # bytes, brotli
FEATURES = {
    "consent": "tracker.consent and settings.consent",
    "debug": "settings.debug and #thamesthrive-debug",
    "extras": "context.performance, storage, cookies and location",
    "links": "settings.trackExternalLinks",
    "triggers": "auto.triggers",
    "ux": "settings.allowUx",
    "views": "settings.pageViews",
}
"""What a build may leave out, with a description."""

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
    "--minify-syntax",
    "--minify-whitespace",
    "--target=es2021",
    "--sourcemap=external",
    "--tsconfig-raw={}",
    "--mangle-props=_$",
    "--log-level=warning",
)


@dataclass(frozen=True)
class BuiltFile:
    """One file of the bundle. Sizes are in bytes; `budget` is for brotli; `integrity` is the
    attribute of a script tag."""

    name: str
    raw: int
    gzip: int
    brotli: int
    integrity: str
    immutable: bool
    budget: int | None


@dataclass(frozen=True)
class Bundle:
    """The result of a build: the folder, its files, and the features in them."""

    folder: Path
    files: list[BuiltFile]
    features: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Returns the manifest: files by name."""
        files = {f.name: {k: v for k, v in asdict(f).items() if k != "name"} for f in self.files}
        return {"features": self.features, "files": files}


def find_executable(js: Path, package_path: str) -> str:
    """Returns the executable in an npm package for this machine. Raises Missing.

    npm's wrapper around it needs Node and takes 90 ms more.
    """
    system, processor = platform.system().lower(), platform.machine().lower()
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(processor, processor)
    package_path = package_path.format(machine=f"{system}-{machine}")
    executable = js.resolve() / "node_modules" / package_path
    if not executable.is_file():
        raise Missing(f"{executable.name} is not installed. Run: npm ci --prefix {js}")
    return str(executable)


def check_features(names: Iterable[str]) -> list[str]:
    """Returns the names sorted, without duplicates. Raises Usage for an unknown one."""
    wanted = set(names)
    if unknown := wanted - set(FEATURES):
        names = ", ".join(FEATURES)
        raise Usage(f"Unknown feature {sorted(unknown)[0]!r}. Use: {names}.")
    return sorted(wanted)


def build_bundle(
    js: Path,
    features: Iterable[str] = tuple(FEATURES),
    *,
    types: bool = True,
    smallest: bool = True,
) -> Bundle:
    """Builds `js/src` into `js/dist`.

    That is the loader, the tracker, the chunks it loads on demand, a copy of the tracker named by
    its hash, the module and its types, source maps, compressed copies, the manifest, and the
    scripts of the site. Without `types`, the declarations of the last build are kept. Without
    `smallest`, terser does not run, and the budgets do not apply: half a second less.

    The folder is replaced as a whole. Raises Missing without esbuild or terser, Usage for an
    unknown feature, BuildError for a mistake in the sources or a file over its budget.
    """
    wanted = check_features(features)
    with builds_alone(js):
        bundle = _build(js, wanted, types=types, smallest=smallest)
    if smallest:
        _check_budgets(bundle)
    return bundle


@contextmanager
def builds_alone(js: Path) -> Iterator[None]:
    """Waits for other builds of these sources, as of `thamesthrive dev`, which use the same
    folders."""
    with (js / "dist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however it ends
        yield


def _build(js: Path, wanted: list[str], *, types: bool, smallest: bool) -> Bundle:
    staging, dist = js / "dist.new", js / "dist"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    files = _build_tracker(js, staging, wanted, smallest=smallest)
    bundle = Bundle(dist, files, wanted)
    _esbuild(
        js,
        [
            *(f"site/{name}.ts" for name in SITE),
            f"--outdir={staging.name}/site",
            "--format=iife",
            "--sourcemap=linked",
        ],
        wanted,
    )
    _run(js, console_files.arguments_of(staging.name))
    console_files.finish(staging)
    _run(js, consent_script.arguments_of(js, staging.name))
    manifest = json.dumps(bundle.as_dict(), indent=2) + "\n"
    (staging / "manifest.json").write_text(manifest, encoding="utf-8")
    if types:
        (staging / TYPES).write_text(declarations(js), encoding="utf-8")
    elif (dist / TYPES).exists():
        shutil.copy(dist / TYPES, staging / TYPES)
    shutil.rmtree(dist, ignore_errors=True)
    staging.rename(dist)
    _check_names(dist)
    return bundle


def _build_tracker(js: Path, out: Path, features: list[str], *, smallest: bool) -> list[BuiltFile]:
    run_esbuild(js, [*SCRIPTS], out, features)
    _run_module(js, out / MODULE, features)
    # The collector makes the files of an alias of these: see collector/aliased_bundle.py.
    renamed = out / FOLDER
    renamed.mkdir()
    run_esbuild(js, ["tracker"], renamed, features, former=FORMER)
    _run_module(js, renamed / MODULE, features, former=FORMER)
    if smallest:
        run_terser(path for path in sorted(out.rglob("*.*js")) if path.is_file())
    as_statement(out / "loader.min.js")
    tracker = (out / "tracker.min.js").read_bytes()
    hashed = f"tracker.{hashlib.sha256(tracker).hexdigest()[:12]}.min.js"
    (out / hashed).write_bytes(tracker)
    built = sorted(path for path in out.iterdir() if path.is_file())
    return [_measure(path, immutable=path.name == hashed) for path in built]


def _check_names(dist: Path) -> None:
    """Raises BuildError if a script has not its names as the collector looks for them."""
    (alias,) = parse_aliases("/a/{app.js,hello}")
    try:
        aliased_files(dist, alias, ())
    except SettingsError as error:
        raise BuildError(
            f"{error} If that does not help, adapt collector/aliased_bundle.py to the new code."
        ) from error


def _check_budgets(bundle: Bundle) -> None:
    for file in bundle.files:
        if file.budget and file.brotli > file.budget:
            path = bundle.folder / file.name
            raise BuildError(
                f"{path} is {file.brotli} bytes (brotli), its budget is {file.budget}."
                " Remove something."
            )


def run_esbuild(
    js: Path, names: list[str], out: Path, features: list[str], *, former: str = ""
) -> None:
    """Bundles scripts of SCRIPTS into a folder in `js`. Raises Missing, or BuildError with
    esbuild's words."""
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
        former,
    )


def _run_module(js: Path, out: Path, features: list[str], *, former: str = "") -> None:
    arguments = ["src/module.ts", f"--outfile={out.relative_to(js)}", "--format=esm"]
    _esbuild(js, arguments, features, former)


def _esbuild(js: Path, arguments: list[str], features: list[str], former: str = "") -> None:
    defines = [
        f"--define:WITH_{name.upper()}={'true' if name in features else 'false'}"
        for name in FEATURES
    ]
    defines.append(f"--define:FORMER={json.dumps(former)}")
    _run(js, [*arguments, *_FLAGS, *defines])


def _run(js: Path, arguments: list[str]) -> None:
    command = [find_executable(js, ESBUILD), *arguments]
    done = subprocess.run(command, cwd=js, capture_output=True, text=True, check=False)
    if done.returncode:
        # esbuild's paths are relative to js/; those in the message are relative to its parent.
        raise BuildError(re.sub(r"(?m)^( +)(src/)", rf"\1{js.name}/\2", done.stderr.strip()))


def run_terser(scripts: Iterable[Path]) -> None:
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


def as_statement(loader: Path) -> None:
    """Rewrites `(()=>{…})()` as `!function(){…}()`: the loader shares a script element with
    `options`, and must work without a semicolon between them."""
    text = loader.read_text(encoding="utf-8").strip()
    head, tail = _ARROW
    if not (text.startswith(head) and text.endswith(tail)) or "\n" in text:
        raise BuildError(f"{loader}: terser's output is not {head}…{tail}. Adapt as_statement.")
    loader.write_text(
        _FUNCTION[0] + text.removeprefix(head).removesuffix(tail) + _FUNCTION[1], encoding="utf-8"
    )
    source_map = loader.with_name(loader.name + ".map")
    content = json.loads(source_map.read_text(encoding="utf-8"))
    # The first mapping's column moves by the longer head; all others are relative to it.
    mappings = content["mappings"].removeprefix(_vlq(len(head)))
    content["mappings"] = _vlq(len(_FUNCTION[0])) + mappings
    source_map.write_text(json.dumps(content), encoding="utf-8")


def _vlq(column: int) -> str:
    """Encodes a column below 16 as source maps do (base64 VLQ)."""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[column << 1]


def _measure(path: Path, *, immutable: bool) -> BuiltFile:
    import gzip

    import brotli

    content = path.read_bytes()
    # Source maps are large and seldom fetched: the best compression takes too long for them.
    quality = 5 if path.suffix == ".map" else 11
    gzipped = gzip.compress(content, 9, mtime=0)
    brotlied = brotli.compress(content, quality=quality)
    path.with_name(path.name + ".gz").write_bytes(gzipped)
    path.with_name(path.name + ".br").write_bytes(brotlied)
    integrity = "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
    return BuiltFile(
        path.name,
        len(content),
        len(gzipped),
        len(brotlied),
        integrity,
        immutable,
        BUDGETS.get(path.name),
    )
