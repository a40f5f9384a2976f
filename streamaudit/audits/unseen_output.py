"""Output that no user saw, by how calls ended and why.

Calls that timed out, failed or broke off are listed with the cancelled ones, whose sum is the cancellation tax.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from streamaudit.audits.base import mark_bound, mark_value
from streamaudit.audits.scope.portable import Texts
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.sums import PROMPT_UNSEEN, declare, finish, make_portable, priced, write_exact, write_portable
from streamaudit.report.model import Column, Mark, Table
from streamaudit.store.store import Store
from streamaudit.store.views.valuation import ENDED_EARLY

_UNSEEN = (
    Column("calls", "calls", "calls that ended so", kept=True),
    Column("unseen_output_low_tokens", "tokens", "sum of the low ends; unknown calls add 0", kept=True),
    Column("unseen_output_tokens", "tokens", "billed output no user saw, exact and estimated calls"),
    Column("unseen_output_high_tokens", "tokens", "sum of the high ends; NULL as soon as one is unknown", wide=True),
    Column("unseen_output_usd", "usd", "exact and estimated calls in dollars", kept=True),
    Column("unseen_output_low_usd", "usd", "the low ends in dollars", wide=True),
    Column("unseen_input_tokens", "tokens", "prompts of calls stopped before the first token", wide=True),
    Column("exact_calls", "calls", "billed and rendered both known"),
    Column("estimated_calls", "calls", "by a stated rule"),
    Column("bounded_calls", "calls", "an interval only"),
    Column("unknown_calls", "calls", "neither"),
    Column("interval_calls", "calls", "of the estimated and bounded, calls of which both ends are known", wide=True),
)
OUTCOME_COLUMNS = (
    Column("ended_early", None, "how the call ended: cancelled, timeout, interrupted, error, or all of them"), *_UNSEEN,
)  # fmt: skip
CAUSE_COLUMNS = (
    Column("ended_early", None, "how the call ended"),
    Column("ended_by", None, "who or what ended it: user, client, server, infrastructure_limit, deadline, ..."),
    *_UNSEEN,
)  # fmt: skip

_SUMS = declare({
    "calls": "count(*)",
    "low": "coalesce(sum(tax_low), 0)::BIGINT",
    "best": "sum(tax_best)::BIGINT",
    "high": "CASE WHEN count(*) = count(tax_high) THEN sum(tax_high)::BIGINT END",
    "best_usd": priced("tax_best"),
    "low_usd": priced("tax_low"),
    "unseen_input": "coalesce(sum(input_tokens) FILTER (WHERE unseen)::BIGINT, CASE WHEN NOT bool_or(unseen IS NULL "
        "OR (unseen AND input_tokens IS NULL)) THEN 0 END)",
    "exact_calls": "count(*) FILTER (WHERE tax_class = 'exact')",
    "estimated_calls": "count(*) FILTER (WHERE tax_class = 'estimated')",
    "bounded_calls": "count(*) FILTER (WHERE tax_class = 'bounded')",
    "unknown_calls": "count(*) FILTER (WHERE tax_class = 'unknown')",
    "interval_calls": "count(*) FILTER (WHERE tax_class IN ('estimated', 'bounded') AND tax_high IS NOT NULL)",
    "no_input": "bool_or(unseen IS NULL OR (unseen AND input_tokens IS NULL))",
    "no_best_usd": "bool_or(tax_best > 0 AND tax_best_usd IS NULL)",
    "no_low_usd": "bool_or(tax_low > 0 AND tax_low_usd IS NULL)",
})  # fmt: skip
_LEFT_OUT = ("unseen_input_tokens", "unseen_output_usd", "unseen_output_low_usd")
"""The columns that the last sums are about."""
# The outcome leaves most calls out before their taxes are looked for, by which ended_early is known.
_LISTED = """
FROM (
    SELECT *, ended_early AND _PROMPT_UNSEEN AS unseen FROM scope
    WHERE (_ENDED_EARLY OR ended_by = 'length') AND (ended_early OR ended_by = 'length')
) AS listed
""".replace("_PROMPT_UNSEEN", PROMPT_UNSEEN).replace("_ENDED_EARLY", ENDED_EARLY)
_LIST = "SELECT {keys}, {sums}{listed}{end}"


def _texts(keys: str, end: str) -> Texts:
    return Texts(
        _LIST.format(keys=keys, sums=write_exact(_SUMS), listed=_LISTED, end=end),
        _LIST.format(keys=keys, sums=write_portable(_SUMS), listed=make_portable(_LISTED), end=end),
    )


# A completed answer cut off by its cap was seen whole: it is listed and has no tax.
_BY_CAUSE = _texts(
    "outcome, ended_by",
    "GROUP BY outcome, ended_by ORDER BY calls DESC, outcome NULLS LAST, ended_by NULLS LAST",
)
_BY_OUTCOME = _texts("outcome", "WHERE ended_early GROUP BY outcome")
_ORDER = ("cancelled", "timeout", "interrupted", "error")


def by_outcome(store: Store, scope: Scope) -> Table:
    """Return a row for each way to end early, and one for all, with unseen output in tokens and dollars."""
    found = {row[0]: row for row in _query(store, scope, _BY_OUTCOME)}
    empty: tuple[Any, ...] = (0, 0, 0, 0, 0.0, 0.0, 0, 0, 0, 0, 0, 0, [])
    rows = [tuple(found.get(name, (name, *empty))) for name in _ORDER]
    end = len(OUTCOME_COLUMNS)
    summed = [_sum([row[index] for row in rows]) for index in range(1, end)]
    high = [column.name for column in OUTCOME_COLUMNS].index("unseen_output_high_tokens")
    if any(row[high] is None for row in rows):
        summed[high - 1] = None
    partial = [row[end] for row in rows]
    missing = [column.name for index, column in enumerate(OUTCOME_COLUMNS) if any(row[index] is None for row in rows)]
    shown = (*(row[:end] for row in rows), ("paid for nothing", *summed))
    # With --by outcome the table of groups has that name.
    name = "unseen_by_outcome" if scope.by == ("outcome",) else "by_outcome"
    return _unseen_marks(Table(name, OUTCOME_COLUMNS, shown), [*partial, [*missing, *chain(*partial)]])


def by_cause(store: Store, scope: Scope) -> Table:
    """Return a row for each cause, the most expensive first."""
    found = _query(store, scope, _BY_CAUSE)
    table = Table("by_cause", CAUSE_COLUMNS, tuple(tuple(row[: len(CAUSE_COLUMNS)]) for row in found))
    return _unseen_marks(table, [row[-1] for row in found])


def _query(store: Store, scope: Scope, texts: Texts) -> list[tuple[Any, ...]]:
    """Return the rows of a table; the last value of each lists the columns whose sum leaves calls out."""
    rows = scope.total().rows(store, texts)
    rows = finish(store, _SUMS, rows) if store.engine is not None else rows
    end = -len(_LEFT_OUT)
    return [(*row[:end], [name for name, lacks in zip(_LEFT_OUT, row[end:], strict=True) if lacks]) for row in rows]


def _unseen_marks(table: Table, partial: Sequence[Sequence[str | None]]) -> Table:
    """Mark sums that leave calls out as lower bounds, and sums based on estimates as estimates."""
    marks: dict[tuple[int, str], Mark] = {}
    for index, record in enumerate(table.records()):
        left_out = partial[index]
        low, high = record["unseen_output_low_tokens"], record["unseen_output_high_tokens"]
        known = low is not None and low == high
        usd, low_usd = record["unseen_output_usd"], record["unseen_output_low_usd"]
        found = {
            "unseen_output_low_tokens": mark_bound(low, low, high),
            "unseen_output_tokens": mark_value(
                record["unseen_output_tokens"], low, high, "unseen_output_low_tokens"
            ),
            "unseen_output_usd": mark_value(
                usd, low_usd, usd if known else None, "unseen_output_low_usd",
                leaves_out="unseen_output_usd" in left_out,
            ),
            "unseen_output_low_usd": mark_bound(
                low_usd, low_usd, low_usd if known else None, leaves_out="unseen_output_low_usd" in left_out
            ),
            "unseen_input_tokens": mark_bound(record["unseen_input_tokens"], None, None)
            if "unseen_input_tokens" in left_out else None,
        }  # fmt: skip
        # An answer cut off by its cap has no unseen output.
        if record["ended_early"] != "completed":
            marks |= {(index, name): mark for name, mark in found.items() if mark}
    return replace(table, marks=marks)


def _sum(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
