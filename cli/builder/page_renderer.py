"""Renders one Markdown page as HTML, without looking at others, so that the result can be cached
until the page changes.

What CommonMark accepts silently is an error here: a block that is not closed, a link that is not
defined, a cell too many.
"""

import posixpath
import re
from collections import Counter
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ..errors import BuildError, Problem
from .chart import render_chart
from .code_checks import PARSE_ERROR, Script, check_code, has_scripts
from .code_fence import CodeError, parse_info
from .fingerprint import fingerprint_of
from .front_matter import ParsedPage
from .headings import plain_text, split_sections, take_anchor
from .highlighting import find_lexer, render_code
from .markdown_html import BLOCKS, group_tabs, markdown_parser
from .page import (
    Includes,
    Link,
    PageBody,
    PageMeta,
    RenderedPage,
    TocEntry,
    page_url,
    relative_url,
)

TOC_LEVELS = (2, 3)
_SUMMARY = 160  # characters
_UNDEFINED = re.compile(r"\[\^[^\]\s]+\]|\[[^\]]+\]\[[^\]]*\]")
_HTML_LINK = re.compile(r"""(\b(?:href|src)=)["']([^"']*)["']""")
_HTML_ID = re.compile(r"""\bid=["']([^"']+)["']""")
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def render_page(parsed: ParsedPage, page_path: str, includes: Includes) -> RenderedPage:
    """Renders a Markdown page. `page_path` is its path below the site's folder.

    Raises BuildError with file, line and cure for each problem.
    """
    return _PageRenderer(parsed, page_path, includes).render()


class _PageRenderer:
    def __init__(self, parsed: ParsedPage, page_path: str, includes: Includes) -> None:
        self.parsed, self.page_path, self.includes = parsed, page_path, includes
        self.lines = parsed.body.split("\n")
        self.problems: list[Problem] = []
        self.links: list[Link] = []
        self.anchors: Counter[str] = Counter()
        self.generated: list[str] = []
        self.scripts: list[Script] = []

    def render(self) -> RenderedPage:
        parser = markdown_parser()
        env: dict[str, Any] = {}
        tokens = self._expand_generated(parser, parser.parse(self.parsed.body, env))
        self._process(tokens)
        group_tabs(tokens)
        if self.problems:
            raise BuildError(*sorted(self.problems))
        html = str(parser.renderer.render(tokens, parser.options, env))
        sections = list(split_sections(tokens))
        toc = [
            TocEntry(section.level, section.id, section.heading)
            for section in sections
            if section.heading and section.level in TOC_LEVELS
        ]
        return RenderedPage(self._meta(tokens), PageBody(html, toc), sections, self.scripts)

    def _meta(self, tokens: list[Token]) -> PageMeta:
        parsed = self.parsed
        return PageMeta(
            title=parsed.title,
            summary=parsed.summary or _first_words(tokens),
            order=parsed.order,
            template=str(parsed.front_matter.get("template", "doc.html")),
            aliases=[str(alias) for alias in parsed.front_matter.get("aliases", [])],
            anchors=list(self.anchors),
            links=self.links,
            generated=self.generated,
            scripts=[fingerprint_of(script.code) for script in self.scripts],
        )

    def _report(self, line: int, message: str) -> None:
        """Adds a problem. `line` counts from 0 within the body."""
        line += self.parsed.body_offset + 1
        self.problems.append(Problem(self.parsed.path, line, message))

    def _expand_generated(self, parser: MarkdownIt, tokens: list[Token]) -> list[Token]:
        """Replaces each fence `generated NAME` by the tokens of the generated Markdown."""
        expanded: list[Token] = []
        for token in tokens:
            if token.type != "fence" or not token.info.startswith("generated"):
                expanded.append(token)
                continue
            name = token.info.removeprefix("generated").strip()
            line = token.map[0] if token.map else 0
            if name not in self.includes.generated:
                names = ", ".join(self.includes.generated) or "none here"
                self._report(line, f"unknown generated block {name!r}. Use one of: {names}.")
                continue
            self.generated.append(name)
            for inner in parser.parse(self.includes.generated[name](), {}):
                if inner.map:
                    inner.map = [line, line + 1]
                inner.meta = {**inner.meta, "generated": True}
                expanded.append(inner)
        return expanded

    def _process(self, tokens: list[Token]) -> None:
        """Checks all tokens, collects links, anchors and scripts, and prepares the HTML."""
        level = 1
        for index, token in enumerate(tokens):
            line = token.map[0] if token.map else 0
            if token.type == "heading_open":
                level = self._process_heading(token, tokens[index + 1], line, level)
            elif token.type == "fence":
                self._process_fence(token, line)
            elif token.type == "html_block":
                self._process_html(token, line)
            elif token.type == "inline":
                self._process_inline(token, line)
            elif token.type == "tr_open":
                self._check_row(tokens, index, line)
            elif token.nesting == 1 and token.type.startswith("container_"):
                self._check_block(token, line)

    def _process_heading(self, token: Token, inline: Token, line: int, before: int) -> int:
        """Returns the heading's level. `before` is the level of the heading above it."""
        level = int(token.tag[1])
        anchor, text = take_anchor(inline)
        if level == 1:
            self._report(
                line, f"{text!r} is a second title; a page has one. Start sections with ##"
            )
        elif level > before + 1:
            cure = f"Use {'#' * (before + 1)}"
            self._report(line, f"heading {text!r} skips from level {before} to {level}. {cure}")
        self.anchors[anchor] += 1
        if self.anchors[anchor] > 1:
            anchor = f"{anchor}-{self.anchors[anchor]}"
            self.anchors[anchor] += 1
        token.attrSet("id", anchor)
        token.meta = {"text": text}
        return level

    def _process_fence(self, token: Token, line: int) -> None:
        if not self._is_closed(token, line):
            cure = f"Close it with a line of {token.markup}"
            self._report(line, f"this code block is never closed. {cure}")
            return
        if token.info.startswith("snippet"):
            if token.info not in self.includes.snippets:
                names = ", ".join(self.includes.snippets)
                self._report(line, f"unknown snippet {token.info!r}. Use one of: {names}.")
                return
            token.content, token.info = self.includes.snippets[token.info]() + "\n", "html"
        try:
            token.meta["html"] = self._render_fence(token, line)
        except CodeError as error:
            self._report(line + error.line, str(error))

    def _is_closed(self, token: Token, line: int) -> bool:
        if token.meta.get("generated"):
            return True
        last = self.lines[token.map[1] - 1].strip() if token.map else ""
        return set(last) == {token.markup[0]} and token.map != [line, line + 1]

    def _render_fence(self, token: Token, line: int) -> str:
        info = parse_info(token.info)
        if info.language == "chart":
            return render_chart(info, token.content)
        find_lexer(info.language)
        try:
            check_code(info.language, token.content)
        except CodeError as error:
            self._report(line + error.line, PARSE_ERROR.format(error))
        if has_scripts(info.language, token.content):
            first_line = self.parsed.body_offset + line + 1
            self.scripts.append(Script(info.language, token.content, first_line))
        return render_code(info, token.content)

    def _process_html(self, token: Token, line: int) -> None:
        lines = token.content.split("\n")
        for number, text in enumerate(lines):
            self.anchors.update(found[1] for found in _HTML_ID.finditer(text))
            lines[number] = _HTML_LINK.sub(partial(self._resolve_html_link, line + number), text)
        token.content = "\n".join(lines)

    def _resolve_html_link(self, line: int, found: re.Match[str]) -> str:
        return f'{found[1]}"{self._resolve_link(found[2], line)}"'

    def _process_inline(self, token: Token, line: int) -> None:
        depth = 0
        for child in token.children or []:
            if child.type in ("softbreak", "hardbreak"):
                line += 1
            elif child.type == "link_open":
                depth += 1
                child.attrSet("href", self._resolve_link(str(child.attrGet("href")), line))
            elif child.type == "link_close":
                depth -= 1
            elif child.type == "image":
                self._process_image(child, line)
            elif child.type == "html_inline":
                self._process_html(child, line)
            elif child.type == "text" and not depth:
                self._check_text(child.content, line)
            if "id" in child.attrs:
                self.anchors[str(child.attrs["id"])] += 1

    def _check_text(self, text: str, line: int) -> None:
        """Reports Markdown that was not recognized and became text."""
        if found := _UNDEFINED.search(text):
            if found[0].startswith("[^"):
                cure = f"Add {found[0]}: …"
                self._report(line, f"the footnote {found[0]} is not defined. {cure}")
            else:
                cure = "Add [its name]: its/address.md, or write [words](address.md)"
                self._report(line, f"the link {found[0]} is not defined. {cure}")
        if text.startswith(":::"):
            name = text.strip(": ").split(" ")[0]
            close = get_close_matches(name, BLOCKS, 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Use one of: {', '.join(BLOCKS)}."
            if name:
                self._report(line, f"unknown block {name!r}. {hint}")
            else:
                cure = "Add the name of a block, or remove the line."
                self._report(line, f"::: closes no block. {cure}")

    def _process_image(self, token: Token, line: int) -> None:
        src = str(token.attrGet("src"))
        if not token.content.strip():
            cure = f"Write ![what it shows]({src})"
            self._report(line, f"the image {src} has no alternative text. {cure}")
        token.attrSet("src", self._resolve_link(src, line))
        path = self.parsed.path.parent / src
        if path.suffix == ".png" and path.is_file():
            # With its size, the page does not shift when the image has loaded.
            header = path.read_bytes()[16:24]
            token.attrSet("width", str(int.from_bytes(header[:4], "big")))
            token.attrSet("height", str(int.from_bytes(header[4:], "big")))
        token.attrSet("loading", "lazy")

    def _resolve_link(self, href: str, line: int) -> str:
        """Collects a link to another file, and returns it as a link between the built pages."""
        if not href:
            self._report(line, "this link has no target. Write [words](address.md)")
            return href
        if _EXTERNAL.match(href):
            return href
        path, _, anchor = href.partition("#")
        folder = posixpath.dirname(self.page_path)
        target = posixpath.normpath(posixpath.join(folder, path)) if path else self.page_path
        self.links.append(Link(line + self.parsed.body_offset + 1, href, target, anchor))
        if not path:
            return href
        url = relative_url(page_url(target), page_url(self.page_path))
        return f"{url}#{anchor}" if anchor else url

    def _check_row(self, tokens: list[Token], index: int, line: int) -> None:
        if tokens[index].meta.get("generated"):
            return
        columns = 0
        for token in tokens[index:]:
            columns += token.type in ("th_open", "td_open")
            if token.type == "tr_close":
                break
        cells = len(_CELL_BORDER.split(self.lines[line].strip().strip("|")))
        if cells > columns:
            message = f"this row has {cells} cells, but its table has {columns} columns."
            self._report(line, f"{message} Escape a | inside a cell as \\|")

    def _check_block(self, token: Token, line: int) -> None:
        end = token.map[1] if token.map else 0
        if end >= len(self.lines) or not self.lines[end].strip().startswith(":::"):
            cure = f"Close it with a line of {token.markup}"
            self._report(line, f"the block {token.info.strip()!r} is never closed. {cure}")


def _first_words(tokens: list[Token]) -> str:
    """Returns the start of the first paragraph, the summary of a page that has none."""
    for before, token in pairwise(tokens):
        if before.type == "paragraph_open":
            words = plain_text(token)
            return words if len(words) <= _SUMMARY else words[:_SUMMARY].rsplit(" ", 1)[0] + " …"
    return ""
