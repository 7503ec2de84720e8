"""Whether a collector's secret is that of its database: asked at the start, by `doctor`, and by
`cluster show`."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cluster_secret import read_profile_ids
from .errors import SettingsError
from .profile_ids import ProfileIds
from .store import connect
from .store.cluster import describe_mismatch, join_cluster


@dataclass(frozen=True)
class ClusterState:
    """What a database and the settings say about the cluster.

    `database`, `secret`: the fingerprints of the secret that the database belongs to, and of that in
    `file`; None if there is none. `problem`: why a collector would not start, in words.
    """

    database: str | None
    file: Path | None
    secret: str | None
    problem: str | None

    @property
    def matches(self) -> bool:
        """Whether a collector uses the secret that the database belongs to."""
        return self.database is not None and self.database == self.secret

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON-ready data."""
        return {
            "database": self.database,
            "file": str(self.file) if self.file else None,
            "secret": self.secret,
            "matches": self.matches,
            "problem": self.problem,
        }


def cluster_state(stored: str | None, file: Path | None) -> ClusterState:
    """The state of a database that belongs to `stored`, with the secret that is in `file`."""
    try:
        profile_ids = read_profile_ids(file)
    except SettingsError as error:
        return ClusterState(stored, file, None, str(error))
    secret = profile_ids.fingerprint if profile_ids else None
    return ClusterState(stored, file, secret, describe_mismatch(stored, secret))


def join(db: Path, profile_ids: ProfileIds | None) -> None:
    """Has the database remember the secret's fingerprint at the first start with one. Raises
    SettingsError if it belongs to another secret, or if it belongs to one and none is given."""
    with closing(connect(db)) as connection:
        join_cluster(connection, profile_ids.fingerprint if profile_ids else None)
