"""Pricing stored calls anew: after a price file has changed, or with a newer package of prices. A cost that the source
reported stays as it is."""

from streamaudit.store.package_files import package_text
from streamaudit.store.pricing.apply import look_up_prices
from streamaudit.store.pricing.prices import PriceFile
from streamaudit.store.store import Store

_WANTED = """
SELECT DISTINCT provider, coalesce(response_model, model), model, start_time::DATE
FROM store.calls
WHERE coalesce(response_model, model) IS NOT NULL
    AND (cost_basis <> 'reported' OR input_cost_basis <> 'reported' OR output_cost_basis <> 'reported'
        OR coalesce(output_tokens, 0) = 0)
"""
_NEW_COSTS = """
CREATE OR REPLACE TEMP TABLE new_costs AS
WITH priced AS (
    SELECT
        calls.*, tier_of(prices.tiers, calls.input_tokens) AS price,
        usage_billable(usage_basis, outcome) AND cache_hit IS DISTINCT FROM true AS billed
    FROM store.calls AS calls
    LEFT JOIN unit_prices AS prices
        ON prices.provider IS NOT DISTINCT FROM calls.provider
        AND prices.model = coalesce(calls.response_model, calls.model)
        AND prices.requested IS NOT DISTINCT FROM calls.model
        AND prices.day IS NOT DISTINCT FROM calls.start_time::DATE
), parts AS (
    SELECT
        source, call_id, cost_usd, cost_basis, input_cost_basis, output_cost_basis, cache_hit,
        input_cost_usd AS old_input, output_cost_usd AS old_output, output_usd_per_token AS old_unit,
        CASE WHEN input_cost_basis = 'reported' OR cache_hit THEN input_cost_usd
            WHEN billed THEN input_usd(price, input_tokens, cached_input_tokens, cache_write_tokens) END AS input_part,
        CASE WHEN output_cost_basis = 'reported' THEN output_cost_usd
            WHEN billed OR cache_hit THEN output_tokens * price.output END AS output_part,
        CASE WHEN output_cost_basis <> 'reported' OR coalesce(output_tokens, 0) = 0 THEN price.output END AS unit
    FROM priced
), valued AS (
    SELECT
        *,
        CASE WHEN cost_basis = 'reported' OR cache_hit THEN cost_usd ELSE input_part + output_part END AS new_cost,
        CASE WHEN cost_basis = 'reported' THEN 'reported' WHEN input_part + output_part IS NOT NULL THEN 'priced'
            ELSE 'none' END AS new_basis,
        CASE WHEN input_cost_basis = 'reported' THEN 'reported' WHEN input_part IS NOT NULL THEN 'priced' ELSE 'none'
            END AS new_input_basis,
        CASE WHEN output_cost_basis = 'reported' THEN 'reported' WHEN output_part IS NOT NULL THEN 'priced' ELSE 'none'
            END AS new_output_basis
    FROM parts
)
SELECT * FROM valued
WHERE (new_cost, new_basis, new_input_basis, new_output_basis, input_part, output_part, unit)
    IS DISTINCT FROM (cost_usd, cost_basis, input_cost_basis, output_cost_basis, old_input, old_output, old_unit)
"""
_UPDATE = """
UPDATE store.calls AS calls
SET cost_usd = n.new_cost, input_cost_usd = n.input_part, output_cost_usd = n.output_part,
    output_usd_per_token = n.unit, cost_basis = n.new_basis, input_cost_basis = n.new_input_basis,
    output_cost_basis = n.new_output_basis
FROM new_costs AS n
WHERE calls.source = n.source AND calls.call_id = n.call_id
"""


def reprice(store: Store, prices: PriceFile | None = None) -> int:
    """Price every call that its source gave no cost for, by the user's own ``prices`` first, and return the number of
    calls whose cost or price changed."""
    store.script(package_text("ingest", "macros.sql"))
    look_up_prices(store, _WANTED, prices)
    store.run(_NEW_COSTS)
    with store.transaction():
        return store.run(_UPDATE)
