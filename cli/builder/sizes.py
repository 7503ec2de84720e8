"""What the scripts of a page weigh once they are minified and compressed with brotli."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .bundle import BUDGETS, FEATURES, as_statement, builds_alone, run_esbuild, run_terser


def feature_sizes(js: Path) -> dict[str, int]:
    """Returns the bytes (brotli) that each feature adds to the scripts of a page, measured by
    leaving it out."""
    names = ["tracker", "page"]
    with _folder(js, "dist.sizes") as out:
        whole = sum(_sizes(js, out, names, [*FEATURES]).values())
        return {
            name: whole - sum(_sizes(js, out, names, [f for f in FEATURES if f != name]).values())
            for name in FEATURES
        }


def shipped_sizes(js: Path) -> dict[str, int]:
    """Returns the bytes (brotli) of each file that has a budget, as a build would make it.

    Raises Missing without esbuild or terser, BuildError for a mistake in the sources.
    """
    with _folder(js, "dist.shipped") as out:
        return _sizes(js, out, [name.partition(".")[0] for name in BUDGETS], [*FEATURES])


def describe_sizes(sizes: Mapping[str, int], before: Mapping[str, int]) -> str:
    """The size of each file, with its change since `before`, and its budget if that is passed:
    `loader.min.js 600 B (+0), tracker.min.js 4210 B (+11, 10 over its budget)`."""
    return ", ".join(
        f"{name} {size} B ({size - before.get(name, size):+d}{_excess(name, size)})"
        for name, size in sizes.items()
    )


def _excess(name: str, size: int) -> str:
    over = size - BUDGETS.get(name, size)
    return f", {over} over its budget" if over > 0 else ""


@contextmanager
def _folder(js: Path, name: str) -> Iterator[Path]:
    folder = js / name
    with builds_alone(js):
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _sizes(js: Path, out: Path, names: list[str], features: list[str]) -> dict[str, int]:
    import brotli

    scripts = [out / f"{name}.min.js" for name in names]
    run_esbuild(js, names, out, features)
    run_terser(scripts)
    if "loader" in names:
        as_statement(out / "loader.min.js")
    return {script.name: len(brotli.compress(script.read_bytes())) for script in scripts}
