"""Share figures between two nested steps that record one call: what only one of them has belongs to the call that
counts.

A framework's step around the client's, and the span of the model's own server inside it, describe the same request. The
step that counts takes the figures that it lacks from the other, and ``inherited`` names every column taken, so that it
can be given back before the trace is judged again: the store never depends on the order of arrival.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.pricing.reprice import price
from streamaudit.store.store import Store

TOKENS = (
    "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "max_tokens",
    "cache_write_1h_tokens", "audio_input_tokens", "image_tokens", "audio_output_tokens",
    "delivered_tokens", "rendered_tokens", "rendered_chars", "rendered_chunks",
)  # fmt: skip
COSTS = ("cost_usd", "input_cost_usd", "output_cost_usd")
TIMES = ("ttft_ms", "ttvt_ms", "server_ttft_ms")
NAMES = ("model", "response_model", "service_tier")
ENDS = ("cancelled_by", "cancelled_at_ms", "finish_reason", "http_status", "error_type")
_TAKEN = (*TOKENS, *COSTS, *TIMES, *NAMES, *ENDS)
"""Columns taken where the call has none. The provider is taken besides, over one that its model's name suggested."""
_RULE = "outcome decided by its own record as "
"""Prefix of the entry of ``inherited`` that keeps the rule of an outcome that another step's has replaced."""


_RELEASE = """
UPDATE {calls} AS calls
SET {given_back},
    provider = CASE WHEN provider_basis = 'reported' AND NOT list_contains(inherited, 'provider') THEN provider END,
    provider_basis = CASE WHEN provider_basis = 'reported' AND NOT list_contains(inherited, 'provider')
        THEN provider_basis END,
    usage_basis = CASE WHEN list_contains(inherited, 'output_tokens') THEN 'none' ELSE usage_basis END,
    rendered_basis = CASE WHEN NOT list_contains(inherited, 'rendered_tokens') THEN rendered_basis END,
    ttft_basis = CASE WHEN NOT list_contains(inherited, 'ttft_ms') THEN ttft_basis END,
    streamed = CASE WHEN NOT list_contains(inherited, 'streamed') THEN streamed END,
    cost_basis = CASE WHEN list_contains(inherited, 'cost_usd') THEN 'none' ELSE cost_basis END,
    input_cost_basis = CASE WHEN list_contains(inherited, 'input_cost_usd') THEN 'none' ELSE input_cost_basis END,
    output_cost_basis = CASE WHEN list_contains(inherited, 'output_cost_usd') THEN 'none' ELSE output_cost_basis END,
    outcome = CASE
        WHEN NOT list_contains(inherited, 'outcome') THEN outcome
        WHEN own_rule IN ('ended_with_usage', 'finished') THEN 'completed'
        WHEN own_rule = 'unterminated' THEN 'interrupted'
        WHEN own_rule = 'aborted' THEN 'cancelled'
        ELSE 'unknown'
    END,
    cancel_evidence = CASE WHEN list_contains(inherited, 'outcome') THEN own_rule ELSE cancel_evidence END,
    inherited = nullif(list_filter(inherited, lambda name: NOT list_contains($figures, name)
        AND NOT starts_with(name, '{rule}')), [])
FROM (
    SELECT calls.rowid AS of_row,
        list_filter(inherited, lambda name: starts_with(name, '{rule}'))[1][{behind}:] AS own_rule
    FROM {calls} AS calls SEMI JOIN {which} AS touched ON touched.call_row = calls.rowid
    WHERE list_has_any(inherited, $figures)
) AS held
WHERE calls.rowid = of_row
"""
_ALL_ROWS = "(SELECT rowid AS call_row FROM {calls})"
FIGURES = [*_TAKEN, "provider", "streamed", "outcome"]
"""Names in ``inherited`` of what a call took from another record of the same call."""

# The one other record of each call: its engine's, or that of the nearest step around it that holds no second call.
_OTHERS = """
CREATE OR REPLACE TEMP TABLE others AS
WITH pairs AS (
    SELECT inner_id AS call_id, outer_id AS other_id, depth
    FROM inside ANTI JOIN repeating_calls ON repeating_calls.call_id = inside.inner_id
    WHERE NOT is_served AND NOT through_tool AND outer_id IN (FROM repeating_calls)
    QUALIFY count(DISTINCT inner_id) OVER (PARTITION BY outer_id) = 1
    UNION ALL
    SELECT outer_id, inner_id, depth FROM (
        FROM inside ANTI JOIN repeating_calls ON repeating_calls.call_id = inside.outer_id
        WHERE is_served
        QUALIFY row_number() OVER (PARTITION BY inner_id ORDER BY depth, outer_id) = 1
    )
    QUALIFY count(*) OVER (PARTITION BY outer_id) = 1
)
SELECT call_id, other_id, row_number() OVER (PARTITION BY call_id ORDER BY depth, other_id) AS turn FROM pairs
"""

_TURNS = "SELECT coalesce(max(turn), 0) FROM others"


_FOUND = """
CREATE OR REPLACE TEMP TABLE taken AS
WITH pairs AS (
    SELECT
        calls.call_row,
        {new_tokens},
        other.rendered_basis AS other_rendered_basis,
        other.usage_basis AS other_usage_basis,
        CASE WHEN calls.ttft_ms IS NULL AND other.ttft_ms > later THEN other.ttft_ms - later END AS ttft_ms,
        CASE WHEN calls.ttvt_ms IS NULL AND other.ttvt_ms > later THEN other.ttvt_ms - later END AS ttvt_ms,
        CASE WHEN calls.server_ttft_ms IS NULL THEN other.server_ttft_ms END AS server_ttft_ms,
        other.ttft_basis AS other_ttft_basis,
        CASE WHEN calls.streamed IS NULL THEN other.streamed END AS streamed,
        {new_names},
        CASE WHEN calls.provider_basis IS DISTINCT FROM 'reported' AND other.provider_basis = 'reported'
            THEN other.provider END AS provider,
        -- The other step's cost is this one's too, unless the two counted different usage.
        calls.cost_usd IS NULL AND other.cost_usd IS NOT NULL
            AND coalesce(calls.output_tokens = other.output_tokens, true) AS same_cost,
        CASE WHEN same_cost THEN other.cost_usd END AS cost_usd,
        CASE WHEN same_cost AND calls.input_cost_usd IS NULL THEN other.input_cost_usd END AS input_cost_usd,
        CASE WHEN same_cost AND calls.output_cost_usd IS NULL THEN other.output_cost_usd END AS output_cost_usd,
        other.cost_basis AS other_cost_basis, other.input_cost_basis AS other_input_cost_basis,
        other.output_cost_basis AS other_output_cost_basis,
        other.outcome <> 'unknown' AND CASE
            WHEN calls.cancel_evidence IN {weak} THEN other.cancel_evidence NOT IN {weak}
                OR calls.outcome = 'unknown'
            WHEN calls.cancel_evidence = 'finished' THEN
                other.outcome = 'cancelled' AND other.cancel_evidence IN {explicit}
            ELSE false
        END AS ends_so,
        CASE WHEN ends_so THEN other.outcome END AS outcome,
        CASE WHEN ends_so THEN other.cancel_evidence END AS evidence,
        CASE WHEN ends_so AND calls.cancelled_by IS NULL THEN other.cancelled_by END AS cancelled_by,
        CASE WHEN ends_so AND calls.cancelled_at_ms IS NULL AND other.cancelled_at_ms IS NOT NULL
            THEN greatest(other.cancelled_at_ms - later, 0) END
            AS cancelled_at_ms,
        CASE WHEN ends_so AND calls.finish_reason IS NULL THEN other.finish_reason END AS finish_reason,
        CASE WHEN ends_so AND calls.http_status IS NULL THEN other.http_status END AS http_status,
        CASE WHEN ends_so AND calls.error_type IS NULL THEN other.error_type END AS error_type,
        calls.cancel_evidence AS own_rule
    FROM (
        SELECT calls.*, trace_calls.call_row, others.other_id
        FROM store.calls AS calls
        JOIN trace_calls ON trace_calls.call_row = calls.rowid
        JOIN others ON others.call_id = trace_calls.call_id AND others.turn = $turn
    ) AS calls
    JOIN (
        SELECT calls.* FROM store.calls AS calls JOIN trace_calls ON trace_calls.call_row = calls.rowid
    ) AS other ON other.call_id = calls.other_id
    -- Times of each count from its own start.
    CROSS JOIN LATERAL (
        SELECT coalesce((epoch_us(calls.start_time) - epoch_us(other.start_time)) / 1000.0, 0) AS later
    )
)
SELECT *, list_filter([{named}],
    lambda name: name IS NOT NULL) AS names
FROM pairs
"""


_FILL = """
UPDATE store.calls AS calls
SET {filled},
    provider = coalesce(taken.provider, calls.provider),
    provider_basis = CASE WHEN taken.provider IS NULL THEN calls.provider_basis ELSE 'reported' END,
    usage_basis = CASE WHEN taken.output_tokens IS NULL THEN calls.usage_basis ELSE other_usage_basis END,
    rendered_basis = CASE WHEN taken.rendered_tokens IS NULL THEN calls.rendered_basis ELSE other_rendered_basis END,
    ttft_basis = CASE WHEN taken.ttft_ms IS NULL THEN calls.ttft_basis ELSE other_ttft_basis END,
    cost_basis = CASE WHEN taken.cost_usd IS NULL THEN calls.cost_basis ELSE other_cost_basis END,
    input_cost_basis = CASE WHEN taken.input_cost_usd IS NULL THEN calls.input_cost_basis
        ELSE other_input_cost_basis END,
    output_cost_basis = CASE WHEN taken.output_cost_usd IS NULL THEN calls.output_cost_basis
        ELSE other_output_cost_basis END,
    outcome = coalesce(taken.outcome, calls.outcome),
    cancel_evidence = CASE WHEN taken.outcome IS NULL THEN calls.cancel_evidence ELSE evidence END,
    inherited = list_concat(calls.inherited, names,
        CASE WHEN taken.outcome IS NOT NULL AND NOT coalesce(list_contains(calls.inherited, 'outcome'), false)
            THEN ['{rule}' || own_rule] END)
FROM taken
WHERE calls.rowid = taken.call_row AND len(names) > 0
"""

# A model that came from another step, or went back to it, suggests another provider.
_INFERRED = """
UPDATE store.calls AS calls
SET provider = seller, provider_basis = CASE WHEN seller IS NOT NULL THEN 'inferred' END
FROM (
    SELECT calls.rowid AS of_row, seller_of(model, response_model) AS seller
    FROM store.calls AS calls SEMI JOIN trace_calls ON trace_calls.call_row = calls.rowid
    WHERE provider_basis IS DISTINCT FROM 'reported'
        AND service_tier IS DISTINCT FROM 'benchmark'
) AS named
WHERE calls.rowid = of_row AND calls.provider IS DISTINCT FROM seller
"""

# Usage that came with the other step and no cost: priced as the call's own usage is.
_UNPRICED = """
CREATE OR REPLACE TEMP TABLE unpriced AS
SELECT calls.*, trace_calls.call_row
FROM store.calls AS calls JOIN trace_calls ON trace_calls.call_row = calls.rowid
WHERE trace_calls.call_id IN (SELECT call_id FROM others)
    AND cost_usd IS NULL AND list_contains(inherited, 'output_tokens')
"""
_PRICED = """
UPDATE store.calls AS calls
SET inherited = list_distinct(list_concat(calls.inherited, list_filter([
    'cost_usd', CASE WHEN unpriced.input_cost_usd IS NULL THEN 'input_cost_usd' END,
    CASE WHEN unpriced.output_cost_usd IS NULL THEN 'output_cost_usd' END], lambda name: name IS NOT NULL)))
FROM unpriced
WHERE calls.rowid = unpriced.call_row AND calls.cost_usd IS NOT NULL
"""


def _each(columns: Sequence[str], text: str) -> str:
    return ",\n    ".join(text.replace("{c}", column) for column in columns)


_PARTS = {
    "{given_back}": _each(_TAKEN, "{c} = CASE WHEN NOT coalesce(list_contains(inherited, '{c}'), false) THEN {c} END"),
    "{new_tokens}": _each(TOKENS, "CASE WHEN calls.{c} IS NULL THEN other.{c} END AS {c}").replace(
        # Reasoning that the other's output has in it is not in a smaller one.
        "calls.reasoning_tokens IS NULL", "calls.reasoning_tokens IS NULL"
        " AND coalesce(calls.output_tokens >= other.output_tokens, true)",
    ),
    "{new_names}": _each(NAMES, "CASE WHEN calls.{c} IS NULL THEN other.{c} END AS {c}"),
    "{filled}": _each((*_TAKEN, "streamed"), "{c} = coalesce(calls.{c}, taken.{c})"),
    "{named}": _each(FIGURES, "CASE WHEN {c} IS NOT NULL THEN '{c}' END"),
    "{weak}": "('ended_with_usage', 'nothing_said', 'never_ended', 'unknown_word', 'unterminated', 'aborted')",
    "{explicit}": "('outcome', 'app_outcome', 'flag', 'http_status', 'cancelled_at')",
    "{rule}": _RULE, "{behind}": str(len(_RULE) + 1),
}  # fmt: skip
for _mark, _text in _PARTS.items():
    _RELEASE, _FOUND, _FILL = (sql.replace(_mark, _text) for sql in (_RELEASE, _FOUND, _FILL))


def return_figures(store: Store, which: Literal["trace_calls", "stored_calls"]) -> int:
    """Give back the figures that calls took from other steps: of the touched traces (``trace_calls``), or of the calls
    that arrive again (``stored_calls``), whose records are compared by their own figures. Return the number of calls:
    their rows are others now."""
    return store.run(_release("store.calls", which), {"figures": FIGURES})


def return_figures_of(store: Store, calls: str) -> int:
    """Give back the figures that the calls of a table, which has the columns of the store's, took from other steps.
    Return the number of calls."""
    return store.run(_release(calls, _ALL_ROWS.replace("{calls}", calls)), {"figures": FIGURES})


def _release(calls: str, which: str) -> str:
    return _RELEASE.replace("{calls}", calls).replace("{which}", which)


def share_figures(
    store: Store, returned: int, find_calls: Callable[[Store], None], prices: PriceFile | None = None
) -> None:
    """Fill columns that counted calls lack from the other records of the same call; reads ``inside`` and
    ``repeating_calls``. ``returned`` is the number of calls of the same traces that have given back what they took.
    ``find_calls`` lists these calls in ``trace_calls``, with their rows, which change with ``inherited``.
    ``prices`` is the user's own price file.
    """
    store.run(_OTHERS)
    turns = store.one(_TURNS)[0]
    for turn in range(1, turns + 1):
        find_calls(store)
        store.run(_FOUND, {"turn": turn})
        store.run(_FILL)
    if turns:
        find_calls(store)
        if store.run(_UNPRICED):
            price(store, "unpriced", prices)
            store.run(_PRICED)
    if turns or returned:
        find_calls(store)
        store.run(_INFERRED)
