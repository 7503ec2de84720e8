"""Several machines with one secret: which profile a visitor has, whichever of them is asked."""

import json
import os
import signal
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from collector import store
from collector.cluster_secret import create_secret, read_profile_ids
from collector.ids import uuid7
from collector.profile_ids import ProfileIds

from ..support import Collector, run, wait_for
from .test_identity import send

SHOP, SHOP_TOO, LISTING, STATIC, BLOG = "shop", "beside it", "listing origins", "static", "blog"
GROUPS = {**dict.fromkeys((SHOP, SHOP_TOO, LISTING, STATIC), "shops"), BLOG: "blogs"}
ORIGIN = "https://a.example.com"


class Cluster(NamedTuple):
    """Two machines with the same sources, each with its own database."""

    one: Collector
    other: Collector
    sources: dict[str, str]
    secret: Path

    @property
    def ids(self) -> ProfileIds:
        found = read_profile_ids(self.secret)
        assert found
        return found


def edge(folder: Path, *options: str) -> Collector:
    folder.mkdir()
    return Collector(folder, options=options)


def copied(collector: Collector, folder: Path, *options: str) -> Collector:
    """Another collector with what a first one has in its database."""
    copy = edge(folder, *options)
    with closing(store.connect_readonly(collector.db)) as connection:
        store.backup(connection, copy.db, lambda *_: None)
    return copy


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    secret = folder / "cluster.key"
    create_secret(secret)
    options = ("--cluster-secret", str(secret))
    one = edge(folder / "one", *options)
    sources = {
        name: one.add_source(
            profile_group=group,
            static_profiles=name == STATIC,
            origins=[ORIGIN] if name == LISTING else [],
        )
        for name, group in GROUPS.items()
    }
    other = copied(one, folder / "other", *options)
    yield Cluster(one.start(), other.start(), sources, secret)
    one.end()
    other.end()


def profile_of(
    collector: Collector, source: str, session: str | None = None, profile: str | None = None
) -> str:
    """The profile that a request of a session gets."""
    return str(send(collector, source, session or uuid7(), profile)["profile"])


def forget(collector: Collector, profile: str) -> None:
    with collector.database() as database:
        store.forget_profile(database.conn, profile)


def test_first_requests_of_one_session_on_two_machines_make_one_profile(cluster: Cluster) -> None:
    source = cluster.sources[SHOP]
    for session in (uuid7(), uuid7(), str(uuid.uuid4()), f"visit-{uuid7()}"):
        with ThreadPoolExecutor(2) as pool:
            asked = pool.map(profile_of, (cluster.one, cluster.other), [source] * 2, [session] * 2)
        (profile,) = set(asked)
        assert uuid.UUID(profile).version == 8
        for collector in (cluster.one, cluster.other):
            assert collector.rows("SELECT profile_id FROM sessions WHERE id = ?", session) == [
                {"profile_id": profile}
            ]


def test_sources_with_a_session_of_one_name_have_two_profiles(cluster: Cluster) -> None:
    session = uuid7()
    first = profile_of(cluster.one, cluster.sources[SHOP], session)
    assert profile_of(cluster.other, cluster.sources[SHOP_TOO], session) != first


def test_a_visitor_who_goes_to_another_machine_keeps_the_profile(cluster: Cluster) -> None:
    profile = profile_of(cluster.one, cluster.sources[SHOP])
    assert profile_of(cluster.other, cluster.sources[SHOP], None, profile) == profile
    assert profile_of(cluster.other, cluster.sources[SHOP_TOO], None, profile) == profile
    count = "SELECT count(*) AS n FROM profiles WHERE id = ?"
    assert cluster.other.rows(count, profile) == [{"n": 1}]


def test_a_profile_whose_session_the_collector_made_holds_elsewhere_too(cluster: Cluster) -> None:
    made = send(cluster.one, cluster.sources[SHOP])
    assert (
        profile_of(cluster.other, cluster.sources[SHOP], None, made["profile"]) == made["profile"]
    )
    assert profile_of(cluster.other, cluster.sources[SHOP], made["session"]) == made["profile"]


def test_a_visitor_who_follows_a_link_to_another_machine_keeps_the_profile(
    cluster: Cluster,
) -> None:
    profile = profile_of(cluster.one, cluster.sources[SHOP])

    def arrive(passed: str) -> tuple[str, bool]:
        page = {"page": {"url": "https://b.example.com/", "referrer": f"{ORIGIN}/x"}}
        answer = cluster.other.post(
            {
                "source": {"id": cluster.sources[SHOP_TOO]},
                "session": {"id": uuid7()},
                "context": {"pass": {"__tt_pid": passed, "__tt_src": cluster.sources[LISTING]}},
                "events": [{"type": "page-view", "context": page}],
            }
        ).json()
        return answer["profile"]["id"], bool(answer.get("warnings"))

    assert arrive(profile) == (profile, False)
    forged = forgery(profile)
    got, warned = arrive(forged)
    assert (got != forged, warned) == (True, True)


def forgery(profile: str) -> str:
    return profile[:-1] + ("1" if profile[-1] == "0" else "0")


def test_a_forged_id_gets_a_new_profile(cluster: Cluster) -> None:
    forged = forgery(profile_of(cluster.one, cluster.sources[SHOP]))
    stranger = ProfileIds(b"another secret" * 4).issue(
        uuid7(), cluster.sources[SHOP], "group:shops"
    )
    for guessed in (forged, stranger, str(uuid.uuid4()), "nonsense"):
        got = profile_of(cluster.one, cluster.sources[SHOP], None, guessed)
        assert got != guessed
        assert cluster.ids.verifies(got, "group:shops")
        assert cluster.one.rows("SELECT 1 FROM profiles WHERE id = ?", guessed) == []


def test_an_id_of_another_group_does_not_verify(cluster: Cluster) -> None:
    profile = profile_of(cluster.one, cluster.sources[SHOP])
    for collector in (cluster.one, cluster.other):
        assert profile_of(collector, cluster.sources[BLOG], None, profile) != profile


def test_a_rotated_source_gives_a_session_the_profile_of_before(
    cluster: Cluster, tmp_path: Path
) -> None:
    rotated = copied(cluster.one, tmp_path / "rotated", "--cluster-secret", str(cluster.secret))
    with rotated.database() as database:
        renamed = store.rotate_source(database, cluster.sources[SHOP]).id
    rotated.start()
    session = uuid7()
    assert profile_of(rotated, renamed, session) == profile_of(
        cluster.other, cluster.sources[SHOP], session
    )


def test_a_page_that_names_its_visitors_still_does(cluster: Cluster) -> None:
    source, chosen = cluster.sources[STATIC], f"customer-{uuid7()}"
    assert profile_of(cluster.one, source, None, chosen) == chosen
    assert cluster.ids.verifies(profile_of(cluster.one, source), "group:shops")


def test_a_forgotten_profile_does_not_come_back(cluster: Cluster) -> None:
    source, session = cluster.sources[SHOP], uuid7()
    profile = profile_of(cluster.one, source, session)
    forget(cluster.one, profile)
    # Another session that names it, the session itself, and that session once more.
    other = profile_of(cluster.one, source, None, profile)
    second = profile_of(cluster.one, source, session, profile)
    assert len({profile, other, second}) == 3
    assert cluster.ids.verifies(second, "group:shops")
    assert profile_of(cluster.one, source, session, profile) == second
    assert cluster.one.rows("SELECT 1 FROM profiles WHERE id = ?", profile) == []
    forget(cluster.one, second)
    third = profile_of(cluster.one, source, session, second)
    assert third not in {profile, second}
    assert third == cluster.ids.issue(session, source, "group:shops", attempt=2)


def test_of_a_forgotten_profile_only_a_hash_remains(cluster: Cluster, tmp_path: Path) -> None:
    copy = copied(cluster.one, tmp_path / "copy", "--cluster-secret", str(cluster.secret)).start()
    source = cluster.sources[SHOP]
    before = copy.rows("SELECT hash FROM tombstones")
    # A profile without events: of the tombstones one is of its id.
    copy.post({"source": {"id": source}, "session": {"id": (session := uuid7())}, "events": []})
    ((profile,),) = (
        row.values() for row in copy.rows("SELECT profile_id FROM sessions WHERE id = ?", session)
    )
    forget(copy, profile)
    added = [row["hash"] for row in copy.rows("SELECT hash FROM tombstones")]
    (left,) = set(added) - {row["hash"] for row in before}
    assert len(left) == 16
    copy.stop()
    with closing(store.connect(copy.db)) as connection:
        connection.execute("VACUUM")
        audit = json.dumps([entry.as_dict() for entry in store.iter_audit(connection)])
    files = b"".join(path.read_bytes() for path in sorted(copy.db.parent.iterdir()))
    assert profile.encode() not in files
    assert session.encode() not in files
    assert left.hex() not in audit


def test_a_name_that_a_page_gave_leaves_no_hash(cluster: Cluster) -> None:
    source, chosen = cluster.sources[STATIC], "anna@example.com"
    body = {"source": {"id": source}, "session": {"id": uuid7()}, "profile": {"id": chosen}}
    cluster.one.post({**body, "events": []})
    before = cluster.one.rows("SELECT hash FROM tombstones ORDER BY 1")
    forget(cluster.one, chosen)
    assert cluster.one.rows("SELECT hash FROM tombstones ORDER BY 1") == before


def test_ids_from_before_the_secret_stay_valid(tmp_path: Path, cluster: Cluster) -> None:
    collector = edge(tmp_path / "later").start()
    source = collector.add_source()
    session = uuid7()
    before = profile_of(collector, source, session)
    assert uuid.UUID(before).version == 7  # as without a secret
    assert profile_of(collector, source, None, cluster.ids.issue(uuid7(), source, "")) != before
    collector.stop()
    collector.options = ("--cluster-secret", str(cluster.secret))
    collector.start()
    assert profile_of(collector, source, session) == before
    assert profile_of(collector, source, None, before) == before
    assert uuid.UUID(profile_of(collector, source)).version == 8
    # And ids of the cluster stay known to one that leaves it, as far as it has stored them.
    new = profile_of(collector, source)
    collector.stop()
    assert run("cluster", "leave", "--yes", "--db", str(collector.db)).returncode == 0
    collector.options = ()
    collector.start()
    assert profile_of(collector, source, None, new) == new
    assert uuid.UUID(profile_of(collector, source)).version == 7
    unknown = cluster.ids.issue(uuid7(), source, "")
    assert profile_of(collector, source, None, unknown) != unknown


def test_a_writer_that_finds_another_secret_stores_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "cluster.key"
    create_secret(secret)
    collector = edge(tmp_path / "one", "--cluster-secret", str(secret)).start()
    source = collector.add_source()
    assert profile_of(collector, source)
    kept = secret.read_text()
    secret.write_text("0" * 64)
    (writer,) = collector.children("collector.child\0writer")
    os.kill(writer, signal.SIGKILL)
    wait_for(
        lambda: [line for line in collector.log if "cluster with another secret" in line],
        "the new writer to refuse the secret",
    )
    secret.write_text(kept)
    assert wait_for(
        lambda: collector.post({"source": {"id": source}, "events": [{"type": "a"}]}).is_success,
        "the next writer to store again",
    )
    assert not any(kept.strip() in line for line in collector.log)
