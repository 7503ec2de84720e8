"""Hides secrets in the headers that the journal keeps: people who test look at them."""

import re

MASK = "…"
_WORDS = (
    "auth|authorization|cookie2?|credentials?|csrf|jwt|key|passwd|password|pwd|secret|session|sessionid|sid"
    "|sig|signature|token|xsrf"
)
# A word of a name: `X-Api-Key`, `api_key`, `access_token`, `accessToken`, `apikey`, `authtoken`.
_SECRET = re.compile(
    rf"(?:^|[^a-z0-9])(?:{_WORDS})(?:$|[^a-z0-9])|(?:key|password|secret|token)$", re.IGNORECASE
)
_SCHEME = re.compile(r"(?:basic|bearer|digest|token)\s", re.IGNORECASE)
_JWT = re.compile(r"eyJ[\w-]{8,}\.[\w.-]+")
_PARAMETER = re.compile(r"([?&#;]([^=&?#;\s]{1,100})=)[^&#;\s]*")
_USER = re.compile(r"(//)[^/?#\s@]+@")


def masked(name: str, value: str) -> str:
    """The value of a header without what would prove who sends it: passwords, keys and tokens, also
    those in the address of a page, as `Referer` has it."""
    if _SECRET.search(name) or _SCHEME.match(value):
        return MASK
    value = _USER.sub(rf"\1{MASK}@", _JWT.sub(MASK, value))
    return _PARAMETER.sub(
        lambda found: found[1] + MASK if _SECRET.search(found[2]) else found[0], value
    )
