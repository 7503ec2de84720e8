"""Content Security Policies, judged as browsers judge them.

https://www.w3.org/TR/CSP3/: a page has any number of policies, of headers and of meta elements, and what
it loads must be allowed by all of them.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from .findings import Evidence

SCRIPT = ("script-src-elem", "script-src", "default-src")
CONNECT = ("connect-src", "default-src")
_NOT_IN_META = ("report-uri", "frame-ancestors", "sandbox")
_NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)
_HASH = re.compile(r"'(sha256|sha384|sha512)-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_HOST = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<host>\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>\d+|\*))?(?P<path>/[^?#]*)?",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
_UPGRADES = {
    "http": {"http", "https"},
    "ws": {"ws", "wss", "http", "https"},
    "wss": {"wss", "https"},
}
"""What the scheme of an expression stands for besides itself."""


@dataclass(frozen=True)
class Policy:
    """One policy. `order`: what comes before this place in the page is not under it, 0 for headers."""

    directives: dict[str, tuple[str, ...]]
    evidence: Evidence
    order: int = 0

    def effective(self, names: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
        """The directive that decides, and its sources; None if none does."""
        return next(
            ((name, self.directives[name]) for name in names if name in self.directives), None
        )


@dataclass(frozen=True)
class ScriptElement:
    """A script that a page wants to run. `text`: of an inline one; `url`: of another one; `by_parser`:
    whether it is in the page's HTML, rather than added by a script; `integrity`: its attribute."""

    nonce: str = ""
    text: str | None = None
    url: str | None = None
    by_parser: bool = True
    integrity: str = ""


@dataclass(frozen=True)
class Block:
    """What a policy does not allow. `directive`: the one that decides."""

    policy: Policy
    directive: str
    sources: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The directive with its sources, as the policy has it."""
        return " ".join((self.directive, *self.sources))


def parse_header(value: str, evidence: Evidence) -> list[Policy]:
    """The policies of a header's value: a comma separates several."""
    parsed = (_directives(part) for part in value.split(","))
    return [Policy(directives, evidence) for directives in parsed if directives]


def parse_meta(value: str, evidence: Evidence, order: int) -> Policy:
    """The policy of a meta element."""
    directives = _directives(value)
    return Policy(
        {name: found for name, found in directives.items() if name not in _NOT_IN_META},
        evidence,
        order,
    )


def _directives(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for part in text.split(";"):
        words = part.split()
        if words:
            found.setdefault(words[0].lower(), tuple(words[1:]))  # the first of a name counts
    return found


def script_block(policies: Iterable[Policy], script: ScriptElement, page: str) -> Block | None:
    """The first policy that blocks a script; None if all allow it. `page`: the page's address."""
    for policy in policies:
        found = policy.effective(SCRIPT)
        if found and not _allows_script(found[1], script, page):
            return Block(policy, *found)
    return None


def connect_block(policies: Iterable[Policy], url: str, page: str) -> Block | None:
    """The first policy that blocks requests to an address; None if all allow them."""
    for policy in policies:
        found = policy.effective(CONNECT)
        if found and not _matches_any(found[1], url, page):
            return Block(policy, *found)
    return None


def sandbox_block(policies: Iterable[Policy]) -> Block | None:
    """The first policy under which no script runs."""
    for policy in policies:
        flags = policy.directives.get("sandbox")
        if flags is not None and "allow-scripts" not in map(str.lower, flags):
            return Block(policy, "sandbox", flags)
    return None


def trusted_types_block(policies: Iterable[Policy], name: str) -> Block | None:
    """The first policy that does not let a page create the Trusted Types policy of this name."""
    for policy in policies:
        names = policy.directives.get("trusted-types")
        if names is not None and not {name, "*"} & set(names):
            return Block(policy, "trusted-types", names)
    return None


def upgrades_insecure(policies: Iterable[Policy]) -> bool:
    """Whether browsers turn the page's http addresses into https ones."""
    return any("upgrade-insecure-requests" in policy.directives for policy in policies)


def hash_of(text: str) -> str:
    """The source expression that allows an inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def nonces_of(sources: Iterable[str]) -> list[str]:
    """The nonces among source expressions."""
    return [found[1] for one in sources if (found := _NONCE.fullmatch(one))]


def has_hashes(sources: Iterable[str]) -> bool:
    """Whether inline scripts are allowed by their hashes."""
    return any(_HASH.fullmatch(one) for one in sources)


def is_unsafe_inline_void(sources: Iterable[str]) -> bool:
    """Whether 'unsafe-inline' is there, and is ignored."""
    words = {one.lower() for one in sources}
    return "'unsafe-inline'" in words and not _allows_all_inline(sources)


def _allows_script(sources: Sequence[str], script: ScriptElement, page: str) -> bool:
    if script.nonce and script.nonce in nonces_of(sources):
        return True
    if script.text is not None:
        return _allows_all_inline(sources) or _has_hash_of(sources, script.text)
    if script.integrity and _allows_integrity(sources, script.integrity):
        return True
    if "'strict-dynamic'" in map(str.lower, sources):
        return not script.by_parser
    return script.url is not None and _matches_any(sources, script.url, page)


def _allows_all_inline(sources: Iterable[str]) -> bool:
    words = {one.lower() for one in sources}
    return "'unsafe-inline'" in words and not (
        "'strict-dynamic'" in words or any(map(_NONCE.fullmatch, sources)) or has_hashes(sources)
    )


def _has_hash_of(sources: Iterable[str], text: str) -> bool:
    return any(
        _plain(found[2]) == _digest(found[1], text.encode())
        for one in sources
        if (found := _HASH.fullmatch(one))
    )


def _allows_integrity(sources: Iterable[str], integrity: str) -> bool:
    """Whether every hash of an integrity attribute is a source."""
    allowed = {
        f"{found[1].lower()}-{_plain(found[2])}" for s in sources if (found := _HASH.fullmatch(s))
    }
    given = [word.partition("?")[0].partition("-") for word in integrity.split()]
    return bool(given) and all(
        f"{name.lower()}-{_plain(value)}" in allowed for name, _, value in given
    )


def _digest(algorithm: str, content: bytes) -> str:
    return _plain(base64.b64encode(hashlib.new(algorithm.lower(), content).digest()).decode())


def _plain(encoded: str) -> str:
    """Base64 in one of its two alphabets."""
    return encoded.replace("-", "+").replace("_", "/")


def _matches_any(sources: Iterable[str], url: str, page: str) -> bool:
    target, origin = urlsplit(url), urlsplit(page)
    return any(_matches(one, target, origin) for one in sources)


def _matches(expression: str, url: SplitResult, origin: SplitResult) -> bool:
    if expression == "*":
        return url.scheme in _PORTS or url.scheme == origin.scheme
    if expression.lower() == "'self'":
        return _is_self(url, origin)
    if _SCHEME.fullmatch(expression):
        return _matches_scheme(expression[:-1].lower(), url.scheme)
    found = _HOST.fullmatch(expression)
    if found is None:
        return False
    scheme = (found["scheme"] or origin.scheme).lower()
    return (
        _matches_scheme(scheme, url.scheme)
        and _matches_host(found["host"].lower(), (url.hostname or "").lower())
        and _matches_port(found["port"], scheme, url)
        and _matches_path(found["path"] or "", url.path)
    )


def _is_self(url: SplitResult, origin: SplitResult) -> bool:
    if url.hostname != origin.hostname:
        return False
    if (url.scheme, port_of(url)) == (origin.scheme, port_of(origin)):
        return True
    both_default = port_of(url) == _PORTS.get(url.scheme) and port_of(origin) == _PORTS.get(
        origin.scheme
    )
    return (port_of(url) == port_of(origin) or both_default) and _matches_scheme(
        origin.scheme, url.scheme
    )


def _matches_scheme(expression: str, scheme: str) -> bool:
    return scheme == expression or scheme in _UPGRADES.get(expression, ())


def _matches_host(pattern: str, host: str) -> bool:
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern.strip("[]") == host


def _matches_port(pattern: str | None, scheme: str, url: SplitResult) -> bool:
    if pattern == "*":
        return True
    port = port_of(url)
    if not pattern:
        return port == _PORTS.get(url.scheme)
    return int(pattern) == port or (int(pattern) == 80 and port == 443 and scheme in ("http", "ws"))


def _matches_path(pattern: str, path: str) -> bool:
    if not pattern or (pattern == "/" and not path):
        return True
    wanted, given = unquote(pattern), unquote(path)
    return given.startswith(wanted) if wanted.endswith("/") else given == wanted


def port_of(url: SplitResult) -> int | None:
    """The port of an address, also where it is not written."""
    return url.port or _PORTS.get(url.scheme)
