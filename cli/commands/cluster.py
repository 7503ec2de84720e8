"""`thamesthrive cluster …`: the secret that several machines share."""

from pathlib import Path
from typing import Annotated

import typer

from collector import store
from collector.settings import env_of, flag_of, load_settings

from ..errors import ProblemsFound, Usage
from ..output import data, key_values, note
from ..output import show as print_result
from .options import ClusterSecretOption, DbOption, JsonOption, open_database, open_readonly

app = typer.Typer(
    no_args_is_help=True,
    help="The secret that several machines share, so that a visitor has one profile on all of them.\n\nExamples:\n\n- `thamesthrive cluster init`",
)


@app.command()
def init(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The file to write. It must not exist.",
            show_default="thamesthrive-cluster.key beside the database",
        ),
    ] = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Creates a secret in a file that only you can read. Do this once, on one machine.

    It changes nothing until the file is set as `cluster_secret` and the collector is restarted.

    Examples:

    - `thamesthrive cluster init`
    - `thamesthrive cluster init cluster.key --json`
    """
    from collector.cluster_secret import FILE, create_secret

    target = file or load_settings({"db": db}).db.with_name(FILE)
    created = create_secret(target)

    def for_people() -> None:
        data(str(target))
        note(
            "Copy the file to every machine of the cluster, over SSH or another safe channel, with"
            " mode 600. Keep one more copy: if it is lost, visitors get new profiles.\n"
            f"Set it on each of them: {flag_of('cluster_secret')}, {env_of('cluster_secret')}, or"
            " cluster_secret in thamesthrive.toml. Then restart the collectors."
        )

    found = {"file": str(target), "fingerprint": created.fingerprint}
    print_result(found, for_people, as_json=as_json)


@app.command()
def show(
    db: DbOption = None,
    cluster_secret: ClusterSecretOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows which secret the database belongs to, and whether it is the configured one. Exit code 1
    if a collector would not start.

    Secrets are shown as fingerprints, which tell nothing about them.

    Examples:

    - `thamesthrive cluster show`
    - `thamesthrive cluster show --json`
    """
    from collector.cluster import cluster_state

    settings = load_settings({"db": db, "cluster_secret": cluster_secret})
    with open_readonly(db) as connection:
        stored = store.cluster_fingerprint(connection)
    state = cluster_state(stored, settings.cluster_secret)

    def for_people() -> None:
        key_values(
            {
                "database": state.database or "none",
                "file": str(state.file or "none"),
                "secret": state.secret or "none",
            }
        )
        if state.secret and not state.database:
            note("The database joins this cluster when the collector starts.")

    print_result(state.as_dict(), for_people, as_json=as_json)
    if state.problem:
        raise ProblemsFound(state.problem)


@app.command()
def leave(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Has the database forget its cluster: for a lost secret, or to go on with one machine.

    Profiles, sessions and events stay. Without the secret, ids that only other machines have stored
    are unknown here. Restart the collector afterwards.

    Examples:

    - `thamesthrive cluster leave --yes`
    """
    with open_database(db) as database:
        stored = store.cluster_fingerprint(database.conn)
        if (
            stored
            and not yes
            and not typer.confirm(f"Leave the cluster with the fingerprint {stored}?", err=True)
        ):
            raise Usage("Nothing was changed.")
        left = store.leave_cluster(database.conn)

    def for_people() -> None:
        if left is None:
            note("The database belongs to no cluster.")
            return
        note(f"The database has left the cluster with the fingerprint {left}.")
        if load_settings({"db": db}).cluster_secret:
            note("cluster_secret is set here: the next start joins the cluster of that secret.")

    print_result({"left": left}, for_people, as_json=as_json)
