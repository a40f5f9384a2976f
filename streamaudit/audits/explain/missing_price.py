"""The reason why a call has no cost, or no price of a token, found the way the call was priced."""

from datetime import date, datetime

from streamaudit.audits.explain.figures import Record
from streamaudit.store.pricing.prices import BENCHMARK, STANDARD_TIERS, PriceRow, is_listed, price_table

_SIDES = {
    "input_cost_usd": ("input_tokens",), "output_cost_usd": ("output_tokens",), "cost_low_usd": ("output_tokens",),
    "cost_usd": ("input_tokens", "output_tokens"),
}  # fmt: skip
"""The tokens that a cost is of; a price of an output token is of none."""
_UNBILLED = {
    "tokenizer": "counted by a tokenizer", "partial": "counted before the stream broke off",
    "unclear": "not known to be the provider's",
}  # fmt: skip


def explain_missing_price(name: str, record: Record, statuses: dict[str, str]) -> str:
    """Return why the cost or price ``name`` of a call is NULL; ``statuses`` has the words for each ``usage_status``."""
    side = _SIDES.get(name, ())
    kind = name.removesuffix("_usd").removesuffix("_low").replace("_", " ")
    prefix = f"no {kind} was recorded, and " if side else ""
    model = record["response_model"] or record["model"]
    if model is None:
        return f"{prefix}the model is unknown"
    for column in side:
        if record[column] is None:
            return f"{prefix}its {column.replace('_', ' ')} are unknown"
    if side and (why := _explain_usage(name, record, statuses)):
        return f"{prefix}its usage gives none ({why})"
    if not side and record["output_cost_usd"] is not None and record["output_tokens"]:
        return "the call's own output cost gives its price"
    provider = None if record["provider_basis"] == "inferred" else record["provider"]
    start = record["start_time"]
    day = start.date() if isinstance(start, datetime) else None
    rows = price_table([(provider, model, day)], service_tier=record["service_tier"])
    if not rows:
        return prefix + _explain_no_row(provider, model, day, record["service_tier"])
    if len(rows) > 1 and record["input_tokens"] is None:
        return f"{prefix}the price of its model depends on the length of the input, which is unknown"
    steps = [row for row in rows if row.tier_start_tokens < (record["input_tokens"] or 0)]
    why = _explain_tokens(name, record, steps[-1] if steps else rows[0])
    return prefix + (why or "the price table in use has a price: streamaudit reprice gives it to stored calls")


def _explain_usage(name: str, record: Record, statuses: dict[str, str]) -> str | None:
    """Return why the recorded tokens are not what was billed; of the input a partial count is."""
    basis, status = record["usage_basis"], record["usage_status"]
    if name != "input_cost_usd" and status != "final":
        return statuses.get(status, status)
    if name == "input_cost_usd" and status == "zero_on_abort" and not record["input_tokens"]:
        return statuses.get(status, status)
    billed = basis in ("provider", "none", "evidence") or (basis == "unclear" and record["outcome"] == "completed")
    if billed or (name == "input_cost_usd" and basis == "partial"):
        return None
    return _UNBILLED.get(basis)


def _explain_no_row(provider: str | None, model: str, day: date | None, tier: str | None) -> str:
    if tier == BENCHMARK:
        return "a load generator's server has no price; a price file of your own can give its model one"
    if tier is not None and tier not in STANDARD_TIERS and price_table([(provider, model, day)]):
        return f"the price table has no price for its model in the service tier {tier}"
    if is_listed(provider, model):
        return "the price table has no single price for all tokens of its model on that day"
    # Without the names, which --redact may hide.
    return "the price table does not have its model" + (" under its provider" if provider else "")


def _explain_tokens(name: str, record: Record, price: PriceRow) -> str | None:
    """Return the kind of tokens that the price cannot value."""
    cached, written, written_1h, audio, images = (
        record[column] or 0 for column in (
            "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens", "audio_input_tokens", "image_tokens"
        )
    )  # fmt: skip
    if name in ("cost_usd", "input_cost_usd"):
        if (record["input_tokens"] or 0) < cached + written + audio + images or written < written_1h:
            return "the parts of its input (cached, written to a cache, audio, images) add up to more than the input"
        if cached + written and audio + images:
            return "it is not known which part of its cached input was audio or images"
        kinds = (
            ("one-hour cache writes", written_1h, price.cache_write_1h_usd_per_token),
            ("audio", audio, price.audio_input_usd_per_token), ("images", images, price.image_usd_per_token),
        )  # fmt: skip
        if lacking := [kind for kind, tokens, usd in kinds if tokens and usd is None]:
            return f"the price table has no price for its {' and '.join(lacking)}"
    if name != "input_cost_usd":
        spoken = record["audio_output_tokens"]
        if spoken is None and price.audio_output_usd_per_token is not None:
            return "it is not known how much of its answer was audio, which has a price of its own"
        if spoken and not _SIDES.get(name):
            return "text and audio in its answer have prices of their own"
        if spoken and price.audio_output_usd_per_token is None:
            return "the price table has no price for its audio in the answer"
        if spoken and spoken > (record["output_tokens"] or 0):
            return "its answer has more audio tokens than tokens"
    return None
