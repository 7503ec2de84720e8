"""One frozen table of settings: each field is a flag, a THAMESTHRIVE_* variable, a TOML key, a
default and a help text."""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .alias import Alias, parse_aliases
from .errors import SettingsError
from .targets import parse_targets

CONFIG_FILE = "thamesthrive.toml"
ENV_PREFIX = "THAMESTHRIVE_"
_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _setting(
    default: Any,
    help_text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    shown: str = "",
    check: Callable[[str], object] | None = None,
) -> Any:
    meta = {
        "help": help_text,
        "low": low,
        "high": high,
        "choices": choices,
        "shown": shown,
        "check": check,
    }
    return field(default=default, metadata=meta)


def parse_hosts(text: str) -> frozenset[str]:
    """Hosts with their ports, each as `host:port`. Raises SettingsError."""
    hosts = frozenset(part.strip().lower() for part in text.split(",") if part.strip())
    for one in hosts:
        host, _, port = one.rpartition(":")
        if not host or not port.isdigit():
            raise SettingsError(f"{one!r} has no port. Write it like 'shop.internal:443'")
    return hosts


@dataclass(frozen=True)
class Settings:
    """Built once, at the start of a command, and passed down. Nothing else reads the
    environment."""

    db: Path = _setting(
        Path("thamesthrive.db"),
        "The SQLite database. `serve` and `source add` make it when it is missing; its folder is not made.",
    )
    host: str = _setting("127.0.0.1", "The address to listen on.")
    port: int = _setting(8686, "The port to listen on; 0 takes a free one.", low=0, high=65535)
    workers: int = _setting(
        min(4, os.cpu_count() or 1),
        "Worker processes. The writer is one more.",
        low=1,
        high=256,
        shown="one per core, up to 4",
    )
    bundle: Path | None = _setting(
        None, "Folder of the built tracker.", shown="the one that came with the program"
    )
    site: Path | None = _setting(None, "Folder of a built site to serve next to the collector.")
    alias: str = _setting(
        "",
        "Your own names for what pages load, send to and store, as in '/a/{app.js,hello}'; the default names stay served.",
        shown="none",
        check=parse_aliases,
    )
    qa: bool = _setting(
        False,
        "Offer /qa, which reads stored events back, and keep runs of tests apart, with one worker. For test machines only.",
    )
    console: str = _setting(
        "local",
        "Who reaches the console at /console: local, browsers of this machine; everywhere, also others; off. All have to log in.",
        choices=("local", "everywhere", "off"),
    )
    verify_hosts: str = _setting(
        "",
        "Sites on private addresses, as host:port separated by commas, that the console may fetch to verify them; all others must have public addresses.",
        shown="none",
        check=parse_hosts,
    )
    forward: str = _setting(
        "",
        "Stores that get all events as well, as postgresql:// and clickhouse:// addresses with spaces between them. Passwords are safer in the variable or the file.",
        shown="none",
        check=parse_targets,
    )
    proxies: int = _setting(
        0,
        "How many reverse proxies of your own stand before the collector, each adding to X-Forwarded-For.",
        low=0,
        high=16,
    )
    countries: Path | None = _setting(
        None,
        "A file in MaxMind's format (.mmdb) that knows the countries of addresses. Each visit's is stored then.",
        shown="none, and no country is looked up",
    )
    cluster_secret: Path | None = _setting(
        None,
        "A file with the secret that several machines share, so that a visitor has one profile on all of them. `cluster init` creates it.",
        shown="none: one machine",
    )
    allowed_hosts: str = _setting(
        "",
        "Names, separated by commas, by which /console, /api, /metrics, /docs and /qa may be asked for in Host; localhost and addresses may always.",
        shown="none",
    )
    metrics_token: str = _setting(
        "",
        "What /metrics wants as bearer token. Better in the variable or the file: others can read command lines.",
        shown="none",
    )
    connections: int = _setting(
        5000,
        "Connections that a worker has at once. One more ends the slowest sender's; the limit of open files may allow fewer.",
        low=1,
        high=1_000_000,
    )
    connections_per_address: int = _setting(
        1000,
        "Connections of one address that a worker has at once, of IPv6 of one /64 network. Not behind proxies, where all come from one.",
        low=1,
        high=1_000_000,
    )
    request_seconds: float = _setting(
        30.0,
        "How long a request may take to arrive, from its first byte to its last, before it is answered 408.",
        low=0.1,
        high=3600,
    )
    drain_seconds: float = _setting(
        1.0,
        "After SIGTERM: how long /ready answers 503 before the collector stops listening.",
        low=0,
        high=3600,
    )
    log_level: str = _setting(
        "info",
        "debug, info, warning or error; debug has a line for each request.",
        choices=("debug", "info", "warning", "error"),
    )
    log_format: str = _setting(
        "auto",
        "text for people, json for machines, or auto: text on a terminal, json elsewhere.",
        choices=("auto", "text", "json"),
    )
    source_quota_mb: int = _setting(
        4096,
        "Megabytes a minute, inflated, that a source may send before it is answered 429; 0 is no limit. `source set --quota-mb` is for one source.",
        low=0,
        high=1_000_000,
    )
    address_quota_mb: int = _setting(
        256,
        "Megabytes a minute, inflated, that an address may send, or a /64 of IPv6; 0 is no limit. Loopback addresses have none.",
        low=0,
        high=1_000_000,
    )
    queue_mb: int = _setting(
        128,
        "Megabytes of memory of requests that wait for the disk, of all workers together. What comes beyond is refused with 503.",
        low=1,
        high=65536,
    )
    buffer_mb: int = _setting(
        64,
        "Megabytes of memory of requests that are arriving, and of answers that are not read, of all workers together. Beyond, the largest and slowest are refused with 503.",
        low=1,
        high=65536,
    )

    @property
    def aliases(self) -> tuple[Alias, ...]:
        """The names in `alias`, those for snippets first. Raises SettingsError."""
        return parse_aliases(self.alias)

    @property
    def verifiable_hosts(self) -> frozenset[str]:
        """The sites in `verify_hosts`. Raises SettingsError."""
        return parse_hosts(self.verify_hosts)

    @property
    def tracker_folder(self) -> Path:
        """Where the built tracker is: `bundle`, or else what came with the program."""
        return self.bundle or default_bundle()


def default_bundle() -> Path:
    """Where the built tracker is that came with the program: inside the installed package, or in
    the source tree."""
    package = Path(__file__).parent
    inside = package / "_dist"
    return inside if inside.is_dir() else package.parent / "js" / "dist"


def help_of(name: str) -> str:
    """The help text of one setting."""
    return str(Settings.__dataclass_fields__[name].metadata["help"])


def flag_of(name: str) -> str:
    """The command line's flag of one setting."""
    return f"--{name.replace('_', '-')}"


def env_of(name: str) -> str:
    """The environment variable of one setting."""
    return ENV_PREFIX + name.upper()


def load_settings(
    flags: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Settings from flags, then variables, then `thamesthrive.toml` in `directory` or above it,
    then defaults.

    `flags` that are None count as not given. Raises SettingsError, which names the place of the bad
    value.
    """
    return Settings(
        **{name: value for name, (value, _) in read_settings(flags, env, directory).items()}
    )


def read_settings(
    flags: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> dict[str, tuple[Any, str]]:
    """Each setting that is given somewhere: its value, and where it comes from. Raises
    SettingsError as `load_settings`."""
    env = os.environ if env is None else env
    file = find_config(directory or Path())
    table = _read_toml(file)
    values: dict[str, tuple[Any, str]] = {}
    for spec in fields(Settings):
        name = spec.name
        if flags and flags.get(name) is not None:
            values[name] = _convert(name, flags[name], flag_of(name)), flag_of(name)
        elif env.get(env_of(name)):
            values[name] = _convert(name, env[env_of(name)], env_of(name)), env_of(name)
        elif name in table:
            found = _convert(name, table[name], f"{file}: {name}")
            # What the file names lies beside the file, wherever one calls from.
            values[name] = (file.parent / found if isinstance(found, Path) else found), str(file)
    known = [spec.name for spec in fields(Settings)]
    for name in table:
        if name not in known:
            close = get_close_matches(name.replace("-", "_"), known, 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise SettingsError(f"{file}: there is no setting {name!r}.{hint}")
    return values


def find_config(directory: Path) -> Path:
    """`thamesthrive.toml` in a folder or in the nearest one above it that has one; the folder's own
    if there is none."""
    here = directory / CONFIG_FILE
    if here.exists():
        return here
    return next(
        (
            file
            for folder in directory.resolve().parents
            if (file := folder / CONFIG_FILE).is_file()
        ),
        here,
    )


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: not UTF-8 (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}") from error


def _convert(name: str, value: Any, place: str) -> Any:
    """A value as the setting's type. A text may come from anywhere, anything else must have the
    type already."""
    spec = Settings.__dataclass_fields__[name]
    default, meta = spec.default, spec.metadata
    if isinstance(default, bool):
        found = _BOOLEANS.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(found, bool):
            raise SettingsError(f"{place}: expected true or false, not {value!r}")
        return found
    if isinstance(default, int | float):
        return _number(value, type(default), meta["low"], meta["high"], place)
    if not isinstance(value, str | Path) or not str(value):
        raise SettingsError(f"{place}: expected a string, not {value!r}")
    if meta["choices"] and value not in meta["choices"]:
        raise SettingsError(f"{place}: expected one of {', '.join(meta['choices'])}, not {value!r}")
    if meta["check"]:
        try:
            meta["check"](str(value))
        except SettingsError as error:
            raise SettingsError(f"{place}: {error}.") from error
    return str(value) if isinstance(default, str) else Path(value)


def _number(
    value: Any, kind: type[int] | type[float], low: float, high: float, place: str
) -> int | float:
    wanted = "a whole number" if kind is int else "a number"
    error = SettingsError(f"{place}: expected {wanted} from {low} to {high}, not {value!r}")
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        raise error
    try:
        number = kind(value)
    except (TypeError, ValueError) as cause:
        raise error from cause
    if not low <= number <= high:
        raise error
    return number
