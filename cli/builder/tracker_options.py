"""The tracker's options, read from its TypeScript types so that the reference matches them."""

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
    """An option of the tracker: its name as in `settings.consent`, its type, its default in
    JavaScript (empty if there is none), its description, and where it is declared."""

    name: str
    type: str
    default: str
    description: str
    path: Path
    line: int


def tracker_options(bundle: Path) -> list[Option]:
    """Returns all of `options.tracker`. Raises BuildError for one without a description."""
    return list(read_options(types_file(bundle), "TrackerOptions"))


def track_options(bundle: Path) -> list[Option]:
    """Returns all options of the third argument of `track`. Raises BuildError for one without a
    description."""
    return list(read_options(types_file(bundle), "TrackOptions"))


def types_file(bundle: Path) -> Path:
    """Returns the TypeScript source, or in an installed copy the declarations made from it."""
    return paths.JS / "src" / "types.ts" if paths.SOURCE_TREE else bundle / "tracker.d.ts"


def read_options(path: Path, interface: str, prefix: str = "") -> Iterator[Option]:
    """Yields the members of an interface, and those of the interfaces and objects in it. Raises
    BuildError for those without a description."""
    lines = path.read_text(encoding="utf-8").split("\n")
    parents = [prefix] if prefix else []
    comment, problems = "", []
    number = _find_interface(path, lines, interface)
    while number < len(lines):
        line = lines[number].strip()
        number += 1
        if line.startswith("/**"):
            comment, number = _read_comment(lines, number)
        elif line.startswith("}"):
            if len(parents) == bool(prefix):
                break
            parents.pop()
        elif member := _MEMBER.match(line):
            name, member_line = ".".join([*parents, member[1]]), number
            type_, number = _read_type(lines, number, member[2], described=bool(comment))
            if type_ == "{":
                parents.append(member[1])
            elif type_ == "Settings":
                yield from read_options(path, type_, name)
            else:
                description, _, default = (part.strip() for part in comment.partition("@default"))
                if not description:
                    problems.append(_undescribed(path, member_line, name))
                yield Option(name, type_, default, description, path, member_line)
            comment = ""
    if problems:
        raise BuildError(*problems)


def _find_interface(path: Path, lines: list[str], interface: str) -> int:
    """Returns the index of the line after the one that opens the interface."""
    pattern = re.compile(rf"(export )?interface {interface}\b")
    for number, line in enumerate(lines, 1):
        if pattern.match(line):
            return number
    message = f"the interface {interface} does not exist. The reference is made from it."
    raise BuildError(Problem(path, 1, message))


def _read_comment(lines: list[str], number: int) -> tuple[str, int]:
    """Returns the text of the comment that starts on line `number`, and its last line."""
    start = number - 1
    while "*/" not in lines[number - 1]:
        number += 1
    found = _COMMENT.search("\n".join(lines[start:number]))
    text = re.sub(r"(?m)^\s*\*\s?", "", found[1]) if found else ""
    return " ".join(text.split()), number


def _read_type(lines: list[str], number: int, type_: str, *, described: bool) -> tuple[str, int]:
    """Returns a type as the compiler writes it, on one line, and its last line. An object without a
    description is no type but a group of options: `{`."""
    while type_.count("{") > type_.count("}") and (described or type_ != "{"):
        part = lines[number].strip()
        type_ = f"{type_} {part.rstrip(';') if part.startswith('}') else part}"
        number += 1
    return type_.replace("; }", " }").rstrip(";"), number


def _undescribed(path: Path, line: int, name: str) -> Problem:
    cure = "Write /** what it does @default … */ above it."
    return Problem(path, line, f"the option {name!r} is not explained. {cure}")
