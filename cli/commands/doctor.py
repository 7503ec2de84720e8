"""`thamesthrive doctor`: what could keep a collector from working here."""

from collector.doctor import examine
from collector.settings import load_settings

from ..errors import ProblemsFound
from ..output import note, show_list
from ..paths import JS
from .options import ClusterSecretOption, DbOption, HostOption, JsonOption, PortOption


def doctor(
    db: DbOption = None,
    host: HostOption = None,
    port: PortOption = None,
    cluster_secret: ClusterSecretOption = None,
    as_json: JsonOption = False,
) -> None:
    """Looks at versions, disk, database, port, clock and bundle. Exit code 1 if something is wrong.

    Examples:

    - `thamesthrive doctor`
    - `thamesthrive doctor --db /var/lib/thamesthrive/events.db --json`
    """
    settings = load_settings(
        {"db": db, "host": host, "port": port, "cluster_secret": cluster_secret}
    )
    sources = JS / "src"
    found = [*examine(settings, sources if sources.is_dir() else None)]
    show_list(
        found,
        {"check": "check", "state": "state", "detail": "detail"},
        empty="",
        as_json=as_json,
    )
    problems = [finding for finding in found if finding.state == "problem"]
    if problems:
        raise ProblemsFound(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found: {problems[0].detail}"
        )
    warnings = sum(finding.state == "warning" for finding in found)
    note(
        f"{warnings} warning{'s' if warnings > 1 else ''}, no problems."
        if warnings
        else "No problems found."
    )
