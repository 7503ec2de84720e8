"""The rules on what a snippet says, and on what optimisers and consent managers have made of it."""

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .csp import upgrades_insecure
from .findings import Evidence
from .installation import Installation, is_id
from .page import Page, Script
from .platform import consent_manager_of
from .rules import Match, Rule
from .toplevel import declares

if TYPE_CHECKING:
    from .static import PageFacts

_OPTIMISERS = (
    (
        re.compile(r"rocketlazyloadscript"),
        "WP Rocket",
        "in WP Rocket, File Optimization, Delay JavaScript execution, add to the excluded files",
        "tracker.min.js\nThamesThrive",
    ),
    (
        re.compile(r"[0-9a-f]{8,}-(text/javascript|module)?"),
        "Cloudflare Rocket Loader",
        "give the tag an attribute that Rocket Loader respects",
        '<script data-cfasync="false" …>',
    ),
    (
        re.compile(r"litespeed/javascript"),
        "LiteSpeed Cache",
        "in LiteSpeed Cache, Page Optimization, Tuning, add to JS Deferred / Delayed Excludes",
        "tracker.min.js\nThamesThrive",
    ),
    (
        re.compile(r"pmdelayedscript"),
        "Perfmatters",
        "in Perfmatters, Assets, Delay JavaScript, add to the exclusions",
        "tracker.min.js\nThamesThrive",
    ),
    (
        re.compile(r"nitropack/.*"),
        "NitroPack",
        "give the tag an attribute that NitroPack respects",
        "<script nitro-exclude …>",
    ),
    (
        re.compile(r"text/partytown"),
        "Partytown",
        "remove the type: the tracker needs the page, which a worker cannot reach",
        "<script …>",
    ),
)
"""By the type that they give a script: name, and how a script is excluded there."""
_CONSENT_ATTRIBUTES = (
    "data-cookieconsent",
    "data-cookiecategory",
    "data-category",
    "data-usercentrics",
    "data-borlabs-cookie-script-blocker-id",
    "data-cookie-consent",
)
_CONSENT_CLASSES = re.compile(r"optanon-category|_iub_cs_activate|cmplz-|cky-|didomi")


def held_by_optimiser(facts: "PageFacts") -> Match | None:
    """V015."""
    main = facts.main
    if main is None or (main.runs_as_script and main.has_its_address):
        return None
    evidence = (facts.served.evidence(main.script.line),)
    for pattern, name, exclusion, paste in _OPTIMISERS:
        if pattern.fullmatch(main.script.kind):
            return Match(
                evidence, {"optimiser": name, "exclusion": f"{exclusion}:", "paste": paste}
            )
    if main.has_its_address:
        return None
    values = {
        "optimiser": "An optimiser",
        "exclusion": "it needs its address in src again:",
        "paste": f'src="{main.script_url}"',
    }
    return Match(evidence, values)


def waits_for_consent(facts: "PageFacts") -> Match | None:
    """V016."""
    main = facts.main
    if main is None or main.runs_as_script:
        return None
    manager = consent_manager_of(facts.served) or _consent_mark(main.script)
    if manager is None:
        return None
    values = {"type": main.script.kind, "manager": manager}
    return Match((facts.served.evidence(main.script.line),), values)


def _consent_mark(script: Script) -> str | None:
    is_marked = any(name in script.attributes for name in _CONSENT_ATTRIBUTES)
    if is_marked or _CONSENT_CLASSES.search(script.attributes.get("class", "")):
        return "a consent manager"
    return None


def other_type(facts: "PageFacts") -> Match | None:
    """V017."""
    main = facts.main
    if main is None or main.runs_as_script:
        return None
    return Match((facts.served.evidence(main.script.line),), {"type": main.script.kind})


def _is_module(facts: "PageFacts") -> Match | None:
    main = facts.main
    if main is None or main.script.kind != "module":
        return None
    values = {"src": main.script_url or ""}
    return Match((facts.served.evidence(main.script.line),), values)


def _without_options(facts: "PageFacts") -> Match | None:
    main = facts.main
    if main is None or main.is_one_line or main.options:
        return None
    return Match((facts.served.evidence(main.script.line),))


def _options_out_of_sight(facts: "PageFacts") -> Match | None:
    options = facts.main.options if facts.main else None
    if options is None or options.script.kind != "module":
        return None
    return Match((facts.served.evidence(options.script.line),), {"kind": "module"})


def _declared_twice(facts: "PageFacts") -> Match | None:
    options = facts.main.options if facts.main else None
    if facts.main is None or options is None or not declares(options.script.text, "options"):
        return None
    if len(_of_same_source(facts.running, facts.main)) > 1:
        return None  # pasted twice, which is a finding by itself
    others = (
        one
        for one in facts.served.scripts
        if one is not options.script and one.place == "page" and one.kind != "module"
    )
    other = next((one for one in others if declares(one.text, "options")), None)
    if other is None:
        return None
    page = facts.served
    return Match((page.evidence(options.script.line), page.evidence(other.line)))


def _of_same_source(running: list[Installation], main: Installation) -> list[Installation]:
    return [one for one in running if one.source == main.source]


def _without_source(facts: "PageFacts") -> Match | None:
    main = facts.main
    if main is None or main.source or (main.options and main.options.has_dynamic_source):
        return None
    return Match((_statement(facts.served, main),)) if main.is_one_line or main.options else None


def _malformed_source(facts: "PageFacts") -> Match | None:
    main = facts.main
    if main is None or not main.source or is_id(main.source):
        return None
    return Match((_statement(facts.served, main, main.source),), {"id": main.source})


def _other_source(facts: "PageFacts") -> Match | None:
    main, wanted = facts.main, facts.check.source
    if main is None or not wanted or not main.source or main.source.lower() == wanted.lower():
        return None
    values = {"id": main.source, "expected": wanted}
    return Match((_statement(facts.served, main, main.source),), values)


def _malformed_address(facts: "PageFacts") -> Match | None:
    main = facts.main
    if main is None or not (main.is_one_line or main.options):
        return None
    if main.options and main.options.has_dynamic_address:
        return None
    for address in (main.script_url, main.api):
        if address is None or not _is_address(address):
            shown = _statement(facts.served, main, address or "")
            return Match((shown,), {"address": address or ""})
    return None


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_name = host is not None and re.fullmatch(r"[a-z0-9.:_-]+", host) is not None
    return parts.scheme in ("http", "https") and is_name


def _own_computer(facts: "PageFacts") -> Match | None:
    main = facts.main
    host = urlsplit(facts.served.url).hostname or ""
    if main is None or is_local(host):
        return None
    for address in (main.script_url, main.api):
        if address and is_local(urlsplit(address).hostname or ""):
            shown = _statement(facts.served, main, urlsplit(address).netloc)
            return Match((shown,), {"host": host, "address": address})
    return None


def is_local(host: str) -> bool:
    """Whether a host of an address is the computer that it is used on."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = ip_address(host)
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified


def _mixed_content(facts: "PageFacts") -> Match | None:
    main = facts.main
    page = facts.served
    if main is None or not page.url.startswith("https:") or upgrades_insecure(facts.policies):
        return None
    for address in (main.script_url, main.api):
        if (
            address
            and address.startswith("http:")
            and not is_local(urlsplit(address).hostname or "")
        ):
            shown = _statement(page, main, urlsplit(address).netloc)
            return Match((shown,), {"secure": "https" + address.removeprefix("http")})
    return None


def _without_crossorigin(facts: "PageFacts") -> Match | None:
    main = facts.main
    if main is None or not main.is_one_line or not main.attributes.get("integrity"):
        return None
    if "crossorigin" in main.attributes or _has_same_origin(
        main.script_url or "", facts.served.url
    ):
        return None
    return Match((facts.served.evidence(main.script.line),))


def _has_same_origin(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)


def _statement(page: Page, main: Installation, text: str = "") -> Evidence:
    """The line of a snippet on which something stands; else its first one."""
    script = main.options.script if main.options else main.script
    lines = page.lines_of(script)
    found = next((line for line, shown in lines if text and text in shown), None)
    if found is None and main.options:
        found = next((line for line, shown in lines if re.search(r"\boptions\s*=", shown)), None)
    return page.evidence(found or main.script.line)


SNIPPET_RULES: tuple[Rule["PageFacts"], ...] = (
    Rule("V028", _is_module),
    Rule("V018", _without_options),
    Rule("V019", _options_out_of_sight),
    Rule("V020", _declared_twice),
    Rule("V023", _without_source),
    Rule("V022", _malformed_source),
    Rule("V024", _other_source),
    Rule("V025", _malformed_address),
    Rule("V026", _own_computer),
    Rule("V027", _mixed_content),
    Rule("V029", _without_crossorigin),
)
