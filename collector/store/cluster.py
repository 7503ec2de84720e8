"""The cluster that a database belongs to, by the fingerprint of its secret."""

import sqlite3

from ..errors import SettingsError
from ..event.timestamps import now
from .audit import add_entry
from .connection import transaction

TABLES = (
    """
    CREATE TABLE cluster (
        key INTEGER PRIMARY KEY CHECK (key = 1),
        fingerprint TEXT NOT NULL,
        joined_at TEXT NOT NULL
    )
    """,
)


def cluster_fingerprint(connection: sqlite3.Connection) -> str | None:
    """The fingerprint of the secret that a database belongs to; None if it belongs to none."""
    row = connection.execute("SELECT fingerprint FROM cluster").fetchone()
    return str(row[0]) if row else None


def describe_mismatch(stored: str | None, given: str | None) -> str | None:
    """Why a collector with the secret `given` must not use a database that belongs to `stored`, in
    words; None if it may."""
    if stored is None or stored == given:
        return None
    leave = "thamesthrive cluster leave"
    if given is None:
        return (
            f"The database belongs to a cluster (fingerprint {stored}), and cluster_secret is not"
            " set. Set it to the file with the cluster's secret. If the secret is lost, or this is"
            f" the only machine now, run: {leave}"
        )
    return (
        f"The database belongs to a cluster with another secret (fingerprint {stored}, that of"
        f" cluster_secret is {given}). Use the file that the other machines have. To go on with"
        f" this one, run: {leave}"
    )


def require_cluster(connection: sqlite3.Connection, fingerprint: str | None) -> None:
    """Raises SettingsError if a database belongs to another secret than this, or belongs to one and
    there is none."""
    if problem := describe_mismatch(cluster_fingerprint(connection), fingerprint):
        raise SettingsError(problem)


def join_cluster(connection: sqlite3.Connection, fingerprint: str | None) -> None:
    """Remembers the fingerprint of a secret, unless it is remembered. Raises SettingsError as
    `require_cluster`."""
    require_cluster(connection, fingerprint)
    if fingerprint is None or cluster_fingerprint(connection):
        return
    with transaction(connection):
        insert = "INSERT OR IGNORE INTO cluster VALUES (1, ?, ?)"
        if connection.execute(insert, [fingerprint, now()]).rowcount:
            add_entry(connection, "cluster.join", changes={"fingerprint": (None, fingerprint)})
        require_cluster(connection, fingerprint)  # another process may have been first


def leave_cluster(connection: sqlite3.Connection) -> str | None:
    """Forgets the fingerprint. Returns what it was; None if there was none."""
    with transaction(connection):
        fingerprint = cluster_fingerprint(connection)
        if fingerprint is not None:
            connection.execute("DELETE FROM cluster")
            add_entry(connection, "cluster.leave", changes={"fingerprint": (fingerprint, None)})
    return fingerprint
