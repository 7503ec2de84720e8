"""V001 to V029: the page, and the snippet in it."""

from functools import partial

from .findings import Code

_code = partial(Code, stage="static")

PAGE_CODES = (
    _code(
        code="V001",
        title="The page answers with an error",
        shows="the status",
        problem="{url} answers {status}. What follows was not judged: the error page is another page.",
        cure="Open the address in a browser, and verify the address of a page that answers 200. If the"
        " page is behind a login, use --manual.",
    ),
    _code(
        code="V002",
        title="The address is not an HTML page",
        shows="the header Content-Type",
        problem="{url} is sent as {kind}, so browsers run no script in it.",
        cure="Verify the address of a page. If it is one, have the server send this header with it:",
        paste="Content-Type: text/html; charset=utf-8",
    ),
    _code(
        code="V003",
        title="Redirects do not end",
        shows="the last redirects, with their targets",
        problem="{url} redirects more than {count} times, last to {target}.",
        cure="Correct the redirects of the server or of the CDN. Two rules often undo each other: http to"
        " https and back, or with and without www.",
    ),
    _code(
        code="V004",
        title="A cache serves a page from before the snippet",
        shows="headers of the cache, and the line of the snippet in the page past caches",
        problem="Past all caches, the page has the snippet. As visitors get it, it does not: a cache"
        " still has the page of before.",
        cure="Purge the cache of {platform}, and verify again.",
    ),
    _code(
        code="V005",
        title="A redirect drops the query",
        shows="the redirect that drops it",
        problem="{url} redirects to an address without the query, so campaign parameters (utm_source and"
        " the like) and __tt_run are lost before the tracker can read them.",
        cure="Have the redirect keep the query. nginx does so with $request_uri or $is_args$args:",
        paste="return 301 https://$host$request_uri;",
    ),
    _code(
        code="V006",
        title="The page is sent in a charset that makes its scripts unreadable",
        shows="the header Content-Type",
        problem="The page says that it is {charset}, and is something else. Decoded as browsers do, it has"
        " no snippet; as UTF-8, it has one.",
        cure="Send the page as what it is:",
        paste="Content-Type: text/html; charset=utf-8",
    ),
    _code(
        code="V007",
        title="The snippet is about to disappear",
        shows="headers of the cache, and the line of the snippet in the cached page",
        problem="Past all caches, the page has no snippet any more. Visitors still get it from a cache, and"
        " will not once that has expired.",
        cure="Find out what has removed it: a deployment, a theme that was updated, a plugin. {place}",
        paste='<script async src="{api}/tracker/tracker.min.js" data-source="{source}"></script>',
    ),
    _code(
        code="V010",
        title="The page has no snippet",
        shows="the end of the head",
        problem="The HTML of the page has no ThamesThrive script, neither the loader nor the one-line form.",
        cure="Paste the snippet into the head of every page. {place} `thamesthrive snippet {source}"
        " --one-line` prints it:",
        paste='<script async src="{api}/tracker/tracker.min.js" data-source="{source}"></script>',
    ),
    _code(
        code="V011",
        title="The snippet may come by a tag manager",
        shows="none: the tag manager's name is in the problem",
        level="hint",
        problem="The HTML has no snippet, but {manager}, which can add it. Only a browser can tell.",
        cure="Verify with the browser stage. If nothing arrives, look whether the tag is published, and"
        " whether its trigger is All Pages.",
        paste="thamesthrive verify {url} --stage browser",
    ),
    _code(
        code="V012",
        title="The snippet is in a comment",
        shows="the line of the snippet",
        problem="The snippet is between <!-- and -->, so browsers ignore it.",
        cure="Take it out of the comment: the script tag must stand in the head by itself.",
    ),
    _code(
        code="V013",
        title="The snippet is inside a template element",
        shows="the line of the snippet",
        problem="What is inside <template> does not run.",
        cure="Move the snippet out of the <template> element, into the head.",
    ),
    _code(
        code="V014",
        title="The snippet is inside a noscript element",
        shows="the line of the snippet",
        problem="What is inside <noscript> is for browsers without scripts. All others ignore it.",
        cure="Move the snippet out of the <noscript> element, into the head.",
    ),
    _code(
        code="V015",
        title="An optimiser holds the snippet back",
        shows="the line of the snippet, with what was made of it",
        problem="{optimiser} has changed the snippet so that it runs later, often only when the visitor"
        " moves or clicks. Who leaves before is not counted.",
        cure="Exclude the snippet: {exclusion}",
        paste="{paste}",
    ),
    _code(
        code="V016",
        title="The snippet waits for consent",
        shows="the line of the snippet",
        level="hint",
        problem='The snippet has type="{type}", which {manager} changes once a visitor agrees. Until then'
        " nothing is tracked, and whoever does not answer is never counted.",
        cure="If that is what you want, leave it. Else load the tracker always, and let it wait for"
        " consent by itself: it keeps the events of before in memory.",
        paste='<script async src="{api}/tracker/tracker.min.js" data-source="{source}"'
        ' data-settings-consent="pending"></script>',
    ),
    _code(
        code="V017",
        title="The snippet has a type that browsers do not run",
        shows="the line of the snippet",
        problem='The snippet has type="{type}", and nothing on the page is known to change that, so it'
        " never runs.",
        cure="Remove the type attribute.",
    ),
    _code(
        code="V018",
        title="The classic snippet has no options",
        shows="the line of the loader",
        problem="The loader is there, but no `options` with the address of the script and the id of the"
        " source.",
        cure="Paste the whole snippet, as `thamesthrive snippet {source}` prints it. After the loader, it"
        " has:",
        paste="const options = {{\n  tracker: {{\n"
        '    url: {{ script: "{api}/tracker", api: "{api}" }},\n'
        '    source: {{ id: "{source}" }}\n  }}\n}};',
    ),
    _code(
        code="V019",
        title="The loader cannot see the options",
        shows="the line of the script with `options`",
        problem="`options` is in a {kind} script, so it is not there, or not yet, when the loader reads"
        " it as the page is parsed.",
        cure="Put `options` into the same script as the loader, after it, as `thamesthrive snippet"
        " {source}` prints it.",
    ),
    _code(
        code="V020",
        title="Two scripts declare options",
        shows="the lines of both scripts",
        problem='Another script of the page declares `options`, too. The browser says "Identifier'
        " 'options' has already been declared\", and does not run the second one at all.",
        cure="Use the form that declares no global:",
        paste="thamesthrive snippet {source} --global-free",
    ),
    _code(
        code="V021",
        title="The snippet is on the page twice",
        shows="the line of each snippet",
        problem="The page has the snippet of source {source} {count} times. Automatic page-views are"
        " counted for each.",
        cure="Remove all but the first. Often one is in the theme, and another one comes from a plugin or a"
        " tag manager.",
    ),
    _code(
        code="V022",
        title="The source id is malformed",
        shows="the line with the id",
        problem='"{id}" is not the id of a source: it is not a UUID.',
        cure="Copy the id anew. `thamesthrive source list` shows all of them.",
        paste="thamesthrive source list",
    ),
    _code(
        code="V023",
        title="The snippet has no source id",
        shows="the line of the snippet",
        problem="The snippet names no source, so the collector refuses what it sends.",
        cure="Add the id of the source:",
        paste='data-source="{source}"',
    ),
    _code(
        code="V024",
        title="The snippet belongs to another source",
        shows="the line with the id",
        problem="The page sends to source {id}, not to {expected}.",
        cure="Replace the id in the snippet:",
        paste="{expected}",
    ),
    _code(
        code="V025",
        title="The collector's address is missing or malformed",
        shows="the line with the address",
        problem='"{address}" is not an address that a page can load a script from.',
        cure="Write the collector's whole address, with https://. `thamesthrive snippet {source} --api"
        " https://events.example.com` prints the snippet with it.",
    ),
    _code(
        code="V026",
        title="The collector's address is one of your own computer",
        shows="the line with the address",
        problem="The page is on {host}, but it loads the tracker from {address}: for each visitor, that is"
        " the visitor's own computer.",
        cure="Print the snippet with the address under which visitors reach the collector:",
        paste="thamesthrive snippet {source} --api https://events.example.com",
    ),
    _code(
        code="V027",
        title="An https page loads the tracker over http",
        shows="the line with the address",
        problem="Browsers block http scripts and requests of https pages (mixed content).",
        cure="Put the collector behind https, and change the address:",
        paste="{secure}",
    ),
    _code(
        code="V028",
        title="The one-line form is a module",
        shows="the line of the snippet",
        problem='With type="module", a script cannot read its own data- attributes, so the tracker does not'
        " know its source.",
        cure='Remove type="module":',
        paste='<script async src="{src}" data-source="{source}"></script>',
    ),
    _code(
        code="V029",
        title="integrity without crossorigin",
        shows="the line of the snippet",
        problem="A script of another origin with an integrity attribute must have crossorigin as well, else"
        " browsers block it.",
        cure="Add the attribute:",
        paste='crossorigin="anonymous"',
    ),
)
