"""Find and read ``streamaudit.toml``; every setting knows where its value came from.

Only the nearest file is read: ``--config``, else ``$STREAMAUDIT_CONFIG``, else ``streamaudit.toml`` or a
``pyproject.toml`` with ``[tool.streamaudit]`` in the working directory or above it, else the user's own file in the XDG
configuration folder. A flag takes precedence over an environment variable, that over the file, and the file over the
default. Paths are relative to the file that names them.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamaudit.config.settings import OPTIONS, Patterns, Settings
from streamaudit.config.units import parse_memory, parse_seconds
from streamaudit.errors import UsageError, nearest
from streamaudit.store.dimensions import LOOKED_UP
from streamaudit.store.plain_files import read_text

if TYPE_CHECKING:
    from streamaudit.audits.check.thresholds import Check
    from streamaudit.audits.failures.suppressions import Suppression
    from streamaudit.delivery.settings import PostSettings
    from streamaudit.ingest.pull.settings import PullSettings

TABLES = ("fields", "lookup", "groups", "links", "providers", "hops", "post", "pull", "check", "thresholds", "suppress")
KEYS = ("db", "prices", "stop_delay", *OPTIONS, *TABLES)
BEHAVIOURS = ("stops", "runs_on", "contested")
HABITS = ("at_once", "next_write", "never")


def find(explicit: Path | None = None) -> Path | None:
    """Return the configuration file in force, or None."""
    named = explicit or (Path(os.environ["STREAMAUDIT_CONFIG"]) if os.environ.get("STREAMAUDIT_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise UsageError(f"no configuration file {named}")
        return named
    try:
        here = Path.cwd()
    except OSError:
        return None
    for folder in (here, *here.parents):
        if (folder / "streamaudit.toml").is_file():
            return folder / "streamaudit.toml"
        project = folder / "pyproject.toml"
        if project.is_file() and re.search(r"^\s*\[tool\.streamaudit[\].]", read_text(project), re.MULTILINE):
            return project
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    own = Path(home) / "streamaudit" / "config.toml"
    return own if own.is_file() else None


def load_config(config: str | os.PathLike[str] | None) -> Settings:
    """Return the settings of a configuration file: ``"auto"`` is the file that ``find`` returns, None no file."""
    if config is None:
        return Settings()
    return load(find() if config == "auto" else find(Path(config)))


def load(path: Path | None) -> Settings:
    """Return the settings of a file.

    Raises UsageError with the file, the line and the nearest known key for an invalid entry.
    """
    if path is None:
        return Settings()
    import tomllib

    text = read_text(path)
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{path}: values are nested too deeply") from None
    prefix = ""
    if path.name == "pyproject.toml":
        data, prefix = data.get("tool", {}).get("streamaudit", {}), "tool.streamaudit."
    return _Reader(path, data, _lines(text, prefix)).settings()


class _Reader:
    """Converts the decoded file into Settings; every error names the line."""

    def __init__(self, path: Path, data: dict[str, Any], lines: dict[str, int]) -> None:
        self._path, self._data, self._lines = path, data, lines

    def settings(self) -> Settings:
        self._refuse_unknown("", self._data, KEYS)
        return Settings(
            path=self._path,
            db=self._file("db"),
            prices=self._file("prices"),
            options=self._options(),
            fields=self._fields(),
            lookup=self._lookup(),
            groups=self._groups(),
            links=self._links(),
            providers=self._providers(),
            hops=self._hops(),
            stop_delay_ms=self._stop_delay(),
            checks=self._checks(),
            suppressions=self._suppressions(),
            post=self._post(),
            pull=self._pull(),
            lines=self._lines,
        )

    def _fail(self, name: str, what: str, hint: str | None = None) -> UsageError:
        return UsageError(f"{self._path}:{self._lines.get(name, 1)}: {name}: {what}", hint)

    def _refuse_unknown(self, inside: str, table: dict[str, Any], names: tuple[str, ...]) -> None:
        for key in table:
            if key not in names:
                close = nearest(key, list(names))
                raise self._fail(
                    f"{inside}{key}", "unknown setting",
                    f"did you mean {close}?" if close else "settings here: " + ", ".join(names),
                )  # fmt: skip

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise self._fail(name, "expected a text in quotes")
        return value

    def _file(self, name: str) -> Path | None:
        if name not in self._data:
            return None
        return self._path.parent / Path(self._text(name, self._data[name])).expanduser()

    def _table(self, name: str) -> dict[str, Any]:
        table = self._data.get(name, {})
        if not isinstance(table, dict):
            raise self._fail(name, f"expected a table, written [{name}]")
        return table

    def _options(self) -> dict[str, Any]:
        found = {name: self._data[name] for name in OPTIONS if name in self._data}
        for name, value in found.items():
            if name == "top":
                if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                    raise self._fail(name, "expected a number from 1")
            else:
                text = self._text(name, value)
                try:
                    _CHECKS[name](name, text)
                except UsageError as error:
                    raise self._fail(name, error.message.removeprefix(f"{name} "), error.hint) from None
        return found

    def _fields(self) -> dict[str, tuple[str, ...]]:
        from streamaudit.ingest.mapping import column_of, parse_mapping

        found: dict[str, tuple[str, ...]] = {}
        for column, value in self._table("fields").items():
            name = f"fields.{column}"
            paths = tuple(self._text(name, one) for one in (value if isinstance(value, list) else [value]))
            for path in paths:
                try:
                    parse_mapping([f"{column}={path}"])
                except UsageError as error:
                    raise self._fail(name, error.message.partition(": ")[2], error.hint) from None
            found[column_of(column)] = paths
        return found

    def _lookup(self) -> dict[str, Path]:
        table = self._table("lookup")
        self._refuse_unknown("lookup.", table, LOOKED_UP)
        return {
            name: self._path.parent / Path(self._text(f"lookup.{name}", value)).expanduser()
            for name, value in table.items()
        }

    def _groups(self) -> dict[str, Patterns]:
        found: dict[str, Patterns] = {}
        for group, members in self._table("groups").items():
            name = f"groups.{group}"
            if not isinstance(members, dict) or not members:
                raise self._fail(name, 'expected members by dimension, such as tenant = ["acme", "globex*"]')
            self._refuse_unknown(f"{name}.", members, GROUPED)
            found[group] = {
                dimension: tuple(
                    self._text(f"{name}.{dimension}", one) for one in (values if isinstance(values, list) else [values])
                )
                for dimension, values in members.items()
            }
        return found

    def _links(self) -> dict[str, str]:
        table = self._table("links")
        if not table:
            return {}
        from streamaudit.ingest.sources import registry

        for name, value in table.items():
            # Loading every source takes longer than all other steps, so a valid file loads only those that it names.
            source = registry.find(name)
            if source is None or not source.trace_url:
                linked = tuple(one.name for one in registry.discover().values() if one.trace_url)
                self._refuse_unknown("links.", {name: value}, linked)
            if not re.match(r"https?://[^\s/]+", self._text(f"links.{name}", value)):
                raise self._fail(f"links.{name}", "expected an address that begins with https://")
        return {name: value.rstrip("/") for name, value in table.items()}

    def _providers(self) -> dict[str, str]:
        table = self._table("providers")
        for name, value in table.items():
            if value not in BEHAVIOURS:
                raise self._fail(f"providers.{name}", "expected " + ", ".join(BEHAVIOURS))
        return dict(table)

    def _hops(self) -> dict[str, str]:
        table = self._table("hops")
        for name, value in table.items():
            if value not in HABITS:
                raise self._fail(f"hops.{name}", "expected " + ", ".join(HABITS))
        return dict(table)

    def _stop_delay(self) -> float | None:
        return 1000 * self._span("stop_delay", self._data["stop_delay"]) if "stop_delay" in self._data else None

    def _span(self, name: str, value: object) -> float:
        """Parse a span of time into seconds."""
        try:
            return parse_seconds(name, self._text(name, value))
        except UsageError as error:
            raise self._fail(name, error.message.removeprefix(f"{name} "), error.hint) from None

    def _post(self) -> "PostSettings":
        from streamaudit.delivery.settings import PostSettings

        table = self._table("post")
        found = self._patience("post", "targets")
        targets = table.get("targets", [])
        places = [self._text("post.targets", one) for one in (targets if isinstance(targets, list) else [targets])]
        if any("://" in place for place in places):
            # Not quoted: it is a secret.
            raise self._fail(
                "post.targets", "an address is a secret and does not belong in the configuration",
                "put it into a file or an environment variable, and name that: \"$SLACK_WEBHOOK\", \"slack.url\"",
            )  # fmt: skip
        return PostSettings(
            tuple(one[1:] if one.startswith("$") else self._path.parent / Path(one).expanduser() for one in places),
            **found,
            origin=f"{self._path}:{self._lines.get('post.targets', 1)}",
        )

    def _pull(self) -> "PullSettings | None":
        table = self._table("pull")
        if not table:
            return None
        from streamaudit.ingest.pull.settings import PullSettings

        found = self._patience("pull", "credentials")
        if "credentials" in table:
            file = Path(self._text("pull.credentials", table["credentials"])).expanduser()
            found["credentials"] = self._path.parent / file
        return PullSettings(**found)

    def _patience(self, inside: str, *others: str) -> dict[str, Any]:
        """Return the settings of how often and for how long something is tried; ``others`` are the table's own."""
        table = self._table(inside)
        self._refuse_unknown(f"{inside}.", table, (*others, "attempts", *TRY_TIMES))
        found = {f"{name}_s": self._span(f"{inside}.{name}", table[name]) for name in TRY_TIMES if name in table}
        attempts = table.get("attempts", 1)
        if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1:
            raise self._fail(f"{inside}.attempts", "expected a number from 1")
        return {**found, **({"attempts": attempts} if "attempts" in table else {})}

    def _checks(self) -> tuple["Check", ...]:
        """Return the entries of ``[[check]]``, then those of the short form ``[thresholds]``."""
        entries = self._entries("check")
        short = self._table("thresholds")
        return (
            *(self._check(f"check.{number}", "check", entry) for number, entry in enumerate(entries)),
            *(self._check(f"thresholds.{metric}", "thresholds", {"metric": metric, "expect": expect})
              for metric, expect in short.items()),
        )  # fmt: skip

    def _entries(self, name: str) -> list[Mapping[str, Any]]:
        entries = self._data.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self._fail(name, f"expected entries, each of which begins with [[{name}]]")
        return entries

    def _suppressions(self) -> tuple["Suppression", ...]:
        entries = self._entries("suppress")
        return tuple(self._suppression(f"suppress.{number}", entry) for number, entry in enumerate(entries))

    def _suppression(self, place: str, entry: Mapping[str, Any]) -> "Suppression":
        from streamaudit.audits.failures.suppressions import parse_suppression
        from streamaudit.audits.holds import Wrong

        line = self._lines.get(place, 1)
        try:
            return parse_suppression(entry, f"{self._path}:{line}")
        except Wrong as wrong:
            line = self._lines.get(f"{place}.{wrong.key}", line)
            name = f"suppress.{wrong.key}" if wrong.key else "suppress"
            raise UsageError(f"{self._path}:{line}: {name}: {wrong.message}", wrong.hint) from None

    def _check(self, place: str, shown: str, entry: Mapping[str, Any]) -> "Check":
        from streamaudit.audits.check.thresholds import parse_check
        from streamaudit.audits.holds import Wrong

        line = self._lines.get(place) or self._lines.get(shown, 1)
        try:
            return parse_check(entry, f"{self._path}:{line}")
        except Wrong as wrong:
            line = self._lines.get(f"{place}.{wrong.key}", line)
            name = f"{shown}.{wrong.key}" if shown == "check" and wrong.key else place if shown != "check" else shown
            raise UsageError(f"{self._path}:{line}: {name}: {wrong.message}", wrong.hint) from None


TRY_TIMES = ("first_wait", "give_up_after", "timeout")
"""The settings of ``[post]`` and ``[pull]`` that are spans of time."""
GROUPED = ("tenant", "model", "provider", "route", "user_id", "deploy", "environment", "service", "region", "source")
"""Dimensions whose values can be put into groups."""


def _color(where: str, text: str) -> None:
    if text not in ("auto", "always", "never"):
        raise UsageError(f"{where} {text}: expected auto, always or never")


def _zone(where: str, text: str) -> None:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"{where} {text}: unknown time zone", "such as UTC or Europe/Paris") from None


def _engine(name: str, text: str) -> None:
    if text != "duckdb" and not text.startswith("sc://"):
        raise UsageError(f"{name} {text}: expected duckdb or sc://HOST:PORT")


_CHECKS: dict[str, Any] = {
    "tz": _zone, "wait": parse_seconds, "color": _color, "memory_limit": parse_memory, "engine": _engine,
}  # fmt: skip


def _lines(text: str, prefix: str) -> dict[str, int]:
    """Return the line of every setting by dotted name, which the parser of the standard library does not keep."""
    found: dict[str, int] = {}
    entries: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?", line)
        key = re.match(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""", line)
        if header:
            name = re.sub(r"""["'\s]""", "", header[2])
            if header[1] == "[[":
                entries[name] = entries.get(name, -1) + 1
                found.setdefault(name.removeprefix(prefix), number)
            # The entries of an array have one name; a number distinguishes their settings.
            array = next((one for one in entries if name == one or name.startswith(f"{one}.")), None)
            table = f"{array}.{entries[array]}{name.removeprefix(array)}." if array else f"{name}."
            found.setdefault(table.removeprefix(prefix)[:-1], number)
        elif key:
            found.setdefault((table + re.sub(r"""["'\s]""", "", key[1])).removeprefix(prefix), number)
    return found
