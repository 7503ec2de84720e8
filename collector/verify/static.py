"""The first stage: the page as it is served, without running it."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import httpx

from .check import Check, CouldNotLook
from .csp import Policy, parse_header, parse_meta
from .fetch import Client, Response, TooManyRedirects, explain, header_lines
from .findings import Evidence, Finding
from .guard import Refusal
from .installation import Installation, find_installations
from .page import Page, parse_page
from .platform import Platform, platform_of

NONCE = "__tt_verify"
"""The parameter that gets a page past caches."""
_PAST_CACHES = {"Cache-Control": "no-cache", "Pragma": "no-cache"}
WRONG_ADDRESS = ("V025", "V026", "V027")
_HTML = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class PageFacts:
    """What the rules on a page judge.

    `fresh`: the page past caches, None if it could not be had; `asked`: the address with a query that
    a redirect should keep, and where it led; `main`: the installation that is judged.
    """

    check: Check
    chain: tuple[Response, ...]
    is_endless: bool = False
    page: Page | None = None
    fresh: Page | None = None
    found: tuple[Installation, ...] = ()
    found_fresh: tuple[Installation, ...] = ()
    main: Installation | None = None
    policies: tuple[Policy, ...] = ()
    platform: Platform | None = None
    values: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> Response:
        """The last answer."""
        return self.chain[-1]

    @property
    def served(self) -> Page:
        """The page, where there is one: rules on it come after those that end without."""
        if self.page is None:
            raise LookupError("there is no page")
        return self.page

    @property
    def running(self) -> list[Installation]:
        """The snippets that browsers run."""
        return [one for one in self.found if one.runs_as_script]


class StaticStage:
    """Fetches the page, twice, and judges what it is made of."""

    name = "static"

    def look(self, check: Check, /) -> Iterator[Finding]:
        """Yields what is wrong with the page. Raises CouldNotLook if it cannot be fetched."""
        from .rules import judge
        from .static_rules import PAGE_GROUPS, values_of

        with Client(check.guard) as client:
            facts = learn(check, client)
        for found in judge(PAGE_GROUPS, facts, values_of(facts)):
            check.is_misaddressed |= found.code in WRONG_ADDRESS
            yield found


def learn(check: Check, client: Client) -> PageFacts:
    """Fetches the page, and adds to `check` what is on it. Raises CouldNotLook."""
    facts = _facts(check, client)
    check.page, check.installation = facts.page, facts.main
    if facts.platform:
        check.facts["platform"] = facts.platform.name
    return facts


def _facts(check: Check, client: Client) -> PageFacts:
    try:
        chain = client.follow(check.url)
    except TooManyRedirects as error:
        return PageFacts(check, error.chain, is_endless=True)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise CouldNotLook(f"{check.url} cannot be fetched: {explain(error)}.") from error
    except Refusal as error:
        raise CouldNotLook(f"{check.url} may not be fetched: {error}") from error
    if not is_page(chain[-1]):
        return PageFacts(check, chain)
    page = parse_page(chain)
    fresh = _fresh(check, client)
    found = tuple(find_installations(page))
    return PageFacts(
        check,
        chain,
        page=page,
        fresh=fresh,
        found=found,
        found_fresh=tuple(find_installations(fresh)) if fresh else (),
        main=_main(found, check.source),
        policies=tuple(policies_of(page)),
        platform=platform_of(page),
    )


def is_page(response: Response) -> bool:
    """Whether an answer is a page that browsers show as one."""
    return response.status < 400 and response.kind in _HTML


def _fresh(check: Check, client: Client) -> Page | None:
    """The page past caches. A site that refuses to give it that way has none."""
    try:
        chain = client.follow(with_nonce(check.url, secrets.token_hex(8)), _PAST_CACHES)
    except (httpx.TransportError, httpx.InvalidURL, TooManyRedirects, Refusal):
        return None
    return parse_page(chain) if is_page(chain[-1]) else None


def with_nonce(url: str, nonce: str) -> str:
    """An address with a parameter that no cache knows."""
    parts = urlsplit(url)
    query = f"{parts.query}&{NONCE}={nonce}" if parts.query else f"{NONCE}={nonce}"
    return urlunsplit(parts._replace(query=query, fragment=""))


def has_nonce(url: str) -> bool:
    """Whether the parameter is still there."""
    return any(name == NONCE for name, _ in parse_qsl(urlsplit(url).query))


def _main(found: tuple[Installation, ...], source: str | None) -> Installation | None:
    """The snippet that is judged: one that runs before others, one of the wanted source before
    others."""
    return min(
        found,
        key=lambda one: (one.script.place != "page", not one.runs_as_script, one.source != source),
        default=None,
    )


def policies_of(page: Page) -> Iterator[Policy]:
    """The policies of a page: those of its headers, and those in its head."""
    name = "Content-Security-Policy"
    for value in header_lines(page.response.headers, name):
        yield from parse_header(value, Evidence(f"header {name}", value))
    for meta in page.policies:
        yield parse_meta(meta.text, page.evidence(meta.line), meta.order)
