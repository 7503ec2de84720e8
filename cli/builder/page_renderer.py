"""Markdown → HTML: one document at a time, knowing nothing of the others, so that it can be kept
until the document changes.

Whatever Markdown would pass over in silence is a problem here: a block that is not closed, a
reference to nothing, a cell too many.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ..errors import BuildError, Problem
from .code_fence import (
    CodeError,
    Script,
    check_code,
    lexer_of,
    parse_info,
    render_chart,
    render_code,
)
from .fingerprint import fingerprint_of
from .front_matter import Document
from .markdown_html import BLOCKS, join_tabs, markdown_parser
from .page import Includes, Link, PageMeta, RenderedPage, Section, page_url, relative_url

WRONG_CODE = "this example does not parse: {}. Correct it, or call it `text`."
_LEFTOVER = re.compile(r"\[\^[^\]\s]+\]|\[[^\]]+\]\[[^\]]*\]")
_ADDRESS = re.compile(r"""(\b(?:href|src)=)["']([^"']*)["']""")
_ELEMENT_ID = re.compile(r"""\bid=["']([^"']+)["']""")
_GIVEN = re.compile(r"\s*\{#([\w.-]+)\}$")
_CELLS = re.compile(r"(?<!\\)\|")
_OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def render_page(document: Document, source: str, inputs: Includes) -> RenderedPage:
    """A document as HTML, with what the rest of the site must know of it. `source`: its path below
    the site's folder.

    Raises BuildError with file, line and cure for each problem.
    """
    return _Renderer(document, source, inputs).render()


class _Renderer:
    def __init__(self, document: Document, source: str, inputs: Includes) -> None:
        self.document, self.source, self.inputs = document, source, inputs
        self.lines = document.body.split("\n")
        self.problems: list[Problem] = []
        self.links: list[Link] = []
        self.anchors: Counter[str] = Counter()
        self.generated: list[str] = []
        self.scripts: list[Script] = []

    def problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.document.path, self.document.offset + line + 1, message))

    def render(self) -> RenderedPage:
        parser = markdown_parser()
        env: dict[str, Any] = {}
        tokens = self._expanded(parser, parser.parse(self.document.body, env))
        level = 1
        for index, token in enumerate(tokens):
            line = token.map[0] if token.map else 0
            if token.type == "heading_open":
                level = self._heading(token, tokens[index + 1], line, level)
            elif token.type == "fence":
                self._fence(token, line)
            elif token.type == "html_block":
                self._html(token, line)
            elif token.type == "inline":
                self._inline(token, line)
            elif token.type == "tr_open":
                self._row(tokens, index, line)
            elif token.nesting == 1 and token.type.startswith("container_"):
                self._block(token, line)
        join_tabs(tokens)
        if self.problems:
            raise BuildError(*sorted(self.problems))
        document = self.document
        facts = PageMeta(
            title=document.title,
            summary=document.summary or _first_words(tokens),
            order=document.order,
            template=str(document.meta.get("template", "doc.html")),
            aliases=[str(alias) for alias in document.meta.get("aliases", [])],
            anchors=list(self.anchors),
            links=self.links,
            generated=self.generated,
            scripts=[fingerprint_of(script.code) for script in self.scripts],
        )
        return RenderedPage(
            facts,
            str(parser.renderer.render(tokens, parser.options, env)),
            list(_sections(tokens)),
            self.scripts,
        )

    def _expanded(self, parser: MarkdownIt, tokens: list[Token]) -> list[Token]:
        """Fences marked `generated NAME` are replaced by what the program says of itself, as if it
        stood there."""
        found: list[Token] = []
        for token in tokens:
            if token.type != "fence" or not token.info.startswith("generated"):
                found.append(token)
                continue
            name, line = (
                token.info.removeprefix("generated").strip(),
                token.map[0] if token.map else 0,
            )
            if name not in self.inputs.generated:
                self.problem(
                    line,
                    f"nothing is generated as {name!r}. There are: {', '.join(self.inputs.generated) or 'none here'}.",
                )
                continue
            self.generated.append(name)
            for inner in parser.parse(self.inputs.generated[name](), {}):
                if inner.map:
                    inner.map = [line, line + 1]
                inner.meta = {**inner.meta, "generated": True}
                found.append(inner)
        return found

    def _heading(self, token: Token, inline: Token, line: int, before: int) -> int:
        level, text = int(token.tag[1]), plain(inline)
        if level == 1:
            self.problem(
                line,
                f"{text!r} is a second title: the page has one already. Begin sections with ##",
            )
        elif level > before + 1:
            self.problem(
                line,
                f"{text!r} is a heading of level {level} below one of level {before}. Use {'#' * (before + 1)}",
            )
        anchor, text = _named(inline, text)
        self.anchors[anchor] += 1
        if self.anchors[anchor] > 1:
            anchor = f"{anchor}-{self.anchors[anchor]}"
            self.anchors[anchor] += 1
        token.attrSet("id", anchor)
        token.meta = {"text": text}
        return level

    def _fence(self, token: Token, line: int) -> None:
        last = self.lines[token.map[1] - 1].strip() if token.map else ""
        if not token.meta.get("generated") and (
            not last or set(last) != {token.markup[0]} or token.map == [line, line + 1]
        ):
            self.problem(line, f"this example never ends. Close it with a line of {token.markup}")
            return
        if token.info.startswith("snippet"):
            if token.info not in self.inputs.snippets:
                self.problem(
                    line, f"there is no {token.info!r}, only {', '.join(self.inputs.snippets)}."
                )
                return
            token.content, token.info = self.inputs.snippets[token.info]() + "\n", "html"
        try:
            info = parse_info(token.info)
            if info.language == "chart":
                token.meta["html"] = render_chart(info, token.content)
                return
            lexer_of(info.language)
        except CodeError as error:
            self.problem(line + error.line, str(error))
            return
        try:
            if not check_code(info.language, token.content):
                self.scripts.append(
                    Script(info.language, token.content, self.document.offset + line + 1)
                )
        except CodeError as error:
            self.problem(line + error.line, WRONG_CODE.format(error))
        token.meta["html"] = render_code(info, token.content)

    def _html(self, token: Token, line: int) -> None:
        lines = token.content.split("\n")
        for number, text in enumerate(lines):
            self.anchors.update(found[1] for found in _ELEMENT_ID.finditer(text))
            place = line + number
            lines[number] = _ADDRESS.sub(partial(self._address, place), text)
        token.content = "\n".join(lines)

    def _address(self, line: int, found: re.Match[str]) -> str:
        return f'{found[1]}"{self._link(found[2], line)}"'

    def _inline(self, token: Token, line: int) -> None:
        depth = 0
        for child in token.children or []:
            if child.type in ("softbreak", "hardbreak"):
                line += 1
            elif child.type == "link_open":
                depth += 1
                child.attrSet("href", self._link(str(child.attrGet("href")), line))
            elif child.type == "link_close":
                depth -= 1
            elif child.type == "image":
                self._image(child, line)
            elif child.type == "html_inline":
                self._html(child, line)
            elif child.type == "text" and not depth:
                self._text(child.content, line)
            if "id" in child.attrs:
                self.anchors[str(child.attrs["id"])] += 1

    def _text(self, text: str, line: int) -> None:
        if found := _LEFTOVER.search(text):
            what = "footnote" if found[0].startswith("[^") else "link"
            cure = (
                f"Add {found[0]}: …"
                if what == "footnote"
                else "Add [its name]: its/address.md, or write [words](address.md)"
            )
            self.problem(line, f"{found[0]} is a {what} to nothing. {cure}")
        if text.startswith(":::"):
            name = text.strip(": ").split(" ")[0]
            close = get_close_matches(name, BLOCKS, 1)
            if not name:
                self.problem(
                    line, "::: closes a block that was not opened, or is missing the name of one."
                )
            else:
                hint = (
                    f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(BLOCKS)}."
                )
                self.problem(line, f"there is no block {name!r}. {hint}")

    def _image(self, token: Token, line: int) -> None:
        source = str(token.attrGet("src"))
        if not token.content.strip():
            self.problem(
                line,
                f"{source} has no words for those who do not see it. Write ![what it shows]({source})",
            )
        token.attrSet("src", self._link(source, line))
        path = self.document.path.parent / source
        if path.suffix == ".png" and path.is_file():
            head = path.read_bytes()[16:24]
            # Room is kept for it while it loads.
            token.attrSet("width", str(int.from_bytes(head[:4], "big")))
            token.attrSet("height", str(int.from_bytes(head[4:], "big")))
        token.attrSet("loading", "lazy")

    def _link(self, href: str, line: int) -> str:
        """Notes a link between sources, and gives it as one between the pages made of them."""
        if not href or _OUTSIDE.match(href):
            if not href:
                self.problem(line, "this link leads nowhere. Write where to: [words](address.md)")
            return href
        path, _, anchor = href.partition("#")
        folder = posixpath.dirname(self.source)
        target = posixpath.normpath(posixpath.join(folder, path)) if path else self.source
        self.links.append(Link(line + self.document.offset + 1, href, target, anchor))
        if not path:
            return href
        return relative_url(page_url(target), page_url(self.source)) + (
            f"#{anchor}" if anchor else ""
        )

    def _row(self, tokens: list[Token], index: int, line: int) -> None:
        if tokens[index].meta.get("generated"):
            return
        columns = 0
        for token in tokens[index:]:
            columns += token.type in ("th_open", "td_open")
            if token.type == "tr_close":
                break
        found = len(_CELLS.split(self.lines[line].strip().strip("|")))
        if found > columns:
            self.problem(
                line,
                f"this row has {found} cells, its table {columns} columns. A | that is no border is written \\|",
            )

    def _block(self, token: Token, line: int) -> None:
        end = token.map[1] if token.map else 0
        if end >= len(self.lines) or not self.lines[end].strip().startswith(":::"):
            self.problem(
                line,
                f"the block {token.info.strip()!r} never ends. Close it with a line of {token.markup}",
            )


def _named(inline: Token, text: str) -> tuple[str, str]:
    """A heading's anchor and words: `## Words {#anchor}` and ``## `word`{#anchor}`` choose it
    themselves."""
    children = inline.children or []
    for child in children:
        if "id" in child.attrs:
            return str(child.attrs.pop("id")), text
    if children and (found := _GIVEN.search(children[-1].content)):
        children[-1].content = children[-1].content[: found.start()]
        return found[1], plain(inline)
    return slug(text), text


def slug(text: str) -> str:
    """The anchor of a heading: its words, in lower case, with dashes between."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def plain(inline: Token) -> str:
    """The words of a line of Markdown."""
    parts = (
        child.content if child.type in ("text", "code_inline") else " "
        for child in inline.children or []
    )
    return " ".join("".join(parts).split())


def _sections(tokens: list[Token]) -> Iterator[Section]:
    level, anchor, heading = 1, "", ""
    words: list[str] = []
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            yield Section(level, anchor, heading, " ".join(words))
            level, anchor, heading = int(token.tag[1]), str(token.attrs["id"]), token.meta["text"]
            words = []
        elif token.type == "inline" and tokens[index - 1].type != "heading_open":
            words.append(plain(token))
        elif token.type == "fence" and not token.info.startswith("html"):
            words.append(" ".join(token.content[:1000].split()))
    yield Section(level, anchor, heading, " ".join(words))


def _first_words(tokens: list[Token]) -> str:
    """What a page without a summary begins with."""
    for before, token in pairwise(tokens):
        if before.type == "paragraph_open":
            words = plain(token)
            return words if len(words) <= 160 else words[:160].rsplit(" ", 1)[0] + " …"
    return ""
