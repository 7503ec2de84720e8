"""The TypeScript compiler: the module's declarations, and mistakes in types, which esbuild does not
look at."""

import re
import shutil
import subprocess
from pathlib import Path

from ..errors import BuildError, Missing


def declarations(js: Path) -> str:
    """Returns the module's types as one file. Raises Missing without the compiler, BuildError with
    its messages."""
    out = js / "dist.types"
    options = ["--noEmit", "false", "--emitDeclarationOnly", "--declaration"]
    try:
        _compile(js, *options, "--rootDir", ".", "--outDir", out.name)
        types, module = (
            (out / "src" / f"{name}.d.ts").read_text(encoding="utf-8")
            for name in ("types", "module")
        )
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return types + re.sub(r"(?m)^(import|export type \*) .*\n", "", module)


def check_types(js: Path) -> None:
    """Raises Missing without the compiler, BuildError with a line for each mistake."""
    _compile(js)


def _compile(js: Path, *options: str) -> None:
    compiler = js.resolve() / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        raise Missing(f"TypeScript is not installed. Run: npm ci --prefix {js}")
    command = [str(compiler), "-p", ".", "--pretty", "false", *options]
    done = subprocess.run(command, cwd=js, capture_output=True, text=True, check=False)
    if done.returncode:
        # "src/queue.ts(3,7): error TS2322: …": as a path that editors and terminals open.
        place = rf"{js.name}/\1:\2:\3"
        raise BuildError(re.sub(r"(?m)^(\S+)\((\d+),(\d+)\)", place, done.stdout.strip()))
