"""Suggest one command after a report on a terminal, built from what the report found.

The line goes to standard error, so that a pipe or a file gets the report alone. It repeats the store or the files, the
window and the filters of the report, quoted for a shell. A value that a shell or an option would read in another way is
never part of it: then there is no suggestion. With ``--redact`` there is none either: it would hold the names of the
filters, or aliases, which no command takes.
"""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

from streamaudit.cli import console
from streamaudit.cli.inputs import Access, ExportedInputs, Inputs
from streamaudit.cli.options import Window
from streamaudit.cli.output import Output
from streamaudit.report.escape import terminal
from streamaudit.report.finding import VERDICTS
from streamaudit.report.frames import Result
from streamaudit.report.model import Report, Table, Value

_Record = dict[str, Value]
_REGRESSION = VERDICTS[0]


@dataclass(frozen=True, slots=True)
class Step:
    """A command with its own words; ``windowed`` unless it has no window, or one among its words."""

    command: str
    words: tuple[str, ...] = ()
    windowed: bool = True


Suggest = Callable[[Report], Step | None]


def say_follow_up(
    suggest: Suggest, results: Mapping[int | None, Result], output: Output, access: Access, window: Window | None = None
) -> None:  # fmt: skip
    """Log the command to run next, if the report was shown on a terminal and there is one."""
    if isinstance(access, ExportedInputs) and access.data is not None:
        return
    if not output.is_screen or not console.plain() or output.redacted:
        return
    report = next(iter(results.values())).report
    step = suggest(report) if not any(note.code == "empty" for note in report.notes) else None
    line = _write(step, access, window) if step else None
    if line:
        sys.stdout.flush()
        console.note()
        console.note(f"next: {line}")


def after_report(report: Report) -> Step | None:
    """Suggest the deploys, the gap, the tax or the waits, in this order."""
    total, by = _total(report), _by(report, "tenant")
    if "deploy" in report.by and _has_two(report, "deploy"):
        return Step("diff", ("--by", ",".join(name for name in report.by if name != "deploy") or "route"))
    if _is_mostly_unknown(total):
        return Step("coverage")
    return Step("tax" if _number(total["tax_low_tokens"]) else "ttft", ("--by", by))


def after_tax(report: Report) -> Step | None:
    """Suggest the most expensive call or the list of them; what to record, where most cannot be sized."""
    if _is_mostly_unknown(_total(report)):
        return Step("coverage")
    listed = _table(report, "top_calls")
    if listed is None:
        by = ("--by", ",".join(report.by)) if report.by else ()
        return Step("tax", (*by, "--top-calls", "3")) if _number(_total(report)["tax_low_tokens"]) else None
    found = next(listed.records(), None)
    return _explain(found["call_id"], found["source"]) if found else None


def after_ttft(report: Report) -> Step | None:
    """Suggest a comparison of deploys, or a first dimension."""
    if "deploy" in report.by and _has_two(report, "deploy"):
        return Step("diff", ("--metric", "ttft"))
    return None if report.by else Step("ttft", ("--by", "model"))


def after_diff(sides: Sequence[str], on: str | None) -> Suggest:
    """Return the suggestion after a comparison with these words for its sides: where it is worse, or the group there.

    ``on`` is the dimension of the sides; None where they are windows.
    """

    def suggest(report: Report) -> Step | None:
        worse = [row for row in _rows(report, "by_" + "_".join(report.by) if report.by else "total")
                 if row["verdict"] == _REGRESSION]  # fmt: skip
        if not worse:
            return None
        if not report.by:
            return Step("diff", (*sides, "--by", "route" if on != "route" else "model"))
        row, command = worse[0], _command_of(str(worse[0]["metric"]))
        only = _only({name: row[name] for name in report.by})
        return Step(command, ("--by", on, *only)) if on and only is not None and on not in report.by else None

    return suggest


def after_history(report: Report) -> Step | None:
    """Suggest to compare the deploys on both sides of the largest change."""
    periods, changes = report.tables[0], _rows(report, "changes")
    if not changes or report.by != ("deploy",):
        return None
    at = max(changes, key=lambda row: abs(_number(row["change_ratio"])))["at"]
    names = [row[0] for row in periods.rows]
    place = names.index(at) if at in names else 0
    before = names[place - 1] if place else None
    sides = [str(name) for name in (before, at) if name is not None and not _is_misread(str(name))]
    return Step("diff", (*sides, "--by", "route")) if len(sides) == 2 else None


def after_weekly(report: Report) -> Step | None:
    """Suggest the comparison of both periods where something is worse, else the streaming failures."""
    judged = [row for name in ("figures", "movers") for row in _rows(report, name)]
    window = _dates(report)
    if window is None:
        return None
    since, until, before = window
    if any(row["verdict"] == _REGRESSION for row in judged):
        windows = ("--base-since", before, "--since", since, "--until", until)
        return Step("diff", (*windows, "--by", "route"), windowed=False)
    if any(note.code == "failures" for note in report.notes):
        return Step("audit", ("--since", since, "--until", until), windowed=False)
    return None


def after_check(report: Report) -> Step | None:
    """Suggest the report of the first threshold that is broken, for the calls that it is of."""
    broken = next((row for row in _rows(report, "thresholds") if row["verdict"] in ("fail", "warn")), None)
    if broken is None:
        return None
    table = report.tables[0]
    first = table.position("by") + 1
    where = {column.name: broken[column.name] for column in table.columns[first:] if broken[column.name] is not None}
    only = _only(where, patterns=True) if not any(name.startswith("group:") for name in where) else None
    return Step(_command_of(str(broken["metric"])), only) if only is not None else None


def after_audit(report: Report) -> Step | None:
    """Suggest an example of the first finding."""
    findings = [finding for table in report.tables for _, finding in sorted(table.findings.items())]
    return next((_explain(one.examples[0]) for one in findings if one.examples), None)


def _write(step: Step, access: Access, window: Window | None) -> str | None:
    """Return the line for a shell; None where a part of it cannot be written there."""
    words = [*_root_options(), step.command, *step.words]
    if window is not None and step.command != "explain":
        pairs = [("--since", window.since), ("--until", window.until), ("--last", window.last), ("--week", window.week)]
        words += [word for name, value in pairs if value is not None and step.windowed for word in (name, value)]
        words += ["--tz", window.tz] if window.tz != "UTC" else []
        words += ["--where", window.where] if window.where is not None else []
        replaced = {word.partition("=")[0] for word in step.words if "=" in word}
        words += [
            word for value in window.only or () if value.partition("=")[0] not in replaced for word in ("--only", value)
        ]  # fmt: skip
    if access.db is not None:
        words += ["--db", str(access.db)]
    if isinstance(access, Inputs):
        words += [word for value in access.map_ or () for word in ("--map", value)]
        words += [f"./{name}" if name.startswith("-") and name != "-" else name for name in access.files or ()]
    if "-" in words or any(terminal(word) != word for word in words):
        return None
    return " ".join(["streamaudit", *map(shlex.quote, words)])


def _root_options() -> Iterator[str]:
    """Yield the options of the program itself that choose its configuration."""
    given = iter(sys.argv[1:])
    for word in given:
        if word == "--config":
            yield from ("--config", next(given, ""))
        elif word.startswith("--config=") or word == "--no-config":
            yield word


def _explain(call_id: Value, source: Value = None) -> Step | None:
    name = str(call_id)
    if _is_misread(name):
        return None
    return Step("explain", (name, *(("--source", str(source)) if source else ())), windowed=False)


def _is_misread(word: str) -> bool:
    """Return whether the command line takes a word for an option or a file."""
    return not word or word.startswith("-") or Path(word).exists()


def _only(values: Mapping[str, Value], *, patterns: bool = False) -> tuple[str, ...] | None:
    """Return ``--only`` options for these values; None where one of them would be read as a pattern or a list."""
    words: list[str] = []
    for name, value in values.items():
        text = "-" if value is None else str(value)
        if name.startswith("group:") or (value is not None and (text in ("", "-") or text != text.strip())):
            return None
        if not patterns and set(text) & set(",*?"):
            return None
        words += ["--only", f"{name}={text}"]
    return tuple(words)


def _command_of(metric: str) -> str:
    name = metric.partition("_")[0]
    return name if name in ("ttft", "tax") else "ttft" if name == "ttvt" else "report"


def _by(report: Report, default: str) -> str:
    return ",".join(report.by) or default


def _has_two(report: Report, dimension: str) -> bool:
    """Return whether the first table names two values of a dimension; those of calls without a start do not count."""
    place = report.tables[0].position(dimension)
    names = {row[place] for row in report.tables[0].rows} - {None}
    return len(names) > 1 and report.interval.since is not None


def _is_mostly_unknown(total: _Record) -> bool:
    return _number(total["tax_unknown_calls"]) * 2 > _number(total["cancelled_calls"]) > 0


def _total(report: Report) -> _Record:
    return next(iter(_rows(report, "total")))


def _rows(report: Report, name: str) -> list[_Record]:
    table = _table(report, name)
    return list(table.records()) if table else []


def _table(report: Report, name: str) -> Table | None:
    return next((table for table in report.tables if table.name == name), None)


def _dates(report: Report) -> tuple[str, str, str] | None:
    """Return first and last moment of the window, and the first of the one before, as days of its zone."""
    since, until, zone = report.interval.since, report.interval.until, ZoneInfo(report.interval.tz)
    if since is None or until is None:
        return None
    first, end = since.astimezone(zone), until.astimezone(zone)
    if not first.time() == end.time() == time():
        return None
    before = first.date() - (end.date() - first.date())
    return f"{first:%Y-%m-%d}", f"{end:%Y-%m-%d}", f"{before:%Y-%m-%d}"


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
