"""Parses JavaScript with esbuild, to find mistakes in snippets and examples."""

import re
import subprocess
from html.parser import HTMLParser

from esbuild_py import transform

from .. import paths
from ..errors import Missing
from .bundle import ESBUILD, find_executable


class JavaScriptError(Exception):
    """A syntax error. `line` counts from 1 within the code."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def check_javascript(code: str) -> None:
    """Raises JavaScriptError if `code` does not parse.

    esbuild-py parses in this process but returns an empty string for any error; the error's text
    and line come from esbuild's executable, if it is installed.
    """
    if not _parses(code):
        raise _explain(code)


def _parses(code: str) -> bool:
    # Without the sentinel, a comment would compile to an empty string as well.
    compiled = transform(f"{code}\n;'parsed'")
    return bool(compiled and compiled.strip())


def parses_together(codes: list[str]) -> bool:
    """Returns whether all scripts parse, with one call of esbuild. False may also mean that they
    parse only one by one."""
    parts = [
        code if re.search(r"(?m)^\s*(import|export)\b|\bawait\b", code) else f"{{\n{code}\n}}"
        for code in codes
    ]
    if sum(part[0] != "{" for part in parts) > 1:
        # Modules may import the same names: each is parsed by itself.
        scripts = [code for code, part in zip(codes, parts, strict=True) if part[0] == "{"]
        modules = [part for part in parts if part[0] != "{"]
        return all(_parses(module) for module in modules) and parses_together(scripts)
    return _parses("\n".join(parts))


def check_html(html: str) -> None:
    """Raises JavaScriptError if a script element of `html` does not parse. Its line counts within
    `html`."""
    parser = _ScriptParser()
    parser.feed(html)
    for line, code in parser.scripts:
        try:
            check_javascript(code)
        except JavaScriptError as error:
            raise JavaScriptError(str(error), error.line + line - 1) from error


class _ScriptParser(HTMLParser):
    """Collects inline scripts, each with the line it starts on."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[tuple[int, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = dict(attrs).get("type") or "text/javascript"
        self._inside = tag == "script" and "javascript" in kind

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside and data.strip():
            self.scripts.append((self.getpos()[0], data))


def _explain(code: str) -> JavaScriptError:
    try:
        esbuild = find_executable(paths.JS, ESBUILD)
    except Missing:
        return JavaScriptError("syntax error", 1)
    command = [esbuild, "--loader=jsx", "--log-level=error", "--color=false"]
    done = subprocess.run(command, input=code, capture_output=True, text=True, check=False)
    message = re.search(r"\[ERROR\] (.+)", done.stderr)
    line = re.search(r"<stdin>:(\d+):", done.stderr)
    return JavaScriptError(message[1] if message else "syntax error", int(line[1]) if line else 1)
