"""The messages in the documentation: `site/docs/explanation/failed-expectations.md`."""

import re
from typing import Any

from ..support import ROOT

PAGE = ROOT / "site" / "docs" / "explanation" / "failed-expectations.md"
EXAMPLES = {
    "The call is missing": "event-missing",
    "The price is in cents": "wrong-price",
    "The price is a string, and the schema wants a number": "wrong-type",
    "The type has another name": "renamed",
    "It is tracked twice": "event-twice",
    "A content security policy allows no connection": "csp-connect",
    "A content blocker knows the bundle's name": "blocker-bundle",
    "A consent manager has made the snippet plain text": "no-snippet",
    "The source id is wrong": "wrong-id",
    "Nobody gave consent": "consent-never-given",
    "The page names a run itself": "another-run",
}
BLOCK = re.compile(r"^### ([^\n]+)\n\n```text\n(.*?)```$", re.MULTILINE | re.DOTALL)
# What differs from run to run, and what stands for it on the page.
STEADY = [
    (
        r"thamesthrive qa show \S+ --db \S+",
        "thamesthrive qa show buying-stores-one-order-5d1f0c2a9b3e",
    ),
    (r"\bA-[a-z0-9]{4,9}\b", "A-7k2m9q4x"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "2027-03-01T09:30:12.345Z"),
    (r"sent: \d+ × 200", "sent: 2 × 200"),
    # Events go in one request or in two, as they come.
    (r"sent: \d+ × 401", "sent: 1 × 401"),
    (
        r"Refused \(\d+\):\n(  401 unknown_source: [^\n]*\n)+",
        "Refused (1):\n  401 unknown_source: outlet-opened, page-view\n",
    ),
    # Each version of a browser has its own words.
    (r"  console: (?!\[ThamesThrive\]).*\n", ""),
    (r"BLOCKED_BY_CLIENT\.Inspector", "BLOCKED_BY_CLIENT"),
]


def message_of(record: dict[str, Any], collector: str) -> str:
    """The message of a mutation, with what differs each time made the same."""
    (message,) = [each["message"] for each in record["expectations"] if each["message"]]
    message = message.replace(collector, "http://127.0.0.1:8686")
    message = re.sub(r"http://127\.0\.0\.1:(?!8686)\d+", "https://shop.example", message)
    for pattern, steady in STEADY:
        message = re.sub(pattern, steady, message)
    return f"{message.rstrip()}\n"


def documented() -> dict[str, str]:
    """The messages on the page, by the mutation."""
    text = PAGE.read_text(encoding="utf-8")
    return {EXAMPLES[title]: block for title, block in BLOCK.findall(text)}


def write(messages: dict[str, str]) -> None:
    """Puts messages into the page."""

    def renewed(found: re.Match[str]) -> str:
        return f"### {found[1]}\n\n```text\n{messages[EXAMPLES[found[1]]]}```"

    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(renewed, text), encoding="utf-8")
