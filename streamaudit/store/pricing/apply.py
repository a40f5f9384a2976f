"""Unit prices put beside the calls that need them: once for an ingest and for a repricing."""

from typing import Any

from streamaudit.store.pricing.prices import PriceFile, own_prices, price_table, priced_as
from streamaudit.store.store import Store

_CREATE = """
CREATE OR REPLACE TEMP TABLE unit_prices (
    provider VARCHAR, model VARCHAR, requested VARCHAR, day DATE,
    tiers STRUCT(start BIGINT, input DOUBLE, cached DOUBLE, cache_write DOUBLE, output DOUBLE)[]
)
"""
_ADD = """
INSERT INTO unit_prices
SELECT p.provider, p.model, p.requested, p.day::DATE,
    list(struct_pack(start := p.start, input := p.input, cached := p.cached, cache_write := p.cache_write,
        output := p.output) ORDER BY p.start)
FROM (SELECT unnest($rows::STRUCT(provider VARCHAR, model VARCHAR, requested VARCHAR, day VARCHAR, start BIGINT,
    input DOUBLE, cached DOUBLE, cache_write DOUBLE, output DOUBLE)[]) AS p)
GROUP BY ALL
"""


def look_up_prices(store: Store, wanted: str, prices: PriceFile | None = None) -> None:
    """Fill the temporary table ``unit_prices`` for what the SELECT ``wanted`` yields: provider, model that answered,
    model asked for, day. ``prices`` is the user's own price file. A model without a known price has no row."""
    store.run(_CREATE)
    keys = store.query(wanted)
    if not keys:
        return
    own = own_prices(prices)
    names = {key: (key[0], priced_as(own, *key), key[3]) for key in keys}
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in price_table(dict.fromkeys(names.values()), own):
        found.setdefault((row.provider, row.model, row.day), []).append(row)
    rows = [
        {
            "provider": provider, "model": model, "requested": requested, "day": day.isoformat() if day else None,
            "start": row.tier_start_tokens, "input": row.input_usd_per_token, "cached": row.cached_input_usd_per_token,
            "cache_write": row.cache_write_usd_per_token, "output": row.output_usd_per_token,
        }
        for (provider, model, requested, day), name in names.items()
        for row in found.get(name, ())
    ]  # fmt: skip
    if rows:
        store.run(_ADD, {"rows": rows})
