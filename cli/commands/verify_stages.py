"""The stages of `thamesthrive verify`, as its options say."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from collector.settings import Settings, default_bundle

from ..errors import Usage
from ..output import note
from .options import address_of

if TYPE_CHECKING:
    from collector.verify import Check, Stage
    from collector.verify.browser_stage import Look


@dataclass(frozen=True)
class Access:
    """How what is stored may be seen. `api` and `token_file`: the options."""

    settings: Settings
    api: str | None
    token_file: Path | None

    def look(self) -> "Look":
        """What the stages that look at it share. Raises Usage for a token that cannot be read."""
        from collector.verify.browser_stage import Look
        from collector.verify.storage import Access as Ways

        return Look(Ways(self.settings.db, self.api, self._token()))

    def _token(self) -> str | None:
        if self.token_file is None:
            return None
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Usage(f"--token-file {self.token_file} cannot be read: {error}") from error


def stages_of(names: Sequence[str], access: Access) -> "list[Stage]":
    """The stages of these names, in their order. Storage is seen while the browser is there, so that
    stage brings the browser with it."""
    from collector.verify import STAGES
    from collector.verify.browser_stage import BrowserStage, StorageStage

    stages: list[Stage] = [make() for name, make in STAGES.items() if name in names]
    look = access.look()
    if "browser" in names or "storage" in names:
        script = default_bundle() / "verify" / "consent.js"
        stages.append(BrowserStage(look, script, note))
    if "storage" in names:
        stages.append(StorageStage(look))
    return stages


def manual_stage(
    check: "Check", access: Access, seconds: int, say_link: Callable[[str], None]
) -> "Stage":
    """The stage that waits for somebody's own browser. Where it is not told the source, it is that of
    the page, as far as one without a login gets it."""
    from collector.event.timestamps import now
    from collector.verify import StaticStage, run_stages
    from collector.verify.manual import ManualStage

    if check.source is None:
        run_stages(check, [StaticStage()])
        check.found.clear()
    check.api = check.api or (check.installation.api if check.installation else None)
    check.api = check.api or address_of(access.settings, None)
    began = now()

    def show(link: str) -> None:
        note("Open this link in your browser, and do what should be tracked. Ctrl-C stops waiting.")
        say_link(link)

    return ManualStage(access.look(), seconds, show, lambda: _causes(check, access, began))


def _causes(check: "Check", access: Access, since: str) -> str:
    """The likeliest cause that the collector itself knows, if its database is here."""
    from sqlite_utils import Database

    from collector.errors import StoreError
    from collector.store import connect_readonly, likely_causes

    source = check.source or (check.installation.source if check.installation else None)
    if source is None or not access.settings.db.is_file():
        return ""
    try:
        with closing(connect_readonly(access.settings.db)) as connection:
            causes = likely_causes(Database(connection), source, since, check.api)
    except StoreError:
        return ""
    return causes[0].text.removesuffix(".") if causes else ""
