"""Whether a script declares a global name: of what is in braces, nothing is global."""

import re

_NO_CODE = re.compile(
    r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|//[^\n]*|/\*.*?\*/", re.DOTALL
)
_BRACES = re.compile(r"[{}]")


def declares(script: str, name: str) -> bool:
    """Whether a script has `let` or `const` of this name outside of all braces. Regular expressions
    with quotes or braces in them may mislead it."""
    code = _NO_CODE.sub(" ", script)
    declaration = re.compile(rf"(?<![\w$.])(?:const|let)\s+{re.escape(name)}(?![\w$])")
    return any(_depth(code, found.start()) == 0 for found in declaration.finditer(code))


def _depth(code: str, until: int) -> int:
    return sum(1 if brace == "{" else -1 for brace in _BRACES.findall(code, 0, until))
