"""Is this JavaScript? Every script that we print or document is parsed, so that no broken example
leaves the house."""

import re
import subprocess
from html.parser import HTMLParser

from esbuild_py import transform

from .. import paths
from ..errors import Missing
from .bundle import ESBUILD, tool


class JavaScriptError(Exception):
    """A syntax error. `line` counts from 1 within the code."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def check_javascript(code: str) -> None:
    """Raises JavaScriptError if `code` does not parse.

    esbuild-py parses in process, without Node, but says no more of an error than an empty text;
    esbuild's executable tells what and where, if it is installed.
    """
    # The sentinel tells code that compiles to nothing (a comment) from code that does not parse.
    if transform(f"{code}\n;'parsed'").strip():
        return
    raise _explain(code)


def parses_together(codes: list[str]) -> bool:
    """Whether all of some scripts parse, in one call. False may also mean that they only do so one
    by one."""
    parts = [
        code if re.search(r"(?m)^\s*(import|export)\b|\bawait\b", code) else f"{{\n{code}\n}}"
        for code in codes
    ]
    if sum(part[0] != "{" for part in parts) > 1:
        # Modules may import the same names.
        return all(
            transform(f"{part}\n;'parsed'").strip() for part in parts if part[0] != "{"
        ) and parses_together(
            [code for code, part in zip(codes, parts, strict=True) if part[0] == "{"]
        )
    return bool(transform("\n".join(parts) + "\n;'parsed'").strip())


def check_html(html: str) -> None:
    """Raises JavaScriptError if a script element of `html` does not parse; the line counts within
    `html`."""
    finder = _Scripts()
    finder.feed(html)
    for line, code in finder.found:
        try:
            check_javascript(code)
        except JavaScriptError as error:
            raise JavaScriptError(str(error), error.line + line - 1) from error


class _Scripts(HTMLParser):
    """Finds the contents of inline scripts, and the lines they begin on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = dict(attrs).get("type") or "text/javascript"
        self._inside = tag == "script" and "javascript" in kind

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside and data.strip():
            self.found.append((self.getpos()[0], data))


def _explain(code: str) -> JavaScriptError:
    try:
        command = [tool(paths.JS, ESBUILD), "--loader=jsx", "--log-level=error", "--color=false"]
    except Missing:
        return JavaScriptError("syntax error", 1)
    done = subprocess.run(command, input=code, capture_output=True, text=True, check=False)
    message = re.search(r"\[ERROR\] (.+)", done.stderr)
    place = re.search(r"<stdin>:(\d+):", done.stderr)
    return JavaScriptError(message[1] if message else "syntax error", int(place[1]) if place else 1)
