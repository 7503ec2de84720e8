"""The rules on the policies of a page: what of the snippet they block, and what to add to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .csp import (
    Block,
    Policy,
    ScriptElement,
    connect_block,
    has_hashes,
    hash_of,
    is_unsafe_inline_void,
    nonces_of,
    sandbox_block,
    script_block,
    trusted_types_block,
    upgrades_insecure,
)
from .findings import Evidence
from .installation import Installation
from .page import Script
from .rules import Match, Rule

if TYPE_CHECKING:
    from .static import PageFacts

TRUSTED_TYPES = "thamesthrive"  # the policy that the loader creates, whatever its other names are


@dataclass(frozen=True)
class Blocks:
    """What policies block of a snippet; None for what they allow. `element`: the inline script that
    is blocked, the loader or its options."""

    inline: Block | None
    element: Script | None
    script: Block | None
    connect: Block | None


def blocks_of(facts: "PageFacts", main: Installation) -> Blocks:
    """Judges all that a snippet does against all policies of the page."""
    page = facts.served.url
    policies = [one for one in facts.policies if one.order < main.script.order]
    inline, element = _inline_block(facts.policies, main, page)
    nonce = main.attributes.get("nonce", "")
    upgraded = upgrades_insecure(policies)
    script = connect = None
    if main.script_url:
        asked = ScriptElement(
            nonce,
            url=_upgraded(main.script_url, upgraded),
            by_parser=main.is_one_line,
            integrity=main.attributes.get("integrity", ""),
        )
        script = script_block(policies, asked, page)
    if main.api:
        connect = connect_block(policies, _upgraded(f"{main.api}/track", upgraded), page)
    return Blocks(inline, element, script, connect)


def _upgraded(address: str, upgraded: bool) -> str:
    return "https" + address[4:] if upgraded and address.startswith("http:") else address


def _inline_block(
    policies: tuple[Policy, ...], main: Installation, page: str
) -> tuple[Block | None, Script | None]:
    elements = [] if main.is_one_line else [main.script]
    if main.options and main.options.script is not main.script:
        elements.append(main.options.script)
    for element in elements:
        asked = ScriptElement(element.attributes.get("nonce", ""), text=element.text)
        before = [one for one in policies if one.order < element.order]
        if found := script_block(before, asked, page):
            return found, element
    return None, None


def _additions(facts: "PageFacts", main: Installation, blocks: Blocks) -> str:
    """The directives that the policy must have, whole, for all that it blocks now."""
    wanted: dict[str, tuple[Block, list[str]]] = {}
    if blocks.inline and blocks.element:
        wanted["script-src"] = (blocks.inline, [hash_of(blocks.element.text)])
    script = blocks.script or (blocks.inline and _script_after(facts, main, blocks.inline))
    if script and main.script_url:
        wanted.setdefault("script-src", (script, []))[1].append(_origin_of(main.script_url))
    if blocks.connect and main.api:
        wanted["connect-src"] = (blocks.connect, [_origin_of(main.api)])
    return "; ".join(_directive(name, *found) for name, found in wanted.items())


def _script_after(facts: "PageFacts", main: Installation, inline: Block) -> Block | None:
    """The block of the bundle once the inline script is allowed by its hash, without a nonce."""
    if main.is_one_line or not main.script_url:
        return None
    asked = ScriptElement(url=main.script_url, by_parser=False)
    return script_block([inline.policy], asked, facts.served.url)


def _directive(name: str, block: Block, sources: list[str]) -> str:
    """A directive with what it has, or would inherit from default-src, and what is to be added."""
    own = block.directive if block.directive.startswith(name) else name
    kept = [one for one in block.sources if one.lower() != "'none'"]
    return " ".join((own, *dict.fromkeys((*kept, *sources))))


def _origin_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _found(
    facts: "PageFacts",
    main: Installation,
    blocks: Blocks,
    block: Block,
    element: Script,
    **values: str,
) -> Match:
    return Match(
        (facts.served.evidence(element.line), _shown(block)),
        {
            "directive": block.shown,
            "additions": _additions(facts, main, blocks),
            "where": f" ({block.policy.evidence.where})",
            **values,
        },
    )


def _shown(block: Block) -> Evidence:
    return block.policy.evidence


def _sandboxed(facts: "PageFacts") -> Match | None:
    found = sandbox_block(facts.policies)
    return Match((_shown(found),)) if found else None


def _inline_blocks(facts: "PageFacts") -> Iterator[tuple[Installation, Blocks, Block, Script]]:
    main = facts.main
    if main is not None:
        blocks = blocks_of(facts, main)
        if blocks.inline and blocks.element:
            yield main, blocks, blocks.inline, blocks.element


def _wrong_nonce(facts: "PageFacts") -> Match | None:
    main = facts.main
    nonce = main.attributes.get("nonce", "") if main else ""
    if main is None or not nonce:
        return None
    blocks = blocks_of(facts, main)
    block = blocks.inline or blocks.script
    if block is None or not nonces_of(block.sources) or nonce in nonces_of(block.sources):
        return None
    return _found(facts, main, blocks, block, blocks.element or main.script, nonce=nonce)


def _wrong_hash(facts: "PageFacts") -> Match | None:
    for main, blocks, block, element in _inline_blocks(facts):
        if has_hashes(block.sources):
            return _found(facts, main, blocks, block, element)
    return None


def _void_unsafe_inline(facts: "PageFacts") -> Match | None:
    for main, blocks, block, element in _inline_blocks(facts):
        if is_unsafe_inline_void(block.sources):
            return _found(facts, main, blocks, block, element)
    return None


def _blocked_inline(facts: "PageFacts") -> Match | None:
    for main, blocks, block, element in _inline_blocks(facts):
        return _found(facts, main, blocks, block, element)
    return None


def _untrusted_type(facts: "PageFacts") -> Match | None:
    main = facts.main
    if main is None or main.is_one_line:
        return None
    found = trusted_types_block(facts.policies, TRUSTED_TYPES)
    if found is None:
        return None
    names = " ".join(one for one in found.sources if one.lower() != "'none'")
    return Match((_shown(found),), {"names": names})


def _blocked_script(facts: "PageFacts") -> Match | None:
    main = facts.main
    blocks = blocks_of(facts, main) if main else None
    if main is None or blocks is None or blocks.script is None:
        return None
    address = main.script_url or ""
    return _found(facts, main, blocks, blocks.script, main.script, address=address)


def _blocked_requests(facts: "PageFacts") -> Match | None:
    main = facts.main
    blocks = blocks_of(facts, main) if main else None
    if main is None or blocks is None or blocks.connect is None:
        return None
    address = f"{main.api}/track"
    return _found(facts, main, blocks, blocks.connect, main.script, address=address)


POLICY_RULES: tuple[Rule["PageFacts"], ...] = (
    Rule("V035", _sandboxed),
    Rule("V031", _wrong_nonce),
    Rule("V037", _void_unsafe_inline),
    Rule("V032", _wrong_hash),
    Rule("V030", _blocked_inline),
    Rule("V036", _untrusted_type),
    Rule("V033", _blocked_script),
    Rule("V034", _blocked_requests),
)
