"""Every part works where the page's policy requires Trusted Types."""

import pytest

from cli.builder.snippet import render_snippet

from ..support import Collector, wait_for
from .visitor import DIST, Site, Visitor, settled

POLICY = "default-src 'none'; script-src 'nonce-n0nce'; style-src 'unsafe-inline'; connect-src API; require-trusted-types-for 'script'"
AUTO = """[{"tag": "b", "trigger": "onVisible", "data": {"event": "seen"}}]"""
BODY = """<button data-thamesthrive-tag="b">b</button>"""


@pytest.mark.parametrize("more", ["; trusted-types thamesthrive", ""], ids=["listed", "any"])
@pytest.mark.parametrize("form", ["classic", "one-line"])
def test_all_parts_work_under_trusted_types(
    page_collector: Collector, site: Site, visitor: Visitor, form: str, more: str
) -> None:
    source, api = page_collector.add_source(), page_collector.url
    head = render_snippet(source, api, DIST, one_line=form == "one-line", nonce="n0nce").html
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
    page = visitor.open(f"{site.origin}/p.html#thamesthrive-debug")
    log = page.get_by_role("log", name="ThamesThrive debug")
    log.wait_for()
    assert [row["type"] for row in settled(page_collector, source, 1)] == ["seen"]
    assert visitor.console == visitor.errors == []


def test_a_policy_that_is_not_allowed_is_named_and_options_are_not_blamed(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source, api = page_collector.add_source(), page_collector.url
    head = render_snippet(source, api, DIST, nonce="n0nce").html
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY.replace("API", api)}; trusted-types other">'
    (site.folder / "p.html").write_text(f"<!doctype html><head>{meta}{head}</head>")
    visitor.open(f"{site.origin}/p.html")
    wait_for(lambda: visitor.said("thamesthrive") or visitor.errors, "the browser's complaint")
    assert "thamesthrive" in " ".join(visitor.errors + visitor.console)
    assert visitor.said("options.tracker") == []
