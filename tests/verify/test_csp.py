"""Policies as browsers judge them: what each allows, and what it blocks."""

import base64
import hashlib

import pytest

from collector.verify.csp import (
    ScriptElement,
    connect_block,
    parse_header,
    parse_meta,
    sandbox_block,
    script_block,
    trusted_types_block,
)
from collector.verify.findings import Evidence

PAGE = "https://shop.example/cart/"
EVENTS = "https://events.example/tracker/tracker.min.js"
NOWHERE = Evidence("header", "")
INLINE = "track()"
SHA256, SHA512 = (
    f"'{name}-{base64.b64encode(hashlib.new(name, INLINE.encode()).digest()).decode()}'"
    for name in ("sha256", "sha512")
)
URL_SAFE = SHA512.replace("+", "-").replace("/", "_")


def script_allowed(policy: str, script: ScriptElement, page: str = PAGE) -> bool:
    return script_block(parse_header(policy, NOWHERE), script, page) is None


@pytest.mark.parametrize(
    ("sources", "allowed"),
    [
        ("*", True),
        ("https:", True),
        ("http:", True),  # an https script is a better http one
        ("wss:", True),  # odd, and so the specification has it
        ("'self'", False),
        ("'none'", False),
        ("", False),
        ("events.example", True),
        ("EVENTS.example", True),
        ("https://events.example", True),
        ("http://events.example", True),
        ("https://events.example:443", True),
        ("https://events.example:80", False),
        ("http://events.example:80", True),  # 80 stands for 443 of the same host as well
        ("https://events.example:*", True),
        ("https://events.example:8443", False),
        ("*.example", True),
        ("*.events.example", False),  # not the name itself
        ("https://*.example", True),
        ("https://events.example/", True),
        ("https://events.example/tracker/", True),
        ("https://events.example/tracker", False),  # without the slash, it is that file alone
        ("https://events.example/tracker/tracker.min.js", True),
        ("https://events.example/tracker/tracker.min.js?v=1", False),
        ("https://events.example/TRACKER/", False),
        ("https://events.example/%74racker/", True),
        ("'unsafe-inline'", False),
        ("'none' https://events.example", True),
    ],
)
def test_addresses_match_as_in_browsers(sources: str, allowed: bool) -> None:
    script = ScriptElement(url=EVENTS)
    assert script_allowed(f"script-src {sources}", script) == allowed


@pytest.mark.parametrize(
    ("page", "url", "allowed"),
    [
        ("https://shop.example/", "https://shop.example/t.js", True),
        ("http://shop.example/", "https://shop.example/t.js", True),
        ("https://shop.example/", "http://shop.example/t.js", False),
        ("https://shop.example/", "https://shop.example:8443/t.js", False),
        ("https://shop.example:8443/", "https://shop.example:8443/t.js", True),
        ("https://shop.example/", "https://www.shop.example/t.js", False),
    ],
)
def test_self_is_the_page_with_its_scheme_and_port(page: str, url: str, allowed: bool) -> None:
    assert script_allowed("script-src 'self'", ScriptElement(url=url), page) == allowed


def test_an_expression_without_a_scheme_has_that_of_the_page() -> None:
    script = ScriptElement(url="http://events.example/t.js")
    assert script_allowed("script-src events.example", script, "http://shop.example/")
    assert not script_allowed("script-src events.example", script, "https://shop.example/")


@pytest.mark.parametrize(
    ("sources", "nonce", "allowed"),
    [
        ("'unsafe-inline'", "", True),
        ("'UNSAFE-INLINE'", "", True),
        ("https: *", "", False),
        ("'unsafe-inline' 'nonce-abc'", "", False),
        ("'unsafe-inline' 'nonce-abc'", "abc", True),
        ("'unsafe-inline' 'strict-dynamic'", "", False),
        ("'unsafe-inline' 'sha256-AAAA'", "", False),
        ("'nonce-abc'", "ABC", False),
        ("'nonce-abc'", "", False),
        (SHA256, "", True),
        (SHA512, "", True),
        (URL_SAFE, "", True),
        ("'sha256-AAAA'", "", False),
        ("'nonce-abc' " + SHA256, "", True),
        ("'unsafe-eval'", "", False),
    ],
)
def test_inline_scripts(sources: str, nonce: str, allowed: bool) -> None:
    script = ScriptElement(nonce, text=INLINE)
    assert script_allowed(f"script-src {sources}", script) == allowed


@pytest.mark.parametrize(
    ("sources", "script", "allowed"),
    [
        ("'strict-dynamic' https://events.example", ScriptElement(url=EVENTS), False),
        ("'strict-dynamic'", ScriptElement(url=EVENTS, by_parser=False), True),
        ("'strict-dynamic' 'nonce-abc'", ScriptElement("abc", url=EVENTS), True),
        ("'nonce-abc'", ScriptElement("abc", url=EVENTS), True),
        ("'nonce-abc'", ScriptElement("xyz", url=EVENTS), False),
        ("'sha256-AAAA'", ScriptElement(url=EVENTS, integrity="sha256-AAAA"), True),
        ("'sha256-AAAA'", ScriptElement(url=EVENTS, integrity="sha256-AAAA sha256-BBBB"), False),
        ("'sha256-AAAA'", ScriptElement(url=EVENTS, integrity="sha384-AAAA"), False),
    ],
)
def test_scripts_by_nonce_hash_and_trust(
    sources: str, script: ScriptElement, allowed: bool
) -> None:
    assert script_allowed(f"script-src {sources}", script) == allowed


@pytest.mark.parametrize(
    ("policy", "directive"),
    [
        ("default-src 'none'", "default-src"),
        ("default-src *; script-src 'none'", "script-src"),
        ("default-src *; script-src *; script-src-elem 'none'", "script-src-elem"),
        ("script-src 'none'; script-src *", "script-src"),  # the first of a name counts
        ("SCRIPT-SRC 'none'", "script-src"),
    ],
)
def test_the_most_special_directive_decides(policy: str, directive: str) -> None:
    block = script_block(parse_header(policy, NOWHERE), ScriptElement(url=EVENTS), PAGE)
    assert block
    assert block.directive == directive


@pytest.mark.parametrize(
    "policy",
    ["default-src 'none'; script-src-elem *", "script-src-attr 'none'", "img-src 'none'", ""],
)
def test_what_is_not_restricted_is_allowed(policy: str) -> None:
    assert script_allowed(policy, ScriptElement(url=EVENTS))


def test_all_policies_must_allow() -> None:
    both = parse_header("script-src *, script-src 'self'", NOWHERE)
    assert len(both) == 2
    block = script_block(both, ScriptElement(url=EVENTS), PAGE)
    assert block
    assert block.shown == "script-src 'self'"


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("connect-src https://events.example", True),
        ("connect-src 'self'", False),
        ("default-src 'self'", False),
        ("default-src 'self'; connect-src *", True),
        ("script-src 'none'", True),
        ("connect-src https://events.example/track", True),
        ("connect-src https://events.example/other", False),
    ],
)
def test_requests(policy: str, allowed: bool) -> None:
    found = connect_block(parse_header(policy, NOWHERE), "https://events.example/track", PAGE)
    assert (found is None) == allowed


def test_sandbox_counts_in_headers_only() -> None:
    assert sandbox_block(parse_header("sandbox allow-forms", NOWHERE))
    assert not sandbox_block(parse_header("sandbox allow-scripts", NOWHERE))
    assert not sandbox_block([parse_meta("sandbox", NOWHERE, 3)])


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("trusted-types thamesthrive", True),
        ("trusted-types shop thamesthrive 'allow-duplicates'", True),
        ("trusted-types *", True),
        ("trusted-types shop", False),
        ("trusted-types 'none'", False),
        ("trusted-types", False),
        ("require-trusted-types-for 'script'", True),  # policies of any name
    ],
)
def test_trusted_types(policy: str, allowed: bool) -> None:
    found = trusted_types_block(parse_header(policy, NOWHERE), "thamesthrive")
    assert (found is None) == allowed
