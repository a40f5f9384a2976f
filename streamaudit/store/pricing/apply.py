"""Join unit prices to the calls that need them, with one SQL for an ingest and for a repricing."""

from collections.abc import Sequence
from datetime import date

from streamaudit.store.pricing.own_prices import OwnPrice, PriceFile, read_own_prices
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
_COLUMNS = (
    "provider", "model", "requested", "day", "service_tier", "above", "upto", "input", "cached", "cache_write",
    "cache_write_1h", "audio_input", "image", "output", "audio_output",
)  # fmt: skip
_NO_LIMIT = 2**63 - 1
"""Input tokens that apply.sql assumes where a call's are not known: only a price without steps reaches so far."""
Key = tuple[str | None, str, str | None, date | None, str | None]
"""Provider, model that answered, model requested, day, service tier."""
Ranges = list[list[float | None]]
"""Ranges of input as ``unit_prices`` has them, each with its price of each kind of token; empty without a price."""
Prices = dict[Key, Ranges]


def look_up_prices(store: Store, wanted: str, prices: PriceFile | None = None) -> None:
    """Fill the temporary table ``unit_prices`` for the rows of the SELECT ``wanted``: provider, model that answered,
    model requested, day, service tier. ``prices`` is the user's own price file. A model without a known price in the
    tier has no row."""
    keys = list_keys(store, wanted)
    if keys:
        fill_prices(store, resolve_prices(keys, read_own_prices(prices)))


def list_keys(store: Store, wanted: str) -> list[Key]:
    """Create an empty table ``unit_prices``, and return the rows of the SELECT ``wanted``."""
    store.run(_CREATE)
    return store.query(wanted)


def fill_prices(store: Store, prices: Prices) -> None:
    """Fill the table ``unit_prices``."""
    rows = [
        dict(zip(_COLUMNS, (*key[:3], key[3].isoformat() if key[3] else None, key[4], *one), strict=True))
        for key, ranges in prices.items() for one in ranges
    ]  # fmt: skip
    if rows:
        store.run(_ADD, {"rows": rows})


def resolve_prices(keys: Sequence[Key], own: Sequence[OwnPrice]) -> Prices:
    """Return the prices of calls by the price list and by the user's own prices; no range for one without a price."""
    names = {key: (key[0], choose_priced_model(own, *key[:4]), key[3]) for key in keys}
    found: dict[tuple[str | None, str, date | None, str | None], list[PriceRow]] = {}
    for tier in dict.fromkeys(key[4] for key in keys):
        wanted_names = dict.fromkeys(name for key, name in names.items() if key[4] == tier)
        for row in price_table(wanted_names, own, tier):
            found.setdefault((row.provider, row.model, row.day, tier), []).append(row)
    return {
        key: [
            [
                above, upto, row.input_usd_per_token, row.cached_input_usd_per_token, row.cache_write_usd_per_token,
                row.cache_write_1h_usd_per_token, row.audio_input_usd_per_token, row.image_usd_per_token,
                row.output_usd_per_token, row.audio_output_usd_per_token,
            ]
            for above, upto, row in _list_ranges(found.get((*name, key[4]), []))
        ]
        for key, name in names.items()
    }  # fmt: skip


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
