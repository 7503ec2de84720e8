"""The file that a collector has opened, and whether it is still the one at its path.

SQLite goes on writing to a file that was removed or renamed, as every program does, and what is
written there is gone when the program ends.
"""

from dataclasses import dataclass
from pathlib import Path

from .errors import ReplacedDatabase


@dataclass(frozen=True)
class DatabaseFile:
    """A database file by its path, and by what the file system knows it as."""

    path: Path
    device: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> "DatabaseFile":
        """The file that is at a path now. Raises OSError if there is none."""
        found = path.stat()
        return cls(path, found.st_dev, found.st_ino)

    def require(self) -> None:
        """Raises ReplacedDatabase if it is no longer at its path. Takes two microseconds."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise ReplacedDatabase(self.path, f"cannot be found ({error.strerror})") from error
        if (found.st_dev, found.st_ino) != (self.device, self.inode):
            raise ReplacedDatabase(self.path, "was replaced by another file")
