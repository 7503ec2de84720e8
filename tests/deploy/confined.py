"""Runs a command under the restrictions of a systemd unit that need no systemd: its system calls,
address families, capabilities, umask, and no memory that can be written and executed.

    python -m tests.deploy.confined deploy/thamesthrive.service COMMAND …
"""

import ctypes
import errno
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

ALLOW, DENY = 0x7FFF0000, 0x00050000  # of libseccomp; DENY takes an error number
EQUAL = 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 38, 65
LAST_CAPABILITY = 63


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp`."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def settings(unit: Path) -> dict[str, list[str]]:
    """The settings of a unit, each with all of its values."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def system_calls(words: list[str]) -> set[str]:
    """The names of a `SystemCallFilter`, sets resolved. The first line allows, `~` takes away."""
    found: set[str] = set()
    for line in words:
        names = {name for word in line.removeprefix("~").split() for name in _names(word)}
        found = found - names if line.startswith("~") else found | names
    return found


def _names(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    shown = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", word], capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    words = {line.strip() for line in shown.splitlines()[1:]}
    return {n for w in words if w and not w.startswith("#") for n in _names(w)}


def confine(unit: Path) -> None:
    """Restricts this process, and what it starts, as the unit says. Raises OSError."""
    given = settings(unit)
    allowed = system_calls(given["SystemCallFilter"])
    families = [FAMILIES[name] for name in given["RestrictAddressFamilies"][0].split()]
    libc = ctypes.CDLL(None, use_errno=True)
    os.umask(int(given["UMask"][0], 8))
    limit = int(given["LimitNOFILE"][0])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, hard), min(limit, hard)))
    if given["CapabilityBoundingSet"] == [""] and os.geteuid() == 0:
        for capability in range(LAST_CAPABILITY):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if given["NoNewPrivileges"] == ["yes"] and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no new privileges")
    if given["MemoryDenyWriteExecute"] == ["yes"] and libc.prctl(PR_SET_MDWE, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no memory that can be written and executed")
    _load(allowed, families)


def _load(allowed: set[str], families: list[int]) -> None:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(DENY | errno.EPERM))
    for name in sorted(allowed - {"socket"}):
        number = library.seccomp_syscall_resolve_name(name.encode())
        # Others belong to another architecture, or to a later kernel.
        if number >= 0 and (fault := library.seccomp_rule_add_array(context, ALLOW, number, 0, None)):  # fmt: skip
            raise OSError(-fault, f"seccomp: {name}")
    socket = library.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        rule = (Comparison * 1)(Comparison(0, EQUAL, family, 0))
        if fault := library.seccomp_rule_add_array(context, ALLOW, socket, 1, rule):
            raise OSError(-fault, "seccomp: socket")
    if fault := library.seccomp_load(context):
        raise OSError(-fault, "seccomp")


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
