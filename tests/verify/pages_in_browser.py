"""Pages that only a browser, or a look at what is stored, can judge: each with one fault, and those that
work. `{…}` is replaced: `snippet` and `one_line` as `thamesthrive snippet` prints them."""

from dataclasses import dataclass, field
from typing import Literal

TRACK = """<script>window.tracker.track("page-view", {});</script>"""
SETTINGS = """<script>options.tracker.settings = {settings};</script>"""
LATE = """<script>addEventListener("load", () => setTimeout(() => {body}, 300));</script>"""
POLICY = """<script>
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = "{policy}";
  document.head.append(meta);
</script>"""

# As a consent manager has it, of those that autoconsent knows: the one of its own test pages.
MANAGER = """<div id="privacy-test-page-cmp-test" style="position:fixed;bottom:0;width:400px;height:90px">
  <p>We value your privacy.</p>
  <button id="accept-all">Yes</button> <button id="reject-all">No</button>
</div>
<script>
  document.getElementById("accept-all").onclick = () => {
    document.getElementById("privacy-test-page-cmp-test").remove();
    %s
  };
</script>"""
TAG_MANAGER = """<script>
  // As a tag manager adds it.
  const tag = document.createElement("script");
  tag.src = "{script}"; tag.dataset.source = "{source}"; tag.async = true;
  tag.dataset.settingsPageViews = "load";
  %s
</script>"""
GRANT = 'window.tracker.consent("granted");'
PENDING = SETTINGS.replace("{settings}", '{consent: "pending"}')
SPA = SETTINGS.replace("{settings}", '{pageViews: "spa"}')


@dataclass(frozen=True)
class Served:
    """A page. `code`: what is found, empty for nothing. `names`: `own` or `default` ones of the
    tracker; `headers`: HTTP's; `source`: fields of the source; `asked`: `--source` is another one;
    `api`: another address that the snippet sends to; `alone`: stages before the browser's tell it in
    their own words."""

    name: str
    code: str
    head: str
    body: str = ""
    names: Literal["own", "default"] = "own"
    headers: dict[str, str] = field(default_factory=dict)
    source: dict[str, object] = field(default_factory=dict)
    schema: str = ""
    asked: bool = False
    api: Literal["", "nowhere", "liar", "broken"] = ""
    alone: bool = False


FAULTS = (
    Served(
        "a script of the page allows no connections",
        "V090",
        POLICY.replace("{policy}", "connect-src 'self'") + "{snippet}" + TRACK,
    ),
    Served(
        "a script of the page allows no other scripts",
        "V082",
        "{snippet}" + TRACK + POLICY.replace("{policy}", "script-src 'self' 'unsafe-inline'"),
    ),
    Served(
        "the tag manager adds nothing",
        "V081",
        TAG_MANAGER % "if (false) document.head.append(tag);",
        alone=True,
    ),
    Served(
        "another script owns window.tracker",
        "V084",
        "<script>window.tracker = Object.freeze({version: 3});</script>{one_line}",
    ),
    Served(
        "a script asks not to be tracked",
        "V086",
        '<script>Object.defineProperty(navigator, "globalPrivacyControl", {value: true});</script>'
        "{snippet}" + SETTINGS.replace("{settings}", "{respectDoNotTrack: true}") + TRACK,
    ),
    Served("consent is never granted", "V087", "{snippet}" + PENDING + TRACK),
    Served(
        "the consent manager does not tell the tracker",
        "V088",
        "{snippet}" + PENDING + TRACK,
        MANAGER % "localStorage.setItem('consent', 'yes');",
    ),
    Served("nothing is tracked", "V089", "{snippet}"),
    Served("requests go nowhere", "V091", "{snippet}" + TRACK, api="nowhere", alone=True),
    Served(
        "the tracker's address is nobody's",
        "V083",
        '<script async src="http://127.0.0.1:9/a/app.js" data-source="{source}"></script>',
        alone=True,
    ),
    Served(
        "the options come too late",
        "V085",
        "<script>{loader}</script>",
        LATE.replace("{body}", "window.options = {tracker: {}}"),
        alone=True,
    ),
    Served("a proxy is broken", "V094", "{snippet}" + TRACK, api="broken", alone=True),
    Served(
        "the source is disabled", "V092", "{snippet}" + TRACK, source={"enabled": False}, alone=True
    ),
    Served(
        "a price is a text",
        "V093",
        '{snippet}<script>tracker.track("purchase", {price: "12"});</script>',
        schema='{"properties": {"price": {"type": "number"}}}',
    ),
    Served(
        "another script replaces pushState",
        "V095",
        "{snippet}" + SPA,
        "<script>addEventListener('load', () => setTimeout(() => {"
        " history.pushState = History.prototype.pushState; }, 300));</script>",
    ),
    Served("blockers know the names", "V096", "{snippet}" + TRACK, names="default"),
    Served(
        "a tag of another source", "V097", TAG_MANAGER % "document.head.append(tag);", asked=True
    ),
    Served(
        "a run of tests is left in the snippet",
        "V098",
        '{snippet}<script>options.tracker.qa = {run: "nightly"};</script>' + TRACK,
    ),
    Served("something else says stored", "V100", "{snippet}" + TRACK, api="liar", alone=True),
    Served(
        "a script stops requests when the page is left",
        "V101",
        """<script>
          const sent = window.fetch;
          let left = false;
          addEventListener("pagehide", () => { left = true; }, true);
          window.fetch = (url, options) => left ? new Promise(() => {}) : sent(url, options);
        </script>{snippet}"""
        + TRACK,
    ),
    Served(
        "a mock answers in the page",
        "V102",
        """<script>
          window.fetch = async (url, {body}) => new Response(JSON.stringify({
            events: JSON.parse(body).events.map(({id}) => id), profile: {id: crypto.randomUUID()},
            session: {id: crypto.randomUUID()}, errors: [], warnings: [],
          }), {headers: {"Content-Type": "application/json"}});
        </script>{snippet}"""
        + TRACK,
    ),
)

GOOD = (
    Served("the classic form", "", "{snippet}" + TRACK),
    Served(
        "the one-line form",
        "",
        "{one_line}",
        "<script>(window.tracker ||= []).push(['page-view', {}]);</script>",
    ),
    Served("a tag manager", "", TAG_MANAGER % "setTimeout(() => document.head.append(tag), 400);"),
    Served("a consent manager", "", "{snippet}" + PENDING + TRACK, MANAGER % GRANT),
    Served("a single-page application", "", "{snippet}" + SPA),
    Served(
        "a strict policy",
        "",
        "{nonced}<script nonce='n1'>window.tracker.track('page-view', {});</script>",
        headers={
            "Content-Security-Policy": "default-src 'none'; script-src 'nonce-n1'; connect-src {api}"
        },
    ),
)
