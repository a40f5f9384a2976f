"""The question of a diff: the two sides, the metrics, and the strata that are held equal."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamaudit.audits.metrics import LATENCIES, PERCENTILES, RATES
from streamaudit.audits.scope.portable import Bounds, Text, Texts, name_weeks, write_sides
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import UsageError, nearest
from streamaudit.store.dimensions import PLAIN
from streamaudit.store.engines.protocol import Rows
from streamaudit.store.store import Store

METRICS = (*LATENCIES, *RATES)
STRATA = ("model", "route", "tenant")
MAX_STRATA = 3

LEAST_RATIO = 0.05
LEAST_MS = {"ttft": 20.0, "ttvt": 20.0, "duration": 20.0, "tpot": 2.0}
LEAST_RATE = 0.005
"""Default for the smallest change that matters: 5 %, but at least LEAST_MS milliseconds, or half a point of a rate."""

_LATEST = Texts(
    exact="""
SELECT deploy, min(start_time), count(*) FROM scope WHERE deploy IS NOT NULL AND start_time IS NOT NULL
GROUP BY deploy ORDER BY min(start_time) DESC, deploy DESC LIMIT 2
""",
    portable="""
SELECT deploy, min(start_us) AS first_us FROM scope WHERE deploy IS NOT NULL AND start_us IS NOT NULL
GROUP BY deploy ORDER BY first_us DESC, deploy DESC LIMIT 2
""",
)


@dataclass(frozen=True, slots=True)
class Side:
    """A side of the comparison: a value of a dimension, a window of time, or both.

    Times are UTC, half-open; None is open.
    """

    value: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """``on`` is the dimension whose values are compared, None for windows. ``strata`` are held equal."""

    on: str | None
    base: Side
    head: Side
    metrics: tuple[str, ...] = METRICS
    quantiles: tuple[str, ...] = tuple(PERCENTILES)
    strata: tuple[str, ...] = STRATA
    least_ratio: float = LEAST_RATIO
    skip_first_s: float = 0.0

    @property
    def held(self) -> tuple[str, ...]:
        """Return the strata that are held equal: those that are not compared."""
        return tuple(name for name in self.strata if name != self.on)

    def sql(self, scope: Scope, query: str) -> str:
        """Return a query over the relation ``sided``."""
        return scope.sides_sql(query, self.on, self.held)

    def params(self, scope: Scope) -> dict[str, object]:
        """Return the parameters of the relation ``sided``, besides the scope's own."""
        return {
            **scope.params(), "base": self.base.value, "head": self.head.value,
            "base_since": _naive(self.base.since), "base_until": _naive(self.base.until),
            "head_since": _naive(self.head.since), "head_until": _naive(self.head.until),
        }  # fmt: skip

    def write(self, scope: Scope, query: str) -> tuple[str, dict[str, Any]]:
        """Return a portable query over ``sided`` as an engine is asked, and its parameters."""
        sides = [Bounds(side.value, side.since, side.until) for side in (self.base, self.head)]
        return write_sides(scope, query, self.on, (sides[0], sides[1]), self.held)

    def rows(self, store: Store, scope: Scope, query: Text, params: dict[str, Any] | None = None) -> Rows:
        """Return the rows of a query over ``sided``, which begin with the dimensions of the scope."""
        exact, portable = query if isinstance(query, Texts) else (query, query)
        if store.engine is None:
            return store.query(self.sql(scope, exact), {**self.params(scope), **(params or {})})
        text, own = self.write(scope, portable)
        return name_weeks(scope, store.engine.rows(text, {**own, **(params or {})}))


def _naive(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=None) if value else None


def latest_deploys(store: Store, scope: Scope) -> tuple[str, str]:
    """Return the last deploy and the one before it, by their first call.

    Raises UsageError when there are fewer than two.
    """
    found = [row[0] for row in scope.total().rows(store, _LATEST)]
    if len(found) < 2:
        raise UsageError(
            "there are no two deploys to compare: " + ("one is known" if found else "no call says its deploy"),
            "compare windows: --base-since 2026-11-09 --since 2026-11-16, or another dimension: --on model A B",
        )
    return found[1], found[0]


def latest_deploy(store: Store, scope: Scope) -> str:
    """Return the last deploy by its first call. Raises UsageError when no call has a deploy."""
    found = scope.total().rows(store, _LATEST)
    if not found:
        raise UsageError("no call says its deploy", "name the head by a window: --since, --last or --week")
    return str(found[0][0])


def parse_metrics(text: str | None) -> tuple[str, ...]:
    """Parse ``"ttft,cancel_rate"``. Raises UsageError naming the nearest metric."""
    return parse_names("--metric", text, METRICS) or METRICS


def parse_stats(text: str | None) -> tuple[str, ...]:
    """Parse ``"p50,p95"``."""
    return parse_names("--stat", text, tuple(PERCENTILES)) or tuple(PERCENTILES)


def parse_strata(text: str | None) -> tuple[str, ...]:
    """Parse ``"model,route"``, or ``none``."""
    if text is None:
        return STRATA
    names = () if text == "none" else parse_names("--strata", text, PLAIN)
    if len(names) > MAX_STRATA:
        raise UsageError(f"--strata takes at most {MAX_STRATA} dimensions")
    return names


def parse_on(text: str) -> str:
    """Parse the dimension whose values are compared."""
    return parse_names("--on", text, PLAIN)[0]


def parse_effect(text: str | None) -> float:
    """Parse ``"10%"`` or ``0.1`` into a ratio."""
    if text is None:
        return LEAST_RATIO
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 < value < 10:
        raise UsageError(f"--min-effect {text}: expected a share such as 10% or 0.1")
    return value


def parse_names(flag: str, text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Parse names separated by commas, each kept once. Raises UsageError naming the nearest known one."""
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    for name in names:
        if name not in known:
            close = nearest(name, list(known))
            raise UsageError(
                f"{flag} {name}: unknown", f"did you mean {close}?" if close else "known: " + ", ".join(known)
            )
    return tuple(dict.fromkeys(names))
