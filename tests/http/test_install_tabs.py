"""The ways to install a snippet are ready to paste: what they print works as it is."""

import html
import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from cli.builder.javascript import check_html
from cli.builder.snippet import render_snippet
from collector import store
from collector.alias import parse_aliases
from collector.errors import BadAddress, NotBuilt
from collector.install import Tab, install_tabs
from collector.install.example_values import EXAMPLE_API, EXAMPLE_SOURCE_ID
from collector.settings import default_bundle

from ..support import Collector

SHOP = "https://shop.example.com"
ALL = [
    "html", "one-line", "npm", "google-tag-manager", "wordpress", "shopify", "nextjs", "curl", "noscript",
]  # fmt: skip


def tabs(collector: Collector, source: str, api: str, alias: str = "") -> dict[str, Tab]:
    with collector.database() as database:
        found = store.get_source(database, source)
    return {
        tab.slug: tab for tab in install_tabs(found, api, default_bundle(), parse_aliases(alias))
    }


def code_of(tab: Tab) -> str:
    return "\n".join(block.code for block in (*tab.code, *tab.track_code))


def test_every_way_has_the_sources_own_values(shared_collector: Collector) -> None:
    source = shared_collector.add_source(bridges=["rest", "webhook"])
    found = tabs(shared_collector, source, "https://events.example.com/")
    assert [*found] == ALL
    for tab in found.values():
        code = code_of(tab)
        assert source in code
        assert "https://events.example.com" in code
        assert EXAMPLE_API not in code
        assert EXAMPLE_SOURCE_ID not in code
        assert "](" not in repr(tab)  # links of the documentation
        assert tab.place
        assert tab.steps
        for block in (*tab.code, *tab.track_code):
            if block.language == "html":
                check_html(block.code)
    classic = render_snippet(source, "https://events.example.com", default_bundle()).html
    assert found["html"].code[0].code == classic
    (file,) = found["wordpress"].code
    assert file.title == "wp-content/mu-plugins/thamesthrive.php"
    assert file.code.startswith("<?php")
    assert "window.tracker" in file.code
    assert file.code.count("<!-- the snippet -->") == 0
    assert found["html"].code[0].code in file.code


def test_names_of_ones_own_are_in_every_way(shared_collector: Collector) -> None:
    source = shared_collector.add_source(bridges=["rest", "webhook"])
    api = "https://shop.example.com/t"
    found = tabs(shared_collector, source, api, "/a/{app.js,hello}")
    for slug in ALL[:-1]:
        code = code_of(found[slug])
        assert "/tracker/" not in code
        assert "tracker.min.js" not in code
    assert f"{api}/a/app.js" in code_of(found["nextjs"])
    assert f'data-api="{api}"' in found["nextjs"].track_code[0].code
    assert f"{api}/a/app.mjs" in code_of(found["npm"])
    assert f"{api}/a/hello" in code_of(found["curl"])
    assert "script-src https://shop.example.com;" in found["one-line"].notes[0]


def test_what_the_bridges_do_not_allow_says_how_to_enable_it(shared_collector: Collector) -> None:
    usual = tabs(shared_collector, shared_collector.add_source(), SHOP)
    assert {slug for slug, tab in usual.items() if tab.missing} == {"noscript"}
    source = shared_collector.add_source(bridges=["redirect"])
    for slug, tab in tabs(shared_collector, source, SHOP).items():
        assert tab.missing == ("webhook" if slug == "noscript" else "rest")
        assert code_of(tab) == ""
        (command,) = re.findall("`(thamesthrive .*)`", tab.steps[0])
        assert (
            command == f"thamesthrive source set {source} --bridge redirect --bridge {tab.missing}"
        )


@pytest.mark.parametrize("origins", [[], ["https://*.example.com:*", SHOP]])
def test_the_printed_commands_store_events(
    shared_collector: Collector, origins: list[str], tmp_path: Path
) -> None:
    source = shared_collector.add_source(bridges=["rest", "webhook"], origins=origins)
    found = tabs(shared_collector, source, shared_collector.url)
    done = subprocess.run(
        ["bash", "-c", found["curl"].code[0].code], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["errors"] == []
    (pixel,) = re.findall('src="([^"]*)"', found["noscript"].code[0].code)
    assert httpx.get(html.unescape(pixel)).status_code == 200
    events = shared_collector.wait_for_events(source, 2)
    assert [event["type"] for event in events] == ["test", "page-view"]
    command = found["npm"].code[0].code
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    assert "createTracker" in (tmp_path / "tracker.mjs").read_text()


def test_an_address_that_pages_cannot_use_is_refused(
    shared_collector: Collector, tmp_path: Path
) -> None:
    source = shared_collector.add_source()
    for api in ("events.example.com", "javascript:alert(1)", 'https://x" onload="y', "https://a b"):
        with pytest.raises(BadAddress):
            tabs(shared_collector, source, api)
    with shared_collector.database() as database, pytest.raises(NotBuilt):
        install_tabs(store.get_source(database, source), SHOP, tmp_path)
