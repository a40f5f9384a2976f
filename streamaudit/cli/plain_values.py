"""Convert texts, paths and switches of the command line without pydantic.

Typer converts every option by an adapter that it builds with pydantic, also those that are not given: a tenth of a
second in each run. Values that need no conversion, and paths without conditions, are passed on here; all others, and
all that Typer refuses, still go to Typer's own adapter, so that messages stay Typer's.
"""

import os
from pathlib import Path
from typing import Any, get_args, get_origin

from typer.core import TyperCommand, TyperGroup

from streamaudit.cli.help_pages import CommandsByTask, TopicalOptions

_NOT_PLAIN = object()


class _PlainParameters:
    """A command whose parameters build an adapter only for a value that needs one."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, that of ``--help`` included."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            # Typer builds the adapter where this attribute is None; a Typer without it converts as it likes.
            if getattr(param, "_runtime_param", ...) is None:
                param._runtime_param = _PlainFirst()
        return params


class Command(_PlainParameters, TopicalOptions, TyperCommand):
    """A single command."""


class Group(_PlainParameters, TyperGroup):
    """A command of commands."""


class Program(CommandsByTask, Group):
    """The program."""


class _PlainFirst:
    """The converter of one parameter: plain values as they are, any other by Typer's own, built when first needed."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value converted to the parameter's type. Raises BadParameter as Typer does."""
        plain = _convert(value, param)
        if plain is not _NOT_PLAIN:
            return plain
        param._runtime_param = None
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _convert(value: Any, param: Any) -> Any:
    about, several = param.type_descriptor, param.multiple or param.nargs == -1
    if about.parameter_info.parser is not None:
        return _NOT_PLAIN
    if value is None:
        return () if several else None
    if not several:
        return _convert_one(value, about.annotation, about.parameter_info, param.default)
    if get_origin(about.annotation) is not list or not isinstance(value, (list, tuple)):
        return _NOT_PLAIN
    kind = get_args(about.annotation)[0]
    values = [_convert_one(one, kind, about.parameter_info, None) for one in value]
    return _NOT_PLAIN if _NOT_PLAIN in values else values


def _convert_one(value: Any, kind: Any, info: Any, default: Any) -> Any:
    if kind is str:
        return value if isinstance(value, str) else _NOT_PLAIN
    if kind is bool:
        return value if isinstance(value, bool) else _NOT_PLAIN
    if kind is int:
        # Only what Python code gave: a text may be no number or out of bounds.
        return value if type(value) is int and value == default else _NOT_PLAIN
    return _convert_path(value, info) if kind is Path else _NOT_PLAIN


def _convert_path(value: Any, info: Any) -> Any:
    conditions = info.exists or info.writable or info.resolve_path or info.path_type
    if not isinstance(value, str) or conditions or not (info.file_okay and info.dir_okay):
        return _NOT_PLAIN
    # What cannot be read is refused by Typer.
    return Path(value) if os.access(value, os.R_OK) or not os.path.lexists(value) else _NOT_PLAIN
