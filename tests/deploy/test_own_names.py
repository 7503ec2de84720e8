"""The examples of "Names of your own", run as a reader has them, before a real collector."""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from ..support import ROOT, Collector, wait_for
from .test_proxies import free_port

PAGE = ROOT / "site" / "docs" / "how-to" / "own-names.md"
ALIAS = "/a/{app.js,hello}"
SITE = "the rest of the site"


def example(title: str) -> str:
    """A code block of the page, by its title."""
    found = re.search(rf'(?ms)^```\w+ title="{re.escape(title)}".*?\n(.*?)^```$', PAGE.read_text())
    assert found, title
    return found[1]


def with_address(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def nginx(folder: Path, port: int, upstream: int) -> list[str]:
    location = with_address(
        example("own-names.nginx.conf"), "127.0.0.1:8686", f"127.0.0.1:{upstream}"
    )
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} daemon off; pid {folder}/pid;"
        f" error_log stderr; events {{}} http {{ access_log off; {temporary}"
        f" server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{SITE}'; }}\n{location} }} }}"
    )
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)]


def caddy(folder: Path, port: int, upstream: int) -> list[str]:
    forward = with_address(
        example("own-names.Caddyfile"), "127.0.0.1:8686", f"127.0.0.1:{upstream}"
    )
    file = folder / "Caddyfile"
    file.write_text(
        "{\n\tadmin off\n\tauto_https off\n}\n"
        f'http://:{port} {{\n\tbind 127.0.0.1\n{forward}\n\trespond "{SITE}"\n}}\n'
    )
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


def node(folder: Path, port: int, upstream: int) -> list[str]:
    """The worker in Node, which has the same `fetch`, `Request` and `Headers`."""
    text = example("own-names.worker.mjs")
    own = with_address(text, "https://collector.example.net", f"http://127.0.0.1:{upstream}")
    (folder / "worker.mjs").write_text(own)
    (folder / "server.mjs").write_text(SERVER % {"port": port, "site": SITE})
    return ["node", str(folder / "server.mjs")]


SERVER = """
import http from "node:http";
import worker from "./worker.mjs";

http.createServer(async (asked, answer) => {
  if (!asked.url.startsWith("/a/")) return answer.end("%(site)s");
  const chunks = [];
  for await (const chunk of asked) chunks.push(chunk);
  const headers = new Headers({ ...asked.headers, "cf-connecting-ip": asked.socket.remoteAddress });
  for (const name of ["connection", "content-length", "host"]) headers.delete(name);
  const body = asked.method == "POST" ? Buffer.concat(chunks) : undefined;
  const request = new Request("http://site" + asked.url, { method: asked.method, headers, body });
  // Cloudflare answers 500 for a worker that throws.
  const got = await worker.fetch(request).catch(() => new Response("", { status: 500 }));
  const own = Object.fromEntries(got.headers);
  delete own["content-encoding"]; // fetch has inflated it
  delete own["content-length"];
  answer.writeHead(got.status, own);
  answer.end(Buffer.from(await got.arrayBuffer()));
}).listen(%(port)d, "127.0.0.1");
"""

APPLICATIONS = {
    "wsgi": f"""
from own_names import OwnNames

def site(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{SITE}"]

application = OwnNames(site)
""",
    "flask": """
{example}

@app.get("/")
def site():
    return "{site}"

application = app
""",
    "django": """
import django.conf
import django.http
import django.urls

def site(request):
    return django.http.HttpResponse("{site}")

urlpatterns = [django.urls.path("", site)]
django.conf.settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="-")

{example}
""",
}
SERVE = """
import sys, wsgiref.simple_server
from application import application

wsgiref.simple_server.make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""


def wsgi(framework: str, title: str = "") -> Callable[[Path, int, int], list[str]]:
    def write(folder: Path, port: int, upstream: int) -> list[str]:
        own = with_address(example("own_names.py"), "127.0.0.1:8686", f"127.0.0.1:{upstream}")
        (folder / "own_names.py").write_text(own)
        text = APPLICATIONS[framework]
        if title:
            text = text.replace("{example}", example(title)).replace("{site}", SITE)
        (folder / "application.py").write_text(text)
        (folder / "serve.py").write_text(SERVE)
        return [sys.executable, str(folder / "serve.py"), str(port)]

    return write


FORWARDERS = {
    "nginx": nginx,
    "caddy": caddy,
    "node": node,
    "wsgi": wsgi("wsgi"),
    "flask": wsgi("flask", "app.py, Flask"),
    "django": wsgi("django", "wsgi.py, Django"),
}


def is_missing(name: str) -> bool:
    if name in ("flask", "django"):
        return importlib.util.find_spec(name) is None
    return name != "wsgi" and not shutil.which(name)


class Forwarded:
    """A collector behind a site that forwards its path to it."""

    def __init__(self, collector: Collector, url: str) -> None:
        self.collector = collector
        self.url = url


@pytest.fixture(scope="module", params=FORWARDERS)
def forwarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Forwarded]:
    if is_missing(request.param):
        pytest.skip(f"there is no {request.param} here")
    folder = tmp_path_factory.mktemp(request.param)
    collector = Collector(folder, options=("--alias", ALIAS, "--proxies", "1"))
    try:
        collector.start()
        with site_of(request.param, folder, collector.port) as url:
            yield Forwarded(collector, url)
    finally:
        collector.end()


@contextlib.contextmanager
def site_of(name: str, folder: Path, upstream: int) -> Iterator[str]:
    """Runs the site that forwards to a collector; gives its address once it answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = folder / "log"
    with log.open("w") as output:
        command = FORWARDERS[name](folder, port, upstream)
        site = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env={**os.environ, "HOME": str(folder)})  # fmt: skip

    def answers() -> bool:
        assert site.poll() is None, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url).text == SITE
        return False

    try:
        wait_for(answers, "the site to answer")
        yield url
    finally:
        site.terminate()
        site.wait(20)


def event(source: str) -> dict[str, object]:
    return {"source": {"id": source}, "events": [{"id": str(uuid.uuid4()), "type": "a"}]}


def test_events_go_through_with_the_senders_address(forwarded: Forwarded) -> None:
    """Whatever the sender says it is."""
    source = forwarded.collector.add_source(ip_policy="full", origins=["https://www.example.com"])
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as sender:
        answer = sender.post(
            f"{forwarded.url}/a/hello",
            content=json.dumps(event(source)),
            headers={
                "Origin": "https://www.example.com",
                "Cookie": "of-the-site=1",
                "X-Forwarded-For": "203.0.113.7",
            },
        )
    assert answer.status_code == 200
    assert [row["ip"] for row in forwarded.collector.events(source)] == ["127.0.0.2"]


def test_refusals_go_through_as_they_are(forwarded: Forwarded) -> None:
    answer = httpx.post(f"{forwarded.url}/a/hello", json=event("nobody"))
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Access denied. Invalid source."}
    assert answer.headers["X-Collector-Reason"] == "unknown_source"


def test_the_script_comes_through_and_its_etag(forwarded: Forwarded) -> None:
    answer = httpx.get(f"{forwarded.url}/a/app.js")
    assert answer.content == httpx.get(f"{forwarded.collector.url}/a/app.js").content
    given = {"If-None-Match": answer.headers["ETag"]}
    assert httpx.get(f"{forwarded.url}/a/app.js", headers=given).status_code == 304


def test_nothing_else_is_forwarded(forwarded: Forwarded) -> None:
    answer = httpx.get(f"{forwarded.url}/health")
    assert answer.headers.get("Content-Type") != "application/json"


def test_what_is_too_large_is_answered_413(forwarded: Forwarded) -> None:
    source = forwarded.collector.add_source()
    large = json.dumps(event(source)).encode() + b" " * 300_000
    assert httpx.post(f"{forwarded.url}/a/hello", content=large).status_code == 413


def test_a_collector_that_is_down_has_the_tracker_try_again(forwarded: Forwarded) -> None:
    forwarded.collector.end()
    try:
        answer = httpx.post(f"{forwarded.url}/a/hello", json=event("any"))
        assert answer.status_code >= 500
    finally:
        forwarded.collector.start()
