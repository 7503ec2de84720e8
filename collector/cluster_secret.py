"""The file with the secret that the machines of a cluster share."""

import os
import secrets
import stat
from pathlib import Path

from .errors import SettingsError
from .profile_ids import ProfileIds

FILE = "thamesthrive-cluster.key"  # beside the database, unless another name is given
SECRET_BYTES = 32
MIN_LENGTH, MAX_LENGTH = 32, 1024  # bytes of a file


def read_profile_ids(file: Path | None) -> ProfileIds | None:
    """The profile ids of the secret in a file; None if no file is set.

    Raises SettingsError if it cannot be read, or what is in it is too short or too long to be a
    secret.
    """
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_LENGTH + 1)
    except FileNotFoundError as error:
        raise SettingsError(
            f"cluster_secret: there is no file {file}. Copy it from another machine of the"
            " cluster; for the first one, run: thamesthrive cluster init"
        ) from error
    except OSError as error:
        raise SettingsError(f"cluster_secret: {file} cannot be read: {error.strerror}.") from error
    secret = content.strip()  # editors and shells add a line break
    if len(content) > MAX_LENGTH or len(secret) < MIN_LENGTH:
        raise SettingsError(
            f"cluster_secret: {file} must have from {MIN_LENGTH} to {MAX_LENGTH} characters."
            " `thamesthrive cluster init` creates one that has."
        )
    return ProfileIds(secret)


def create_secret(file: Path) -> ProfileIds:
    """Writes a new secret to a file for its user alone, and to the disk.

    Raises SettingsError if the file exists, or cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise SettingsError(
            f"{file} exists, and is not overwritten: profiles may depend on it. Name another file."
        ) from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}.") from error
    text = f"{secrets.token_hex(SECRET_BYTES)}\n"
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        _sync_folder(file.parent)
    except OSError as error:
        file.unlink(missing_ok=True)  # half a secret must not be used
        raise SettingsError(f"{file} cannot be written: {error.strerror}.") from error
    return ProfileIds(text.strip().encode())


def _sync_folder(folder: Path) -> None:
    """A new file survives a power cut once its folder is on the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_open_to_others(file: Path) -> bool:
    """Whether every user of this machine can read or change a file."""
    return bool(file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
