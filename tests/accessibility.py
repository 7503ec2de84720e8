"""What axe-core finds in a page."""

from playwright.sync_api import Page

from .support import ROOT

AXE = ROOT / "js" / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]  # those that dark colours can break


def violations(page: Page, *rules: str) -> list[str]:
    """Returns what axe-core finds against WCAG 2.2 AA, or against some rules, as rule and
    element."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text() + "; 0")
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": WCAG}
    found = page.evaluate(
        "(only) => axe.run(document, {runOnly: only, resultTypes: ['violations']})", only
    )
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
