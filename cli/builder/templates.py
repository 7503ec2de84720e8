"""The Jinja environment of the templates. Values are escaped, and an undefined name is an error."""

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
def template_environment() -> Environment:
    """Returns the Jinja environment of the project's templates."""
    return Environment(
        loader=FileSystemLoader(paths.TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_bytecode_cache(),
    )


def _bytecode_cache() -> FileSystemBytecodeCache | None:
    """Keeps compiled templates between builds."""
    if not paths.COMPILED:
        return None
    paths.COMPILED.mkdir(parents=True, exist_ok=True)
    return FileSystemBytecodeCache(str(paths.COMPILED))


def template_fingerprints(folder: Path) -> dict[str, str]:
    """Returns a fingerprint for each template of a folder, which covers the templates it uses."""
    texts = {
        path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()
    }
    uses = {
        name: [other for other in _USES.findall(text) if other in texts]
        for name, text in texts.items()
    }

    def with_used(name: str, seen: tuple[str, ...] = ()) -> set[str]:
        inner = (with_used(other, (*seen, name)) for other in uses[name] if other not in seen)
        return {name}.union(*inner)

    return {
        name: fingerprint_of(*(texts[used] for used in sorted(with_used(name)))) for name in texts
    }


def raise_template_error(
    error: TemplateError, path: Path, folder: Path, body_offset: int = 0
) -> NoReturn:
    """Raises BuildError with the file and line of a template's mistake.

    The file is `path`, whose template starts after `body_offset` lines, or a template in `folder`
    that it uses.
    """
    if isinstance(error, TemplateSyntaxError):
        file, line = Path(error.filename) if error.filename else path, error.lineno
    else:
        file, line = path, 1
        trace = error.__traceback__
        while trace:
            name = trace.tb_frame.f_code.co_filename
            if name == "<template>":
                file, line = path, trace.tb_lineno
            elif name.startswith(str(folder)):
                file, line = Path(name), trace.tb_lineno
            trace = trace.tb_next
    line += body_offset if file == path else 0
    message = f"{error}. Fix the template, or pass it that value."
    raise BuildError(Problem(file, line, message)) from error
