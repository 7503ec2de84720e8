"""Checks that the code in examples parses."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .code_fence import CodeError

PARSE_ERROR = "this example does not parse: {}. Fix it, or label it `text`."
SCRIPTS_PER_CALL = 200  # scripts that esbuild parses in one call


@dataclass(frozen=True)
class Script:
    """JavaScript or HTML to be parsed. `line` is where it starts in its file."""

    language: str
    code: str
    line: int


def check_code(language: str, code: str) -> None:
    """Raises CodeError if JSON, TOML or Python does not parse. Other languages are not checked."""
    if check := _CHECKS.get(language):
        check(code)


def has_scripts(language: str, code: str) -> bool:
    """Returns whether the code is for `check_scripts`, which parses many scripts at once: a call of
    esbuild takes longer than the rest of a page."""
    return language in ("js", "javascript") or (language == "html" and "<script" in code)


def check_scripts(scripts: list[Script]) -> Iterator[tuple[Script, CodeError]]:
    """Yields the scripts that do not parse, each with its error."""
    from .javascript import JavaScriptError, check_html, check_javascript, parses_together

    plain = [script for script in scripts if script.language != "html"]
    suspects: list[Script] = []
    for begin in range(0, len(plain), SCRIPTS_PER_CALL):
        some = plain[begin : begin + SCRIPTS_PER_CALL]
        if not parses_together([script.code for script in some]):
            suspects += some
    suspects += [script for script in scripts if script.language == "html"]
    for script in suspects:
        check = check_html if script.language == "html" else check_javascript
        try:
            check(script.code)
        except JavaScriptError as error:
            yield script, CodeError(str(error), error.line)


def _check_json(code: str) -> None:
    try:
        json.loads(code)
    except json.JSONDecodeError as error:
        raise CodeError(error.msg, error.lineno) from error


def _check_toml(code: str) -> None:
    try:
        tomllib.loads(code)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        raise CodeError(str(error), int(found[1]) if found else 1) from error


def _check_python(code: str) -> None:
    try:
        compile(code, "example", "exec")
    except SyntaxError as error:
        raise CodeError(error.msg, error.lineno or 1) from error


_CHECKS: dict[str, Callable[[str], None]] = {
    "json": _check_json,
    "toml": _check_toml,
    "python": _check_python,
}
