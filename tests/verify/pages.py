"""Pages as data: each has one fault, and the one code that tells it; and pages that work.

In their HTML, `@CLASSIC@` and `@ONE_LINE@` are the snippet's forms, `@SOURCE@` the id, `@API@` the
collector's address, `@HASH@` the hash of the classic form's script.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .site import Answered, Asked

Change = Callable[[Asked, Answered], Answered]
"""What stands between the page and the collector does to an answer."""

FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Shop</title>
{head}
</head>
<body><h1>Shop</h1>{body}</body>
</html>
"""


def frame(head: str, body: str = "") -> str:
    return FRAME.format(head=head, body=body)


CLASSIC = frame("@CLASSIC@")
ONE_LINE = frame("@ONE_LINE@")


def unchanged(asked: Asked) -> Asked:
    return asked


@dataclass(frozen=True)
class Served:
    """One page. `code`: what is found, empty for a page that works; `stage`: who finds it.

    `html` or `answers`: what is served; `headers`: added to it; `options`: how the source is added;
    `https`: how the page is served; `source`: the id that `verify` is told; `api`: the collector's
    address in the page, another one than the real one; `change`: what a proxy does to the collector's
    answers; `tls`: the certificate of that proxy; `passed`: what the proxy makes of a request;
    `proxies`: how many the collector expects; `sent`: events that the source has sent before.
    """

    name: str
    code: str
    stage: str = "static"
    html: str = CLASSIC
    headers: tuple[tuple[str, str], ...] = ()
    answers: Callable[[Asked, bytes], Answered] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    https: bool = False
    source: str | None = None
    api: str = ""
    change: Change | None = None
    tls: str = ""
    sent: int = 0
    passed: Callable[[Asked], Asked] = unchanged
    proxies: int = 0


def policy(*texts: str) -> tuple[tuple[str, str], ...]:
    return tuple(("Content-Security-Policy", text) for text in texts)


def html(body: bytes, status: int = 200, *headers: tuple[str, str]) -> Answered:
    return Answered(body, status, (("Content-Type", "text/html; charset=utf-8"), *headers))


def moved(target: str) -> Answered:
    return Answered(b"", 301, (("Location", target),))


def once_cached(cached: bytes) -> Callable[[Asked, bytes], Answered]:
    """A cache that has another page than the site."""
    return lambda asked, body: html(body if asked.is_past_caches else cached, 200, ("Age", "86400"))


def other_past_caches(fresh: bytes) -> Callable[[Asked, bytes], Answered]:
    return lambda asked, body: html(fresh if asked.is_past_caches else body, 200, ("Age", "86400"))


def without_query(asked: Asked, body: bytes) -> Answered:
    return html(body) if asked.path == "/shop/" else moved(f"{asked.base}/shop/")


EMPTY = frame("").encode()
GTM = "<script>(function(w){w.dataLayer=[]})(window)</script><script async src='https://www.googletagmanager.com/gtm.js?id=GTM-ABC123'></script>"
MODULE = """<script>@LOADER@</script><script type="module">
const options = {tracker: {url: {script: "@API@/tracker", api: "@API@"}, source: {id: "@SOURCE@"}}};
</script>"""
TWO_PARTS = """<script nonce="r4nd0m">@LOADER@</script><script>
const options = {tracker: {url: {script: "@API@/tracker", api: "@API@"}, source: {id: "@SOURCE@"}}};
</script>"""

FAULTS = (
    # The page.
    Served("not-found", "V001", answers=lambda _, body: html(body, 404)),
    Served("no-html", "V002", answers=lambda _, b: Answered(b, 200, (("Content-Type", "text/plain"),))),
    Served("redirects-in-circles", "V003", answers=lambda a, _: moved(f"{a.base}/again")),
    Served("cache-of-before", "V004", answers=once_cached(EMPTY)),
    Served("redirect-drops-query", "V005", answers=without_query),
    Served(
        "wrong-charset", "V006",
        answers=lambda _, b: Answered(b, 200, (("Content-Type", "text/html; charset=utf-16le"),)),
    ),
    Served("gone-past-caches", "V007", answers=other_past_caches(EMPTY)),
    # Whether there is a snippet.
    Served("no-snippet", "V010", html=frame("<script>var tracker;</script>")),
    Served("tag-manager-only", "V011", html=frame(GTM)),
    Served("in-a-comment", "V012", html=frame("<!-- off for now\n@CLASSIC@ -->")),
    Served("in-a-template", "V013", html=frame("", "<template>\n@ONE_LINE@</template>")),
    Served("in-noscript", "V014", html=frame("", "<noscript>\n@CLASSIC@</noscript>")),
    # What optimisers and consent managers make of it.
    Served("wp-rocket", "V015", html=frame("@CLASSIC:type=\"rocketlazyloadscript\"@")),
    Served("rocket-loader", "V015", html=frame("@ONE_LINE:type=\"4f1a2b3c4d5e6f708192a3b4-text/javascript\"@")),
    Served("lazy-address", "V015", html=frame("@LAZY@")),
    Served(
        "consent-manager", "V016",
        html=frame('@CLASSIC:type="text/plain" data-cookieconsent="statistics"@'),
    ),
    Served("left-in-plain-text", "V017", html=frame("@CLASSIC:type=\"text/plain\"@")),
    # What it says.
    Served("no-options", "V018", html=frame("<script>@LOADER@</script>")),
    Served("options-in-a-module", "V019", html=frame(MODULE)),
    Served("options-declared-twice", "V020", html=frame("<script>let options = {theme: 1};</script>\n@CLASSIC@")),
    Served("twice", "V021", html=frame("@ONE_LINE@", "@ONE_LINE@")),
    Served("malformed-id", "V022", html=frame('<script async src="@API@/tracker/tracker.min.js" data-source="YOUR-ID"></script>')),
    Served("no-id", "V023", html=frame('<script async src="@API@/tracker/tracker.min.js"></script>')),
    Served("other-source", "V024", source="@OTHER@"),
    Served("no-address", "V025", html=frame('<script async src="https://{{ collector }}/tracker/tracker.min.js" data-source="@SOURCE@"></script>')),
    Served("own-computer", "V026", html=frame('<script async src="http://127.0.0.1:8686/tracker/tracker.min.js" data-source="@SOURCE@"></script>')),
    Served("mixed-content", "V027", https=True, html=ONE_LINE),
    Served("one-line-module", "V028", html=frame('@ONE_LINE:type="module"@')),
    Served("integrity-alone", "V029", html=frame("@PINNED@")),
    # Policies.
    Served("policy-blocks-inline", "V030", headers=policy("script-src 'self' @API@")),
    Served("old-nonce", "V031", html=frame('@CLASSIC:nonce="of-yesterday"@'), headers=policy("script-src 'nonce-r4nd0m' @API@")),
    Served("old-hash", "V032", headers=policy("script-src 'sha256-4WXnogDcYW2NJGmZ2rtPTGbWBqp4NL8MTNxC/J8ecSQ=' @API@")),
    Served("policy-blocks-script", "V033", html=ONE_LINE, headers=policy("script-src 'self'; connect-src *")),
    Served(
        "second-policy-blocks-script", "V033",
        html=frame('<meta http-equiv="Content-Security-Policy" content="script-src-elem \'self\'">\n@ONE_LINE@'),
        headers=policy("default-src *"),
    ),
    Served("policy-blocks-requests", "V034", html=ONE_LINE, headers=policy("default-src 'self'; script-src @API@")),
    Served("sandbox", "V035", headers=policy("sandbox allow-forms")),
    Served("trusted-types", "V036", headers=policy("require-trusted-types-for 'script'; trusted-types shop")),
    Served("void-unsafe-inline", "V037", headers=policy("script-src 'unsafe-inline' 'nonce-r4nd0m' @API@")),
    Served("options-without-nonce", "V030", html=frame(TWO_PARTS), headers=policy("script-src 'nonce-r4nd0m' @API@")),
)  # fmt: skip


def dropping(*names: str) -> Change:
    """A proxy that removes headers."""
    gone = {name.lower() for name in names}
    return lambda asked, answer: replace(
        answer, headers=tuple(pair for pair in answer.headers if pair[0].lower() not in gone)
    )


def setting(name: str, value: str, path: str = "/tracker/") -> Change:
    """A proxy that has a header of its own in place of the collector's, below a path."""

    def change(asked: Asked, answer: Answered) -> Answered:
        if not asked.path.startswith(path):
            return answer
        return replace(
            dropping(name)(asked, answer),
            headers=(*dropping(name)(asked, answer).headers, (name, value)),
        )

    return change


def answering(path: str, answer: Answered, method: str = "") -> Change:
    """A proxy that answers a path by itself."""
    return lambda asked, given: (
        answer if asked.path.startswith(path) and method in ("", asked.method) else given
    )


def adding(name: str, value: str) -> Change:
    """A proxy that adds a header."""
    return lambda _, answer: replace(answer, headers=(*answer.headers, (name, value)))


def older(_: Asked, answer: Answered) -> Answered:
    return replace(answer, body=answer.body.replace(b'"version":"', b'"version":"0.0.'))


def late(asked: Asked, answer: Answered) -> Answered:
    """A collector whose clock is an hour behind."""
    if asked.method != "POST":
        return answer
    body = json.loads(answer.body)
    milliseconds = (uuid.UUID(body["task"][0]).int >> 80) - 3_600_000
    body["task"] = [str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | 8 << 60))]
    return replace(answer, body=json.dumps(body).encode())


def same(_: Asked, answer: Answered) -> Answered:
    return answer


LOGIN = html(b"<!doctype html><title>Log in</title>")
COEP = (("Cross-Origin-Embedder-Policy", "require-corp"),)
UNKNOWN_ID = "00000000-0000-4000-8000-000000000002"

COLLECTOR_FAULTS = (
    # The connection.
    Served("unknown-name", "V050", "collector", api="http://nowhere.invalid"),
    Served("nobody-listens", "V051", "collector", api="http://events.example:@CLOSED@"),
    Served("silent", "V052", "collector", api="http://events.example:@SILENT@"),
    Served("expired-certificate", "V053", "collector", tls="expired"),
    Served("certificate-of-another", "V054", "collector", tls="other"),
    Served("own-certificate", "V055", "collector", tls="own"),
    Served("https-without-tls", "V056", "collector", api="https://events.example:@PLAIN@"),
    # The script.
    Served("path-not-forwarded", "V057", "collector", change=answering("/tracker/", html(b"Not found", 404))),
    Served("pinned-build-is-gone", "V058", "collector", html=frame("@ONE_LINE_OF_OLD_BUILD@")),
    Served("login-instead", "V059", "collector", change=answering("/tracker/", LOGIN)),
    Served("script-as-text", "V060", "collector", change=setting("Content-Type", "text/plain")),
    Served("resource-policy", "V061", "collector", change=setting("Cross-Origin-Resource-Policy", "same-origin")),
    Served("embedder-policy", "V062", "collector", headers=COEP, change=dropping("Cross-Origin-Resource-Policy")),
    Served("integrity-of-old-build", "V063", "collector", html=frame("@OLD_PIN@")),
    Served("pinned-script-without-cors", "V066", "collector", html=frame("@PINNED_WELL@"), change=dropping("Access-Control-Allow-Origin")),
    Served("other-script", "V064", "collector", change=answering("/tracker/", Answered(b"var a = 1;", 200, (("Content-Type", "text/javascript"),)))),
    Served("old-collector", "V065", "collector", change=older),
    # Its requests.
    Served("cors-removed", "V066", "collector", change=dropping("Access-Control-Allow-Origin")),
    Served("cors-doubled", "V066", "collector", change=adding("Access-Control-Allow-Origin", "*")),
    Served("post-not-forwarded", "V067", "collector", change=answering("/track", html(b"No", 405), "POST")),
    Served("post-answered-by-site", "V067", "collector", change=answering("/track", LOGIN, "POST")),
    Served("preflight-refused", "V068", "collector", change=answering("/track", html(b"", 403), "OPTIONS")),
    Served("unknown-source", "V070", "collector", html=frame(f'<script async src="@API@/tracker/tracker.min.js" data-source="{UNKNOWN_ID}"></script>')),
    Served("unknown-source-bare-proxy", "V070", "collector", html=frame(f'<script async src="@API@/tracker/tracker.min.js" data-source="{UNKNOWN_ID}"></script>'), change=dropping("X-Collector-Reason")),
    Served("disabled-source", "V071", "collector", options={"enabled": False}),
    Served("bridge-not-allowed", "V072", "collector", options={"bridges": ("webhook",)}),
    Served("origin-not-listed", "V073", "collector", options={"origins": ("https://www.shop.example",)}),
    Served("rate-limited", "V074", "collector", options={"rate_limit": 1}, sent=20),
    Served("collector-overloaded", "V075", "collector", change=answering("/track", Answered(b'{"detail": "Overloaded."}', 503, (("Content-Type", "application/json"), ("Access-Control-Allow-Origin", "*"), ("X-Collector-Reason", "overloaded"))), "POST")),
    Served("gateway-down", "V075", "collector", change=answering("/track", html(b"Bad gateway", 502), "POST")),
    Served("late-clock", "V076", "collector", change=late),
    Served("query-stripped", "V077", "collector", change=same, passed=lambda asked: replace(asked, path=asked.path.partition("?")[0])),
    Served("address-not-counted", "V078", "collector", change=same, passed=lambda asked: replace(asked, headers={**asked.headers, "X-Forwarded-For": "192.0.2.7"})),
    Served("address-not-forwarded", "V079", "collector", change=same, proxies=1),
)  # fmt: skip

WORKING = (
    Served("classic", ""),
    Served("one-line", "", html=ONE_LINE),
    Served(
        "strict-policy-with-nonce", "",
        html=frame('@CLASSIC:nonce="r4nd0m"@'),
        headers=policy("default-src 'none'; script-src 'nonce-r4nd0m' 'strict-dynamic'; connect-src @API@; require-trusted-types-for 'script'; trusted-types thamesthrive"),
    ),
    Served("first-party-alias", "", html=frame('<script async src="@API@/a/app.js" data-source="@SOURCE@"></script>')),
    Served("single-page-application", "", html=frame('<script>window.dataLayer = [];</script>@ONE_LINE:data-settings-page-views="spa"@')),
)  # fmt: skip
