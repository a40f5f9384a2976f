"""The settings of ``streamaudit.toml``, each with its line in the file.

``loader`` creates ``Settings`` and callers pass them down; no module keeps one. A lower room takes only a small
dataclass of its own, which the methods here fill.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamaudit.errors import UsageError

if TYPE_CHECKING:
    from streamaudit.audits.check.thresholds import Check
    from streamaudit.audits.failures.suppressions import Suppression
    from streamaudit.delivery.settings import PostSettings
    from streamaudit.ingest.pull.settings import PullSettings
    from streamaudit.store.lookups import LookupFile
    from streamaudit.store.pricing.own_prices import PriceFile
    from streamaudit.store.providers import ProviderOverrides

OPTIONS = {"tz": "UTC", "wait": "0s", "color": "auto", "top": None, "memory_limit": "1GB", "engine": "duckdb"}
"""Settings that are the default of the option of the same name."""

Patterns = dict[str, tuple[str, ...]]


def _default_post() -> "PostSettings":
    from streamaudit.delivery.settings import PostSettings

    return PostSettings()


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration in force.

    ``lines`` gives the line of each setting in ``path``, by dotted name.
    """

    path: Path | None = None
    db: Path | None = None
    prices: Path | None = None
    """CSV file of the user's own prices."""
    options: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Column to the paths tried for it, in order."""
    lookup: dict[str, Path] = field(default_factory=dict)
    """Dimension to a CSV file that gives its value for the value of another column."""
    groups: dict[str, Patterns] = field(default_factory=dict)
    """Name of a group to the patterns of its members, by dimension."""
    links: dict[str, str] = field(default_factory=dict)
    """Vendor to the base address of its traces."""
    providers: dict[str, str] = field(default_factory=dict)
    """Provider to its behaviour when a client disconnects: stops, runs_on or contested."""
    hops: dict[str, str] = field(default_factory=dict)
    """Server to what it does with the abort of a client: at_once, next_write or never."""
    stop_delay_ms: float | None = None
    """Milliseconds that a provider which stops at a disconnect keeps generating; None is the default."""
    checks: tuple["Check", ...] = ()
    """The thresholds of ``streamaudit check``."""
    suppressions: tuple["Suppression", ...] = ()
    """Findings of ``streamaudit audit`` that are accepted."""
    post: "PostSettings" = field(default_factory=_default_post)
    """Where and how a summary is posted."""
    pull: "PullSettings | None" = None
    """Where the keys of ``pull`` are, and how patient it is; None for the defaults."""
    lines: dict[str, int] = field(default_factory=dict)

    def origin(self, name: str) -> str:
        """Return the position of a setting in its file, as ``FILE:LINE``."""
        return f"{self.path}:{self.lines.get(name, 1)}"

    @property
    def zone(self) -> str:
        """Return the default time zone: ``$STREAMAUDIT_TZ``, else the configuration's, else UTC."""
        return os.environ.get("STREAMAUDIT_TZ") or str(self.options.get("tz", OPTIONS["tz"]))

    def price_file(self) -> "PriceFile | None":
        """Return the user's own price file, or None."""
        from streamaudit.store.pricing.own_prices import PriceFile

        return PriceFile(self.prices, self.origin("prices")) if self.prices else None

    def lookup_files(self) -> "list[LookupFile]":
        """Return the files of ``[lookup]``, in the order of the configuration."""
        from streamaudit.store.lookups import LookupFile

        return [LookupFile(name, path, self.origin(f"lookup.{name}")) for name, path in self.lookup.items()]

    def provider_overrides(self) -> "ProviderOverrides":
        """Return the provider behaviour that the configuration states."""
        from streamaudit.store.providers import STOP_DELAY_MS, ProviderOverrides

        delay = STOP_DELAY_MS if self.stop_delay_ms is None else self.stop_delay_ms
        return ProviderOverrides(self.providers, delay, self.hops)

    def secret(self) -> str | None:
        """Return what new stores salt their hashes with, ``$STREAMAUDIT_SECRET``; None for a random salt."""
        return os.environ.get("STREAMAUDIT_SECRET") or None

    @property
    def engine(self) -> str:
        """Return what answers for exported calls: ``$STREAMAUDIT_ENGINE``, else the configuration's, else DuckDB."""
        return os.environ.get("STREAMAUDIT_ENGINE") or str(self.options.get("engine", OPTIONS["engine"]))

    def store_path(self, named: Path | None) -> tuple[Path, str]:
        """Return the store file and the setting that named it.

        The file is ``named``, else ``$STREAMAUDIT_DB``, else the configuration's, else in the XDG data folder. Raises
        UsageError when there is no home folder.
        """
        if named is not None:
            return named, "--db"
        if os.environ.get("STREAMAUDIT_DB"):
            return Path(os.environ["STREAMAUDIT_DB"]), "$STREAMAUDIT_DB"
        if self.db is not None:
            return self.db, self.origin("db")
        data = os.environ.get("XDG_DATA_HOME")
        if data:
            return Path(data) / "streamaudit" / "audit.duckdb", "$XDG_DATA_HOME"
        try:
            return Path.home() / ".local" / "share" / "streamaudit" / "audit.duckdb", "default"
        except RuntimeError:
            raise UsageError("there is no home folder for the default store", "name a store with --db FILE") from None
