"""Consent that a manager gives while the page loads takes effect, and `ready` waits for nothing that
does not come."""

from typing import Any

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Page

from collector.testing import Tracking

from ..support import ROOT, Collector, wait_for
from .environment import Network, Site, through

pytestmark = pytest.mark.usefixtures("in_order")
PENDING = "options.tracker.settings = {consent: 'pending'}; "
READY = "window.tracker && window.tracker.ready && document.readyState == 'complete'"

# Each manager as it behaves for a visitor who has decided on an earlier page: what it puts on the
# page by itself, and the code of its how-to.
TCF = """
  // Managers queue calls until their own script is there.
  const queue = [];
  window.__tcfapi = (...given) => queue.push(given);
  const listeners = [];
  const tcData = (eventStatus, granted, listenerId) => ({
    tcString: "CPzZ", tcfPolicyVersion: 5, cmpId: 300, cmpVersion: 2, gdprApplies: true, listenerId,
    eventStatus, cmpStatus: "loaded", isServiceSpecific: true, useNonStandardTexts: false, publisherCC: "GB",
    purpose: {consents: {1: granted, 8: granted}, legitimateInterests: {}}, vendor: {consents: {}, legitimateInterests: {}},
    specialFeatureOptins: {}, publisher: {consents: {}, legitimateInterests: {}, customPurpose: {consents: {}}, restrictions: {}},
  });
  const loadManager = (eventStatus, granted) => {
    window.__tcfapi = (command, version, callback) => {
      if (command === "addEventListener") {
        listeners.push(callback);
        callback(tcData(eventStatus, granted, listeners.length - 1), true);
      }
    };
    queue.splice(0).forEach((given) => window.__tcfapi(...given));
  };
  const openBanner = () => loadManager("cmpuishown", false);
  const decide = (granted) => listeners.forEach((callback, id) => callback(tcData("useractioncomplete", granted, id), true));
"""
COOKIEBOT = """
  const announce = (name) => window.dispatchEvent(new Event(name));
  const loadManager = (_, granted) => {
    const consent = {necessary: true, preferences: granted, statistics: granted, marketing: false, method: "explicit"};
    window.Cookiebot = {consent, consented: granted, declined: !granted, hasResponse: true};
    announce("CookiebotOnConsentReady");
    announce(granted ? "CookiebotOnAccept" : "CookiebotOnDecline");
  };
  const openBanner = () => {
    window.Cookiebot = {consent: {necessary: true, statistics: false}, consented: false, declined: false, hasResponse: false};
    announce("CookiebotOnDialogInit");
    announce("CookiebotOnDialogDisplay");
  };
  const decide = (granted) => loadManager("", granted);
"""
# As Klaro 0.7.22 does (`ConsentManager.applyConsents`): while nobody has decided, each service is
# declined as well.
KLARO = """
  const apply = (consent, confirmed = true) => {
    const [service] = klaroConfig.services;
    const handler = consent ? service.onAccept : service.onDecline;
    handler?.({service, config: klaroConfig, vars: {}, consents: {thamesthrive: consent}, confirmed});
    service.callback?.(consent, service);
  };
  const loadManager = (_, granted) => apply(granted);
  const openBanner = () => apply(false, false);
  const decide = (granted) => apply(granted);
"""
MANAGERS = {"consent-tcf": TCF, "consent-cookiebot": COOKIEBOT, "consent-klaro": KLARO}


def code_of(page: str) -> str:
    """The code that a how-to tells its reader to paste."""
    (example,) = [
        token.content
        for token in MarkdownIt("commonmark").parse(
            (ROOT / f"site/docs/how-to/{page}.md").read_text().split("+++\n", 2)[2]
        )
        if token.type == "fence" and token.info.startswith("js norun")
    ]
    return example


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("decision", ["granted before", "denied before", "granted now", "open"])
def test_a_managers_decision_takes_effect_however_early_it_comes(
    page: Page, site: Site, head: str, tracking: Tracking, manager: str, decision: str
) -> None:
    """The manager speaks while the page's HTML is parsed, before the tracker's bundle is there."""
    early = f"{PENDING} tracker.track('page-view');\n{MANAGERS[manager]}\n{code_of(manager)}\n"
    load = {
        "granted before": 'loadManager("tcloaded", true)',
        "denied before": 'loadManager("tcloaded", false)',
    }
    early += load.get(decision, "openBanner()")
    page.goto(site.add("p.html", early, head=head))
    page.wait_for_function(READY)
    if decision == "granted now":
        tracking.expect_exactly()
        page.evaluate("() => decide(true)")
    if decision.startswith("granted"):
        tracking.expect_exactly("page-view")
    page.goto("about:blank")
    tracking.expect_exactly(*["page-view"] * decision.startswith("granted"))
    assert tracking.uncaught == []


def test_a_banner_grants_where_the_gdpr_does_not_apply(
    page: Page, site: Site, head: str, tracking: Tracking
) -> None:
    """The framework leaves all fields but these out then."""
    answer = "{eventStatus: 'tcloaded', cmpStatus: 'loaded', gdprApplies: false}"
    manager = f"window.__tcfapi = (command, version, callback) => callback({answer}, true);"
    script = f"{PENDING} tracker.track('a');\n{manager}\n{code_of('consent-tcf')}"
    page.goto(site.add("p.html", script, head=head))
    tracking.expect_exactly("a")
    assert tracking.uncaught == []


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_consent_that_is_withdrawn_forgets_the_visitor(
    page: Page, site: Site, head: str, tracking: Tracking, manager: str
) -> None:
    script = f"{PENDING}\n{MANAGERS[manager]}\n{code_of(manager)}\nloadManager('tcloaded', true); tracker.track('a');"
    page.goto(site.add("p.html", script, head=head))
    tracking.expect_exactly("a")
    page.evaluate("() => decide(false)")
    result = page.evaluate("() => tracker.track('b')")
    assert (result["stored"], result["detail"]) == (False, "denied")
    assert page.evaluate("[document.cookie, localStorage.length]") == ["", 0]


@pytest.mark.parametrize("decision", ["granted", "denied"])
def test_consent_before_the_bundle_is_there(
    page: Page, site: Site, head: str, tracking: Tracking, decision: str
) -> None:
    script = f"{PENDING} window.done = tracker.track('a'); tracker.consent('{decision}');"
    page.goto(site.add("p.html", script, head=head))
    result = page.evaluate("() => done")
    assert result["stored"] is (decision == "granted")
    tracking.expect_exactly(*["a"] * (decision == "granted"))


def test_flush_and_reset_before_the_bundle_is_there(
    page: Page, site: Site, head: str, page_collector: Collector, tracking: Tracking
) -> None:
    """`load` waits for an image, so it is `flush` that sends; `reset` stands between the events."""
    script = "tracker.track('a'); tracker.reset(); tracker.track('b'); window.done = tracker.flush().then(() => 'flushed');"
    with Network(page_collector) as network:
        hangs = f"<img src='{network.url}/hangs'>"
        page.goto(
            site.add("p.html", script, head=head, body=hangs),
            wait_until="commit",
        )
        first, second = tracking.expect_exactly("a", "b")
        assert page.evaluate("() => done") == "flushed"
    tracking.expect_identity(first, second, same_session=False)


@pytest.mark.parametrize("options", ["", PENDING], ids=["nothing tracked", "pending"])
def test_the_page_is_ready_when_there_is_nothing_to_wait_for(
    page: Page, site: Site, head: str, tracking: Tracking, options: str
) -> None:
    script = f"""{options} onThamesThriveReady.bind(({{helpers, tracker, context}}) => {{
      window.context = JSON.stringify(context);
      helpers.onClick("button", () => tracker.track("clicked"));
      tracker.consent("granted");
    }})"""
    address = site.add("p.html", script, head=head, body="<button>b</button>")
    page.goto(address)
    page.wait_for_function("window.context")
    page.get_by_role("button").click()
    tracking.expect_exactly("clicked")
    assert page.evaluate("context") == "null"


def test_the_page_is_not_ready_before_the_answer_to_what_it_tracked(
    page: Page, site: Site, head: str, page_collector: Collector, tracking: Tracking
) -> None:
    script = (
        "tracker.track('a'); onThamesThriveReady.bind(({context}) => { window.context = context })"
    )
    with Network(page_collector) as network:
        network.weather = lambda _: (
            (503, {"Retry-After": "1"}, b"{}") if len(network.bodies) == 1 else None
        )
        page.goto(site.add("p.html", script, head=through(network, head)))
        wait_for(lambda: network.bodies, "the first request")
        assert page.evaluate("window.context") is None
        context: Any = page.wait_for_function("window.context").evaluate("context => context")
    assert context["events"] == [event.id for event in tracking.expect_exactly("a")]
