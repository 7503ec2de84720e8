"""One frozen table of settings: each field is a flag, a THAMESTHRIVE_* variable, a TOML key, a default and a help text."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import SettingsError

CONFIG_FILE = "thamesthrive.toml"
ENV_PREFIX = "THAMESTHRIVE_"


def _setting(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class Settings:
    """Built once, at the start of a command, and passed down. Nothing else reads the environment."""

    db: Path = _setting(Path("thamesthrive.db"), "The SQLite database.")
    host: str = _setting("127.0.0.1", "The address to listen on.")
    port: int = _setting(8686, "The port to listen on; 0 takes a free one.")
    workers: int = _setting(min(4, os.cpu_count() or 1), "Worker processes.")
    bundle: Path | None = _setting(None, "Folder of the built tracker, if not the one that came with this program.")
    site: Path | None = _setting(None, "Folder of a built site to serve next to the collector.")
    qa: bool = _setting(False, "Offer /qa, which reads stored events back. For test machines only.")
    queue_mb: int = _setting(64, "Megabytes of requests that may wait for the disk before senders are told to come back.")

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must be between 0 and 65535, not {self.port}")
        if self.workers < 1:
            raise SettingsError(f"workers must be at least 1, not {self.workers}")
        if self.queue_mb < 1:
            raise SettingsError(f"queue_mb must be at least 1, not {self.queue_mb}")


def help_of(name: str) -> str:
    """The help text of one setting."""
    return str(Settings.__dataclass_fields__[name].metadata["help"])


def env_of(name: str) -> str:
    """The environment variable of one setting."""
    return ENV_PREFIX + name.upper()


def load_settings(
    flags: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None, directory: Path | None = None
) -> Settings:
    """Settings from flags, then variables, then `thamesthrive.toml` in `directory`, then defaults.

    `flags` that are None count as not given. Raises SettingsError, which names the place of the bad value.
    """
    env = os.environ if env is None else env
    file = (directory or Path()) / CONFIG_FILE
    table = _read_toml(file)
    values: dict[str, Any] = {}
    for spec in fields(Settings):
        name = spec.name
        if flags and flags.get(name) is not None:
            values[name] = _convert(name, flags[name], f"--{name.replace('_', '-')}")
        elif env.get(env_of(name)):
            values[name] = _convert(name, env[env_of(name)], env_of(name))
        elif name in table:
            values[name] = _convert(name, table[name], f"{file}: {name}")
    unknown = sorted(set(table) - {spec.name for spec in fields(Settings)})
    if unknown:
        raise SettingsError(f"{file}: there is no setting {unknown[0]!r}")
    return Settings(**values)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}") from error


def _convert(name: str, value: Any, place: str) -> Any:
    kind = str(Settings.__dataclass_fields__[name].type)
    if "Path" in kind:
        return Path(str(value))
    if "int" in kind:
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{place}: expected a whole number, not {value!r}") from error
    if "bool" in kind:
        known = {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }
        if str(value).lower() not in known:
            raise SettingsError(f"{place}: expected true or false, not {value!r}")
        return known[str(value).lower()]
    return str(value)
