"""The stages that open the page in a browser, and look whether its events are stored."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import codes_browser as codes
from .browser import Opener
from .browser_facts import facts_of, send_address
from .browser_rules import blocker_finding, finding_of, first_broken
from .check import Check, CouldNotLook, Skipped
from .chromium import chromium
from .findings import Code, Finding
from .storage import Access, Removal, Storage
from .visits import PROBE, StoredEvents, Visit, VisitName

DEADLINE = 120.0  # seconds for all visits: a page can keep a browser busy for ever
STORED = 5.0  # seconds from the answer to the row; it is there before the answer
POLL = 0.1
# With these, agreeing to a consent manager may help.
_CONSENT_MAY_HELP = (codes.NO_TRACKER, codes.AWAITS_CONSENT, codes.SNIPPET_BROKEN)

Say = Callable[[str], object]


def new_run() -> str:
    """The nonce of a verification: nobody can know it before."""
    return f"verify-{secrets.token_hex(8)}"


@dataclass
class Look:
    """What the browser's and the storage's stage share: how storage is seen, once that is known."""

    access: Access
    run: str = field(default_factory=new_run)
    storage: Storage | None = None
    why_not: str = ""  # it cannot be seen
    runs: list[str] = field(default_factory=list)  # one for each visit
    left: Removal = Removal()

    def find_storage(self, sends_to: str, source: str) -> Storage | None:
        """The storage that a page's events go to, as far as it can be seen."""
        if self.storage is None:
            try:
                self.storage = self.access.storage(sends_to, source)
            except CouldNotLook as error:
                self.why_not = str(error)
        return self.storage

    def remove(self) -> None:
        """Removes what is stored of this verification, as far as it can be."""
        for run in self.runs if self.storage else ():
            with contextlib.suppress(CouldNotLook):
                gone = self.storage.remove(run) if self.storage else Removal()
                self.left = Removal(
                    self.left.removed + gone.removed, self.left.left + gone.left, gone.why
                )

    def remains(self) -> Iterator[Finding]:
        """What could not be removed."""
        if self.left.left:
            values = {"count": str(self.left.left), "why": self.left.why, "run": self.run}
            yield Finding(codes.NOT_REMOVED, (), values)


class BrowserStage:
    """Opens the page in a browser: plainly, then, if nothing arrives, with consent, and if it does, with
    a blocker's rules. `say`: told what is being done."""

    name = "browser"

    def __init__(self, look: Look, consent_script: Path, say: Say = lambda _: None) -> None:
        self._look = look
        self._consent_script = consent_script
        self._say = say

    def look(self, check: Check, /) -> Iterator[Finding]:
        """See Stage."""
        try:
            found = asyncio.run(self._run(check))
        finally:
            # What was stored is known by now. However this ends, nothing remains.
            if check.source:
                self._look.find_storage(check.api or "", check.source)
            self._look.remove()
        problems = _problems(check)
        # Where nothing arrives, what an earlier stage has found is why.
        if not problems or any(visit.accepted for visit in check.visits):
            yield from found

    async def _run(self, check: Check) -> list[Finding]:
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._visits(check)
        except TimeoutError as error:
            raise CouldNotLook(
                f"The page kept the browser busy for {DEADLINE:g} seconds."
            ) from error

    async def _visits(self, check: Check) -> list[Finding]:
        try:
            script = self._consent_script.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise CouldNotLook(
                f"{self._consent_script} is missing. Run: thamesthrive build bundle"
            ) from error
        async with chromium(check.guard.hosts) as browser:
            opener = Opener(browser, script)
            plain = await self._open(opener, "plain", check)
            if plain.failure:
                raise CouldNotLook(f"The browser cannot open {check.url}: {plain.failure}.")
            code, visit = self._judge(plain, check), plain
            if code in _CONSENT_MAY_HELP and not _problems(check):
                code, visit = await self._with_consent(opener, code, plain, check)
            if code is not None:
                return [finding_of(code, visit, check.source)]
            if _problems(check) or not visit.accepted:
                return []
            blocked = blocker_finding(await self._open(opener, "blocker", check))
            return [blocked] if blocked else []

    async def _with_consent(
        self, opener: Opener, code: Code, plain: Visit, check: Check
    ) -> tuple[Code | None, Visit]:
        """What is judged of a page that waits for consent: with it, if there is anything to agree to."""
        visit = await self._open(opener, "consent", check)
        if not visit.consent.asking and not visit.accepted:
            plain.consent = visit.consent
            return code, plain
        found = self._judge(visit, check)
        return (codes.CONSENT_IGNORED if found is codes.AWAITS_CONSENT else found), visit

    async def _open(self, opener: Opener, name: VisitName, check: Check) -> Visit:
        self._say(f"Opening the page: {_WORDS[name]}")
        run = f"{self._look.run}.{name}"
        self._look.runs.append(run)
        async with opener.visit(name, check.url, run) as visit:
            check.visits.append(visit)
            # What only a browser could tell is told now.
            check.withdrawn |= {"V010", "V011"} if visit.tracker.has_config else {"V011"}
            if visit.tracker.ready:
                storage = self._look.find_storage(send_address(visit), visit.tracker.source)
                if storage:
                    await self._wait(visit, storage)
        return visit

    async def _wait(self, visit: Visit, storage: Storage) -> None:
        """Waits for what was sent to be stored, while the browser is still there to send it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + STORED
        while True:
            visit.stored = await asyncio.to_thread(self._stored, storage, visit.run)
            if visit.stored is None or _is_complete(visit, visit.stored) or loop.time() > until:
                return
            await asyncio.sleep(POLL)

    def _stored(self, storage: Storage, run: str) -> StoredEvents | None:
        try:
            return storage.look(run)
        except CouldNotLook as error:
            self._look.storage, self._look.why_not = None, str(error)
            return None

    @staticmethod
    def _judge(visit: Visit, check: Check) -> Code | None:
        has_snippet = check.installation is not None
        return first_broken(facts_of(visit, check.source, has_snippet=has_snippet))


_WORDS = {
    "plain": "as anybody does",
    "consent": "agreeing to its consent manager",
    "blocker": "with the rules of a content blocker",
}


def _problems(check: Check) -> list[Finding]:
    """The problems that stages before have found, and no browser has disproved."""
    return [
        one for one in check.found if one.level == "problem" and one.code not in check.withdrawn
    ]


def _is_complete(visit: Visit, stored: StoredEvents) -> bool:
    """Whether all is there that can be expected."""
    has_probe = not visit.left or PROBE in stored.types
    return has_probe and stored.events.keys() >= set(visit.accepted)


class StorageStage:
    """Looks whether what the browser sent was stored. Without a row nothing counts as success."""

    name = "storage"

    def __init__(self, look: Look) -> None:
        self._look = look

    def look(self, check: Check, /) -> Iterable[Finding]:
        """See Stage."""
        if not check.visits:
            raise Skipped("The page was not opened in a browser.")
        has_problems = bool(_problems(check))
        storage = self._look.storage
        came = any(one.accepted or (one.stored and one.stored.events) for one in check.visits)
        if has_problems and not came:
            raise Skipped("nothing arrived that could be stored")
        if storage is not None:
            yield from self._judge(check, storage, has_problems=has_problems)
            yield from self._look.remains()
        elif not has_problems:
            why = self._look.why_not or "The page's tracker never ran."
            remain = any(visit.accepted for visit in check.visits)
            raise CouldNotLook(why + (f" Events of run {self._look.run} remain." if remain else ""))

    def _judge(self, check: Check, storage: Storage, *, has_problems: bool) -> Iterator[Finding]:
        """The visits in which something arrived, or should have."""
        seen = [(visit, visit.stored) for visit in check.visits if visit.stored is not None]
        for visit, stored in seen:
            values = {"storage": storage.name, "api": send_address(visit)}
            if not stored.events.keys() >= set(visit.accepted):
                yield Finding(codes.NOT_STORED, (), values)
                return
            if stored.events and visit.left and PROBE not in stored.types:
                yield Finding(codes.LOST_ON_LEAVING, (), values)
                return
        if not has_problems and not any(stored.events for _, stored in seen):
            yield Finding(codes.NOTHING_STORED, (), {"storage": storage.name})
