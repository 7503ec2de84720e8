"""Profile ids that every machine of a cluster derives and verifies by itself.

Machines that share a secret give one session one profile, whichever of them gets its first request,
and know each other's ids without asking. Such an id is a UUIDv8:

    bits        what
    48          the session's own milliseconds, so that ids are stored in the order of time
    4, 2        version and variant
    42          keyed hash of source, scope, session and attempt
    32          tag: keyed hash of all of the above and the scope

Who does not have the secret makes an id that verifies once in 2³² tries, and then it is nobody's.
"""

import re
from hashlib import blake2b
from hmac import compare_digest

from .ids import VARIANT, is_uuid8

_UUID7 = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TAG = 28  # where the tag begins in the text of an id


class ProfileIds:
    """The profile ids of one secret. `fingerprint`: 16 digits that tell secrets apart, and nothing
    about them."""

    def __init__(self, secret: bytes) -> None:
        key = blake2b(secret, digest_size=32, person=b"tt-cluster").digest()
        self.fingerprint = blake2b(key=key, digest_size=8, person=b"tt-fingerprint").hexdigest()
        # Copying one that has its key takes a third of the time of making one.
        self._hash = blake2b(key=key, digest_size=12, person=b"tt-profile-id")
        self._tag = blake2b(key=key, digest_size=4, person=b"tt-profile-tag")

    def issue(self, session_id: str, source: str, scope: str, attempt: int = 0) -> str:
        """The profile id of a session that has none: the same on every machine. `attempt`: 0, or
        higher where the ids before it are those of forgotten profiles."""
        hashed = self._hash.copy()
        # The lengths keep apart what would read the same.
        named = f"{attempt} {len(source)} {len(scope)} {source}{scope}{session_id}"
        hashed.update(named.encode("utf-8", "surrogatepass"))
        digits = hashed.hexdigest()
        found = _UUID7.fullmatch(session_id)
        high, low = found.groups() if found else (digits[:8], digits[8:12])
        untagged = (
            f"{high}-{low}-8{digits[12:15]}-{VARIANT[digits[15]]}{digits[16:19]}-{digits[19:23]}"
        )
        return untagged + self._tag_of(untagged, scope)

    def verifies(self, profile_id: str, scope: str) -> bool:
        """Whether an id was issued in this scope by a machine with this secret."""
        if not is_uuid8(profile_id):
            return False
        return compare_digest(self._tag_of(profile_id[:_TAG], scope), profile_id[_TAG:])

    def _tag_of(self, untagged: str, scope: str) -> str:
        tag = self._tag.copy()
        tag.update(f"{untagged}{scope}".encode("utf-8", "surrogatepass"))
        return tag.hexdigest()
