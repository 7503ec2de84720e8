"""The tracker's options, read from its own types: name, type, default and words, so that the
reference cannot differ from them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import paths
from ..errors import BuildError, Problem

_MEMBER = re.compile(r"(?:readonly )?(\w+)\??:\s*(.*)")
_COMMENT = re.compile(r"/\*\*(.*?)\*/", re.DOTALL)


@dataclass(frozen=True)
class Option:
    """`name` as in `settings.consent`. `default` as it is written in JavaScript, empty where there
    is none."""

    name: str
    type: str
    default: str
    words: str
    path: Path
    line: int


def tracker_options(bundle: Path) -> list[Option]:
    """All of `options.tracker`. Raises BuildError for one without words."""
    return list(options_of(_types_file(bundle), "TrackerOptions"))


def track_options(bundle: Path) -> list[Option]:
    """All of the third argument of `track`."""
    return list(options_of(_types_file(bundle), "TrackOptions"))


def _types_file(bundle: Path) -> Path:
    """The sources where they are, the types made from them otherwise."""
    return paths.JS / "src" / "types.ts" if paths.SOURCE_TREE else bundle / "tracker.d.ts"


def options_of(path: Path, interface: str, prefix: str = "") -> Iterator[Option]:
    """The members of an interface in a file of types. Raises BuildError for those without words."""
    lines = path.read_text(encoding="utf-8").split("\n")
    begin = next(
        (
            n
            for n, line in enumerate(lines)
            if re.match(rf"(export )?interface {interface}\b", line)
        ),
        None,
    )
    if begin is None:
        raise BuildError(
            Problem(path, 1, f"there is no interface {interface}, which the reference is made of.")
        )
    parents, comment, problems = [prefix] if prefix else [], "", []
    number = begin + 1
    while number < len(lines):
        line = lines[number].strip()
        number += 1
        if line.startswith("/**"):
            begun = number - 1
            while "*/" not in lines[number - 1]:
                number += 1
            found = _COMMENT.search("\n".join(lines[begun:number]))
            comment = " ".join(re.sub(r"(?m)^\s*\*\s?", "", found[1]).split()) if found else ""
        elif line.startswith("}"):
            if len(parents) == (1 if prefix else 0):
                break
            parents.pop()
        elif member := _MEMBER.match(line):
            name, place = ".".join([*parents, member[1]]), number
            kind, number = _whole_type(lines, number, member[2], explained=bool(comment))
            if kind == "{":
                parents.append(member[1])
            elif kind == "Settings":
                yield from options_of(path, kind, name)
            else:
                words, _, default = comment.partition("@default")
                if not words.strip():
                    problems.append(
                        Problem(
                            path,
                            place,
                            f"the option {name!r} is not explained. Write /** what it does @default … */ above it.",
                        )
                    )
                yield Option(name, kind, default.strip(), words.strip(), path, place)
            comment = ""
    if problems:
        raise BuildError(*problems)


def _whole_type(lines: list[str], number: int, kind: str, *, explained: bool) -> tuple[str, int]:
    """A type that may go over several lines, as the compiler writes it, and the line after it. An
    object without words of its own is not a type but the options in it: `{`."""
    while kind.count("{") > kind.count("}") and (explained or kind != "{"):
        part = lines[number].strip()
        kind = f"{kind} {part.rstrip(';') if part.startswith('}') else part}"
        number += 1
    return kind.replace("; }", " }").rstrip(";"), number
