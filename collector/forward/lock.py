"""One process at a time for a destination: two would send everything twice, and each move the other's
cursor."""

import contextlib
import fcntl
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

RETRY = 1.0  # seconds


def _lock_path(database: Path, name: str) -> Path:
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return database.with_name(f"{database.name}-forward-{digest}.lock")


@contextlib.contextmanager
def lock_destination(
    database: Path, name: str, wait: Callable[[float], bool] = lambda _: True
) -> Iterator[bool]:
    """Holds the lock inside. Gives whether it was had: if another process has it, `wait` is called
    with the seconds until the next try, and says whether to give up. It ends with the process, however
    that ends."""
    path = _lock_path(database, name)
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if wait(RETRY):
                    yield False
                    return
            else:
                yield True
                return
