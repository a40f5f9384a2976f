"""Join unit prices to the calls that need them, with one SQL for an ingest and for a repricing."""

from typing import Any

from streamaudit.store.pricing.own_prices import PriceFile, read_own_prices
from streamaudit.store.pricing.prices import PriceRow, choose_priced_model, price_table
from streamaudit.store.store import Store

_CREATE = """
CREATE OR REPLACE TEMP TABLE unit_prices (
    provider VARCHAR, model VARCHAR, requested VARCHAR, day DATE, service_tier VARCHAR, above BIGINT, upto BIGINT,
    input_price DOUBLE, cached_price DOUBLE, cache_write_price DOUBLE, cache_write_1h_price DOUBLE,
    audio_input_price DOUBLE, image_price DOUBLE, output_price DOUBLE, audio_output_price DOUBLE
)
"""
_ADD = """
INSERT INTO unit_prices
SELECT p.provider, p.model, p.requested, p.day::DATE, p.service_tier, p.above, p.upto,
    p.input, p.cached, p.cache_write, p.cache_write_1h, p.audio_input, p.image, p.output, p.audio_output
FROM (SELECT unnest($rows::STRUCT(provider VARCHAR, model VARCHAR, requested VARCHAR, day VARCHAR,
    service_tier VARCHAR, above BIGINT, upto BIGINT, input DOUBLE, cached DOUBLE, cache_write DOUBLE,
    cache_write_1h DOUBLE, audio_input DOUBLE, image DOUBLE, output DOUBLE, audio_output DOUBLE)[]) AS p)
"""
_NO_LIMIT = 2**63 - 1
"""Input tokens that apply.sql assumes where a call's are not known: only a price without steps reaches so far."""


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
            "service_tier": tier, "above": above, "upto": upto, "input": row.input_usd_per_token,
            "cached": row.cached_input_usd_per_token, "cache_write": row.cache_write_usd_per_token,
            "cache_write_1h": row.cache_write_1h_usd_per_token, "audio_input": row.audio_input_usd_per_token,
            "image": row.image_usd_per_token, "output": row.output_usd_per_token,
            "audio_output": row.audio_output_usd_per_token,
        }
        for (provider, model, requested, day, tier), name in names.items()
        for above, upto, row in _list_ranges(found.get((*name, tier), []))
    ]  # fmt: skip
    if rows:
        store.run(_ADD, {"rows": rows})


def _list_ranges(steps: list[PriceRow]) -> list[tuple[int, int, PriceRow]]:
    """Return the ranges of input tokens, above one number and up to another, that ascending steps of a price cover."""
    if len(steps) < 2:
        return [(-1, _NO_LIMIT, row) for row in steps]
    starts = [row.tier_start_tokens for row in steps]
    # No input at all costs nothing at any step; the output of such a call has the price of the first one.
    ranges = [
        (start or -1, end, row) for start, end, row in zip(starts, (*starts[1:], _NO_LIMIT - 1), steps, strict=True)
    ]
    return ranges if starts[0] == 0 else [(-1, 0, steps[0]), *ranges]
