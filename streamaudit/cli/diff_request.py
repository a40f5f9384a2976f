"""From the command line to what is compared: which words are sides and which files, which window is whose."""

from dataclasses import dataclass, fields, replace
from glob import glob
from pathlib import Path

from streamaudit.audits.diff.baseline import Baseline, load
from streamaudit.audits.diff.question import (
    METRICS,
    Ask,
    Side,
    latest_deploy,
    latest_deploys,
    listed,
    parse_effect,
    parse_metrics,
    parse_on,
    parse_stats,
    parse_strata,
)
from streamaudit.audits.diff.report import gated
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.scope.window import parse_window
from streamaudit.cli.options import Access, Inputs, Window, parse_on_insufficient
from streamaudit.config.units import seconds
from streamaudit.errors import UsageError
from streamaudit.report.model import Report
from streamaudit.store.store import Store


@dataclass(frozen=True, slots=True)
class Request:
    """``ask`` with open sides where the last two deploys are meant; ``window`` is what both sides share."""

    ask: Ask
    window: Window
    inputs: Inputs
    latest: bool
    baseline: Baseline | None = None
    """The base, when it is a file."""

    def scope(self, by: str | None) -> Scope:
        """The scope both sides are in."""
        return self.window.scope(by)

    def resolved(self, store: Store, scope: Scope) -> Ask:
        """The question with both sides named."""
        if not self.latest:
            return self.ask
        scope.prepare(store, taxed=False)
        if self.baseline:
            return replace(self.ask, head=replace(self.ask.head, value=latest_deploy(store, scope)))
        base, head = latest_deploys(store, scope)
        return replace(self.ask, base=replace(self.ask.base, value=base), head=replace(self.ask.head, value=head))


@dataclass(frozen=True, slots=True)
class Gate:
    """What fails a diff; nothing does when ``fail_on`` is empty."""

    fail_on: tuple[str, ...]
    on_insufficient: str

    @staticmethod
    def parse(fail_on: str | None, on_insufficient: str) -> "Gate":
        """UsageError for what is no metric and no verdict."""
        return Gate(listed("--fail-on", fail_on, ("regression", *METRICS)), parse_on_insufficient(on_insufficient))

    def judged(self, report: Report) -> Report:
        """The report with its verdict, when there is a gate."""
        return gated(report, self.fail_on, self.on_insufficient) if self.fail_on else report

    def fails(self, report: Report) -> bool:
        """Whether the command ends with 1."""
        return report.verdict == "fail" or (report.verdict == "insufficient" and self.on_insufficient == "fail")


def asked_for(
    words: list[str], access: Access, map_: list[str] | None, window: Window, *, on: str | None,
    base_since: str | None, base_until: str | None, metric: str | None, stat: str | None, strata: str | None,
    min_effect: str | None, skip_first: str | None, base_store: Path | None, save_baseline: Path | None,
) -> Request:  # fmt: skip
    """What the options ask for. UsageError for one side only, or windows that overlap."""
    alone = base_store is not None or save_baseline is not None
    names, files = _split(words, 1 if alone else 2)
    inputs = Inputs(**{one.name: getattr(access, one.name) for one in fields(access)}, files=files or None, map_=map_)
    dimension = parse_on(on) if on else None
    shared, base, head = window, Side(), Side()
    if alone and (base_since or base_until or (base_store and save_baseline)):
        raise UsageError("a saved baseline is a side of its own: no base window, and not read and written at once")
    if base_since or base_until:
        shared = replace(window, since=None, until=None, last=None, week=None)
        base, head = _windows(window, base_since, base_until, apart=not names)
    if alone and names:
        dimension = dimension or "deploy"
        base, head = (base, Side(names[0])) if base_store else (Side(names[0]), head)
    elif names:
        base, head, dimension = replace(base, value=names[0]), replace(head, value=names[1]), dimension or "deploy"
    elif dimension not in (None, "deploy") and not alone:
        raise UsageError(f"--on {dimension} needs the two values to compare", f"streamaudit diff --on {dimension} A B")
    windowed = any((window.since, window.until, window.last, window.week))
    by_time = bool(base_since or base_until) or (base_store is not None and windowed)
    latest = not names and save_baseline is None and (dimension == "deploy" or not by_time)
    ask = Ask(
        "deploy" if latest else dimension, base, head, parse_metrics(metric), parse_stats(stat), parse_strata(strata),
        parse_effect(min_effect), seconds("--skip-first", skip_first) if skip_first else 0.0,
    )  # fmt: skip
    return Request(ask, shared, inputs, latest, load(base_store) if base_store else None)


def _split(words: list[str], sides: int) -> tuple[list[str], list[str]]:
    """BASE and HEAD (or only one of them, beside a saved baseline), then files. A first word that is a file is one, and
    then all are."""
    if not words or _is_file(words[0]):
        return [], words
    if sides == 1:
        return words[:1], words[1:]
    if len(words) < 2 or _is_file(words[1]):
        raise UsageError(
            f"{words[0]!r} is one side and no file", "name both sides: streamaudit diff BASE HEAD [FILE]..., or none"
        )
    if words[0] == words[1]:
        raise UsageError(f"both sides are {words[0]!r}")
    return words[:2], words[2:]


def _is_file(word: str) -> bool:
    return word == "-" or Path(word).exists() or bool(glob(word))


def _windows(window: Window, base_since: str | None, base_until: str | None, *, apart: bool) -> tuple[Side, Side]:
    head_since, head_until = parse_window(window.since, window.until, window.last, window.week, window.tz)
    start, end = parse_window(base_since, base_until, None, None, window.tz, flag="--base-since")
    if apart:
        end = end or head_since
        head_since = head_since or end
        if end is None or head_since is None:
            raise UsageError("a base window needs a head window beside it", "add --since, --last or --week")
        if start and start >= end:
            raise UsageError("the base window is empty: --base-since must be before its end")
        if end > head_since and (start is None or head_until is None or start < head_until):
            raise UsageError("the two windows overlap", "end the base with --base-until before the head begins")
    return Side(None, start, end), Side(None, head_since, head_until)
