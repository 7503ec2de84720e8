"""A page as it was served: its scripts and policies, each with its line, wherever they hide."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urljoin

from justhtml import JustHTML
from justhtml.dom import Node

from .fetch import Response
from .findings import Evidence

Place = Literal["page", "comment", "noscript", "template"]

_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
PRESCAN = 1024  # bytes in which browsers look for a charset
_NESTED = 3  # comments and <noscript> within each other


@dataclass(frozen=True)
class Script:
    """A script element. `place`: only what is in the page itself runs; `order`: counts elements."""

    attributes: dict[str, str]
    text: str
    line: int
    order: int
    place: Place

    @property
    def kind(self) -> str:
        """Its type attribute, in lower case."""
        return self.attributes.get("type", "").strip().lower()


@dataclass(frozen=True)
class MetaPolicy:
    """A policy that the page itself has, from its line on."""

    text: str
    line: int
    order: int


@dataclass(frozen=True)
class Page:
    """A parsed page. `url`: where it is after redirects; `chain`: all answers on the way."""

    url: str
    chain: tuple[Response, ...]
    text: str
    charset: str
    scripts: tuple[Script, ...]
    policies: tuple[MetaPolicy, ...]
    base: str | None = None
    generator: str = ""
    _lines: list[str] = field(default_factory=list, repr=False)

    @property
    def response(self) -> Response:
        """The last answer."""
        return self.chain[-1]

    @property
    def base_url(self) -> str:
        """What its relative addresses begin with."""
        return urljoin(self.url, self.base) if self.base else self.url

    def evidence(self, line: int) -> Evidence:
        """A line of the page."""
        text = self._lines[line - 1].strip() if 0 < line <= len(self._lines) else ""
        return Evidence(f"line {line} of {self.url}", text)

    def lines_of(self, script: Script) -> list[tuple[int, str]]:
        """The lines of a script, with their numbers."""
        count = script.text.count("\n") + 1
        return list(enumerate(self._lines[script.line - 1 :][:count], script.line))


def parse_page(chain: tuple[Response, ...]) -> Page:
    """Parses what was served at the end of a chain of redirects."""
    response = chain[-1]
    charset = charset_of(response)
    text = decode(response.body, charset)
    reader = _Reader()
    reader.read(text, "page", 0, _NESTED)
    return Page(
        response.url,
        chain,
        text,
        charset,
        tuple(reader.scripts),
        tuple(reader.policies),
        reader.base,
        reader.generator,
        text.splitlines(),
    )


def charset_of(response: Response) -> str:
    """What a browser decodes a page as: byte order mark, header, meta element, then UTF-8 if it is
    that, else windows-1252."""
    body = response.body
    for mark, name in _BOMS:
        if body.startswith(mark):
            return name
    if found := _HEADER_CHARSET.search(response.headers.get("content-type", "")):
        return found[1].lower()
    if meta := _META_CHARSET.search(body[:PRESCAN]):
        return meta[1].decode("ascii", "replace").lower()
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


def decode(body: bytes, charset: str) -> str:
    """The text of a page, whatever its bytes are."""
    try:
        return body.decode(charset, "replace")
    except (LookupError, UnicodeError):
        return body.decode("windows-1252", "replace")


class _Reader:
    """Walks a parsed document, and into what browsers leave alone."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.policies: list[MetaPolicy] = []
        self.base: str | None = None
        self.generator = ""
        self._order = 0

    def read(self, html: str, place: Place, offset: int, depth: int) -> None:
        """`offset`: lines before this HTML; `depth`: how many more may be within each other."""
        root = JustHTML(html, track_node_locations=True, sanitize=False).root
        for node, within in _walk(root, place):
            self._order += 1
            line = offset + (node.origin_line or 1)
            attributes = {name: value or "" for name, value in _attributes(node)}
            if node.name == "script":
                self.scripts.append(Script(attributes, _text(node), line, self._order, within))
            elif node.name == "#comment":
                self._read_hidden(str(node.data or ""), "comment", line, depth)
            elif node.name == "noscript":
                self._read_hidden(_text(node), "noscript", line, depth)
            elif within == "page" and node.name == "meta":
                self._read_meta(attributes, node, line)
            elif within == "page" and node.name == "base" and self.base is None:
                self.base = attributes.get("href")

    def _read_hidden(self, html: str, place: Place, line: int, depth: int) -> None:
        if depth and "<script" in html.lower():
            self.read(html, place, line - 1, depth - 1)

    def _read_meta(self, attributes: dict[str, str], node: Node, line: int) -> None:
        content = attributes.get("content", "")
        if attributes.get("name", "").lower() == "generator":
            self.generator = content
        is_policy = attributes.get("http-equiv", "").lower() == "content-security-policy"
        if is_policy and node.parent is not None and node.parent.name == "head":
            self.policies.append(MetaPolicy(content, line, self._order))


def _walk(root: Node, place: Place) -> Iterator[tuple[Node, Place]]:
    """All nodes in the order of the document, without recursion: pages nest as deep as they like."""
    waiting: list[tuple[Node, Place]] = [(root, place)]
    while waiting:
        node, within = waiting.pop()
        yield node, within
        content = getattr(node, "template_content", None)
        if content is not None:
            waiting.append((content, "template" if within == "page" else within))
        waiting.extend((child, within) for child in reversed(_children(node)))


# Texts have neither children nor attributes, whatever their type says.


def _children(node: Node) -> list[Node]:
    return [*(getattr(node, "children", None) or ())]


def _attributes(node: Node) -> list[tuple[str, str | None]]:
    return [*(getattr(node, "attrs", None) or {}).items()]


def _text(node: Node) -> str:
    return "".join(str(child.data or "") for child in _children(node))
