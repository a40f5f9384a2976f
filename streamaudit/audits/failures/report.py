"""Every audit asked for, as one report: findings by severity, money and users hurt, then what became of each audit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from streamaudit.audits.failures.base import (
    Examination,
    apply_gates,
    discover,
    examine,
    judge,
    limits_of,
    parse_names,
)
from streamaudit.audits.failures.examples import example_timelines
from streamaudit.audits.failures.suppressions import Suppression, suppress
from streamaudit.audits.notes import interval_and_notes
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.finding import SEVERITIES, Finding, Severity
from streamaudit.report.model import Column, Mark, Note, Report, Row, Table
from streamaudit.report.numbers import count, usd
from streamaudit.store.dimensions import DIMENSIONS
from streamaudit.store.store import Store

TITLE = "streamaudit audit"
SUBJECT = "streaming failures"

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
    Column("held", None, "until when and why it is accepted, or that this has expired; NULL otherwise", prose=True),
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
    suppressions: Sequence[Suppression] = (),
    today: date | None = None,
    timelines: bool = False,
) -> Report:
    """Run the audits named, or all.

    ``limits`` holds thresholds other than the defaults, by audit and name. With ``gates`` (the least severity that
    fails, by finding) the report has a verdict. ``suppressions`` are accepted through their day; ``today`` is the day
    in the scope's zone unless given. ``timelines`` adds the moments of an example call of each finding.
    """
    today = today or datetime.now(ZoneInfo(scope.tz)).date()
    done, unused = suppress(examinations(store, scope, names, limits=limits), suppressions, today)
    done = apply_gates(done, gates) if gates else done
    interval, notes = interval_and_notes(store, scope)
    found = sorted((one for audit in done for one in audit.findings), key=_rank)
    examples = (example_timelines(store, found),) if timelines else ()
    tables = (_findings(found, scope), _statuses(done), *examples)
    verdict = judge(done, gates) if gates else None
    return Report(
        TITLE, interval, tables, scope.by, scope.filters, (*notes, *_unanswered(done), *unused), verdict=verdict,
        headline=_headline(found, done), subject=SUBJECT, command="audit",
    )  # fmt: skip


def report_costliest(store: Store, scope: Scope, most: int = 3) -> Report:
    """Report the findings with the most money at stake, one of each audit, since findings of one audit overlap.

    A finding whose money is unknown comes after those that have a price; remarks (severity info) are left out.
    """
    done = examinations(store, scope)
    interval, notes = interval_and_notes(store, scope)
    grave = [[finding for finding in one.findings if finding.severity != "info"] for one in done]
    by_cost = sorted((min(found, key=_rank_by_cost) for found in grave if found), key=_rank_by_cost)[:most]
    amounts = [usd(one.usd_at_stake) for one in by_cost if one.usd_at_stake is not None]
    headline = count(sum(map(len, grave)), "finding") + (
        f"; the costliest of different audits have {', '.join(amounts)} at stake." if amounts else "."
    )
    notes = tuple(note for note in notes if note.code in ("usage_unknown", "cost_unknown"))
    return Report(TITLE, interval, (_findings(by_cost, scope),), scope.by, scope.filters, notes, headline=headline,
        subject=SUBJECT)  # fmt: skip


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


def _rank(one: Finding) -> tuple[bool, int, float, int, str, str]:
    severity = SEVERITIES.index(one.severity)
    return (
        one.status == "accepted", severity, -(one.usd_at_stake or 0.0), -(one.affected_calls or 0), one.audit,
        _name(one),
    )  # fmt: skip


def _rank_by_cost(one: Finding) -> tuple[float, int, int, str, str]:
    cost = -1.0 if one.usd_at_stake is None else one.usd_at_stake
    return -cost, SEVERITIES.index(one.severity), -(one.affected_calls or 0), one.audit, _name(one)


def _name(one: Finding) -> str:
    """Return what tells a finding from the others of its audit, so that equal ones have an order."""
    return f"{one.code} {tuple(one.group.values())!r}"


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
    marks |= {(index, "severity"): Mark(suffix=", held") for index, one in enumerate(found) if one.status == "accepted"}
    marks |= {(index, "usd_at_stake"): Mark(prefix="~ ") for index, one in enumerate(found) if one.usd_estimated}
    rows = tuple(_row(one, dimensions) for one in found)
    return Table("findings", columns, rows, marks=marks, shape="facts", findings=dict(enumerate(found)))


def _row(one: Finding, dimensions: Sequence[str]) -> Row:
    return (
        one.audit, one.code, one.severity, *(one.group.get(name) for name in dimensions), one.calls, one.affected_calls,
        one.affected_share, one.tokens_at_stake, one.usd_at_stake, one.evidence, " ".join(one.examples) or None,
        one.remedy, one.hold or None,
    )  # fmt: skip


def _statuses(done: Sequence[Examination]) -> Table:
    """Return a row per audit; a test report skips those that cannot answer, so that they do not look passed."""
    rows = tuple((one.audit.NAME, one.status, one.examined, one.about, one.audit.NEEDS) for one in done)
    results = {index: _result(one) for index, one in enumerate(done) if one.status != "findings"}
    answered = frozenset(index for index, one in enumerate(done) if one.status == "findings")
    return Table(
        "audits", _AUDITS, rows, shape="facts", findings=results, title="audits", detail=len(answered) == len(rows),
        detail_rows=answered,
    )  # fmt: skip


def _result(one: Examination) -> Finding:
    """Return what an audit without findings leaves: passed, or undecided with what it lacks."""
    clean = one.status == "clean"
    return Finding(
        audit=one.audit.NAME, code=one.status, severity="info", status="passed" if clean else "undecided",
        calls=one.examined, evidence="" if clean else explain_lack(one),
    )  # fmt: skip


def explain_lack(one: Examination) -> str:
    """Return why an audit cannot answer, in a sentence."""
    return f"cannot answer, {_coverage(one)}: {one.audit.NEEDS}"


def _coverage(one: Examination) -> str:
    return f"{one.examined:,} of {one.about:,} can be judged" if one.about else "no call is of its kind"


def _unanswered(done: Sequence[Examination]) -> tuple[Note, ...]:
    unanswered = [one for one in done if one.status == "cannot_answer"]
    if not unanswered:
        return ()
    named = ", ".join(f"{one.audit.NAME} ({_coverage(one)})" for one in unanswered)
    return (Note("cannot_answer", f"cannot answer: {named}; audit --list says what each needs"),)


def _headline(found: Sequence[Finding], done: Sequence[Examination]) -> str:
    clean = sum(one.status == "clean" for one in done)
    unanswered = sum(one.status == "cannot_answer" for one in done)
    held = sum(one.status == "accepted" for one in found)
    known = [one.usd_at_stake for one in found if one.usd_at_stake is not None
        and one.status == "open" and one.severity != "info"]  # fmt: skip
    # Findings may be about the same calls, so that their sum would count money twice.
    money = f", the costliest with {usd(max(known))} at stake" if known else ""
    findings = f"{len(found):,} finding{'' if len(found) == 1 else 's'}{money}" if found else "No findings"
    findings += f", {held:,} held" if held else ""
    if len(done) == 1:
        return "The calls do not record what this audit needs." if unanswered else f"{findings}."
    rest = [f"{clean:,} {'is' if clean == 1 else 'are'} clean"] * (clean > 0)
    rest += [f"{unanswered:,} cannot answer"] * (unanswered > 0)
    return f"{findings}; of {len(done):,} audits {' and '.join(rest)}." if rest else f"{findings}."
