"""`thamesthrive serve`."""

from collector.logs import log_to_stderr
from collector.settings import load_settings

from .options import (
    BundleOption,
    DbOption,
    DrainOption,
    HostOption,
    LogFormatOption,
    LogLevelOption,
    PortOption,
    ProxiesOption,
    QaOption,
    QueueOption,
    SiteOption,
    WorkersOption,
    explained,
)


def serve(
    db: DbOption = None,
    host: HostOption = None,
    port: PortOption = None,
    workers: WorkersOption = None,
    bundle: BundleOption = None,
    site: SiteOption = None,
    qa: QaOption = None,
    proxies: ProxiesOption = None,
    drain_seconds: DrainOption = None,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
    queue_mb: QueueOption = None,
) -> None:
    """Runs the collector in the foreground, until Ctrl-C or SIGTERM.

    It answers an event when the event is on disk, and finishes what it accepted before it stops.

    Examples:

    - `thamesthrive serve`
    - `thamesthrive serve --host 0.0.0.0 --port 8080 --proxies 1`
    """
    settings = load_settings(
        {
            "db": db,
            "host": host,
            "port": port,
            "workers": workers,
            "bundle": bundle,
            "site": site,
            "qa": qa,
            "proxies": proxies,
            "drain_seconds": drain_seconds,
            "log_level": log_level,
            "log_format": log_format,
            "queue_mb": queue_mb,
        }
    )
    from collector import server

    log_to_stderr(settings)
    with explained(settings.db):
        server.serve(settings)
