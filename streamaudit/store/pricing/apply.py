"""Join unit prices to the calls that need them, with one SQL for an ingest and for a repricing."""

from typing import Any

from streamaudit.store.pricing.own_prices import PriceFile, read_own_prices
from streamaudit.store.pricing.prices import PriceRow, choose_priced_model, price_table
from streamaudit.store.store import Store

_CREATE = """
CREATE OR REPLACE TEMP TABLE unit_prices (
    provider VARCHAR, model VARCHAR, requested VARCHAR, day DATE, service_tier VARCHAR,
    steps STRUCT(start BIGINT, input DOUBLE, cached DOUBLE, cache_write DOUBLE, cache_write_1h DOUBLE,
        audio_input DOUBLE, image DOUBLE, output DOUBLE, audio_output DOUBLE)[]
)
"""
_ADD = """
INSERT INTO unit_prices
SELECT p.provider, p.model, p.requested, p.day::DATE, p.service_tier,
    list(struct_pack(start := p.start, input := p.input, cached := p.cached, cache_write := p.cache_write,
        cache_write_1h := p.cache_write_1h, audio_input := p.audio_input, image := p.image, output := p.output,
        audio_output := p.audio_output) ORDER BY p.start)
FROM (SELECT unnest($rows::STRUCT(provider VARCHAR, model VARCHAR, requested VARCHAR, day VARCHAR,
    service_tier VARCHAR, start BIGINT, input DOUBLE, cached DOUBLE, cache_write DOUBLE, cache_write_1h DOUBLE,
    audio_input DOUBLE, image DOUBLE, output DOUBLE, audio_output DOUBLE)[]) AS p)
GROUP BY ALL
"""


def look_up_prices(store: Store, wanted: str, prices: PriceFile | None = None) -> None:
    """Fill the temporary table ``unit_prices`` for the rows of the SELECT ``wanted``: provider, model that answered,
    model requested, day, service tier. ``prices`` is the user's own price file. A model without a known price in the
    tier has no row."""
    store.run(_CREATE)
    keys = store.query(wanted)
    if not keys:
        return
    own = read_own_prices(prices)
    names = {key: (key[0], choose_priced_model(own, *key[:4]), key[3]) for key in keys}
    found: dict[tuple[Any, ...], list[PriceRow]] = {}
    for tier in dict.fromkeys(key[4] for key in keys):
        wanted_names = dict.fromkeys(name for key, name in names.items() if key[4] == tier)
        for row in price_table(wanted_names, own, tier):
            found.setdefault((row.provider, row.model, row.day, tier), []).append(row)
    rows = [
        {
            "provider": provider, "model": model, "requested": requested, "day": day.isoformat() if day else None,
            "service_tier": tier, "start": row.tier_start_tokens, "input": row.input_usd_per_token,
            "cached": row.cached_input_usd_per_token, "cache_write": row.cache_write_usd_per_token,
            "cache_write_1h": row.cache_write_1h_usd_per_token, "audio_input": row.audio_input_usd_per_token,
            "image": row.image_usd_per_token, "output": row.output_usd_per_token,
            "audio_output": row.audio_output_usd_per_token,
        }
        for (provider, model, requested, day, tier), name in names.items()
        for row in found.get((*name, tier), ())
    ]  # fmt: skip
    if rows:
        store.run(_ADD, {"rows": rows})
