"""The Jinja environment: everything is escaped, and a name that does not exist is an error."""

import re
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from jinja2 import (
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
)

from .. import paths
from ..errors import BuildError, Problem
from .fingerprint import fingerprint_of

_USES = re.compile(r"{%-?\s*(?:extends|include|import|from)\s+[\"']([^\"']+)")


@lru_cache
def environment(folder: Path = paths.TEMPLATES) -> Environment:
    """Templates of this project."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_compiled(),
    )


def _compiled() -> FileSystemBytecodeCache | None:
    """Templates are compiled once for each of their versions, not once for each build."""
    if not paths.COMPILED:
        return None
    paths.COMPILED.mkdir(parents=True, exist_ok=True)
    return FileSystemBytecodeCache(str(paths.COMPILED))


def digests(folder: Path) -> dict[str, str]:
    """Each template's name → a digest of it and of all that it uses."""
    texts = {
        path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()
    }
    uses = {
        name: [other for other in _USES.findall(text) if other in texts]
        for name, text in texts.items()
    }

    def closure(name: str, seen: tuple[str, ...] = ()) -> set[str]:
        return {name}.union(
            *(closure(other, (*seen, name)) for other in uses[name] if other not in seen)
        )

    return {
        name: fingerprint_of(*(texts[other] for other in sorted(closure(name)))) for name in texts
    }


def explain(error: TemplateError, path: Path, folder: Path, offset: int = 0) -> NoReturn:
    """Raises BuildError with the place where a template went wrong: `path` itself, or the template
    in `folder` that it uses."""
    if isinstance(error, TemplateSyntaxError):
        place, line = Path(error.filename) if error.filename else path, error.lineno
    else:
        place, line = path, 1
        trace = error.__traceback__
        while trace:
            name = trace.tb_frame.f_code.co_filename
            if name == "<template>" or name.startswith(str(folder)):
                place, line = path if name == "<template>" else Path(name), trace.tb_lineno
            trace = trace.tb_next
    line += offset if place == path else 0
    raise BuildError(
        Problem(place, line, f"{error}. Correct the template, or pass it that value.")
    ) from error
