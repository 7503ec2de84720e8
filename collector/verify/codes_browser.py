"""What only a browser, and only what is stored, can show."""

from .findings import Code

_PENDING = """window.tracker.consent("granted");"""
_VIEW = """options.tracker.settings = {{pageViews: "load"}};"""

NOT_OPENED = Code(
    "V080",
    "browser",
    "The page does not open in a browser",
    "The browser got {answer} for {url}.",
    "Open the address yourself. If the page is behind a login, use `thamesthrive verify URL --manual`.",
)
NO_TRACKER = Code(
    "V081",
    "browser",
    "No tracker on the page",
    "All scripts of the page have run, and none of them is the tracker.",
    "Paste the snippet that `thamesthrive snippet ID` prints into the page's <head>. If a tag manager"
    " adds it, check that its trigger fires on this page, and that the change is published.",
    shows="errors of the page's scripts",
)
SCRIPT_POLICY = Code(
    "V082",
    "browser",
    "The page's policy blocks the tracker",
    "The browser did not run the tracker because of the directive {directive}.",
    "Allow the collector in the policy that the browser had in the end: scripts of the page and other"
    " servers can add one to that of the page's own header.",
    paste="script-src {origin}; connect-src {origin}",
    shows="the policy, and what the browser's console says",
)
SCRIPT_FAILED = Code(
    "V083",
    "browser",
    "The tracker's script does not load",
    "The browser got no answer from {script}: {failure}.",
    "Open the address in a browser. It must be reachable from where your visitors are, by https on a"
    " page of https.",
    shows="what the browser's console says",
)
SCRIPT_WRONG = Code(
    "V084",
    "browser",
    "The tracker's script does not start",
    "The browser loaded {script} ({answer}), and no tracker started.",
    "The address must answer with the built tracker. Compare it with what `thamesthrive snippet ID`"
    " prints; if a proxy is in front of the collector, it must pass on the whole path.",
    shows="errors of the page's scripts",
)
SNIPPET_BROKEN = Code(
    "V085",
    "browser",
    "A script error stops the snippet",
    "The snippet is on the page, and a script error keeps it from loading the tracker.",
    "Paste the snippet again, whole, as `thamesthrive snippet ID` prints it, and exclude it from"
    " scripts and plugins that change scripts.",
    shows="errors of the page's scripts, and what the browser's console says",
)
REFUSES_TRACKING = Code(
    "V086",
    "browser",
    "The browser asks not to be tracked",
    "The page respects Do Not Track and Global Privacy Control, and the browser has one of them set,"
    " or a script of the page says so in its place.",
    "Nothing is wrong if that is what your visitors chose. If a script of the page sets"
    " navigator.doNotTrack or navigator.globalPrivacyControl, remove it, or set"
    " respectDoNotTrack to false.",
)
AWAITS_CONSENT = Code(
    "V087",
    "browser",
    "Events wait for consent",
    "The tracker runs, settings.consent is {consent}, and nothing has granted it. On the page: {manager}.",
    "Have your consent manager call the tracker when visitors agree. If it does, and verify does not"
    " know this manager, agree yourself: `thamesthrive verify URL --manual`.",
    paste=_PENDING,
)
CONSENT_IGNORED = Code(
    "V088",
    "browser",
    "Consent was given and does not reach the tracker",
    "The consent manager {manager} was agreed to, and the tracker's consent is still {consent}.",
    "Have the manager's callback call the tracker: each manager has an event for it.",
    paste=_PENDING,
)
NOTHING_TRACKED = Code(
    "V089",
    "browser",
    "Nothing is tracked",
    "The tracker runs, and the page has tracked nothing while it was opened, shown and left.",
    "Let the tracker send page-views, or call window.tracker.track where something happens. If the"
    " page only tracks clicks, click them yourself: `thamesthrive verify URL --manual`.",
    paste=_VIEW,
)
SEND_POLICY = Code(
    "V090",
    "browser",
    "The page's policy blocks the tracker's requests",
    "The tracker runs, and the browser did not let it send events because of the directive {directive}.",
    "Allow the collector in connect-src of the policy that the browser had in the end: scripts of the"
    " page and other servers can add one to that of the page's own header.",
    paste="connect-src {origin}",
    shows="the policy",
)
SEND_FAILED = Code(
    "V091",
    "browser",
    "The tracker's requests fail",
    "The browser sent events to {api}, and got no answer that it may read: {failure}.",
    "Look at the evidence. An answer without CORS headers comes from something in front of the"
    " collector; the collector sends them with every answer.",
    shows="what the browser's console says",
)
REFUSED = Code(
    "V092",
    "browser",
    "The collector refuses the events",
    "The collector answered {status} ({reason}).",
    "What to do about {reason}: {reason_cure}",
    shows="the collector's answer",
)
REJECTED = Code(
    "V093",
    "browser",
    "The collector rejects an event",
    "The collector rejected an event of this page: {detail}.",
    "Correct what the page tracks, or the source's schema: `thamesthrive rejected list` shows the"
    " event, and the rule that it breaks.",
    shows="the collector's answer",
)
NOT_THE_COLLECTOR = Code(
    "V094",
    "browser",
    "Something else answers the tracker's requests",
    "{api} answered {answer}, as no collector does.",
    "Check url.api in the snippet, and the proxy in front of the collector: it must pass on POST"
    " requests with their bodies.",
    shows="the answer",
)
NO_SPA_VIEW = Code(
    "V095",
    "browser",
    "No page-view after navigation within the page",
    'settings.pageViews is "spa", and the address was changed by history.pushState without a page-view.',
    "Two things do that: page.min.js, which comes from beside the tracker, did not load; or another"
    " script replaced history.pushState afterwards. Load the snippet after that script.",
)
LISTED_NAMES = Code(
    "V096",
    "browser",
    "Content blockers know these names",
    "With rules of a content blocker, the browser did not fetch {url}, because of the word"
    " {word} in its address.",
    "Serve the tracker from your own site, under names of your own.",
    paste="thamesthrive serve --alias '/a/{{app.js,hello}}'",
    level="hint",
)
OTHER_SOURCE = Code(
    "V097",
    "browser",
    "The page sends to another source",
    "The tracker on the page sends to the source {found}, not to {wanted}.",
    "Paste the snippet of {wanted}, or verify with --source {found}.",
    paste="thamesthrive snippet {wanted}",
)
NAMES_A_RUN = Code(
    "V098",
    "browser",
    "The snippet names a run of tests",
    "The page's events belong to the run {run}: a collector with --qa leaves them out of all reports,"
    " and removes them after a day.",
    "Remove data-qa-run, or qa of the options, from the page.",
)

NOT_STORED = Code(
    "V100",
    "storage",
    "Accepted, and not stored here",
    "The page's events were answered as stored, and {storage} does not have them.",
    "Compare the address that the page sends to ({api}) with the collector that you expect; name its"
    " database with --db.",
)
LOST_ON_LEAVING = Code(
    "V101",
    "storage",
    "What is tracked while the page is left is lost",
    "An event was tracked right before the page was left, and is not stored, while earlier ones are.",
    "Find the script that replaces window.fetch, or stops requests in pagehide or beforeunload:"
    " requests of the tracker must keep keepalive.",
)
NOTHING_STORED = Code(
    "V102",
    "storage",
    "Nothing is stored",
    "The page was opened, and nothing of this verification is stored in {storage}.",
    "Open the page yourself and look at its console: `thamesthrive verify URL --manual`.",
)
NOTHING_CAME = Code(
    "V103",
    "storage",
    "Nothing came from your browser",
    "The link was not opened, or nothing that the page tracked has arrived in {seconds} seconds{causes}.",
    "Open the link with #thamesthrive-debug at its end: the page then shows what the tracker does."
    " A redirect to a login loses what is in the address; log in first.",
)
NOT_REMOVED = Code(
    "V104",
    "storage",
    "Events of this verification remain",
    "{count} events of this verification are still stored: {why}.",
    "Remove them yourself, or leave them: their type or their page's address contains {run}.",
    level="hint",
)

BROWSER_CODES = (
    NOT_OPENED,
    NO_TRACKER,
    SCRIPT_POLICY,
    SCRIPT_FAILED,
    SCRIPT_WRONG,
    SNIPPET_BROKEN,
    REFUSES_TRACKING,
    AWAITS_CONSENT,
    CONSENT_IGNORED,
    NOTHING_TRACKED,
    SEND_POLICY,
    SEND_FAILED,
    REFUSED,
    REJECTED,
    NOT_THE_COLLECTOR,
    NO_SPA_VIEW,
    LISTED_NAMES,
    OTHER_SOURCE,
    NAMES_A_RUN,
)
STORAGE_CODES = (NOT_STORED, LOST_ON_LEAVING, NOTHING_STORED, NOTHING_CAME, NOT_REMOVED)
