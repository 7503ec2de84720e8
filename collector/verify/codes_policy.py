"""V030 to V049: policies of the page."""

from functools import partial

from .findings import Code

_code = partial(Code, stage="static")
_ADD = "Add to the policy{where}:"

POLICY_CODES = (
    _code(
        code="V030",
        title="The policy blocks the inline snippet",
        shows="the line of the script, and the policy",
        problem="The Content-Security-Policy does not allow the inline loader ({directive}).",
        cure=_ADD
        + " its hash, and the collector. Or use the one-line form, which has nothing inline.",
        paste="{additions}",
    ),
    _code(
        code="V031",
        title="The nonce of the snippet is not that of the policy",
        shows="the line of the script, and the policy",
        problem='The snippet has nonce="{nonce}", which the policy does not have: a fixed nonce was pasted,'
        " or a cache serves a page whose header is newer.",
        cure="Have the server write the nonce of each answer into the tag, and do not cache the page"
        " without its headers. Or allow the snippet by its hash:",
        paste="{additions}",
    ),
    _code(
        code="V032",
        title="The hash in the policy is that of another snippet",
        shows="the line of the script, and the policy",
        problem="The policy allows inline scripts by their hashes, and that of the snippet is none of them:"
        " the snippet was changed after its hash was taken, or is of another version.",
        cure=_ADD,
        paste="{additions}",
    ),
    _code(
        code="V033",
        title="The policy blocks the tracker's script",
        shows="the line of the snippet, and the policy",
        problem="The Content-Security-Policy does not allow {address} ({directive}).",
        cure=_ADD,
        paste="{additions}",
    ),
    _code(
        code="V034",
        title="The policy blocks the tracker's requests",
        shows="the line of the snippet, and the policy",
        problem="The Content-Security-Policy does not allow requests to {address} ({directive}).",
        cure=_ADD,
        paste="{additions}",
    ),
    _code(
        code="V035",
        title="The page is sandboxed",
        shows="the policy",
        problem="The policy has `sandbox` without allow-scripts, so no script of the page runs.",
        cure="Have the policy say:",
        paste="sandbox allow-scripts allow-same-origin",
    ),
    _code(
        code="V036",
        title="Trusted Types do not know the tracker",
        shows="the policy",
        problem="The policy requires Trusted Types, and `trusted-types` does not list the tracker's policy,"
        " without which the loader may not load the script.",
        cure="Add its name:",
        paste="trusted-types {names} thamesthrive",
    ),
    _code(
        code="V037",
        title="Too many nonces or hashes make unsafe-inline void",
        shows="the line of the script, and the policy",
        problem="The policy has 'unsafe-inline', which browsers ignore beside a nonce, a hash or"
        " 'strict-dynamic', so the inline snippet is blocked ({directive}).",
        cure=_ADD,
        paste="{additions}",
    ),
)
