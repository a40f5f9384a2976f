"""Behaviour of what stands between a client and its application when the client leaves: pass the abort on at once, at
the next write (so a silent upstream runs on until it writes again), or never.

The table is measured and dated; the configuration takes precedence over it. It names the hop to look at, and moves no
figure.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from streamaudit.store.package_files import package_text

HABITS = ("at_once", "next_write", "never")
"""The values of ``on_abort``."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A row of the table. ``server`` is the name under which logs are ingested; empty for a setting of one."""

    name: str
    server: str
    on_abort: str
    evidence: str
    as_of: str
    source: str
    note: str


@cache
def read_hops() -> tuple[Hop, ...]:
    """Read the package's table of hops, by name."""
    rows = csv.DictReader(io.StringIO(package_text("store", "hops.csv")))
    return tuple(
        Hop(row["hop"], row["server"], row["on_abort"], row["evidence"], row["as_of"], row["source"], row["note"])
        for row in rows
    )


def resolve_hops(overrides: Mapping[str, str]) -> dict[str, str]:
    """Return what each server does, by the name under which its logs are ingested."""
    return {hop.server: hop.on_abort for hop in read_hops() if hop.server} | dict(overrides)
