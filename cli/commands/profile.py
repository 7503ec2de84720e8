"""`thamesthrive profile …`: a visitor's story, and what a visitor may ask for."""

import json
import sqlite3
from typing import Annotated

import typer

from collector import store
from collector.store import Profile, ProfileSession, StoredEvent
from collector.store.edge import forwards

from ..errors import ProblemsFound, Usage
from ..output import MAX_CELL, Table, data, key_values, note, show, tables
from .options import DbOption, JsonOption, LimitOption, open_database, open_readonly

app = typer.Typer(
    no_args_is_help=True,
    help="Profiles: show, give out, or forget what is stored about a visitor.\n\nExamples:\n\n- `thamesthrive profile show PROFILE`",
)

ProfileArgument = Annotated[str, typer.Argument(metavar="PROFILE", help="The profile id.")]


@app.command("show")
def show_(
    id_: Annotated[
        str, typer.Argument(metavar="PROFILE", help="Its id, or that of a session or an event.")
    ],
    limit: LimitOption = 20,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows a visitor's story: the profile, its latest sessions, and its latest events. `--limit` is for
    sessions and events alike.

    Examples:

    - `thamesthrive profile show PROFILE`
    - `thamesthrive profile show PROFILE -n 5 --json`
    """
    with open_readonly(db) as connection:
        profile = store.get_profile(connection, _profile_of(connection, id_))
        sessions = store.list_profile_sessions(connection, profile.id, limit=limit)
        events = store.list_profile_events(connection, profile.id, limit=limit)
    story = {
        **profile.as_dict(),
        "latest_sessions": [session.as_dict() for session in sessions],
        "latest_events": [event.as_dict() for event in events],
    }
    show(story, lambda: _print_story(profile, sessions, events), as_json=as_json)


def _profile_of(connection: sqlite3.Connection, id_: str) -> str:
    """The profile that an id leads to. Raises NotFound, and ProblemsFound for several."""
    matches = store.find_profiles(connection, id_)
    profiles = {match.profile_id for match in matches} - {None}
    if len(profiles) > 1:
        raise ProblemsFound(
            f"Several profiles have a part with this id: {', '.join(map(str, profiles))}"
        )
    if matches and not profiles:
        raise ProblemsFound("This event belongs to no session, and so to no profile.")
    return next(iter(profiles)) or id_ if profiles else id_


def _print_story(
    profile: Profile, sessions: list[ProfileSession], events: list[StoredEvent]
) -> None:
    campaigns = [name for name in (profile.first_campaign, profile.last_campaign) if name]
    key_values(
        {
            "profile": profile.id,
            "first seen": profile.first_seen_at,
            "last seen": profile.last_seen_at,
            "sessions": str(profile.sessions),
            "events": str(profile.events),
            "rejected": str(profile.rejected),
            "campaigns": ", then ".join(dict.fromkeys(campaigns)) or "none",
            "sources": " ".join(profile.source_ids),
        }
    )
    tables(
        [
            Table(
                ["session began", "events", "entry page", "campaign", "browser", "session"],
                [
                    [s.first_seen_at, str(s.events), s.entry_page, s.campaign, s.browser, s.id]
                    for s in sessions
                ],
                numbers=["events"],
                whole=["session began"],
            ),
            Table(
                ["event received", "type", "properties"],
                [
                    [e.received_at, e.type, json.dumps(e.properties, ensure_ascii=False)[:MAX_CELL]]
                    for e in events
                ],
                whole=["event received", "type"],
            ),
        ]
    )


@app.command()
def export(profile_id: ProfileArgument, db: DbOption = None) -> None:
    """Prints everything stored about a visitor, one JSON object a line; `table` says where it is
    from. Memory stays the same however much there is.

    Examples:

    - `thamesthrive profile export PROFILE > visitor.ndjson`
    """
    with open_readonly(db) as connection:
        for table, _, row in store.export_profile(connection, profile_id):
            data(json.dumps({"table": table, **row}, ensure_ascii=False))


@app.command()
def forget(
    profile_id: ProfileArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many rows would be removed.")
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Removes a visitor: profile, sessions, events and rejected payloads. This cannot be undone.

    Hashes of the events' ids remain, so that a late repeat does not bring them back; and of the
    profile's id, if several machines can verify it. Run it on each of them.

    Examples:

    - `thamesthrive profile forget PROFILE --dry-run`
    - `thamesthrive profile forget PROFILE --yes`
    """
    if dry_run:
        with open_readonly(db) as connection:
            found = store.count_profile(connection, profile_id)
        show(found, lambda: note(f"This would remove {_counted(found)}."), as_json=as_json)
        return
    with open_database(db) as database:
        store.require_forgettable(database.conn, profile_id)
        if not yes and not typer.confirm(
            f"Remove everything about profile {profile_id}?", err=True
        ):
            raise Usage("Nothing was removed.")
        removed = store.forget_profile(database.conn, profile_id)
        is_elsewhere = forwards(database.conn)
    show(removed, lambda: note(f"Removed {_counted(removed)}."), as_json=as_json)
    if is_elsewhere:
        note("Stores that get the events as well remove theirs when they are reached.")


def _counted(rows: dict[str, int]) -> str:
    return ", ".join(f"{count} {table}" for table, count in rows.items())
