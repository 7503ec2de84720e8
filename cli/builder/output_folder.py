"""Writing a site so that readers see the old one or the new one: into a folder beside it, and over
when nothing went wrong."""

import os
import shutil
from pathlib import Path


class OutputFolder:
    """The files of a site. What is not written and not kept is removed at the end."""

    def __init__(self, out: Path, *, cold: bool) -> None:
        """`cold`: everything will be written, and takes the old folder's place as a whole."""
        self.out = out
        self.cold = cold or not out.is_dir()
        self._fresh = out.with_name(out.name + ".new")
        shutil.rmtree(self._fresh, ignore_errors=True)
        self._fresh.mkdir(parents=True)
        self._folders = {""}
        self.there = set() if self.cold else {str(path.relative_to(out)) for path in _files(out)}
        self.written: list[str] = []
        self._kept: set[str] = set()

    def write(self, url: str, content: str | bytes) -> None:
        """A file of the new site."""
        self.make_room(url)
        self.put(url, content)
        self.note(url)

    def make_room(self, url: str) -> None:
        """The folder for a file."""
        folder = url.rpartition("/")[0]
        if folder not in self._folders:
            (self._fresh / folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)

    def put(self, url: str, content: str | bytes) -> None:
        """Writes a file for which there is room; `note` says so later. Several processes may do
        this at once."""
        data = content.encode() if isinstance(content, str) else content
        with (self._fresh / url).open("wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def note(self, url: str) -> None:
        """The file was written."""
        self.written.append(url)
        self._kept.add(url)

    def write_if_changed(self, url: str, content: str | bytes) -> None:
        """The same for a file that is made anew each time and is mostly what it was."""
        data = content.encode() if isinstance(content, str) else content
        if url in self.there and (self.out / url).read_bytes() == data:
            self.keep(url)
        else:
            self.write(url, data)

    def keep(self, url: str) -> None:
        """A file of the old site belongs to the new one."""
        self._kept.add(url)

    def finish(self) -> None:
        """The new site is in place when this returns."""
        if self.cold:
            shutil.rmtree(self.out, ignore_errors=True)
            self._fresh.rename(self.out)
            return
        for url in self.written:
            (self.out / url).parent.mkdir(parents=True, exist_ok=True)
            (self._fresh / url).replace(self.out / url)
        for url in self.there - self._kept:
            (self.out / url).unlink()
        self.discard()

    def discard(self) -> None:
        """Forgets what was written; the old site stays."""
        shutil.rmtree(self._fresh, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    return [Path(root) / name for root, _, names in os.walk(folder) for name in names]
