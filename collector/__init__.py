"""The ThamesThrive collector: receives events, and answers when they are on disk.

Usable as a library: `with collector.running(Settings(db=Path("events.db"), port=0)) as c` runs one
and gives its address (`c.url`); `collector.store` reads and administers a database without one.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .embedded import Running as Running
    from .embedded import running as running
    from .settings import Settings as Settings

    __version__: str

_EXPORTS = {"running": "embedded", "Running": "embedded", "Settings": "settings"}


@lru_cache
def _version() -> str:
    # Reading it takes a tenth of the time of a small command, so it is read when it is asked for.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("thamesthrive")
    except PackageNotFoundError:  # a source tree that is not installed
        return "0.0.0"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _EXPORTS:
        # Imported when they are asked for, so that short commands stay short.
        from importlib import import_module

        return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
