"""Profile ids that machines with one secret derive and verify by themselves."""

import os
import stat
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.cluster_secret import create_secret, is_open_to_others, read_profile_ids
from collector.errors import SettingsError
from collector.ids import is_uuid8, uuid7
from collector.profile_ids import ProfileIds

SECRET = b"0" * 64
HERE, THERE, STRANGER = ProfileIds(SECRET), ProfileIds(SECRET), ProfileIds(b"1" * 64)

texts = st.text(st.characters(), max_size=40)
uuid7s = st.builds(
    lambda ms, rest: str(uuid.UUID(int=(ms << 80) | (7 << 76) | (2 << 62) | rest)),
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**62 - 1),
)
session_ids = st.one_of(texts, uuid7s, st.uuids().map(str))


@given(session_ids, texts, texts, st.integers(0, 5))
def test_every_machine_derives_and_verifies_the_same_id(
    session_id: str, source: str, scope: str, attempt: int
) -> None:
    issued = HERE.issue(session_id, source, scope, attempt)
    assert THERE.issue(session_id, source, scope, attempt) == issued
    assert THERE.verifies(issued, scope)
    found = uuid.UUID(issued)
    assert (str(found), found.version, found.variant) == (issued, 8, uuid.RFC_4122)


@given(session_ids, texts, texts, texts)
def test_an_id_does_not_verify_elsewhere(
    session_id: str, source: str, scope: str, other: str
) -> None:
    issued = HERE.issue(session_id, source, scope)
    assert HERE.verifies(issued, other) == (other == scope)
    assert not STRANGER.verifies(issued, scope)
    assert STRANGER.issue(session_id, source, scope) != issued


@given(session_ids, texts, texts, st.integers(0, 127))
def test_an_id_with_a_flipped_bit_does_not_verify(
    session_id: str, source: str, scope: str, bit: int
) -> None:
    issued = uuid.UUID(HERE.issue(session_id, source, scope))
    assert not HERE.verifies(str(uuid.UUID(int=issued.int ^ (1 << bit))), scope)


@given(session_ids, texts)
def test_only_the_canonical_text_verifies(session_id: str, scope: str) -> None:
    issued = HERE.issue(session_id, "source", scope)
    written = [issued.replace("-", ""), f"{{{issued}}}", f"{issued}\n", f" {issued}", issued[:-1]]
    if issued != issued.upper():
        written.append(issued.upper())
    assert not any(HERE.verifies(text, scope) for text in written)


@given(texts, texts)
def test_what_nobody_has_issued_does_not_verify(text: str, scope: str) -> None:
    assert not HERE.verifies(text, scope)
    assert not HERE.verifies(uuid7(), scope)
    assert not HERE.verifies(f"{text[:28]:0>28}00000000", scope)
    assert not HERE.verifies(f"{HERE.issue(text, '', scope)[:28]}0000000ü", scope)


@given(uuid7s, uuid7s)
def test_ids_keep_the_order_of_their_sessions_times(one: str, other: str) -> None:
    first, second = (HERE.issue(session_id, "source", "") for session_id in (one, other))
    assert (first[:13], second[:13]) == (one[:13], other[:13])
    if one[:13] != other[:13]:
        assert (first < second) == (one < other)


def test_sources_scopes_sessions_and_attempts_are_kept_apart() -> None:
    session_id = uuid7()
    named = [
        ("s", "a", "b", 0), ("s", "ab", "", 0), ("s", "", "ab", 0), ("as", "b", "", 0), ("bs", "a", "", 0),
        ("s", "a", "b", 1), ("s", "a", "b", 10), (session_id, "a", "b", 0), (session_id.upper(), "a", "b", 0),
    ]  # fmt: skip
    issued = {HERE.issue(*one) for one in named}
    assert len(issued) == len(named)


def test_ids_stay_the_same_in_later_versions() -> None:
    session_id = "0197e1c3-1c00-7abc-9def-0123456789ab"
    assert HERE.fingerprint == "abe2f859e04b474c"
    assert HERE.issue(session_id, "shop", "group:shops") == "0197e1c3-1c00-8577-a207-6cf63cf9e439"
    assert HERE.issue("tuesday", "shop", "", 1) == "d8cd33db-3620-8312-8f9d-9e4e0ae9df0a"


def test_a_shape_is_told_by_version_variant_and_letters() -> None:
    assert is_uuid8("0197e1c3-1c00-8abc-9def-0123456789ab")
    for text in (
        uuid7(),
        "0197e1c3-1c00-8abc-cdef-0123456789ab",
        "0197E1C3-1c00-8abc-9def-0123456789ab",
        "0197e1c3-1c00-8abc-9def-0123456789a٣",
    ):
        assert not is_uuid8(text)


def test_a_secret_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "cluster.key"
    before = os.umask(0)
    try:
        created = create_secret(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert len(bytes.fromhex(text)) == 32
    read = read_profile_ids(file)
    assert read
    assert read.fingerprint == created.fingerprint
    assert created.fingerprint not in text
    with pytest.raises(SettingsError, match="exists, and is not overwritten"):
        create_secret(file)
    assert file.read_text() == text
    other = create_secret(tmp_path / "other.key")
    assert other.fingerprint != created.fingerprint
    assert not is_open_to_others(file)
    file.chmod(0o644)
    assert is_open_to_others(file)


def test_a_secret_may_end_with_a_line_break_or_not(tmp_path: Path) -> None:
    file = tmp_path / "cluster.key"
    found = set()
    for text in ("x" * 32, f"{'x' * 32}\n", f" {'x' * 32}\r\n"):
        file.write_text(text)
        read = read_profile_ids(file)
        found.add(read and read.fingerprint)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there is no file"),
        (b"", "must have from 32 to 1024 characters"),
        (b"x" * 31 + b"\n", "must have from 32 to 1024 characters"),
        (b"x" * 1025, "must have from 32 to 1024 characters"),
    ],
)
def test_what_is_no_secret_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "cluster.key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=problem):
        read_profile_ids(file)
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_profile_ids(tmp_path)
    assert read_profile_ids(None) is None


def test_a_secret_is_not_written_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written: No such file"):
        create_secret(tmp_path / "nowhere" / "cluster.key")
