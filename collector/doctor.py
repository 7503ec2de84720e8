"""What could keep a collector from working on this machine, with cures."""

import os
import platform
import shlex
import shutil
import socket
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from . import __version__
from .aliased_bundle import aliased_files
from .cluster import cluster_state
from .cluster_secret import is_open_to_others
from .countries import Countries
from .descriptors import highest, most_connections
from .errors import NewerDatabase, SettingsError, StoreError, UnknownSource
from .settings import Settings
from .store import (
    Sighting,
    cluster_fingerprint,
    connect_readonly,
    database_state,
    describe_clock,
    list_sightings,
    refuse_newer,
    time_ago,
)
from .store.forward_state import DestinationState, list_destinations
from .store.sightings import TRACKER_FILE
from .targets import parse_targets

FSYNCS = 20
SLOW_FSYNC = 20.0  # milliseconds
MIN_FREE = 512 * 1024 * 1024  # bytes
MIN_SQLITE = (3, 35, 0)  # RETURNING


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `state`: ok, warning (it works, but), or problem."""

    check: str
    state: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        """The finding as JSON-ready data."""
        return asdict(self)


def examine(
    settings: Settings, tracker_sources: Path | None = None, *, from_collector: bool = False
) -> Iterator[Finding]:
    """Looks at versions, disk, database, port, clock and bundle. It takes as long as 20 fsyncs and
    an answer of the collector.

    `tracker_sources`: the folder of the tracker's TypeScript, which the bundle must not be older
    than. `from_collector`: asked by the collector itself, which knows that its port works.
    """
    yield from _versions(settings)
    yield from _folder(settings)
    yield from _database(settings)
    if not from_collector:
        yield from _port(settings)
    yield from _descriptors(settings)
    yield from _quotas(settings)
    yield from _refusals(settings)
    yield from _clock(settings)
    yield from _bundle(settings, tracker_sources)
    yield from _alias(settings)
    yield from _countries(settings)
    yield from _destinations(settings)
    yield from _cluster(settings)


def _versions(_: Settings) -> Iterator[Finding]:
    detail = f"thamesthrive {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, Sanic {version('sanic')}"
    good = sys.version_info >= (3, 11) and sqlite3.sqlite_version_info >= MIN_SQLITE
    yield Finding(
        "versions",
        "ok" if good else "problem",
        detail if good else f"{detail}: SQLite 3.35 or later is needed.",
    )


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.db.resolve().parent
    if not folder.is_dir():
        yield Finding(
            "folder", "problem", f"There is no folder {folder}. Make it: mkdir -p {folder}"
        )
        return
    if not os.access(folder, os.W_OK):
        yield Finding(
            "folder",
            "problem",
            f"{folder} cannot be written to. SQLite keeps its log beside the database.",
        )
        return
    free = shutil.disk_usage(folder).free
    yield Finding(
        "disk", "ok" if free > MIN_FREE else "warning", f"{free / 1e9:.1f} GB free in {folder}"
    )
    with tempfile.TemporaryFile(dir=folder) as file:
        times = []
        for _ in range(FSYNCS):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    detail = f"{median(times):.1f} ms (median of {FSYNCS}, longest {max(times):.1f} ms): every answer waits for one"
    yield Finding("fsync", "ok" if median(times) < SLOW_FSYNC else "warning", detail)


def _database(settings: Settings) -> Iterator[Finding]:
    path = settings.db
    if not path.exists():
        yield Finding(
            "database", "warning", f"There is no {path} yet; `thamesthrive serve` creates it."
        )
        return
    if not os.access(path, os.W_OK):
        yield Finding("database", "problem", f"{path} cannot be written to by this user.")
        return
    try:
        with closing(connect_readonly(path)) as connection:
            refuse_newer(connection)
            mode, sources = database_state(connection)
    except sqlite3.Error as error:
        yield Finding("database", "problem", f"{path}: {error}")
        return
    except NewerDatabase as error:
        yield Finding("database", "problem", str(error))
        return
    detail = f"{path}, {path.stat().st_size / 1e6:.1f} MB, journal mode {mode}"
    yield Finding("database", "ok" if mode == "wal" else "warning", detail)
    yield _permissions(path)
    if not sources:
        yield Finding(
            "sources",
            "warning",
            "No enabled source: every request is refused. thamesthrive source add NAME",
        )


def _permissions(path: Path) -> Finding:
    beside = (path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm"))
    open_ones = [
        shlex.quote(str(file))
        for file in beside
        if file.exists() and file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)
    ]
    if not open_ones:
        return Finding("permissions", "ok", "Other users cannot read the database.")
    return Finding(
        "permissions",
        "warning",
        f"Every user of this machine can read the database. Run: chmod 600 {' '.join(open_ones)}",
    )


def _port(settings: Settings) -> Iterator[Finding]:
    address = f"{settings.host}:{settings.port}"
    try:
        with urlopen(f"http://{address}/health", timeout=2) as answer:
            yield Finding("port", "ok", f"A collector answers on {address}.")
            skew = (
                abs(
                    (
                        datetime.now(UTC) - parsedate_to_datetime(answer.headers["Date"])
                    ).total_seconds()
                )
                if answer.headers["Date"]
                else 0
            )
            if skew > 5:
                yield Finding("clock", "warning", f"The collector's clock differs by {skew:.0f} s.")
        return
    except HTTPError as error:
        yield Finding(
            "port",
            "problem",
            f"Something else answers on {address} (status {error.code}). Choose another --port.",
        )
        return
    except (URLError, OSError):
        pass
    try:
        socket.create_server((settings.host, settings.port)).close()
    except OSError as error:
        yield Finding("port", "problem", f"{address}: {error.strerror}. Choose another --port.")
    else:
        yield Finding("port", "ok", f"{address} is free.")


def _descriptors(settings: Settings) -> Iterator[Finding]:
    allowed, wanted = highest(), settings.connections
    possible = most_connections(wanted, allowed)
    detail = f"A process may have {allowed} open files: {possible} connections for each worker"
    if possible < wanted:
        detail += f" instead of {wanted}. Raise LimitNOFILE= of the unit, or ulimit -Hn."
    yield Finding("descriptors", "ok" if possible == wanted else "warning", detail)


def _quotas(settings: Settings) -> Iterator[Finding]:
    def shown(megabytes: int) -> str:
        return f"{megabytes} MB a minute" if megabytes else "no limit"

    detail = (
        f"{shown(settings.source_quota_mb)} for a source,"
        f" {shown(settings.address_quota_mb)} for an address (none for loopback addresses)."
    )
    yield Finding("quotas", "ok", detail)


def _refusals(settings: Settings) -> Iterator[Finding]:
    seen: list[Sighting] = []
    # Another finding says so if there is no database, or one of a former version.
    with suppress(sqlite3.Error), closing(connect_readonly(settings.db)) as connection:
        seen = [
            sighting
            for sighting in list_sightings(connection, since=time_ago("24h"))
            if sighting.what != TRACKER_FILE
        ]
    if not seen:
        yield Finding("refusals", "ok", "No refused request has been noted in the last 24 hours.")
        return
    most = max(seen, key=lambda sighting: sighting.count)
    origin = f"from {most.origin}" if most.origin else "from no page"
    times = "once" if most.count == 1 else f"{most.count} times"
    known = most.what != UnknownSource.code
    look = f"source status {most.source_id}" if known and most.source_id else "source list"
    yield Finding(
        "refusals",
        "warning",
        f"Requests were refused in the last 24 hours, most often those {origin}: {most.what}, {times}."
        f" See: thamesthrive {look}",
    )


def _clock(settings: Settings) -> Iterator[Finding]:
    now = datetime.now(UTC)
    built = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if now < built:
        yield Finding(
            "clock",
            "problem",
            f"The clock says {now:%Y-%m-%d %H:%M} UTC, which is before this program was installed.",
        )
        return
    problem = None
    # Without a database there is nothing to compare it with, nor in one of a former version.
    with suppress(sqlite3.Error), closing(connect_readonly(settings.db)) as connection:
        problem = describe_clock(connection, now)
    yield Finding(
        "clock", "warning" if problem else "ok", problem or f"{now:%Y-%m-%d %H:%M:%S} UTC"
    )


def _bundle(settings: Settings, sources: Path | None) -> Iterator[Finding]:
    folder = settings.tracker_folder
    manifest = folder / "manifest.json"
    if not manifest.exists():
        yield Finding(
            "bundle", "problem", f"No tracker in {folder}. Run: thamesthrive build bundle"
        )
        return
    changed = (
        max((path.stat().st_mtime for path in sources.rglob("*.ts")), default=0.0)
        if sources
        else 0.0
    )
    if changed > manifest.stat().st_mtime:
        yield Finding(
            "bundle", "warning", f"{folder} is older than {sources}. Run: thamesthrive build bundle"
        )
    else:
        yield Finding("bundle", "ok", str(folder))


def _alias(settings: Settings) -> Iterator[Finding]:
    for alias in settings.aliases:
        detail = (
            f"A collector with this setting also serves the tracker at {alias.script_path}, which"
            f" sends to {alias.endpoint_path}."
        )
        state = "ok"
        if words := alias.listed_words():
            state = "warning"
            detail += f" Blockers look for {' and '.join(words)}: choose other names."
        try:
            with suppress(FileNotFoundError):  # which is another finding
                aliased_files(settings.tracker_folder, alias, ())
        except SettingsError as error:
            state, detail = "problem", str(error)
        yield Finding("alias", state, detail)


def _countries(settings: Settings) -> Iterator[Finding]:
    if not settings.countries:
        return
    try:
        built = datetime.fromtimestamp(Countries(settings.countries).built, UTC)
        yield Finding("countries", "ok", f"{settings.countries} is of {built:%Y-%m-%d}.")
    except SettingsError as error:
        yield Finding("countries", "problem", str(error))


def _destinations(settings: Settings) -> Iterator[Finding]:
    wanted = {target.name for target in parse_targets(settings.forward)}
    states: list[DestinationState] = []
    try:
        # Without a database, or with one of a former version, nothing was forwarded.
        with suppress(sqlite3.Error), closing(connect_readonly(settings.db)) as connection:
            states = list_destinations(settings.db, connection)
    except StoreError as error:
        yield Finding("forward", "problem", str(error))
        return
    for state in states:
        if state.name not in wanted:
            detail = (
                f"{state.name} is in no setting here, and {state.backlog_rows:,} of the events wait for it."
                " If it gets them no more: thamesthrive forward ADDRESS --remove"
            )
            yield Finding("forward", "warning", detail)
            continue
        detail = f"{state.name} has all but {state.backlog_rows:,} events."
        yield Finding("forward", "warning" if state.problem else "ok", state.problem or detail)
    known = {state.name for state in states}
    for name in sorted(wanted - known):
        yield Finding(
            "forward", "warning", f"Nothing was sent to {name} yet; `thamesthrive serve` does so."
        )


def _cluster(settings: Settings) -> Iterator[Finding]:
    stored, file = None, settings.cluster_secret
    # Another finding says so if there is no database, or one of a former version.
    with suppress(sqlite3.Error), closing(connect_readonly(settings.db)) as connection:
        stored = cluster_fingerprint(connection)
    state = cluster_state(stored, file)
    if state.problem:
        yield Finding("cluster", "problem", state.problem)
    elif file and is_open_to_others(file):
        yield Finding(
            "cluster",
            "warning",
            f"Every user of this machine can read the cluster's secret, or change it. Run: chmod 600"
            f" {shlex.quote(str(file))}",
        )
    elif state.secret:
        when = "" if state.matches else "; the database joins it when the collector starts"
        yield Finding("cluster", "ok", f"The cluster's fingerprint is {state.secret}{when}.")
