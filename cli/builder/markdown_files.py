"""Finds the Markdown files of a site, with what tells whether they changed."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MarkdownFile:
    """A Markdown file: its path below the site's folder, its path on disk, when it was modified
    (nanoseconds) and its size (bytes)."""

    page_path: str
    path: Path
    modified: int
    size: int


def find_markdown_files(site_dir: Path) -> list[MarkdownFile]:
    """Returns all Markdown files below `docs/`, sorted by path."""
    files: list[MarkdownFile] = []
    folders = [("docs", site_dir / "docs")]
    while folders:
        name, folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                page_path = f"{name}/{entry.name}"
                if entry.is_dir():
                    folders.append((page_path, Path(entry.path)))
                elif entry.name.endswith(".md"):
                    stat = entry.stat()
                    files.append(
                        MarkdownFile(page_path, Path(entry.path), stat.st_mtime_ns, stat.st_size)
                    )
    return sorted(files, key=lambda file: file.page_path)
