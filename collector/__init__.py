"""The ThamesThrive collector: receives events, and answers when they are on disk.

Usable as a library: `create_app(Settings(db=Path("thamesthrive.db")))` gives the Sanic app,
`collector.store` reads and administers a database without a server.
"""

from functools import lru_cache
from typing import Any


@lru_cache
def _version() -> str:
    # Reading it takes a tenth of the time in which a small command is done, so it is read when it
    # is asked for.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("thamesthrive")
    except PackageNotFoundError:  # a source tree that is not installed
        return "0.0.0"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
