"""Every part works where the page's policy requires Trusted Types."""

import pytest
from playwright.sync_api import Page

from collector.testing import Tracking, TrackingSource

from ..support import wait_for
from .environment import Site

POLICY = "default-src 'none'; script-src 'nonce-n0nce'; style-src 'unsafe-inline'; connect-src API; require-trusted-types-for 'script'"
AUTO = """[{"tag": "b", "trigger": "onVisible", "data": {"event": "seen"}}]"""
BODY = """<button data-thamesthrive-tag="b">b</button>"""


@pytest.mark.parametrize("more", ["; trusted-types thamesthrive", ""], ids=["listed", "any"])
@pytest.mark.parametrize("form", ["classic", "one-line"])
def test_all_parts_work_under_trusted_types(
    page: Page,
    site: Site,
    tracking_source: TrackingSource,
    tracking: Tracking,
    form: str,
    more: str,
) -> None:
    head = tracking_source.snippet(one_line=form == "one-line", nonce="n0nce")
    api = tracking_source.collector
    script = ""
    if form == "one-line":
        head = head.replace("<script", f"<script data-auto-triggers='{AUTO}'")
    else:
        script = f'<script nonce="n0nce">options.tracker.auto = {{triggers: {AUTO}}}</script>'
    meta = (
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY.replace("API", api)}{more}">'
    )
    (site.folder / "p.html").write_text(
        f"<!doctype html><html><head>{meta}{head}{script}</head><body>{BODY}</body></html>"
    )
    page.goto(f"{site.origin}/p.html#thamesthrive-debug")
    log = page.get_by_role("log", name="ThamesThrive debug")
    log.wait_for()
    tracking.expect_exactly("seen")
    assert tracking.console == tracking.uncaught == []


def test_a_policy_that_is_not_allowed_is_named_and_options_are_not_blamed(
    page: Page, site: Site, tracking_source: TrackingSource, tracking: Tracking
) -> None:
    head = tracking_source.snippet(nonce="n0nce")
    policy = POLICY.replace("API", tracking_source.collector)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}; trusted-types other">'
    (site.folder / "p.html").write_text(f"<!doctype html><head>{meta}{head}</head>")
    page.goto(f"{site.origin}/p.html")
    wait_for(
        lambda: "thamesthrive" in " ".join(tracking.console + tracking.uncaught), "the complaint"
    )
    assert [said for said in tracking.console if "options.tracker" in said] == []
