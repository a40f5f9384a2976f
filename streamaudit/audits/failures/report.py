"""Every audit asked for, as one report: findings by severity, money and users hurt, then what became of each audit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamaudit.audits.failures.base import Examination, discover, examine, judge, limits_of, parse_names
from streamaudit.audits.notes import interval_and_notes
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.finding import SEVERITIES, Finding, Severity
from streamaudit.report.model import Column, Mark, Note, Report, Row, Table
from streamaudit.store.dimensions import DIMENSIONS
from streamaudit.store.store import Store

TITLE = "streamaudit audit"

_LEADING = (
    Column("audit", None, "the audit that found it", wide=True),
    Column("finding", None, "what was found", kept=True),
    Column("severity", None, "critical, warning or info", kept=True),
)
_TRAILING = (
    Column("calls", "calls", "calls of the group that the audit examined", wide=True),
    Column("affected_calls", "calls", "of these, calls that show it", kept=True),
    Column("affected_share", "ratio", "affected calls / examined calls"),
    Column("tokens_at_stake", "tokens", "tokens billed for it; NULL when unknown or when it costs none", wide=True),
    Column("usd_at_stake", "usd", "what was paid for these tokens; NULL when unknown or unpriced", kept=True),
    Column("evidence", None, "the numbers it rests on", prose=True),
    Column("examples", None, "up to three call ids; explain shows each of them", wide=True),
    Column("remedy", None, "what to do about it", prose=True),
)
_AUDITS = (
    Column("audit", None, "the audit", kept=True),
    Column("status", None, "findings, clean, or cannot_answer", kept=True),
    Column("calls_examined", "calls", "calls that carry what it needs", kept=True),
    Column("calls_about", "calls", "calls that it is about", wide=True),
    Column("needs", None, "what it rests on, and how to get it", prose=True),
)
_LISTED = (
    Column("audit", None, "the audit", kept=True),
    Column("status", None, "findings, clean, or cannot_answer for this data", kept=True),
    Column("calls_examined", "calls", "calls that carry what it needs", kept=True),
    Column("finds", None, "what it looks for", prose=True),
    Column("needs", None, "what it rests on, and how to get it", prose=True),
    Column("thresholds", None, "what it decides by, with defaults", prose=True),
)


def run(
    store: Store,
    scope: Scope,
    names: Sequence[str] = (),
    *,
    limits: Mapping[str, Mapping[str, float]] | None = None,
    gates: Mapping[str, Severity] | None = None,
) -> Report:
    """Run the audits named, or all. ``limits`` holds thresholds other than the defaults, by audit and name; with
    ``gates`` (the least severity that fails, by finding) the report has a verdict."""
    done = examinations(store, scope, names, limits=limits)
    interval, notes = interval_and_notes(store, scope)
    found = sorted((one for audit in done for one in audit.findings), key=_rank)
    tables = (_findings(found, scope), _statuses(done))
    verdict = judge(done, gates) if gates else None
    return Report(
        TITLE, interval, tables, scope.by, scope.filters, (*notes, *_clean(done)), verdict=verdict,
        headline=_headline(found, done),
    )  # fmt: skip


def examinations(
    store: Store, scope: Scope, names: Sequence[str] = (), *, limits: Mapping[str, Mapping[str, float]] | None = None
) -> list[Examination]:
    """Run the audits named, or all, in alphabetical order."""
    scope = replace(scope, top=None)
    scope.prepare(store, taxed=False)
    audits = discover()
    return [examine(store, scope, audits[name], (limits or {}).get(name, {})) for name in parse_names(names)]


def list_audits(store: Store, scope: Scope, names: Sequence[str] = ()) -> Report:
    """List what each audit looks for, needs and decides by, and whether this data has it."""
    done = examinations(store, scope, names)
    interval, notes = interval_and_notes(store, scope)
    rows = tuple(
        (
            one.audit.NAME, one.status, one.examined, one.audit.FINDS, one.audit.NEEDS,
            ", ".join(f"{limit.name}={limit.default:g}" for limit in limits_of(one.audit)),
        )
        for one in done
    )  # fmt: skip
    return Report(TITLE, interval, (Table("audits", _LISTED, rows, shape="facts"),), (), scope.filters, notes)


def _rank(one: Finding) -> tuple[int, float, int, str]:
    return SEVERITIES.index(one.severity), -(one.usd_at_stake or 0.0), -(one.affected_calls or 0), one.audit


def _findings(found: Sequence[Finding], scope: Scope) -> Table:
    named = {name for one in found for name in one.group} or {*scope.by}
    dimensions = tuple(sorted(named, key=lambda name: (DIMENSIONS.index(name) if name in DIMENSIONS else -1, name)))
    columns = (*_LEADING, *(Column(name) for name in dimensions), *_TRAILING)
    marks = {
        (index, name): Mark(instead=" ")
        for index, one in enumerate(found)
        for name in dimensions
        if name not in one.group
    }
    rows = tuple(_row(one, dimensions) for one in found)
    return Table("findings", columns, rows, marks=marks, shape="facts", findings=dict(enumerate(found)))


def _row(one: Finding, dimensions: Sequence[str]) -> Row:
    return (
        one.audit, one.code, one.severity, *(one.group.get(name) for name in dimensions), one.calls, one.affected_calls,
        one.affected_share, one.tokens_at_stake, one.usd_at_stake, one.evidence, " ".join(one.examples) or None,
        one.remedy,
    )  # fmt: skip


def _statuses(done: Sequence[Examination]) -> Table:
    rows = tuple((one.audit.NAME, one.status, one.examined, one.about, one.audit.NEEDS) for one in done)
    return Table("audits", _AUDITS, rows, shape="facts")


def _clean(done: Sequence[Examination]) -> tuple[Note, ...]:
    unanswered = [one.audit.NAME for one in done if one.status == "cannot_answer"]
    if not unanswered:
        return ()
    return (
        Note("cannot_answer", f"too little data to judge: {', '.join(unanswered)}; audit --list says what each needs"),
    )


def _headline(found: Sequence[Finding], done: Sequence[Examination]) -> str:
    clean = sum(one.status == "clean" for one in done)
    unanswered = sum(one.status == "cannot_answer" for one in done)
    known = [one.usd_at_stake for one in found if one.usd_at_stake is not None]
    # Findings may be about the same calls, so that their sum would count money twice.
    money = f", the costliest with ${max(known):,.2f} at stake" if known else ""
    findings = f"{len(found):,} finding{'' if len(found) == 1 else 's'}{money}" if found else "No findings"
    return f"{findings}; of {len(done):,} audits {clean:,} clean, {unanswered:,} cannot answer."
