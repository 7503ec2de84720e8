"""V050 to V079: the collector, as a page reaches it."""

from functools import partial

from .findings import Code

_code = partial(Code, stage="collector")

COLLECTOR_CODES = (
    _code(
        code="V050",
        title="The collector's name is unknown",
        shows="what the resolver said",
        problem="There is no address for {host} in the DNS.",
        cure="Add a DNS record for the name, or correct the address in the snippet.",
        paste="{host}.  300  IN  A  192.0.2.1",
    ),
    _code(
        code="V051",
        title="The collector cannot be reached",
        shows="the cause of the failure",
        problem="No connection to {address}: {cause}.",
        cure="Start the collector, and open its port in the firewall. It listens on 127.0.0.1 by default;"
        " visitors reach it through a proxy, or with:",
        paste="thamesthrive serve --host 0.0.0.0",
    ),
    _code(
        code="V052",
        title="The collector does not answer in time",
        shows="the address that was asked",
        problem="{address} accepted the connection, and did not answer.",
        cure="Look into the logs of the collector and of the proxy before it. `thamesthrive doctor` looks"
        " for common causes.",
        paste="thamesthrive doctor",
    ),
    _code(
        code="V053",
        title="The collector's certificate has expired",
        shows="the words of the TLS library",
        problem="Browsers refuse the certificate of {host}: it has expired.",
        cure="Renew it. With certbot:",
        paste="certbot renew",
    ),
    _code(
        code="V054",
        title="The collector's certificate is for another name",
        shows="the words of the TLS library",
        problem="The certificate of {host} is for {names}.",
        cure="Get a certificate for this name:",
        paste="certbot certonly -d {host}",
    ),
    _code(
        code="V055",
        title="The collector's certificate is not trusted",
        shows="the words of the TLS library",
        problem="Browsers do not trust the certificate of {host}: {cause}.",
        cure="Use the certificate of an authority that browsers know, and send it with its whole chain"
        " (fullchain.pem).",
        paste="certbot certonly -d {host}",
    ),
    _code(
        code="V056",
        title="The collector speaks no TLS there",
        shows="the words of the TLS library",
        problem="{address} begins with https://, but what answers is no TLS: {cause}.",
        cure="Put a proxy with a certificate before the collector, or correct scheme and port.",
    ),
    _code(
        code="V057",
        title="There is no tracker at the address",
        shows="the status",
        problem="{address} answers {status}.",
        cure="Correct the address in the snippet, or have the proxy pass this path on:",
        paste="location /tracker/ {{ proxy_pass http://127.0.0.1:8686; }}",
    ),
    _code(
        code="V058",
        title="The snippet pins a build that is gone",
        shows="the status",
        problem="{address} answers {status}: it names a build that the collector no longer has.",
        cure="Print the snippet anew, and paste it:",
        paste="thamesthrive snippet {source} --one-line --integrity",
    ),
    _code(
        code="V059",
        title="A page comes instead of the tracker",
        shows="the beginning of that page",
        problem="{address} answers with HTML: a web server or an application answers in place of the"
        " collector.",
        cure="Have the proxy pass this path on, before the rules of the application:",
        paste="location /tracker/ {{ proxy_pass http://127.0.0.1:8686; }}",
    ),
    _code(
        code="V060",
        title="The tracker's type keeps browsers from running it",
        shows="the header Content-Type",
        problem="The script is sent as {kind} with nosniff, so browsers refuse to run it.",
        cure="Leave the type as the collector sends it:",
        paste="Content-Type: text/javascript; charset=utf-8",
    ),
    _code(
        code="V061",
        title="Pages of other sites may not load the tracker",
        shows="the header",
        problem="The script is sent with Cross-Origin-Resource-Policy: {policy}, so the page may not load it.",
        cure="Leave the header as the collector sends it:",
        paste="Cross-Origin-Resource-Policy: cross-origin",
    ),
    _code(
        code="V062",
        title="The page's embedder policy blocks the tracker",
        shows="the page's header",
        problem="The page has Cross-Origin-Embedder-Policy: {policy}, and the script lacks the header that"
        " allows it: a proxy has removed it.",
        cure="Leave the header as the collector sends it:",
        paste="Cross-Origin-Resource-Policy: cross-origin",
    ),
    _code(
        code="V063",
        title="The integrity attribute is that of another build",
        shows="the line of the snippet",
        problem="The script has the hash {actual}, the snippet expects {expected}, so browsers refuse it.",
        cure="Print the snippet anew after each upgrade of the collector:",
        paste='integrity="{actual}"',
    ),
    _code(
        code="V064",
        title="What is loaded is not the tracker",
        shows="the beginning of what was answered",
        problem="{address} answers with {size} bytes that are not the tracker.",
        cure="Purge the cache of the CDN. If the proxy changes scripts (minifying, combining), turn that off"
        " for this path.",
    ),
    _code(
        code="V065",
        title="The tracker is of an older version",
        shows="the version in `/health`",
        problem="The collector is version {version}; this is {ours}.",
        cure="Upgrade the collector, and restart it:",
        paste="pip install --upgrade thamesthrive",
    ),
    _code(
        code="V066",
        title="CORS headers are missing from the answers",
        shows="the header as it came",
        problem="Answers to pages of {origin} have {header}, so the tracker cannot read them: it sends the"
        " same events again and again.",
        cure="Have the proxy leave the collector's headers alone, and add none of its own. In nginx, remove"
        " lines like:",
        paste="proxy_hide_header Access-Control-Allow-Origin;\nadd_header Access-Control-Allow-Origin *;",
    ),
    _code(
        code="V067",
        title="Requests do not reach the collector",
        shows="status and beginning of the answer",
        problem="POST {address} answers {status}, which is not the collector's word.",
        cure="Have the proxy pass the path on, with POST:",
        paste="location = /track {{ proxy_pass http://127.0.0.1:8686; }}",
    ),
    _code(
        code="V068",
        title="A preflight is refused",
        shows="the status",
        level="hint",
        problem="OPTIONS {address} answers {status} without the headers of CORS. The tracker needs no"
        " preflight, but pages that send JSON by themselves do.",
        cure="Let OPTIONS pass through the proxy or the firewall.",
    ),
    _code(
        code="V070",
        title="The collector does not know the source",
        shows="status and beginning of the answer",
        problem="The collector at {address} has no source {source}.",
        cure="Use the id of a source of this collector, or add one:",
        paste="thamesthrive source list",
    ),
    _code(
        code="V071",
        title="The source is disabled",
        shows="status and beginning of the answer",
        problem="Source {source} is disabled, so all its events are refused.",
        cure="Enable it:",
        paste="thamesthrive source enable {source}",
    ),
    _code(
        code="V072",
        title="The source does not accept pages",
        shows="status and beginning of the answer",
        problem="Source {source} does not accept the bridge rest, which pages use.",
        cure="Allow it:",
        paste="thamesthrive source set {source} --bridge rest",
    ),
    _code(
        code="V073",
        title="The source does not list the page's origin",
        shows="status and beginning of the answer",
        problem="Source {source} accepts pages of listed origins only, and {origin} is none of them.",
        cure="Add it:",
        paste="thamesthrive source allow {source} {origin}",
    ),
    _code(
        code="V074",
        title="The source's rate limit is reached",
        shows="status and beginning of the answer",
        problem="The collector answers 429: source {source} sends more than it may. The tracker sends"
        " again later.",
        cure="Wait, or raise the limit:",
        paste="thamesthrive source set {source} --rate-limit 1000",
    ),
    _code(
        code="V075",
        title="The collector cannot store events now",
        shows="status and beginning of the answer",
        problem="POST {address} answers {status} ({reason}). The tracker keeps events, and sends them again.",
        cure="Look into the collector's log, and at what `thamesthrive doctor` says of disk and database:",
        paste="thamesthrive doctor",
    ),
    _code(
        code="V076",
        title="The collector's clock is wrong",
        shows="the id of the request, which has the collector's time in it",
        problem="The collector's clock is {seconds} seconds {direction} that of this machine, so events are"
        " stored with wrong times.",
        cure="Set the clock of the collector's machine by NTP:",
        paste="timedatectl set-ntp true",
    ),
    _code(
        code="V077",
        title="A proxy drops the query",
        shows="the answer to a request with a query",
        problem="What stands before the collector does not pass the query on, so pixels and webhooks"
        " arrive without their properties.",
        cure="Have it pass on the whole address. In nginx, without a path after the port:",
        paste="proxy_pass http://127.0.0.1:8686;",
    ),
    _code(
        code="V078",
        title="All visitors have the proxy's address",
        shows="how many proxies the collector expects, and how many a request has passed",
        problem="Requests pass {seen} before the collector, which expects {wanted}. It takes the"
        " proxy's address for that of every visitor: limits per address are shared by all.",
        cure="Tell the collector how many of your own proxies stand before it:",
        paste="thamesthrive serve --proxies {count}",
    ),
    _code(
        code="V079",
        title="The proxy does not name its visitors",
        shows="how many proxies the collector expects, and how many a request has passed",
        problem="The collector expects {wanted} before it that name their client in X-Forwarded-For, and"
        " {seen} did. It takes the proxy's address for that of every visitor.",
        cure="Have the proxy send the header. In nginx:",
        paste="proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    ),
)
