"""The folder a site is built into. A build writes to a staging folder beside it and publishes that
at the end, so that readers see the old site or the new one."""

import os
import shutil
from pathlib import Path


class OutputFolder:
    """The files of the built site. Those that a build neither writes nor keeps are removed."""

    def __init__(self, out: Path, *, cold: bool) -> None:
        """With `cold`, every file is written, and the staging folder replaces `out` as a whole."""
        self.out = out
        self.cold = cold or not out.is_dir()
        self._staging = out.with_name(out.name + ".new")
        shutil.rmtree(self._staging, ignore_errors=True)
        self._staging.mkdir(parents=True)
        self._folders = {""}
        self.existing = set() if self.cold else _files_in(out)
        self.written: list[str] = []
        self._kept: set[str] = set()

    def write(self, url: str, content: str | bytes) -> None:
        """Writes a file of the new site."""
        self.make_folder(url)
        self.write_file(url, content)
        self.mark_written(url)

    def make_folder(self, url: str) -> None:
        """Makes the folder for a file."""
        folder = url.rpartition("/")[0]
        if folder not in self._folders:
            (self._staging / folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)

    def write_file(self, url: str, content: str | bytes) -> None:
        """Writes a file whose folder exists. May run in another process; the build's own must call
        `mark_written` then."""
        data = content.encode() if isinstance(content, str) else content
        with (self._staging / url).open("wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def mark_written(self, url: str) -> None:
        """Records that a file was written."""
        self.written.append(url)
        self._kept.add(url)

    def write_if_changed(self, url: str, content: str | bytes) -> None:
        """Writes a file unless the old site has it with the same content."""
        data = content.encode() if isinstance(content, str) else content
        if url in self.existing and (self.out / url).read_bytes() == data:
            self.keep(url)
        else:
            self.write(url, data)

    def keep(self, url: str) -> None:
        """Keeps a file of the old site."""
        self._kept.add(url)

    def publish(self) -> None:
        """Puts the new site in place of the old one."""
        if self.cold:
            shutil.rmtree(self.out, ignore_errors=True)
            self._staging.rename(self.out)
            return
        for url in self.written:
            (self.out / url).parent.mkdir(parents=True, exist_ok=True)
            (self._staging / url).replace(self.out / url)
        for url in self.existing - self._kept:
            (self.out / url).unlink()
        self.discard()

    def discard(self) -> None:
        """Removes what was written and not published; the old site stays."""
        shutil.rmtree(self._staging, ignore_errors=True)


def _files_in(folder: Path) -> set[str]:
    return {
        str((Path(root) / name).relative_to(folder))
        for root, _, names in os.walk(folder)
        for name in names
    }
