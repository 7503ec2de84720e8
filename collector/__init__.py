"""The ThamesThrive collector: receives events, and answers when they are on disk.

Usable as a library: `create_app(Settings(db=Path("thamesthrive.db")))` gives the Sanic app, `collector.store` reads and
administers a database without a server.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("thamesthrive")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0.0.0"
