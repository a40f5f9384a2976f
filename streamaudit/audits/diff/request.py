"""Turn the sides and windows that a user names into a question: two windows, or the latest deploys."""

from dataclasses import dataclass, replace
from datetime import datetime

from streamaudit.audits.diff.baseline import Baseline
from streamaudit.audits.diff.question import (
    Ask,
    Side,
    latest_deploy,
    latest_deploys,
    parse_effect,
    parse_metrics,
    parse_on,
    parse_stats,
    parse_strata,
)
from streamaudit.audits.diff.report import run, run_against
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import UsageError
from streamaudit.report.model import Report
from streamaudit.store.store import Store

Window = tuple[datetime | None, datetime | None]
NO_WINDOW: Window = (None, None)
_NEVER = Side(None, datetime(1970, 1, 1), datetime(1970, 1, 1))
"""A side without calls in the store: its counts come from a file."""


@dataclass(frozen=True, slots=True)
class Request:
    """A resolved comparison; ``ask`` has open sides where the last two deploys are meant."""

    ask: Ask
    has_own_windows: bool
    """Whether each side has a window of its own, so that they share none."""
    latest: bool
    baseline: Baseline | None = None
    """The base, when it is a file."""

    def common_scope(self, scope: Scope) -> Scope:
        """Return the scope both sides are in."""
        return replace(scope, since=None, until=None) if self.has_own_windows else scope

    def run(self, store: Store, scope: Scope) -> Report:
        """Compare the two sides."""
        ask = self._resolve(store, scope)
        return run_against(store, scope, ask, self.baseline) if self.baseline else run(store, scope, ask)

    def _resolve(self, store: Store, scope: Scope) -> Ask:
        """Return the question with both sides named."""
        if not self.latest:
            return self.ask
        scope.prepare(store, taxed=False)
        if self.baseline:
            return replace(self.ask, head=replace(self.ask.head, value=latest_deploy(store, scope)))
        base, head = latest_deploys(store, scope)
        return replace(self.ask, base=replace(self.ask.base, value=base), head=replace(self.ask.head, value=head))


def parse_question(
    on: str | None, metric: str | None, stat: str | None, strata: str | None, min_effect: str | None,
    skip_first_s: float,
) -> Ask:  # fmt: skip
    """Return the question with its sides still open. Raises UsageError for unknown names."""
    return Ask(
        on, Side(), Side(), parse_metrics(metric), parse_stats(stat), parse_strata(strata), parse_effect(min_effect),
        skip_first_s,
    )  # fmt: skip


def request(
    ask: Ask, base: str | None, head: str | None, window: Window, base_window: Window = NO_WINDOW, *,
    baseline: Baseline | None = None, saves: bool = False,
) -> Request:  # fmt: skip
    """Set the sides of ``ask``, whose ``on`` is the requested dimension.

    ``saves``: only the base is wanted, to be saved. Raises UsageError for one side only, equal sides, or windows that
    overlap.
    """
    alone, dimension = saves or baseline is not None, parse_on(ask.on) if ask.on else None
    own = base_window != NO_WINDOW
    if alone and own:
        raise UsageError("a saved baseline is a side of its own: no base window, and not read and written at once")
    named = base is not None or head is not None
    base_side, head_side = Side(), Side()
    if own:
        base_side, head_side = _windows(window, base_window, apart=not named)
    if named:
        if not alone and (base is None or head is None):
            raise UsageError("a diff has two sides", "name both, or none for the last two deploys")
        if not alone and base == head:
            raise UsageError("both sides are the same", "name two")
        dimension = dimension or "deploy"
        base_side, head_side = replace(base_side, value=base), replace(head_side, value=head)
    elif dimension not in (None, "deploy") and not alone:
        raise UsageError(f"--on {dimension} needs the two values to compare", f"streamaudit diff --on {dimension} A B")
    elif baseline is not None and dimension is None and window != NO_WINDOW:
        base_side = _NEVER  # otherwise every call in the window would count as the base's
    by_time = own or (baseline is not None and window != NO_WINDOW)
    latest = not named and not saves and (dimension == "deploy" or not by_time)
    return Request(
        replace(ask, on="deploy" if latest else dimension, base=base_side, head=head_side), own, latest, baseline
    )


def _windows(window: Window, base_window: Window, *, apart: bool) -> tuple[Side, Side]:
    (head_since, head_until), (start, end) = window, base_window
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
