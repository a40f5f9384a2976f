"""Reprice stored calls after a price file has changed, or with a newer package of prices. A cost that the source
reported stays as it is."""

from streamaudit.store.package_files import package_text
from streamaudit.store.pricing.apply import look_up_prices
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store

_WANTED = """
SELECT DISTINCT CASE WHEN provider_basis IS DISTINCT FROM 'inferred' THEN provider END,
    coalesce(response_model, model), model, start_time::DATE, service_tier
FROM {calls}
WHERE coalesce(response_model, model) IS NOT NULL
    AND (cost_basis <> 'reported' OR input_cost_basis <> 'reported' OR output_cost_basis <> 'reported'
        OR coalesce(output_tokens, 0) = 0)
"""
# Costs computed from prices and providers inferred from the model's name are cleared, so that calls look as they did on
# arrival.
_NEW_COSTS = """
CREATE OR REPLACE TEMP TABLE new_costs AS
WITH uncosted AS (
    SELECT
        call_row, CASE WHEN provider_basis IS DISTINCT FROM 'inferred' THEN provider END AS provider,
        model, response_model, start_time, outcome, cache_hit, usage_basis, input_tokens,
        cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, audio_input_tokens, image_tokens, output_tokens,
        audio_output_tokens, service_tier,
        CASE WHEN cost_basis = 'reported' THEN cost_usd END AS cost_usd,
        CASE WHEN input_cost_basis = 'reported' THEN input_cost_usd END AS input_cost_usd,
        CASE WHEN output_cost_basis = 'reported' THEN output_cost_usd END AS output_cost_usd,
        row(cost_usd, cost_basis, input_cost_usd, input_cost_basis, output_cost_usd, output_cost_basis,
            output_usd_per_token) AS stored
    FROM {calls}
)
{costed}
SELECT
    call_row, cost_usd, cost_basis, input_cost_usd, input_cost_basis, output_cost_usd, output_cost_basis,
    output_usd_per_token
FROM costed
WHERE row(cost_usd, cost_basis, input_cost_usd, input_cost_basis, output_cost_usd, output_cost_basis,
    output_usd_per_token) IS DISTINCT FROM stored
"""
_UPDATE = """
UPDATE store.calls AS calls
SET cost_usd = n.cost_usd, cost_basis = n.cost_basis, input_cost_usd = n.input_cost_usd,
    input_cost_basis = n.input_cost_basis, output_cost_usd = n.output_cost_usd,
    output_cost_basis = n.output_cost_basis, output_usd_per_token = n.output_usd_per_token
FROM new_costs AS n
WHERE calls.rowid = n.call_row
"""


def reprice(store: Store, prices: PriceFile | None = None) -> int:
    """Price every call whose source gave no cost, by the user's own ``prices`` first, and return the number of calls
    whose cost or price changed."""
    with store.transaction():
        return price(store, "(SELECT *, rowid AS call_row FROM store.calls)", prices)


def price(store: Store, calls: str, prices: PriceFile | None = None) -> int:
    """Price the calls of a relation whose source gave no cost, and return the number whose cost or price changed. Its
    column ``call_row`` is the call's place in its table."""
    look_up_prices(store, _WANTED.format(calls=calls), prices)
    store.run(_NEW_COSTS.format(calls=calls, costed=package_text("store.pricing", "apply.sql")))
    return store.run(_UPDATE)
