"""The Jinja environment: everything is escaped, and a name that does not exist is an error."""

from functools import lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .. import paths


@lru_cache
def environment() -> Environment:
    """Templates of this project."""
    return Environment(
        loader=FileSystemLoader(paths.TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
