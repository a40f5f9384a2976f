"""Rules in words: how each figure of a call was derived, why it is missing, and the field it was read from."""

import itertools
from collections.abc import Callable
from typing import Any

from streamaudit.audits.explain.figures import DECIDED, FIGURES, LISTS, TAX, Figure, Origin, Record
from streamaudit.audits.explain.missing_price import explain_missing_price

_EVIDENCE = {
    "outcome": "the record says how the call ended",
    "app_outcome": "a key of the application says how the call ended",
    "flag": "a flag says that the client left",
    "http_status": "the HTTP status is 499 or 460: the client closed the connection",
    "finish_reason": "the finish reason says so",
    "error_timeout": "the error is a time-out",
    "error": "the error is a cancellation",
    "http_timeout": "the HTTP status is a time-out",
    "failed": "the record is an error",
    "finished": "it has a finish reason, and nothing speaks against it",
    "ended_with_usage": "it ended with usage from the provider, and nothing speaks against it",
    "never_ended": "the record never ended",
    "cancelled_at": "the time at which the user left is recorded",
    "unknown_word": "its outcome is a word that is not known",
    "aborted": "the application aborted it: the SDK ended the span with neither an error nor a finish reason",
    "unterminated": "the stream ended with neither an error, a finish reason nor usage: by the user, a proxy or others",
    "nothing_said": "nothing says how it ended",
}
_TTFT = {
    "usable": "above 0, below the duration, of a stream",
    "cache_hit": "answered from a cache",
    "not_streamed": "the call did not stream",
    "not_below_duration": "the recorded value is the end of the call, not its first token",
    "censored": "cut before a first token was seen: it waited at least that long",
    "error_without_chunk": "failed without a chunk",
    "not_recorded": "none was recorded",
    "not_positive": "the recorded value is zero or negative",
}
_TTFT_BASIS = {
    "reported": "the source measured it", "timestamps": "difference of two timestamps",
    "first_chunk": "arrival of the first chunk", "equals_duration": "a recorded value was dropped: it is the duration",
}  # fmt: skip
_USAGE = {
    "provider": "the provider's own count",
    "partial": "a lower bound: usage seen before the stream broke off, or the smaller of two readings",
    "tokenizer": "somebody tokenized the text received: not what was billed", "none": "no usage was recorded",
    "unclear": "the provider's count, or one made from the text received: the export does not say",
}  # fmt: skip
_COST = {"reported": "the source's estimate", "priced": "list price, from a price table at ingest",
         "none": "neither the source nor a price table gives one"}  # fmt: skip
_STATUS = {
    "final": "the provider's own last word", "none": "no usage was recorded",
    "partial": _USAGE["partial"], "tokenizer": _USAGE["tokenizer"],
    "zero_on_abort": "zeros written on an abort although tokens flowed: not a measurement",
    "placeholder": "the placeholder that opens a stream: not a measurement",
}  # fmt: skip
_RENDERED = {
    "rendered": "as recorded",
    "rendered_chunks": "the tokens of the chunks shown",
    "nothing_delivered": "nothing was delivered, so nothing was shown",
    "stopped_before_first_token": "cut before the first token, so nothing was shown",
    "rendered_text": "characters shown, at the model's characters per token",
    "delivered_counts_as_rendered": "unknown, so delivered is used",
    "delivered_learned": "unknown, so what a server at the edge counted is used, at the size that tokens or chunks of "
    "completed calls have",
    "chunks_until_cancel": "unknown, so the tokens of the chunks before the cut are used",
    "received_text": "unknown, so the text received is used, at the model's characters per token",
    "even_pace": "unknown, so an even pace from the first token to the end is assumed",
}
_TAX_RULES = {
    **{rule: f"billed - rendered; rendered is {words}" for rule, words in _RENDERED.items() if "unknown" in words},
    "billed_minus_rendered": "billed - rendered, both known",
    "rendered_text": "billed - rendered; rendered from characters shown",
    "nothing_delivered": "nothing was delivered, so all that was billed",
    "stopped_before_first_token": "cut before the first token, so all that was billed",
    "rendered_exceeds_billed": "more rendered than billed (another tokenizer?): no tax",
    "usage_from_tokenizer": "usage was counted from the text received: billed is unknown",
    "usage_partial": "usage is partial: billed is unknown",
    "usage_placeholder": "usage is a stream's opening placeholder: billed is unknown",
    "usage_zero_on_abort": "usage is zeros written on an abort: billed is unknown",
    "no_usage": "billed is unknown",
    "no_rendered_evidence": "what was rendered is unknown",
}
_BY = {
    "user": "the user", "client": "the client", "server": "the server", "deadline": "a deadline",
    "length": "the output cap", "provider_failure": "the provider failed",
    "infrastructure_limit": "it lasted a round 60, 100, 120, 300 or 600 s: a limit of a proxy or gateway",
    "unknown": "nothing tells",
}  # fmt: skip
_HABIT = {
    "stops": "the provider stops when the client leaves", "runs_on": "the provider runs on when the client leaves",
    "contested": "reports about this provider contradict each other",
}  # fmt: skip
_DELIVERED = {
    "delivered": "as recorded", "chunks": "the tokens of the chunks that had arrived",
    "text": "the text received, at the model's characters per token",
    "delivered_chunks": "events that a server at the edge counted, at those per token or chunk of completed calls",
    "delivered_chars": "characters that a server at the edge counted, at those per token or chunk of completed calls",
    "delivered_bytes": "bytes that a server at the edge counted, at those per token or chunk of completed calls",
}  # fmt: skip
_UNCOUNTED = {
    "nested": "another step of the trace records the same call, and is counted instead",
    "same_response": "the same response is counted in another export",
}

_Rule = Callable[[Record], str | None]
_RULES: dict[str, _Rule] = {
    "counted": lambda r: "one attempt at a provider, in every report" if r["counted"] else "in no report's sums",
    "uncounted_reason": lambda r: _UNCOUNTED.get(r["uncounted_reason"]),
    "load_id": lambda r: "the load that brought the best record of this call",
    "operation": lambda r: "kept out of reports but --by operation" if r["operation"] == "embedding" else None,
    "streamed": lambda r: "false: no time to first token is expected" if r["streamed"] is False else None,
    "ttft_ms": lambda r: _TTFT_BASIS.get(r["ttft_basis"]),
    "ttft_status": lambda r: _TTFT.get(r["ttft_status"]),
    "ttft_basis": lambda r: _TTFT_BASIS.get(r["ttft_basis"]),
    "tpot_ms": lambda r: "from the first to the last streamed token, over the tokens between them",
    "streamed_tokens": lambda r: "output tokens, without reasoning that came before the first chunk",
    "output_tokens": lambda r: _USAGE.get(r["usage_basis"]),
    "usage_basis": lambda r: _USAGE.get(r["usage_basis"]),
    "usage_status": lambda r: _STATUS.get(r["usage_status"]),
    "output_usd_per_token": lambda r: f"price table: {r['output_usd_per_token'] * 1e6:.4g} a million",
    "ended_by": lambda r: _BY.get(r["ended_by"]),
    "on_disconnect": lambda r: _HABIT.get(r["on_disconnect"]),
    "ran_on": lambda r: "generation went on after the cut" if r["ran_on"] else None,
    "delivered_rule": lambda r: _DELIVERED.get(r["delivered_rule"]),
    "rendered_rule": lambda r: _RENDERED.get(r["rendered_rule"]),
    "saved_low": lambda r: "saved had the provider stopped at the cut, at the least",
    "saved_high": lambda r: "saved had the provider stopped at the cut, at the most",
    "tax_orphaned": lambda r: "generated after the user had left",
    "billed_low": lambda r: "billed, or at least what was delivered" if r["billed_tokens"] is None else "billed",
    "billed_high": lambda r: "what the cap and the provider's habit allow" if r["billed_tokens"] is None else "billed",
    "billed_tokens": lambda r: "a cache hit bills nothing" if r["cache_hit"] else "output tokens, by the provider",
    "provider": lambda r: "inferred from the model's name" if r["provider_basis"] == "inferred" else None,
    "provider_basis": lambda r: "inferred from the model's name" if r["provider_basis"] == "inferred" else None,
    "cost_usd": lambda r: _COST.get(r["cost_basis"]),
    "output_low": lambda r: "billed" if r["usage_status"] == "final" else "billed at least",
    "cost_low_usd": lambda r: _COST.get(r["cost_basis"]) if r["cost_usd"] is not None
    else "input, and the output billed at least x price of an output token",
    "cost_basis": lambda r: _COST.get(r["cost_basis"]),
    "input_cost_usd": lambda r: _COST.get(r["input_cost_basis"]),
    "input_cost_basis": lambda r: _COST.get(r["input_cost_basis"]),
    "output_cost_usd": lambda r: _COST.get(r["output_cost_basis"]),
    "output_cost_basis": lambda r: _COST.get(r["output_cost_basis"]),
    "usd_per_output_token": lambda r: f"output cost / output tokens: {r['usd_per_output_token'] * 1e6:.4g} a million",
    "outcome": lambda r: _EVIDENCE.get(r["cancel_evidence"]),
    "cancel_evidence": lambda r: _EVIDENCE.get(r["cancel_evidence"]),
    "stopped_before_first_token": lambda r: "cut before the first chunk by the clock, or nothing delivered"
    if r["stopped_before_first_token"] else "no evidence for it; a missing time is none",
    "ended_early": lambda r: "cancelled, timeout, interrupted or error" if r["ended_early"] else "it has no tax",
    "tax_class": lambda r: _TAX_RULES.get(r["tax_rule"]),
    "tax_rule": lambda r: _TAX_RULES.get(r["tax_rule"]),
    "tax_best": lambda r: _arithmetic(r),
    "tax_low": lambda r: "what no user saw at the least; 0 if unknown",
    "tax_high": lambda r: "what no user saw at the most",
    "tax_hidden": lambda r: "billed reasoning, as far as it is part of the tax",
    "tax_undelivered": lambda r: "generated and never delivered",
    "tax_unread": lambda r: "delivered and never rendered",
    "tax_best_usd": lambda r: "tokens x price of an output token",
    "tax_low_usd": lambda r: "tokens x price of an output token",
    "tax_high_usd": lambda r: "tokens x price of an output token",
    "unseen_prompt": lambda r: "its prompt was paid for an answer that no user saw" if r["unseen_prompt"] else None,
    "input_hash": lambda r: "salted with this store's secret",
    "output_chars": lambda r: "characters; no text is kept",
    "visible_output_chars": lambda r: "characters, without reasoning",
    "record_hash": lambda r: "decides between two otherwise equal records of this call",
    "source_updated_at": lambda r: "of two records of this call the later one wins, unless it is a partial one",
}  # fmt: skip


def rule_of(name: str, record: Record, origin: Origin) -> str | None:
    """Return how a known value was derived; None when it was read unchanged."""
    if name in origin.looked_up:
        return "looked up by another column ([lookup] of the configuration)"
    if name in origin.joined:
        return "joined from another log (ingest --evidence)"
    if name in origin.given_by:
        return f"inherited from {origin.given_by[name]}"
    rule = _RULES.get(name)
    if rule is not None:
        return rule(record)
    if name in LISTS and record[name]:
        return _spread(name, record[name])
    return None


def _spread(name: str, values: list[Any]) -> str:
    if name == "retractions":
        return "markers: " + ", ".join(str(one["marker"]) for one in values[:8])
    if name == "versions":
        return f"{len(values)} records of this call that differ in start, attempt number or response id"
    if name == "chunk_tokens":
        return f"{sum(value or 0 for value in values):,} tokens in all"
    known = [value for value in values if value is not None]
    gaps = [after - before for before, after in itertools.pairwise(known)]
    widest = f"; widest gap {max(gaps):,.0f} ms" if gaps else ""
    return f"from {known[0]:,.0f} to {known[-1]:,.0f} ms{widest}" if known else "no times among them"


def lack_of(name: str, record: Record, origin: Origin, figure: Figure) -> str:
    """Return why there is no value: the call cannot have it, or no field holds it."""
    if name in origin.passed_over:
        return (
            f"this file has it only as {origin.passed_over[name]}, and {origin.keys[name]} fills the whole source; "
            f"--map {name}=PATH decides"
        )
    if name == "uncounted_reason":
        return "it is counted"
    if name == "inherited":
        return "all values are the call's own"
    if name == "request_id":
        return "call_id is the id of its request"
    if name in origin.joined and figure.group != TAX:
        return "no log that ingest --evidence joined has it"
    if name == "versions":
        return "all its records have the same start, attempt number and response id"
    if name == "retractions":
        return "the export holds no text of the answer"
    if name.startswith("tax_"):
        return _no_tax(name, record)
    if figure.group == TAX and not record["ended_early"]:
        return "only a call that ended early has a tax"
    if name == "ended_by":
        return "it was not ended early"
    if name == "ttft_ms":
        return _TTFT.get(record["ttft_status"], "none was recorded")
    if name == "tpot_ms":
        return "only a completed stream with a time to first token and two streamed tokens has one"
    if name == "ttft_basis":
        return "there is no time to first token"
    if name == "rendered_basis" and record["rendered_tokens"] is None:
        return "the export has no tokens shown to the user"
    if name in ("cancelled_at_ms", "cancelled_by") and record["outcome"] not in ("cancelled", "timeout", "interrupted"):
        return "the call was not cut"
    if name in ("upstream_end_ms", "upstream_cancelled") and record["outcome"] == "completed":
        return "the call was not cut"
    if name == "error_type" and record["outcome"] not in ("error", "timeout"):
        return "no error was recorded"
    if name in ("on_disconnect", "ran_on") and not record["ended_early"]:
        return "the call was not cut"
    if name.endswith("cost_usd") or name in ("cost_low_usd", "output_usd_per_token", "usd_per_output_token"):
        return explain_missing_price(name, record, _STATUS)
    if name == "service_tier":
        return "the export does not say which tier served it; the standard price is taken"
    if name == "billed_tokens" and record["output_tokens"] is not None:
        return _USAGE.get(record["usage_basis"], "billed is unknown")
    key = origin.keys.get(name)
    return figure.reason_missing + (f" at {key}, which fills the source" if key else "")


def _no_tax(name: str, record: Record) -> str:
    if not record["ended_early"]:
        return "only a call that ended early has a tax"
    if name.endswith("_usd") and record["tax_best"] is not None:
        return "the price of an output token is unknown"
    if record["tax_best"] is not None:
        return "the evidence cannot split the tax"
    return _TAX_RULES.get(record["tax_rule"], "unknown")


def _arithmetic(record: Record) -> str | None:
    billed, tax = record["billed_tokens"], record["tax_best"]
    if billed is None or tax is None:
        return None
    if record["tax_rule"] == "rendered_exceeds_billed":
        return f"{record['rendered_tokens']:,} rendered of {billed:,} billed"
    seen = "delivered" if record["tax_class"] == "estimated" else "rendered"
    return f"{billed:,} billed - {billed - tax:,} {seen}"


def field_of(name: str, record: Record, origin: Origin) -> str | None:
    """Return the field or key of the export that a known value was read from."""
    if name in origin.looked_up or name in origin.joined or name in origin.given_by:
        return None
    if name in origin.keys:
        return "name of the outermost step" if origin.keys[name] == "ancestor" else origin.keys[name]
    if name in DECIDED or name not in FIGURES or FIGURES[name].group == TAX:
        return None
    if name.endswith("cost_usd") and record[f"{name.removesuffix('_usd')}_basis"] == "priced":
        return None
    if name == "provider" and record["provider_basis"] == "inferred":
        return origin.reads.get("model", "model")
    return origin.reads.get(name, name)
