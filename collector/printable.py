"""Texts of strangers for terminals and logs: shown, and never obeyed."""

import re

# What a terminal obeys or reorders text by: C0 but for tab and line feed, DEL, C1, line and
# paragraph separators, bidirectional controls; and surrogates, which have no UTF-8.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Returns a text with such characters as `\u001b`. JSON means the same after it."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
