"""The ways to install a source's snippet, ready to paste: its id, the collector's address, and names of
the owner's own are filled in."""

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from markupsafe import Markup

from ..alias import Alias
from .example_values import EXAMPLE_API, replace_example_values
from .platforms import Block, Platform, platforms
from .snippet import TrackerNames, clean_address, names_of, render_snippet

if TYPE_CHECKING:  # commands that need no database are quicker without
    from ..store import Source

_MARK = "  <!-- the snippet -->"  # where an example of the guides has it
_ORDER = (
    "html",
    "one-line",
    "npm",
    "google-tag-manager",
    "wordpress",
    "shopify",
    "nextjs",
    "curl",
    "noscript",
)
REST, WEBHOOK = "rest", "webhook"


@dataclass(frozen=True)
class Tab:
    """One way. Texts are sentences in which code is between backticks.

    `place`: where the code goes; `steps`: what to do, in order; `code`: what to paste; `track`: how to
    track from there, with its `track_code`; `notes`: what to keep in mind. `missing`: the bridge that
    the source does not accept and this way needs; nothing is to be pasted then, but `steps` say how to
    enable it.
    """

    slug: str
    name: str
    place: str = ""
    steps: tuple[str, ...] = ()
    code: tuple[Block, ...] = ()
    track: str = ""
    track_code: tuple[Block, ...] = ()
    notes: tuple[str, ...] = ()
    missing: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The tab as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True)
class _Place:
    """What is filled in."""

    source: "Source"
    api: str
    bundle: Path
    aliases: tuple[Alias, ...]
    names: TrackerNames

    def snippet(self, *, one_line: bool) -> Block:
        """The snippet, in one of its forms."""
        options: dict[str, Any] = {"one_line": one_line, "aliases": self.aliases}
        return Block("html", render_snippet(self.source.id, self.api, self.bundle, **options).html)

    @property
    def origin(self) -> str:
        """The origin of the collector's address: in a policy, a path would stand for that alone."""
        parts = urlsplit(self.api)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return f"{self.api}{self.aliases[0].endpoint_path if self.aliases else '/track'}"

    def fill(self, block: Block) -> Block:
        """An example of the guides with the real values."""
        script = f"{self.names.path}/{self.names.tracker}"
        code = block.code.replace(f"{EXAMPLE_API}/tracker/tracker.min.js", f"{EXAMPLE_API}{script}")
        code = replace_example_values(code, self.source.id, self.api)
        named = f'data-source="{self.source.id}"'
        if urlsplit(self.api).path:  # as in the snippet
            code = code.replace(named, f'{named}\n          data-api="{self.api}"')
        return Block(block.language, code, block.title)


def install_tabs(
    source: "Source", api: str, bundle: Path, aliases: tuple[Alias, ...] = ()
) -> list[Tab]:
    """All ways for a source, for a collector that pages reach at `api`. With aliases, the names are
    those of the first one. Raises BadAddress, and NotBuilt."""
    api = clean_address(api)
    place = _Place(source, api, bundle, aliases, names_of(bundle, aliases))
    made = {"one-line": _one_line, "npm": _npm, "curl": _curl, "noscript": _noscript}
    known = platforms()
    return [made[slug](place) if slug in made else _guided(place, known[slug]) for slug in _ORDER]


def _guided(place: _Place, platform: Platform) -> Tab:
    name = "HTML" if platform.slug == "html" else platform.name
    if missing := _without(place, REST, platform.slug, name):
        return missing
    whole = next((block for block in platform.blocks if _MARK in block.code), None)
    if whole:
        return _one_file(place, platform, whole)
    return Tab(
        platform.slug,
        name,
        f"The snippet belongs {platform.place}.",
        platform.steps,
        (place.snippet(one_line=platform.is_one_line),),
        platform.track,
        tuple(place.fill(block) for block in platform.blocks),
        platform.notes,
    )


def _one_file(place: _Place, platform: Platform, block: Block) -> Tab:
    """A platform whose example is a file with a place for the snippet: it is there already."""
    snippet = place.snippet(one_line=platform.is_one_line).code
    code = place.fill(block).code.replace(_MARK, snippet)
    return Tab(
        platform.slug,
        platform.name,
        f"The snippet belongs {platform.place}.",
        (platform.steps[0], "Paste this into it. It is the whole file."),
        (Block(block.language, code, block.title),),
        platform.track.rstrip(":") + ".",
        notes=platform.notes,
    )


def _one_line(place: _Place) -> Tab:
    return _without(place, REST, "one-line", "One line") or Tab(
        "one-line",
        "One line",
        "The snippet belongs in the header of every page. Nothing of it is inline: it is for a strict"
        " Content-Security-Policy, and for tag managers.",
        ("Paste this line.",),
        (place.snippet(one_line=True),),
        "Calls work before the script is there as well:",
        (Block("js", '(window.tracker ||= []).push(["page-view", {}]);'),),
        (
            f"Under a Content-Security-Policy, add `script-src {place.origin}; connect-src"
            f" {place.origin}`.",
            f"`thamesthrive snippet {place.source.id} --one-line --integrity` pins the exact bytes.",
        ),
    )


def _npm(place: _Place) -> Tab:
    alias = place.aliases[0] if place.aliases else None
    module = f"{alias.prefix}/{alias.stem}.mjs" if alias else "/tracker/tracker.mjs"
    code = f"""import {{createTracker}} from "./tracker.mjs";

const tracker = createTracker({{
  source: {{id: {json.dumps(place.source.id)}}},
  url: {{api: {json.dumps(place.api)}}},
}});
tracker.track("page-view");"""
    return _without(place, REST, "npm", "npm") or Tab(
        "npm",
        "npm",
        "The tracker is a module without dependencies, for bundlers and for pages that want no"
        " globals.",
        (
            "Save the module in your sources. `tracker.d.ts`, with its types, lies in `js/dist`.",
            "Import it where your application starts. On a server, importing it does nothing.",
        ),
        (
            Block("bash", f"curl -o tracker.mjs {shlex.quote(place.api + module)}"),
            Block("js", code, "main.js"),
        ),
    )


def _curl(place: _Place) -> Tab:
    event = {"type": "test", "properties": {"from": "curl"}}
    body = {"source": {"id": place.source.id}, "events": [event]}
    lines = [f"curl --fail-with-body {shlex.quote(place.endpoint)}"]
    if place.source.origins:
        lines.append(f"-H {shlex.quote(f'Origin: {_example_origin(place.source)}')}")
    lines.append(f"--data {shlex.quote(json.dumps(body))}")
    return _without(place, REST, "curl", "cURL") or Tab(
        "curl",
        "cURL",
        "Any program can send events: this is the request that pages send.",
        ("Run this. The answer comes when the event is on disk.",),
        (Block("bash", " \\\n  ".join(lines)),),
        notes=(
            "Give each event an `id` of your own, and a repeat costs nothing.",
            *(
                ["The source lists origins, so a request has to name one of them."]
                if place.source.origins
                else []
            ),
        ),
    )


def _noscript(place: _Place) -> Tab:
    address = f"{place.api}/collect/page-view/{place.source.id}/pixel.gif"
    pixel = Markup('<noscript><img src="{}" alt=""></noscript>').format(address)
    return _without(place, WEBHOOK, "noscript", "noscript pixel") or Tab(
        "noscript",
        "noscript pixel",
        "An image that counts visitors without JavaScript belongs at the beginning of the body.",
        ("Paste this beside the snippet, which counts all others.",),
        (Block("html", str(pixel)),),
        notes=("No visitor and no visit is known of it, only that the page was seen.",),
    )


def _example_origin(source: "Source") -> str:
    return source.origins[0].replace("://*.", "://www.").removesuffix(":*")


def _without(place: _Place, bridge: str, slug: str, name: str) -> Tab | None:
    """What to say where the source does not accept the bridge; None where it does."""
    bridges = place.source.bridges
    if bridge in bridges:
        return None
    flags = " ".join(f"--bridge {name}" for name in (*bridges, bridge))
    return Tab(
        slug,
        name,
        f"This needs the bridge `{bridge}`, which the source does not accept.",
        (f"Accept it: `thamesthrive source set {place.source.id} {flags}`",),
        missing=bridge,
    )
