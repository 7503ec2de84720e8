"""Which page stands where. A page carries its own neighbourhood, never the whole site, so a site of
n pages has n times one page."""

from collections import defaultdict
from dataclasses import dataclass

from .page import PageMeta, page_url

CHUNK = 40  # pages of a section that stand beside each other in the margin


@dataclass(frozen=True)
class PageLink:
    """A page as others name it."""

    source: str
    url: str
    title: str
    summary: str


@dataclass(frozen=True)
class PageNav:
    """What a page shows of the site: the way to it, what stands beside it, and what comes before
    and after. `digest_part` names all of that in one text. `more`: how many pages of its section
    are not shown beside it."""

    crumbs: tuple[PageLink, ...]
    heading: PageLink | None
    beside: tuple[PageLink, ...]
    more: int
    before: PageLink | None
    after: PageLink | None
    digest_part: str


class Navigation:
    """The order of all documents: folders are sections, each led by its `index.md`; pages by
    `order`, then by title."""

    def __init__(self, documents: dict[str, PageMeta]) -> None:
        self.places = {
            source: PageLink(source, page_url(source), facts.title, facts.summary)
            for source, facts in documents.items()
        }
        self._order = {
            source: (facts.order, facts.title.lower(), source)
            for source, facts in documents.items()
        }
        folders: dict[str, list[str]] = defaultdict(list)
        for source in documents:
            folder, _, name = source.rpartition("/")
            if name != "index.md":
                folders[folder].append(source)
        for folder in {source.rpartition("/")[0] for source in documents} - {"docs"}:
            folders.setdefault(folder, [])
        self.folders = {
            folder: sorted(sources, key=self._order.__getitem__)
            for folder, sources in folders.items()
        }
        self._chunks: dict[tuple[str, int], tuple[tuple[PageLink, ...], str]] = {}
        self._where = {
            source: place
            for sources in self.folders.values()
            for place, source in enumerate(sources)
        }
        self.sequence = [
            source for folder in self.sections("docs", deep=True) for source in self._of(folder)
        ]
        self._turn = {source: turn for turn, source in enumerate(self.sequence)}

    def index_of(self, folder: str) -> PageLink | None:
        """The page that leads a section."""
        return self.places.get(f"{folder}/index.md")

    def sections(self, folder: str, *, deep: bool = False) -> list[str]:
        """The folders in a folder, in order; with `deep`, itself and all below."""
        inner = [name for name in self.folders if name.rpartition("/")[0] == folder]
        inner.sort(key=lambda name: self._order.get(f"{name}/index.md", (1000, name, name)))
        return (
            [folder, *(deeper for name in inner for deeper in self.sections(name, deep=True))]
            if deep
            else inner
        )

    def pages(self, folder: str) -> list[PageLink]:
        """The pages of a section, in order."""
        return [self.places[source] for source in self.folders.get(folder, [])]

    def _of(self, folder: str) -> list[str]:
        index = f"{folder}/index.md"
        return [
            *([index] if index in self.places and folder != "docs" else []),
            *self.folders.get(folder, []),
        ]

    def of(self, source: str) -> PageNav:
        """What the page of a source shows of the site."""
        folder = source.rpartition("/")[0]
        crumbs: list[PageLink] = []
        parent = folder
        while parent not in ("", "docs"):
            if (index := self.index_of(parent)) and index.source != source:
                crumbs.insert(0, index)
            parent = parent.rpartition("/")[0]
        number = self._where.get(source, 0) // CHUNK
        beside, named = self._chunk(folder, number)
        turn = self._turn.get(source)
        before = self.places[self.sequence[turn - 1]] if turn else None
        after = (
            self.places[self.sequence[turn + 1]]
            if turn is not None and turn + 1 < len(self.sequence)
            else None
        )
        heading = self.index_of(folder) if folder != "docs" else None
        parts = [
            f"{place.url}\t{place.title}" if place else "-"
            for place in (before, after, heading, *crumbs)
        ]
        return PageNav(
            tuple(crumbs),
            heading,
            beside,
            len(self.folders.get(folder, [])) - len(beside),
            before,
            after,
            "\n".join([*parts, named]),
        )

    def _chunk(self, folder: str, number: int) -> tuple[tuple[PageLink, ...], str]:
        key = (folder, number)
        if key not in self._chunks:
            sources = self.folders.get(folder, [])[number * CHUNK : (number + 1) * CHUNK]
            places = tuple(self.places[source] for source in sources)
            self._chunks[key] = places, "\n".join(f"{place.url}\t{place.title}" for place in places)
        return self._chunks[key]
