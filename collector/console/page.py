"""What a page of the console is made of: a `Page`, a `Call` of it, and what it may answer."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sqlite_utils import Database

from ..errors import Forbidden, NotFound
from ..settings import Settings
from ..store import ADMIN, READ, Source, get_source, list_sources
from ..store.console_sessions import ConsoleSession

LIMITED = "You may see the source {} only."


@dataclass(frozen=True)
class Html:
    """A page: a template of `templates/console/`, and what it shows. `status` is HTTP's."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True)
class Redirect:
    """Sends the browser to another page of the console. `done`: what has been done, in a sentence
    that is shown there."""

    path: str
    done: str = ""


@dataclass(frozen=True)
class Download:
    """A file. `parts`: texts that are sent one after the other."""

    name: str
    content_type: str
    parts: Iterable[str]


Result = Html | Redirect | Download


@dataclass(frozen=True)
class Call:
    """A request of somebody who is logged in.

    `path`: the names in the address; `query`: the address's values by name, the first of each;
    `form`: those of the form that was sent; `lists`: all values of each name, of both. `db`: a
    connection that may write for a POST, and reads only otherwise. `url`: the collector's own
    address, as the browser calls it; `port`: that of its connection, on this machine. `app`: what the
    console's parts share.
    """

    session: ConsoleSession
    db: sqlite3.Connection
    settings: Settings
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]
    url: str
    port: int
    app: Any

    @property
    def utils(self) -> Database:
        """The database for those library calls that take sqlite-utils'."""
        return Database(self.db)

    @property
    def source_ids(self) -> list[str] | None:
        """The sources that the session is limited to; None for all."""
        return None if self.session.source_id is None else [self.session.source_id]

    def sources(self) -> list[Source]:
        """The sources that the session may see, oldest first."""
        wanted = self.session.source_id
        return [
            source for source in list_sources(self.utils) if wanted is None or source.id == wanted
        ]

    def source(self) -> Source:
        """The source that the address names as `source_id`. Raises NotFound, Forbidden."""
        return self.source_of(self.path["source_id"])

    def source_of(self, source_id: str) -> Source:
        """A source by its id. Raises NotFound, and Forbidden if the session may not see it, whether
        or not there is one."""
        wanted = self.session.source_id
        if wanted is not None and wanted != source_id:
            raise Forbidden(LIMITED.format(wanted))
        return get_source(self.utils, source_id)

    def chosen_sources(self) -> list[str] | None:
        """The ids of the sources that a page is about: the one that `source` of the query names, or
        all that the session may see; None for all there are. Raises NotFound, Forbidden."""
        named = self.query.get("source")
        return [self.source_of(named).id] if named else self.source_ids

    def with_query(self, path: str, **changes: str | None) -> str:
        """An address with the values of this one's query, some of them changed or left out."""
        values = {**self.query, **changes}
        query = urlencode({name: value for name, value in values.items() if value})
        return f"{path}?{query}" if query else path


Work = Callable[[Call], Result]


@dataclass(frozen=True)
class Page:
    """A method of a path of the console.

    `path`: below /console, with names in braces, as in `/sources/{source_id}`. `work`: called in a
    thread. `role`: the least that a session must have. `all_sources`: not for sessions that are
    limited to a source.
    """

    method: str
    path: str
    work: Work
    role: str = READ
    all_sources: bool = False

    def require(self, session: ConsoleSession) -> None:
        """Raises Forbidden if a session may not use the page."""
        if self.role == ADMIN and not session.is_admin:
            raise Forbidden("You may look, but not change anything: your token has the role read.")
        if self.all_sources and session.source_id is not None:
            raise Forbidden(LIMITED.format(session.source_id))


def get(path: str, work: Work, *, all_sources: bool = False) -> Page:
    """A page that shows something."""
    return Page("GET", path, work, all_sources=all_sources)


def post(path: str, work: Work, *, all_sources: bool = False) -> Page:
    """A change, for administrators alone."""
    return Page("POST", path, work, ADMIN, all_sources=all_sources)


__all__ = ["Call", "Download", "Html", "NotFound", "Page", "Redirect", "Result", "get", "post"]
