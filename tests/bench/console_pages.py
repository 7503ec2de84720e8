"""The pages of the console that benchmarks open, and the page of the docs about them."""

import httpx

from collector import store

from ..support import ROOT, Collector

DOCS = ROOT / "site" / "docs" / "explanation" / "console-benchmarks.md"
# Pages, with {source} for the id of the largest source.
PAGES = {
    "Inbound traffic": "",
    "Live": "/live",
    "Live, one source": "/live?source={source}",
    "Live, a text": "/live?text=page-view",
    "Overview, 30 min": "/overview?range=30min",
    "Overview, 24 h": "/overview?range=24h",
    "Overview, 7 d": "/overview?range=7d",
    "Overview, 30 d": "/overview?range=30d",
    "Overview, 12 months": "/overview?range=12mo",
    "Overview, one source, 30 d": "/overview?source={source}&range=30d",
    "Explore": "/explore",
    "Rejected": "/rejected",
    "Profiles": "/profiles",
    "Install": "/sources/{source}/install",
    "Settings": "/sources/{source}/settings",
    "System": "/system",
}


def logged_in(collector: Collector) -> str:
    """The cookie of a session."""
    with collector.database() as database:
        secret = store.create_token(database, "bench")[1]
    answer = httpx.post(f"{collector.url}/console/login", data={"token": secret}, timeout=30)
    return str(answer.headers["set-cookie"].partition(";")[0])
