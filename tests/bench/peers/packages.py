"""Installs the other trackers into build/, and bundles each with what makes it ours to call."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

from ...support import ROOT

FOLDER = ROOT / "build" / "storm-peers"
HERE = Path(__file__).parent
ESBUILD = ROOT / "js" / "node_modules" / ".bin" / "esbuild"
# Umami's package is its server, with hundreds of dependencies. Its script needs none of them.
UMAMI = "2.10.0"
UMAMI_INTEGRITY = "sha512-+lmrnV0751R6U2rkIgVAlE1nWI7yZawlMlJDguW9tlFacCKhnGeCyc7tCMIhNNYIiGIQy4DEX5IzJhm4b3+dPA=="
UMAMI_FILES = ("package/package.json", "package/src/tracker/index.js", "package/LICENSE")


def install() -> None:
    """`npm ci`, if what is installed is not what is locked."""
    lock = (HERE / "package-lock.json").read_bytes()
    marker = FOLDER / ".installed"
    if marker.is_file() and marker.read_bytes() == lock + UMAMI.encode():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        (FOLDER / name).write_bytes((HERE / name).read_bytes())
    _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    _unpack_umami()
    marker.write_bytes(lock + UMAMI.encode())


def _unpack_umami() -> None:
    (packed,) = json.loads(_npm("pack", f"umami@{UMAMI}", "--json", "--silent"))
    if packed["integrity"] != UMAMI_INTEGRITY:
        raise SystemExit(f"umami {UMAMI} is not the package that was measured: see {__file__}")
    archive = FOLDER / packed["filename"]
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as files:
        for name in UMAMI_FILES:
            found = files.extractfile(name)
            assert found, name
            target = FOLDER / "node_modules" / "umami" / Path(name).relative_to("package")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(found.read())
    archive.unlink()


def _npm(*arguments: str) -> str:
    done = subprocess.run(
        ["npm", *arguments], cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"npm {arguments[0]} failed: see above")
    return done.stdout


def version(package: str) -> str:
    """The installed version of a package."""
    found = json.loads((FOLDER / "node_modules" / package / "package.json").read_text())
    return str(found["version"])


def bundle(key: str) -> str:
    """A tracker and its page's part of it, as one script for a browser."""
    done = subprocess.run(
        [
            ESBUILD,
            "--bundle",
            "--format=iife",
            "--platform=browser",
            "--minify",
            '--define:process.env.NODE_ENV="production"',
            "--log-level=error",
            f"--sourcefile={key}.js",
        ],
        # From standard input, so that packages are looked for where they are.
        input=(HERE / "pages" / f"{key}.js").read_bytes(),
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout.decode()
