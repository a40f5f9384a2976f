"""Goodput: the share of streamed calls that should have answered within all of a set of latency targets.

A call that failed, timed out, or kept its user waiting longer than a target is a miss, whether or not it answered. A
call of which a latency with a target is not known is neither: it is counted, and in no part of the share. The share is
that of DistServe's SLO attainment (Zhong et al. 2024, arXiv 2401.09670); goodput per second is the calls that met the
targets divided by the seconds of the window.
"""

from streamaudit.audits.metrics import column
from streamaudit.audits.parts import GOODPUT, GOODPUT_REASONS
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.targets import Targets
from streamaudit.audits.waits import list_recorders
from streamaudit.report.model import Column, Note, Table
from streamaudit.store.store import Store

_GOODPUT = (
    column("goodput_rate", kept=True),
    column("goodput_met_calls", wide=True),
    column("goodput_missed_calls", wide=True),
    column("goodput_unknown_calls"),
)
_GAPS = tuple(
    column(f"{side}_{figure}", wide=figure in ("calls", "gaps", "p90_ms"))
    for side in ("itl", "client_itl")
    for figure in ("calls", "gaps", "p50_ms", "p90_ms", "p95_ms", "p99_ms")
)
_COUNTED = GOODPUT.rows + "SELECT goodput, count(*) FROM goodput_calls GROUP BY goodput"  # noqa: S608 - a file's text
REASON_COLUMNS = (
    Column("goodput", None, "met, missed or unknown"),
    Column("reason", None, "why"),
    Column("limit_ms", "ms", "the target"),
    Column("calls", "calls", "calls that count so; each counts once, by the first reason that applies"),
    Column("meaning"),
)
_LATE = {f"late_{latency}": latency for latency in ("ttft", "ttvt", "tpot", "duration")}


def streaming_columns(targets: Targets | None, *, gaps: bool) -> tuple[Column, ...]:
    """Return the columns that a report has only on request: goodput, and the latencies between chunks."""
    return (*(_GOODPUT if targets else ()), *(_GAPS if gaps else ()))


def goodput_params(store: Store, scope: Scope, targets: Targets | None) -> dict[str, object]:
    """Return the parameters of goodput.sql, none without targets; the scope must be prepared."""
    if targets is None:
        return {}
    recorded = list_recorders(store, scope) if "ttvt" in targets.limits_ms else []
    return {**targets.params(), "ttvt_recorded": recorded}


def goodput_tables(store: Store, scope: Scope, targets: Targets | None) -> tuple[Table, ...]:
    """Return the table of how the calls of the scope count in goodput, and why; none without targets."""
    if targets is None:
        return ()
    bound = {**scope.total().params(), **goodput_params(store, scope, targets)}
    found = dict(store.query(scope.total().sql(_COUNTED), bound))
    rows = tuple(
        (verdict, reason, targets.limits_ms.get(_LATE.get(reason, "")), found.get(reason, 0), meaning)
        for reason, (verdict, meaning) in GOODPUT_REASONS.items()
        if found.get(reason) or reason == "met" or _LATE.get(reason) in targets.limits_ms
    )
    return (Table("goodput", REASON_COLUMNS, rows, title=f"goodput at {targets}"),)


def goodput_notes(targets: Targets | None) -> tuple[Note, ...]:
    """Return how a preset's targets differ from the figures they are applied to."""
    if targets is None or not targets.preset.startswith("mlperf"):
        return ()
    message = (
        f"{targets.preset}: MLPerf measures at the server under test, without network, and requires each target of "
        "99 % of the queries; here TTFT and TPOT are those of the calling application"
    )
    return (Note("mlperf_at_server", message),)
