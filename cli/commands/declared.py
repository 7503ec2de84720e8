"""Options that derive from what the library declares, and the settings' own.

A new setting becomes an option, with its help, without a line here.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from collector.settings import Settings, env_of, flag_of

F = TypeVar("F", bound=Callable[..., Any])
_SHARED = ("db", "as_json")  # options that the help lists last


def with_options(options: Mapping[str, Any]) -> Callable[[F], F]:
    """Replaces a command's `**given` by options: name → annotation. Those not named are None."""

    def decorate(command: F) -> F:
        declared = inspect.signature(command).parameters.values()
        own = [parameter for parameter in declared if parameter.kind is not parameter.VAR_KEYWORD]
        added = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
            )
            for name, annotation in options.items()
        ]
        first = [parameter for parameter in own if parameter.name not in _SHARED]
        last = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in own
            if parameter.name in _SHARED
        ]
        parameters = [*first, *added, *last]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return command

    return decorate


def setting_option(name: str, *, envvar: bool = True) -> Any:
    """The option of a setting."""
    spec = Settings.__dataclass_fields__[name]
    text = spec.metadata["help"] + (f" [{env_of(name)}]" if envvar else "")
    default: bool | str = spec.metadata["shown"]
    if not default:
        shown = spec.default not in (None, False)
        default = str(spec.default) if shown else False
    return typer.Option(flag_of(name), help=text, show_default=default)


def _type_of(name: str) -> Any:
    default = Settings.__dataclass_fields__[name].default
    return Path if default is None else Path if isinstance(default, Path) else type(default)


SETTING_OPTIONS = {
    spec.name: Annotated[_type_of(spec.name) | None, setting_option(spec.name)]
    for spec in fields(Settings)
}
"""Every setting."""
