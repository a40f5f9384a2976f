"""Output formats: one file each, discovered in this folder.

``render/<format>.py`` exposes ``render(report, screen) -> str`` (or ``bytes``) and two constants: ``SUFFIXES``, the
file suffixes that imply it, and ``ALL_GROUPS``, True when every group is wanted unless the user says ``--top``. Names
starting with ``_`` are helpers. A format that needs an optional package imports it inside ``render``, so that it can
always be listed.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from streamaudit.errors import UsageError, nearest
from streamaudit.report.model import Report

BINARY = ("arrow", "parquet", "png")
"""Binary formats."""
COLUMNAR = ("arrow", "parquet")
"""Formats that read Arrow tables directly, without a Python value per cell."""


@dataclass(frozen=True, slots=True)
class Screen:
    """The destination of text. ``width`` in columns, None off a terminal: natural width, nothing cut or wrapped.

    ``wide`` asks for every column; ``unicode`` allows more than ASCII.
    """

    width: int | None = None
    color: bool = False
    wide: bool = False
    unicode: bool = True

    @property
    def drawing(self) -> bool:
        """Whether rules and bars may be more than ASCII: only where a terminal is sure to show them."""
        return self.unicode and self.width is not None


class Format(Protocol):
    """Interface of a format's module."""

    @property
    def SUFFIXES(self) -> Sequence[str]:
        """File suffixes that imply the format."""
        ...

    @property
    def ALL_GROUPS(self) -> bool:
        """Whether every group is wanted unless the user says ``--top``."""
        ...

    def render(self, report: Report, screen: Screen) -> str:
        """Return the whole output as text, ending in a newline unless it is empty."""
        ...


class BinaryFormat(Protocol):
    """Interface of a binary format's module, besides the constants."""

    def render(self, report: Report, screen: Screen) -> bytes:
        """Return the whole output."""
        ...


def formats() -> list[str]:
    """Return the names of all formats, in alphabetical order; none is imported."""
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    modules = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in modules if not name.startswith("_") and name != "formats"))


def load(name: str) -> Format:
    """Return the module of one format; UsageError when the format does not exist."""
    known = formats()
    if name not in known:
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else f"formats: {', '.join(known)}"
        raise UsageError(f"no format named {name!r}", hint)
    return cast(Format, importlib.import_module(f"{__package__}.{name}"))


def render_bytes(name: str, report: Report, screen: Screen) -> bytes:
    """Return the output of a format as written to a file: text in UTF-8, or the bytes of a binary format."""
    made = cast(Format | BinaryFormat, load(name)).render(report, screen)
    return made.encode() if isinstance(made, str) else made


def format_for(path: str | Path) -> str | None:
    """Return the format a file's suffix implies, or None when no format claims it."""
    suffix = Path(path).suffix.lower()
    own_name = suffix.removeprefix(".")
    # The format named like the suffix first: most files need one import, not all.
    candidates = sorted(formats(), key=lambda name: name != own_name)
    return next((name for name in candidates if suffix in load(name).SUFFIXES), None)
