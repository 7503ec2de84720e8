"""The reference of what `thamesthrive verify` finds, from its table of codes."""

from collections.abc import Iterator

from collector.verify import CODES, Code


class _Examples(dict[str, str]):
    """A name without an example stands for itself, in capitals."""

    def __missing__(self, name: str) -> str:
        return name.upper()


EXAMPLES = _Examples(
    {
        "actual": "sha384-…",
        "additions": "script-src 'self' https://events.example.com; connect-src 'self'"
        " https://events.example.com",
        "address": "https://events.example.com/track",
        "api": "https://events.example.com",
        "cause": "Connection refused",
        "charset": "utf-16le",
        "count": "2",
        "direction": "behind",
        "directive": "script-src 'self'",
        "exclusion": "in WP Rocket, File Optimization, Delay JavaScript execution, add to the excluded"
        " files:",
        "expected": "ID",
        "header": "no Access-Control-Allow-Origin",
        "host": "events.example.com",
        "id": "YOUR-ID",
        "kind": "text/plain",
        "manager": "Google Tag Manager",
        "names": "shop",
        "nonce": "r4nd0m",
        "optimiser": "WP Rocket",
        "origin": "https://www.example.com",
        "ours": "0.2.0",
        "paste": "tracker.min.js\nThamesThrive",
        "place": "It goes into the template of all pages.",
        "platform": "the site and its CDN",
        "policy": "same-origin",
        "reason": "overloaded",
        "seconds": "3600",
        "secure": "https://events.example.com",
        "size": "1234",
        "source": "ID",
        "src": "https://events.example.com/tracker/tracker.min.js",
        "status": "404",
        "target": "https://www.example.com/",
        "type": "text/plain",
        "url": "https://www.example.com/",
        "version": "0.1.0",
        "where": "",
        "answer": "status 404",
        "causes": "",
        "consent": "the consent manager",
        "detail": "/properties/price: -1 is less than 0",
        "failure": "net::ERR_BLOCKED_BY_CLIENT",
        "found": "page_view",
        "reason_cure": "Add the origin to those that the source lists.",
        "run": "checkout-17",
        "script": "https://events.example.com/tracker/tracker.min.js",
        "storage": "the database",
        "seen": "1 proxy",
        "wanted": "page-view",
        "why": "the collector does not remove them",
        "word": "analytics",
    }
)
"""Placeholders that the reference shows for the values of a page."""

_SECTIONS = (
    ("The page and its snippet", "V001", "V029"),
    ("Policies of the page", "V030", "V049"),
    ("The collector", "V050", "V079"),
    ("In a browser", "V080", "V099"),
    ("In the database", "V100", "V999"),
)


def verify_markdown() -> str:
    """Returns the reference of all codes as Markdown."""
    lines: list[str] = []
    for title, first, last in _SECTIONS:
        codes = [code for name, code in CODES.items() if first <= name <= last]
        if codes:
            lines += [f"## {title}", ""]
            for code in codes:
                lines += _code(code)
    return "\n".join(lines)


def _code(code: Code) -> Iterator[str]:
    yield f"### {code.code}: {code.title} {{#{code.code.lower()}}}"
    yield ""
    hint = " A hint: it does not change the exit code." if code.level == "hint" else ""
    yield f"**Problem.** {_filled(code.problem)}{hint}"
    yield ""
    if code.shows:
        yield f"**Evidence.** {code.shows[0].upper()}{code.shows[1:]}."
        yield ""
    yield f"**Cure.** {_filled(code.cure)}"
    yield ""
    if code.paste:
        yield from ("```text", code.paste.format_map(EXAMPLES), "```", "")


def _filled(text: str) -> str:
    """A text with example values, so that what looks like a tag stays visible."""
    filled = text.format_map(EXAMPLES)
    parts = filled.split("`")
    return "`".join(
        part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts)
    )
