from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cli.builder.site import BuiltSite, build_site

from ..support import ROOT, Collector


@dataclass(frozen=True)
class ServedSite:
    """The documentation, built for a collector that also serves it."""

    collector: Collector
    built: BuiltSite
    source_id: str

    @property
    def url(self) -> str:
        return self.collector.url


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "site").mkdir()
    collector = Collector(folder, options=("--site", str(folder / "site"), "--qa")).start()
    source_id = collector.add_source()
    built = build_site(
        folder / "site", source_id=source_id, api=collector.url, bundle=ROOT / "js" / "dist"
    )
    yield ServedSite(collector, built, source_id)
    collector.end()
