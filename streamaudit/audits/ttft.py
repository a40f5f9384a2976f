"""Time to first token: exact percentiles, excluded calls with reasons, censored waits, and the distribution."""

import math
from typing import Any

from streamaudit.audits.base import group_tables
from streamaudit.audits.edge_notes import first_byte_notes
from streamaudit.audits.figures import FigureQuery, ask, relation
from streamaudit.audits.goodput import goodput_notes, goodput_params, goodput_tables, streaming_columns
from streamaudit.audits.headline import describe_waits
from streamaudit.audits.metrics import column
from streamaudit.audits.notes import interval_and_notes
from streamaudit.audits.scope.portable import Texts
from streamaudit.audits.scope.scope import MAX_BY, Scope
from streamaudit.audits.targets import Targets, parse_duration_ms
from streamaudit.audits.waits import list_recorders, with_survival
from streamaudit.errors import UsageError
from streamaudit.report.model import Column, Report, Table
from streamaudit.store.store import Store
from streamaudit.store.views.percentiles import MIN_CALLS

NAME = "ttft"
TITLE = "time to first token"

# OpenTelemetry GenAI semantic conventions, gen_ai.client.operation.time_to_first_chunk: advised bucket boundaries.
OTEL_BOUNDS_MS = (10.0, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 40960, 81920)
PER_DECADE = 12
"""Logarithmic buckets of a decade; a multiple of 4 and of 6, so that a screen can merge them into fewer."""

_BASE = (
    column("calls"),
    column("streamed_calls", wide=True),
    column("ttft_calls"),
    column("ttft_p50_ms", help="median"),
    column("ttft_p90_ms", help=f"from {MIN_CALLS['p90']} calls"),
    column("ttft_p95_ms", help=f"from {MIN_CALLS['p95']} calls"),
    column("ttft_p99_ms", help=f"from {MIN_CALLS['p99']} calls"),
    column("ttvt_calls", wide=True),
    column("ttvt_p50_ms", wide=True),
    column("ttvt_p95_ms", wide=True, help=f"from {MIN_CALLS['p95']} calls"),
    column("tpot_calls", wide=True),
    column("tpot_p50_ms", wide=True),
    column("tpot_p90_ms", wide=True),
    column("tpot_p95_ms", wide=True),
    column("tpot_p99_ms", wide=True),
    column("censored_calls"),
    column("ttft_sum_ms", wide=True),
)
_SLO = (column("slo_rate", kept=True), column("slo_unknown_calls", wide=True), column("apdex", kept=True))
_CENSORED = (
    Column("ttft_km_p50_ms", "ms", "Kaplan-Meier median: censored waits counted as longer than they lasted", kept=True),
    Column("ttft_km_p90_ms", "ms", f"from {MIN_CALLS['p90']} waits", kept=True),
    Column(
        "ttft_km_p95_ms", "ms", f"from {MIN_CALLS['p95']} waits; NULL when the curve does not fall that far", kept=True
    ),
    Column("ttft_km_p99_ms", "ms", f"from {MIN_CALLS['p99']} waits", wide=True),
    Column("ttvt_km_p50_ms", "ms", "the same of the first visible token", wide=True),
    Column("ttvt_km_p90_ms", "ms", f"from {MIN_CALLS['p90']} waits", wide=True),
    Column("ttvt_km_p95_ms", "ms", f"from {MIN_CALLS['p95']} waits", wide=True),
    Column("ttvt_km_p99_ms", "ms", f"from {MIN_CALLS['p99']} waits", wide=True),
    Column("ttvt_censored_calls", "calls", "cut before the first visible token: they waited longer still", wide=True),
)

_EXCLUDED = """
SELECT ttft_status, count(*) AS calls FROM scope WHERE ttft_status <> 'usable' GROUP BY ttft_status
ORDER BY calls DESC, ttft_status
"""
REASONS = {
    "censored": "cancelled or timed out before a first token was seen",
    "not_streamed": "not streamed",
    "not_recorded": "no time to first token recorded",
    "cache_hit": "answered from a cache",
    "not_below_duration": "first token not before the end: stamped at the end, not measured",
    "not_positive": "zero or negative",
    "error_without_chunk": "failed without a chunk",
}

# A bucket holds low < ttft <= high, as OpenTelemetry's and Prometheus' do. Logarithmic ones are 10^(1/12) wide and
# anchored at 1 ms, so every power of ten is an edge.
_HISTOGRAM_LOG = Texts(
    exact="""
SELECT by_1, by_2, by_3, by_4, power(10, b / 12), power(10, (b + 1) / 12), count(*)
FROM (SELECT *, ceil(12 * log10(ttft_ms))::INTEGER - 1 AS b FROM scope WHERE ttft_status = 'usable')
GROUP BY by_1, by_2, by_3, by_4, b
ORDER BY ALL
""",
    portable="""
SELECT by_1, by_2, by_3, by_4, power(10, ttft_band / 12) AS low, power(10, (ttft_band + 1) / 12) AS high,
    count(*) AS calls
FROM scope WHERE ttft_status = 'usable' AND ttft_band IS NOT NULL
GROUP BY by_1, by_2, by_3, by_4, ttft_band
""",
)
_HISTOGRAM_BOUNDS = """
, bounds AS (
    SELECT bound AS low, lead(bound) OVER (ORDER BY bound) AS high
    FROM (SELECT unnest(list_concat([0.0], $bounds::DOUBLE[])) AS bound)
)
SELECT by_1, by_2, by_3, by_4, low, high, count(*)
FROM (SELECT * FROM scope WHERE ttft_status = 'usable') AS calls ASOF JOIN bounds ON calls.ttft_ms > bounds.low
GROUP BY by_1, by_2, by_3, by_4, low, high
ORDER BY ALL
"""


_PORTABLE_BOUNDS = """
SELECT by_1, by_2, by_3, by_4, low, high, count(*) AS calls
FROM scope JOIN ({bounds}) AS bounds ON ttft_ms > low AND (high IS NULL OR ttft_ms <= high)
WHERE ttft_status = 'usable' GROUP BY by_1, by_2, by_3, by_4, low, high
"""


_RANK = "count(ttft_ms) FILTER (WHERE ttft_status = 'usable')"


def run(
    store: Store,
    scope: Scope,
    *,
    slo_ms: float | None = None,
    buckets_ms: tuple[float, ...] | None = None,
    censored: bool = False,
    targets: Targets | None = None,
    gaps: bool = False,
) -> Report:
    """Return percentiles per group, the distribution per group on one ruler, and why calls are excluded.

    ``targets`` adds goodput, ``gaps`` the latencies between chunks, ``censored`` the Kaplan-Meier percentiles.
    """
    scope.prepare(store, taxed=False)
    more = streaming_columns(targets, gaps=gaps)
    figures = (*_BASE, *(_SLO if slo_ms is not None else ()), *more)
    names = tuple(one.name for one in figures)
    query = ask(names, ranks=(_RANK,))
    if censored:
        query = FigureQuery(names, False, with_survival(relation(names)), ranks=query.ranks)
    columns = (*figures, *(_CENSORED if censored else ()))
    bound = {"slo_ms": slo_ms, **goodput_params(store, scope, targets)}
    if censored:
        bound["ttvt_recorded"] = list_recorders(store, scope)
    tables = group_tables(store, scope, query, columns, lambda row: (row["ttft_calls"],), bound)
    histogram = _histogram(store, scope, tables[0], buckets_ms)
    excluded = scope.total().rows(store, _EXCLUDED)
    reasons = Table(
        "excluded",
        (Column("reason", None, "why a call is not in the percentiles"), Column("calls", "calls"), Column("meaning")),
        tuple((reason, calls, REASONS[reason]) for reason, calls in excluded),
        title="not drawn",
    )
    interval, notes = interval_and_notes(store, scope)
    (total,) = tables[-1].records()
    answer = describe_waits(total, tables[0], slo_ms)
    shown = (*tables, *goodput_tables(store, scope, targets), histogram, reasons)
    notes = (*goodput_notes(targets), *notes, *first_byte_notes(store, scope))
    return Report(TITLE, interval, shown, scope.by, scope.filters, notes, headline=answer, command=NAME)


def _histogram(store: Store, scope: Scope, groups: Table, bounds: tuple[float, ...] | None) -> Table:
    query = _HISTOGRAM_LOG if bounds is None else Texts(_HISTOGRAM_BOUNDS, _write_bounds(bounds))
    limits = {f"bound_{place}": bound for place, bound in enumerate((0.0, *(bounds or ())))}
    depth = len(scope.by)
    rest = groups.rest_row
    shown = {tuple(row[:depth]) for index, row in enumerate(groups.rows) if index != rest}
    used = list(shown) if depth and rest is not None else None
    found = scope.rows(store, query, {"bounds": list(bounds or ()), **limits}, shown=used)
    order = {tuple(row[:depth]): index for index, row in enumerate(groups.rows) if index != rest}
    kept = [(*row[:depth], *row[MAX_BY:]) for row in found if tuple(row[:depth]) in shown]
    filled = _add_empty_buckets(kept, depth, bounds)
    filled.sort(key=lambda row: (order.get(tuple(row[:depth]), 0), row[depth]))
    dimensions = tuple(Column(name) for name in scope.by)
    columns = (
        *dimensions, Column("bucket_low_ms", "ms", "longer than", bound="gt"),
        Column("bucket_high_ms", "ms", "up to and including; NULL without an end", bound="le"),
        Column("calls", "calls"),
    )  # fmt: skip
    return Table("histogram", columns, tuple(filled), scope.by, shape="histogram", markers_from=groups.name,
        edges_ms=bounds or ())  # fmt: skip


def _write_bounds(bounds: tuple[float, ...]) -> str:
    """Return the portable text of a histogram with these upper bounds, which are ``$bound_1``, ``$bound_2``, ..."""
    parts = [
        "SELECT " + f"CAST($bound_{place} AS DOUBLE) AS low, "
        + (f"CAST($bound_{place + 1} AS DOUBLE)" if place < len(bounds) else "CAST(NULL AS DOUBLE)") + " AS high"
        for place in range(len(bounds) + 1)
    ]  # fmt: skip
    return _PORTABLE_BOUNDS.format(bounds=" UNION ALL ".join(parts))


def _add_empty_buckets(
    rows: list[tuple[Any, ...]], depth: int, bounds: tuple[float, ...] | None
) -> list[tuple[Any, ...]]:
    """Return the same rows with a 0 for each bucket of the range that a group has no call in."""
    if not rows:
        return []
    edges: list[tuple[float, float | None]]
    if bounds is None:
        first = min(round(PER_DECADE * math.log10(row[depth])) for row in rows)
        last = max(round(PER_DECADE * math.log10(row[depth])) for row in rows)
        edges = [(10 ** (b / PER_DECADE), 10 ** ((b + 1) / PER_DECADE)) for b in range(first, last + 1)]
    else:
        every = (0.0, *bounds)
        edges = list(zip(every, (*every[1:], None), strict=True))
        low, high = min(row[depth] for row in rows), max(row[depth] for row in rows)
        edges = [edge for edge in edges if low <= edge[0] <= high]
    counts = {(*row[:depth], _round(row[depth])): row[depth + 2] for row in rows}
    groups = dict.fromkeys(tuple(row[:depth]) for row in rows)
    return [(*group, low, high, counts.get((*group, _round(low)), 0)) for group in groups for low, high in edges]


def _round(value: float) -> float:
    return float(f"{value:.9g}")


def parse_buckets(text: str | None) -> tuple[float, ...] | None:
    """Parse ``otel``, or ascending bounds such as ``100ms,300ms,1s``; None for the default logarithmic buckets."""
    if text is None or text == "log":
        return None
    if text == "otel":
        return OTEL_BOUNDS_MS
    bounds = tuple(parse_duration_ms("--buckets", part) for part in text.split(","))
    if list(bounds) != sorted(set(bounds)):
        raise UsageError(f"--buckets {text}: bounds must ascend")
    return bounds
