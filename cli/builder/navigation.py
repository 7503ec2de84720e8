"""The site's navigation. A page shows its own part of it, so a site of n pages has n links to
render and not n times n."""

from collections import defaultdict
from dataclasses import dataclass

from .fingerprint import fingerprint_of
from .page import PageMeta, page_url

SIBLINGS = 40  # pages of a section that a page's navigation lists


@dataclass(frozen=True)
class PageLink:
    """What other pages show of a page."""

    page_path: str
    url: str
    title: str
    summary: str


@dataclass(frozen=True)
class PageNav:
    """The navigation that one page shows.

    `section` is the index page of its section, `siblings` are pages of the section around it, and
    `more` is the number of pages of the section that are not among them. `fingerprint` covers all
    of it.
    """

    breadcrumbs: tuple[PageLink, ...]
    section: PageLink | None
    siblings: tuple[PageLink, ...]
    more: int
    previous: PageLink | None
    next: PageLink | None
    fingerprint: str


class Navigation:
    """The order of all pages. Folders are sections with an `index.md`; pages are sorted by `order`,
    then by title."""

    def __init__(self, pages: dict[str, PageMeta]) -> None:
        """`pages` maps page paths to metadata."""
        self._links = {
            page_path: PageLink(page_path, page_url(page_path), meta.title, meta.summary)
            for page_path, meta in pages.items()
        }
        self._order = {
            page_path: (meta.order, meta.title.lower(), page_path)
            for page_path, meta in pages.items()
        }
        self.folders = self._sorted_folders()
        self._siblings: dict[tuple[str, int], tuple[tuple[PageLink, ...], str]] = {}
        self._position = {
            page_path: position
            for page_paths in self.folders.values()
            for position, page_path in enumerate(page_paths)
        }
        self._sequence = [
            page_path
            for folder in ["docs", *self._folders_below("docs")]
            for page_path in self._folder_pages(folder)
        ]
        self._turn = {page_path: turn for turn, page_path in enumerate(self._sequence)}

    def _sorted_folders(self) -> dict[str, list[str]]:
        """Returns the page paths of each folder in order, without its `index.md`."""
        folders: dict[str, list[str]] = defaultdict(list)
        for page_path in self._links:
            folder, _, name = page_path.rpartition("/")
            if name != "index.md":
                folders[folder].append(page_path)
            elif folder != "docs":
                folders.setdefault(folder, [])
        return {
            folder: sorted(page_paths, key=self._order.__getitem__)
            for folder, page_paths in folders.items()
        }

    def index_of(self, folder: str) -> PageLink | None:
        """Returns the index page of a section."""
        return self._links.get(f"{folder}/index.md")

    def subfolders(self, folder: str) -> list[str]:
        """Returns the folders in a folder, in order."""
        inner = [name for name in self.folders if name.rpartition("/")[0] == folder]
        return sorted(
            inner, key=lambda name: self._order.get(f"{name}/index.md", (1000, name, name))
        )

    def subsections(self, folder: str) -> list[PageLink]:
        """Returns the index pages of the folders in a folder, in order."""
        indexes = (self.index_of(name) for name in self.subfolders(folder))
        return [index for index in indexes if index]

    def pages(self, folder: str) -> list[PageLink]:
        """Returns the pages of a section, in order."""
        return [self._links[page_path] for page_path in self.folders.get(folder, [])]

    def _folders_below(self, folder: str) -> list[str]:
        found = []
        for name in self.subfolders(folder):
            found += [name, *self._folders_below(name)]
        return found

    def _folder_pages(self, folder: str) -> list[str]:
        """Returns the pages of a folder in reading order: its index first, without the home
        page."""
        index = f"{folder}/index.md"
        first = [index] if index in self._links and folder != "docs" else []
        return [*first, *self.folders.get(folder, [])]

    def page_nav(self, page_path: str) -> PageNav:
        """Returns the navigation that a page shows."""
        folder = page_path.rpartition("/")[0]
        breadcrumbs = self._breadcrumbs(page_path)
        section = self.index_of(folder) if folder != "docs" else None
        siblings, titles = self._siblings_at(folder, self._position.get(page_path, 0) // SIBLINGS)
        previous, following = self._adjacent(page_path)
        parts = [
            f"{link.url}\t{link.title}" if link else "-"
            for link in (previous, following, section, *breadcrumbs)
        ]
        return PageNav(
            tuple(breadcrumbs),
            section,
            siblings,
            len(self.folders.get(folder, [])) - len(siblings),
            previous,
            following,
            fingerprint_of(*parts, titles),
        )

    def _breadcrumbs(self, page_path: str) -> list[PageLink]:
        breadcrumbs: list[PageLink] = []
        folder = page_path.rpartition("/")[0]
        while folder not in ("", "docs"):
            index = self.index_of(folder)
            if index and index.page_path != page_path:
                breadcrumbs.insert(0, index)
            folder = folder.rpartition("/")[0]
        return breadcrumbs

    def _adjacent(self, page_path: str) -> tuple[PageLink | None, PageLink | None]:
        turn = self._turn.get(page_path)
        if turn is None:
            return None, None
        previous = self._links[self._sequence[turn - 1]] if turn else None
        is_last = turn + 1 == len(self._sequence)
        return previous, None if is_last else self._links[self._sequence[turn + 1]]

    def _siblings_at(self, folder: str, number: int) -> tuple[tuple[PageLink, ...], str]:
        """Returns a section's pages of one group of siblings, and their URLs and titles as text."""
        key = (folder, number)
        if key not in self._siblings:
            page_paths = self.folders.get(folder, [])[number * SIBLINGS : (number + 1) * SIBLINGS]
            links = tuple(self._links[page_path] for page_path in page_paths)
            text = "\n".join(f"{link.url}\t{link.title}" for link in links)
            self._siblings[key] = links, text
        return self._siblings[key]
