"""A verification in somebody's own browser: for pages behind a login, and browsers that no machine
has."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import codes_browser as codes
from .browser import RUN, address_with
from .browser_stage import Look
from .check import Check, CouldNotLook
from .findings import Finding
from .storage import Storage

POLL = 0.5  # seconds between looks at what is stored
REST = 2.0  # seconds after the first event: what else the page tracks comes with it or soon after


@dataclass
class ManualStage:
    """Waits until an event of the link arrives, and removes it. `seconds`: how long it waits; `show`:
    given the link; `causes`: why there may be none, as far as the collector knows."""

    look_at: Look
    seconds: float
    show: Callable[[str], object]
    causes: Callable[[], str] = lambda: ""
    name: str = "storage"

    def look(self, check: Check, /) -> Iterator[Finding]:
        """See Stage."""
        storage = self._storage(check)
        run = self.look_at.run
        self.look_at.runs.append(run)
        self.show(address_with(check.url, **{RUN: run}))
        types: set[str] = set()
        try:
            types = _wait(storage, run, self.seconds)
            check.facts["stored"] = ", ".join(sorted(types))
        finally:
            self.look_at.storage = storage
            self.look_at.remove()
        if not types:
            causes = self.causes()
            values = {"seconds": f"{self.seconds:g}", "causes": f": {causes}" if causes else ""}
            yield Finding(codes.NOTHING_CAME, (), values)
        yield from self.look_at.remains()

    def _storage(self, check: Check) -> Storage:
        """What is stored of the source that the page, or `--source`, names. Raises CouldNotLook."""
        found = check.installation
        api = check.api or (found.api if found else None) or ""
        source = check.source or (found.source if found else None)
        if source is None:
            raise CouldNotLook(
                "Which source the page sends to is not known. Name it with --source."
            )
        return self.look_at.access.storage(api, source)


def _wait(storage: Storage, run: str, seconds: float) -> set[str]:
    """The types of the events that have come in the end; none if none came in time."""
    until = time.monotonic() + seconds
    while not (types := storage.look(run).types):
        if time.monotonic() > until:
            return set()
        time.sleep(POLL)
    until = time.monotonic() + REST
    while time.monotonic() < until:
        time.sleep(POLL)
        types = storage.look(run).types
    return types
