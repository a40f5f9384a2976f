"""Define the audit of a streaming failure, and run one over the calls in scope.

An audit is a module here with a ``NAME``. Its two statements select from ``scope`` and from the temporary tables that
``PREPARE`` creates: ``EXAMINED`` counts the calls that the audit can judge, ``QUERY`` yields one row a finding. Nothing
in a finding is text from a trace but the values of its dimensions and the ids of its example calls.
"""

import importlib
import math
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import UsageError, nearest
from streamaudit.report.finding import MAX_EXAMPLES, SEVERITIES, Finding, Severity
from streamaudit.report.model import Value
from streamaudit.report.numbers import usd, usd_of_call
from streamaudit.store.store import Store

Status = Literal["findings", "clean", "cannot_answer"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that an audit decides by; ``--threshold AUDIT.NAME=VALUE`` changes it.

    ``source`` is the origin of the default.
    """

    name: str
    default: float
    help: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A finding code: its severity, its remedy in one sentence, and its evidence in one sentence.

    ``evidence`` is a format string over the columns of the audit's ``QUERY`` and its thresholds, with the presentation
    types of ``Figure``: ``{affected_calls:n}``, ``{sessions:n session}`` (with an s for any other number than one),
    ``{wait_p50_ms:ms}``, ``{affected_share:pct}``, ``{usd_at_stake:usd}``, ``{usd_at_stake:?, for about @ more}`` (the
    dollars instead of ``@``, nothing where they are unknown).
    """

    severity: Severity
    evidence: str
    remedy: str
    estimated: bool = False
    """Whether its dollars rest on an assumption about prices."""


class Audit(Protocol):
    """Interface of a module in this folder.

    ``QUERY`` selects, in this order and then grouped by ``by_1`` … ``by_4``: ``by_1`` … ``by_4``, ``finding`` (a key of
    ``KINDS``), ``calls`` (examined in the group), ``affected_calls``, ``tokens_at_stake``, ``usd_at_stake`` (NULL where
    unknown), ``examples`` (call ids), and after these whatever its evidence names. Of a finding that only a group can
    show, ``shows`` lists those among the calls ``$explained`` (empty in a report) that it affects.
    ``EXAMINED`` selects one row: the calls that the audit can judge, and the calls it is about.
    """

    @property
    def NAME(self) -> str:
        """The name that the command line takes."""

    @property
    def FINDS(self) -> str:
        """The failure it looks for, in half a sentence."""

    @property
    def NEEDS(self) -> str:
        """The fields that the calls must carry, and how to get them, in one sentence."""

    @property
    def BY(self) -> tuple[str, ...]:
        """The dimensions that its remedy works on: the grouping unless another is asked for."""

    @property
    def THRESHOLDS(self) -> tuple[Threshold, ...]:
        """The numbers it decides by."""

    @property
    def KINDS(self) -> Mapping[str, Kind]:
        """Its findings by code."""

    @property
    def PREPARE(self) -> tuple[str, ...]:
        """Statements over ``scope`` that create temporary tables for the two below; empty for most."""

    @property
    def EXAMINED(self) -> str:
        """The statement that counts the calls it can judge, and the calls it is about."""

    @property
    def QUERY(self) -> str:
        """The statement that yields a row per finding."""


LEAST_EXAMINED = Threshold("least_examined", 20, "calls to judge, below which nothing found is no clean bill")


@dataclass(frozen=True, slots=True)
class Examination:
    """The result of one audit.

    ``about`` counts the calls it is about, ``examined`` those that carry what it needs.
    """

    audit: Audit
    status: Status
    examined: int
    about: int
    findings: tuple[Finding, ...] = ()


_NO_AUDITS = ("base", "changes", "examples", "marks", "periods", "report", "suppressions")
"""The modules of this folder that are no audit."""


@cache
def discover() -> dict[str, Audit]:
    """Return every audit in this folder by name, in alphabetical order."""
    modules = (
        importlib.import_module(f"{__package__}.{found.name}")
        for found in pkgutil.iter_modules([str(Path(__file__).parent)])
        if found.name not in _NO_AUDITS
    )
    return {module.NAME: cast(Audit, module) for module in modules}


def codes() -> tuple[str, ...]:
    """Return the code of every finding."""
    return tuple(code for audit in discover().values() for code in audit.KINDS)


def parse_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the audits named, all for none. UsageError with the nearest name for an unknown one."""
    known = discover()
    for name in names:
        if name not in known:
            close = nearest(name, list(known))
            raise UsageError(
                f"no audit is called {name}" + (f", did you mean {close}?" if close else ""),
                "audits: " + ", ".join(known),
            )
    return tuple(dict.fromkeys(names)) or tuple(known)


def parse_thresholds(texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Read ``AUDIT.NAME=VALUE`` into values by audit and threshold. UsageError for an unknown one or no number."""
    known = discover()
    values: dict[str, dict[str, float]] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        audit, dot, name = key.strip().partition(".")
        if not (sign and dot) or audit not in known:
            raise UsageError(f"--threshold {text}: expected AUDIT.NAME=VALUE", "audit --list shows every threshold")
        names = [one.name for one in limits_of(known[audit])]
        if name not in names:
            close = nearest(name, names)
            raise UsageError(
                f"--threshold {text}: {audit} has no threshold {name}"
                + (f", did you mean {close}?" if close else ""),
                "thresholds: " + ", ".join(names),
            )  # fmt: skip
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UsageError(f"--threshold {text}: {value.strip()!r} is no number")
        values.setdefault(audit, {})[name] = number
    return values


def parse_gates(texts: Sequence[str]) -> dict[str, Severity]:
    """Read ``FINDING[:SEVERITY]`` into the least severity that fails, by finding; ``any`` is every finding and no
    severity means info. UsageError for an unknown finding or severity."""
    known = ["any", *codes()]
    gates: dict[str, Severity] = {}
    for text in texts:
        code, sign, severity = text.partition(":")
        if code not in known:
            close = nearest(code, known)
            raise UsageError(
                f"--fail-on {code}: unknown finding",
                f"did you mean {close}?" if close else "findings: " + ", ".join(known),
            )
        if sign and severity not in SEVERITIES:
            raise UsageError(f"--fail-on {text}: {severity} is no severity", "severities: " + ", ".join(SEVERITIES))
        gates[code] = cast(Severity, severity) if sign else "info"
    return gates


def apply_gates(done: Sequence[Examination], gates: Mapping[str, Severity]) -> list[Examination]:
    """Return the examinations with each finding marked whether it fails a gate: open, and as severe or more."""

    def mark(one: Finding) -> Finding:
        failed = one.status == "open" and any(
            SEVERITIES.index(one.severity) <= SEVERITIES.index(gates[code]) for code in (one.code, "any")
            if code in gates
        )  # fmt: skip
        return replace(one, fails_gate=failed)

    return [replace(audit, findings=tuple(map(mark, audit.findings))) for audit in done]


def judge(done: Sequence[Examination], gates: Mapping[str, Severity]) -> Literal["pass", "fail", "insufficient"]:
    """Return ``fail`` where a finding fails its gate, ``insufficient`` where an audit that could have found it cannot
    answer, else ``pass``."""
    failed = any(one.fails_gate for audit in done for one in audit.findings)
    asked = [one for one in done if "any" in gates or gates.keys() & one.audit.KINDS.keys()]
    unanswered = not asked or any(one.status == "cannot_answer" for one in asked)
    return "fail" if failed else "insufficient" if unanswered else "pass"


def limits_of(audit: Audit) -> tuple[Threshold, ...]:
    """Return the audit's thresholds and those that all audits share."""
    return (*audit.THRESHOLDS, LEAST_EXAMINED)


def examine(store: Store, scope: Scope, audit: Audit, limits: Mapping[str, float]) -> Examination:
    """Run one audit over the calls of a prepared scope, grouped as the scope says or else by the audit's ``BY``.

    Its temporary tables are dropped again, so that the memory of all audits is that of the largest.
    """
    mine, params = prepare_audit(store, scope, audit, limits, by=scope.by or audit.BY)
    examined, about = store.one(mine.sql(audit.EXAMINED), params)
    answer = store.records(mine.sql(audit.QUERY), params) if examined else []
    for table in re.findall(r"CREATE OR REPLACE TEMP TABLE (\w+)", " ".join(audit.PREPARE)):
        store.run(f"DROP TABLE temp.{table}")
    findings = tuple(to_finding(audit, mine, params, row) for row in answer)
    if findings:
        status: Status = "findings"
    else:
        status = "clean" if examined >= params["least_examined"] else "cannot_answer"
    return Examination(audit, status, examined, about, findings)


def prepare_audit(
    store: Store, scope: Scope, audit: Audit, limits: Mapping[str, float], by: tuple[str, ...],
    explained: Sequence[str] = (),
) -> tuple[Scope, dict[str, Any]]:  # fmt: skip
    """Create the temporary tables of an audit, and return the scope and the parameters of its two statements.

    ``explained`` are the ids of the calls that are being explained.
    """
    mine = replace(scope, by=by)
    params = {
        **mine.params(), **{one.name: one.default for one in limits_of(audit)}, **limits,
        "by_session": "session_id" in by, "explained": list(explained),
    }  # fmt: skip
    for statement in audit.PREPARE:
        store.run(_over(mine, statement), params)
    return mine, params


def _over(scope: Scope, statement: str) -> str:
    """Put the scope between the head of a statement that creates a table and its SELECT."""
    head, mark, select = statement.partition("-- over scope\n")
    return head + scope.sql(select) if mark else statement


def to_finding(
    audit: Audit, scope: Scope, params: Mapping[str, Any], row: dict[str, Any], *, of_call: bool = False
) -> Finding:  # fmt: skip
    """Return a row of an audit's ``QUERY`` as a finding; ``of_call`` writes the dollars of a single call."""
    kind, calls, affected = audit.KINDS[row["finding"]], row["calls"], row["affected_calls"]
    figures = {**params, **row, "affected_share": affected / calls if calls else None}
    return Finding(
        audit=audit.NAME, code=row["finding"], severity=kind.severity,
        group={name: row[f"by_{place}"] for place, name in enumerate(scope.by, start=1)},
        calls=calls, affected_calls=affected, tokens_at_stake=row["tokens_at_stake"], usd_at_stake=row["usd_at_stake"],
        evidence=kind.evidence.format_map({name: Figure(value, of_call) for name, value in figures.items()}),
        examples=tuple((row["examples"] or [])[:MAX_EXAMPLES]), remedy=kind.remedy, usd_estimated=kind.estimated,
    )  # fmt: skip


class Figure:
    """A value that a format string writes by its unit: ``n`` a count, ``ms`` a time, ``pct`` a share, ``usd`` money,
    ``s`` seconds. Unknown is written ``-``."""

    def __init__(self, value: Value, of_call: bool = False) -> None:
        self._value, self._of_call = value, of_call

    def __format__(self, unit: str) -> str:
        value = self._value
        if unit.startswith("?"):
            return "" if value is None else unit[1:].replace("@", format(self, "usd"))
        unit, _, noun = unit.partition(" ")
        if noun:
            return f"{format(self, unit)} {noun}{'' if value == 1 else 's'}"
        if value is None:
            return "-"
        if not unit or not isinstance(value, int | float):
            return str(value)
        return usd_of_call(value) if unit == "usd" and self._of_call else _WRITERS[unit](value)


def _time(ms: float) -> str:
    if ms < 1000:
        return f"{ms:.2g} ms" if ms < 10 else f"{ms:,.0f} ms"
    return f"{ms / 1000:,.1f} s" if ms < 120_000 else f"{ms / 60_000:,.0f} min"


_WRITERS: dict[str, Callable[[float], str]] = {
    "n": lambda value: f"{value:,.0f}", "ms": _time, "s": lambda value: _time(value * 1000), "usd": usd,
    "pct": lambda value: f"{value * 100:.1f} %", "x": lambda value: f"{value:.1f}",
    "ratio": lambda value: f"{value:.2f}",
}  # fmt: skip
