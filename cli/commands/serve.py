"""`thamesthrive serve`."""

from typing import Any

from collector.logs import log_to_stderr
from collector.settings import load_settings

from .declared import SETTING_OPTIONS, with_options
from .options import database_errors_explained


@with_options(SETTING_OPTIONS)
def serve(**given: Any) -> None:
    """Runs the collector in the foreground, until Ctrl-C or SIGTERM.

    It answers an event when the event is on disk, and finishes what it accepted before it stops.

    Examples:

    - `thamesthrive serve`
    - `thamesthrive serve --host 0.0.0.0 --port 8080 --proxies 1`
    """
    settings = load_settings(given)
    from collector import supervisor

    log_to_stderr(settings)
    with database_errors_explained(settings.db):
        supervisor.serve(settings)
