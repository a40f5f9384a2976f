"""Thresholds: parse the limits of the configuration and compare figures with them.

This module is pure: no store, no files. A figure may be an interval whose high end is open (a tax, a cost with calls
that are unknown). It meets a limit only when all of the interval does, and breaks it only when none of it does; in
between it is undecided, which is not a pass.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from streamaudit.audits.holds import KEYS as HOLD_KEYS
from streamaudit.audits.holds import Hold, Selectors, Wrong, check_name, parse_hold, parse_selectors
from streamaudit.audits.metrics import LATENCIES, PERCENTILES, RATES
from streamaudit.store.dimensions import DIMENSIONS

TIMES = tuple(f"{name}_ms" for name in LATENCIES)
AMOUNTS = ("tax_tokens", "tax_usd", "cost_usd", "calls")
METRICS = (*TIMES, *RATES, *AMOUNTS)
KEYS = ("metric", "expect", "by", "where", "min_n", "severity", "hold")
MAX_BY = 4

Severity = Literal["fail", "warn"]

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+"
_EXPECTATION = re.compile(
    rf"\s*(?:(?P<stat>avg|p\s*\(\s*(?P<share>[\d.]+)\s*\))\s*)?(?P<sign><=|>=|<|>)\s*"
    rf"(?:(?P<limit>{_NUMBER})|baseline(?:\s*(?P<how>[*+])\s*(?P<amount>{_NUMBER}))?)\s*"
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A comparison, ``text`` as written.

    ``stat`` is a percentile, ``avg``, or None for the figure itself. The limit is ``amount``, or with ``of_baseline``
    the baseline times ``factor`` plus ``amount``.
    """

    text: str
    stat: str | None
    sign: str
    amount: float = 0.0
    factor: float = 1.0
    of_baseline: bool = False

    def limit(self, baseline: float | None) -> float | None:
        """Return the value to compare with; None when that is an unknown baseline."""
        if not self.of_baseline:
            return self.amount
        return None if baseline is None else baseline * self.factor + self.amount


@dataclass(frozen=True, slots=True)
class Check:
    """An entry of the configuration; ``origin`` is its FILE:LINE."""

    metric: str
    expect: tuple[Expectation, ...]
    by: tuple[str, ...] = ()
    where: Selectors = ()
    min_n: int | None = None
    severity: Severity = "fail"
    holds: tuple[Hold, ...] = ()
    origin: str = ""

    @property
    def needs_baseline(self) -> bool:
        """Whether any limit is relative to the window before."""
        return any(one.of_baseline for one in self.expect)

    def describe(self) -> str:
        """Return the entry in one line, as the list of settings shows it."""
        parts = [self.metric, " and ".join(one.text for one in self.expect)]
        parts += [f"by {','.join(self.by)}"] if self.by else []
        parts += ["where " + " ".join(f"{name}={values}" for name, values in self.where)] if self.where else []
        parts += [f"min_n {self.min_n}"] if self.min_n is not None else []
        parts += [self.severity] if self.severity == "warn" else []
        parts += [f"held until {one.until}" for one in self.holds]
        return ", ".join([" ".join(parts[:2]), *parts[2:]])


@dataclass(frozen=True, slots=True)
class Figure:
    """An observed figure over ``n`` calls.

    ``value`` is None when unknown; ``low`` is None when nothing is known at all, ``high`` when there is no upper bound.
    """

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def exact(cls, n: int, value: float | None) -> "Figure":
        """Return a figure without uncertainty, or an unknown one."""
        return cls(n, value, value, value)

    @property
    def certain(self) -> bool:
        """Whether the value is exact."""
        return self.value is not None and self.low == self.high == self.value


@dataclass(frozen=True, slots=True)
class Judgement:
    """``pass``, ``breach`` or ``insufficient`` (undecided), and the reason, empty when the figure is the reason."""

    result: Literal["pass", "breach", "insufficient"]
    why: str = ""


def judge(expectation: Expectation, figure: Figure, baseline: Figure | None, min_n: int) -> Judgement:
    """Return whether a figure meets an expectation.

    ``baseline`` is the same figure in the window before, or None.
    """
    problem = _explain_lack(figure, min_n, "")
    if not problem and expectation.of_baseline:
        problem = _explain_lack(baseline or Figure(0), max(min_n, 1), "baseline ")
    if problem:
        return Judgement("insufficient", problem)
    reference = baseline if expectation.of_baseline and baseline else Figure(0)
    low, high = figure.low, figure.high
    least, most = expectation.limit(reference.low), expectation.limit(reference.high)
    assert low is not None and least is not None  # _lacking refuses both
    below = expectation.sign[0] == "<"
    # An open end is on neither side of a limit.
    surely_less = high is not None and _compare(high, expectation.sign if below else _NEGATED[expectation.sign], least)
    surely_more = most is not None and _compare(low, _NEGATED[expectation.sign] if below else expectation.sign, most)
    if surely_less or surely_more:
        met = surely_less if below else surely_more
        return Judgement("pass" if met else "breach", "" if figure.certain else _explain_doubt(figure))
    doubt = _explain_doubt(figure) if not figure.certain else f"baseline {_explain_doubt(reference)}"
    return Judgement("insufficient", doubt)


def number(value: float) -> str:
    """Format a figure for comparison with a limit: whole numbers in full, others to four digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"


def parse_expectation(metric: str, text: object) -> Expectation:
    """Parse ``p(95)<800``, ``<0.05`` or ``p(95) < baseline*1.10``. Raises Wrong if the metric has no such form."""
    match = _EXPECTATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        example = _example(metric)
        relative = f"{example.partition('<')[0]}<baseline*1.10"
        raise Wrong("expect", f"{text!r} is no comparison", f"such as {example} or {relative}, with <, <=, > or >=")
    if metric in RATES and match["limit"] is not None and float(match["limit"]) > 1:
        raise Wrong("expect", f"{metric} is a share from 0 to 1, so {match[0]!r} says nothing", "5 % is 0.05")
    amount = float(match["limit"] or match["amount"] or 0)
    scaled = match["how"] == "*"
    return Expectation(
        " ".join(match[0].split()), _statistic(metric, match), match["sign"], 0.0 if scaled else amount,
        amount if scaled else 1.0, of_baseline=match["limit"] is None,
    )  # fmt: skip


def _statistic(metric: str, match: re.Match[str]) -> str | None:
    """Return the statistic to compare; raise Wrong where it is required and missing, or given and not allowed."""
    if metric not in TIMES:
        if match["stat"] is not None:
            raise Wrong("expect", f"{metric} is one figure: it has no {match['stat']}", f"such as {_example(metric)}")
        return None
    known = ", ".join([*(f"p({one[1:]})" for one in PERCENTILES), "avg"])
    if match["stat"] is None:
        raise Wrong("expect", f"{match[0]!r} does not say what of {metric}", f"{known}, such as {_example(metric)}")
    stat = f"p{match['share']}" if match["share"] is not None else "avg"
    if stat not in (*PERCENTILES, "avg"):
        raise Wrong("expect", f"there is no p({match['share']})", known)
    return stat


def _example(metric: str) -> str:
    return "p(95)<800" if metric in TIMES else "<0.05" if metric in RATES else "<50"


def parse_check(entry: Mapping[str, Any], origin: str = "") -> Check:
    """Parse an entry of the configuration. Raises Wrong with the key at fault."""
    for key in entry:
        check_name(key, key, KEYS, "setting")
    for key in ("metric", "expect"):
        if key not in entry:
            raise Wrong("", f"it has no {key}", 'an entry has at least metric = "ttft_ms" and expect = "p(95)<800"')
    metric = entry["metric"]
    check_name("metric", metric, METRICS, "metric")
    texts = entry["expect"] if isinstance(entry["expect"], list) else [entry["expect"]]
    if not texts:
        raise Wrong("expect", "it is empty", "such as p(95)<800")
    by = _by(entry.get("by", ""))
    return Check(
        metric=metric,
        expect=tuple(parse_expectation(metric, text) for text in texts),
        by=by,
        where=parse_selectors("where", entry.get("where", [])),
        min_n=_min_n(entry.get("min_n")),
        severity=_severity(entry.get("severity", "fail")),
        holds=_holds(entry.get("hold", []), by),
        origin=origin,
    )


_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _compare(one: float, sign: str, other: float) -> bool:
    return {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[sign]


def _explain_lack(figure: Figure, min_n: int, whose: str) -> str:
    if figure.n < min_n or (not figure.n and figure.low is None):
        return f"{whose}n={figure.n:,}" + (f" < {min_n:,}" if figure.n else "")
    return f"{whose}unknown" if figure.low is None else ""


def _explain_doubt(figure: Figure) -> str:
    assert figure.low is not None
    if figure.high is not None:
        return f"between {number(figure.low)} and {number(figure.high)}"
    return "lower bound" if figure.value in (None, figure.low) else f"lower bound {number(figure.low)}"


def _by(value: object) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise Wrong("by", 'expected dimensions, such as by = "tenant"')
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        if not name.startswith("group:"):
            check_name("by", name, DIMENSIONS, "dimension")
    if len(set(names)) != len(names) or len(names) > MAX_BY:
        raise Wrong("by", f"expected up to {MAX_BY} different dimensions")
    return names


def _min_n(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise Wrong("min_n", "expected a number from 1")
    return value


def _severity(value: object) -> Severity:
    if value == "warn":
        return "warn"
    if value == "fail":
        return "fail"
    raise Wrong("severity", f"{value!r}: fail or warn")


def _holds(value: object, by: tuple[str, ...]) -> tuple[Hold, ...]:
    entries = value if isinstance(value, list) else [value]
    return tuple(_hold(entry, by) for entry in entries)


def _hold(entry: object, by: tuple[str, ...]) -> Hold:
    example = 'hold = {reason = "vendor ticket 812", until = 2026-12-01}'
    if not isinstance(entry, dict):
        raise Wrong("hold", "expected a reason and a day", example)
    for key in entry:
        check_name("hold", key, HOLD_KEYS, "setting")
    hold = parse_hold(entry, example, "hold")
    for name, _ in hold.where:
        if name not in by:
            raise Wrong("hold", f"{name} is not what the check is by", "a hold selects among the check's own groups")
    return hold
