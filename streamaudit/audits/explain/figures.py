"""Every column of a call that an explanation shows: its group, its unit, and the reason when it is missing.

A column not listed here is shown under ``other``, so that none is ever left out silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamaudit.report.model import Unit, Value

Record = dict[str, Any]

GROUPS = (
    "where it comes from",
    "identity",
    "dimensions",
    "time",
    "chunks",
    "tokens",
    "money",
    "outcome",
    "tax",
    "content",
)
ORIGIN, _IDENTITY, _DIMENSION, _TIME, _CHUNK, _TOKEN, _MONEY, _OUTCOME, TAX, _CONTENT = GROUPS


@dataclass(frozen=True, slots=True)
class Figure:
    """A column: its group, its unit, and what an export without it lacks, a noun or ``who …``, ``whether …``."""

    group: str
    lacks: str
    unit: Unit | None = None

    @property
    def reason_missing(self) -> str:
        """Why the column is NULL, as a sentence."""
        is_clause = self.lacks.startswith(("whether ", "where ", "who "))
        return f"the export {'does not record' if is_clause else 'has no'} {self.lacks}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a call: its load, the fields that fill each column, and values taken from other records."""

    load: Mapping[str, Value]
    reads: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    """Candidate key that fills each keyed column of the source."""
    passed_over: Mapping[str, str] = field(default_factory=dict)
    """For columns filled by a key of lower rank in this load, that key."""
    given_by: Mapping[str, str] = field(default_factory=dict)
    """The step that each inherited dimension comes from."""
    looked_up: frozenset[str] = frozenset()
    """Dimensions filled by a lookup."""
    joined: frozenset[str] = frozenset()
    """Figures filled from another log."""
    url: str | None = None


FIGURES: dict[str, Figure] = {
    "source": Figure(_IDENTITY, "source"),
    "call_id": Figure(_IDENTITY, "id"),
    "trace_id": Figure(_IDENTITY, "trace id"),
    "parent_id": Figure(_IDENTITY, "enclosing step"),
    "logical_request_id": Figure(_IDENTITY, "id shared by all attempts of a request"),
    "request_id": Figure(_IDENTITY, "id shared by several attempts"),
    "attempt_number": Figure(_IDENTITY, "attempt number"),
    "response_id": Figure(_IDENTITY, "id of the provider's response"),
    "load_id": Figure(_IDENTITY, "load"),
    "counted": Figure(_IDENTITY, "count"),
    "uncounted_reason": Figure(_IDENTITY, "reason not to be counted"),
    "name": Figure(_IDENTITY, "name of the step"),
    "source_updated_at": Figure(_IDENTITY, "time of its last update"),
    "versions": Figure(_IDENTITY, "record that differs in start, attempt number or response id"),
    "record_hash": Figure(_IDENTITY, "hash"),
    "model": Figure(_DIMENSION, "model"),
    "response_model": Figure(_DIMENSION, "model that answered"),
    "provider": Figure(_DIMENSION, "provider"),
    "provider_basis": Figure(_DIMENSION, "provider"),
    "route": Figure(_DIMENSION, "route"),
    "tenant": Figure(_DIMENSION, "tenant"),
    "user_id": Figure(_DIMENSION, "user"),
    "session_id": Figure(_DIMENSION, "session"),
    "deploy": Figure(_DIMENSION, "version of the application"),
    "environment": Figure(_DIMENSION, "environment"),
    "service": Figure(_DIMENSION, "service"),
    "region": Figure(_DIMENSION, "region"),
    "transport": Figure(_DIMENSION, "transport"),
    "operation": Figure(_DIMENSION, "operation"),
    "inherited": Figure(_DIMENSION, "dimension taken from another step"),
    "start_time": Figure(_TIME, "start"),
    "end_time": Figure(_TIME, "end"),
    "duration_ms": Figure(_TIME, "duration", "ms"),
    "streamed": Figure(_TIME, "whether it streamed"),
    "ttft_ms": Figure(_TIME, "time to first token", "ms"),
    "ttft_status": Figure(_TIME, "status of the time to first token"),
    "ttft_basis": Figure(_TIME, "time to first token"),
    "ttvt_ms": Figure(_TIME, "time to the first visible token", "ms"),
    "tpot_ms": Figure(_TIME, "time per output token", "ms"),
    "ttfb_ms": Figure(_TIME, "first byte in the log of a server at the edge", "ms"),
    "client_ttft_ms": Figure(_TIME, "first text at the client", "ms"),
    "server_ttft_ms": Figure(_TIME, "time to first token as the serving engine saw it", "ms"),
    "chunk_count": Figure(_CHUNK, "number of chunks", "calls"),
    "chunk_offsets_ms": Figure(_CHUNK, "times of chunks", "calls"),
    "client_chunk_offsets_ms": Figure(_CHUNK, "times of chunks at the client", "calls"),
    "chunk_tokens": Figure(_CHUNK, "tokens of chunks", "calls"),
    "input_tokens": Figure(_TOKEN, "input tokens", "tokens"),
    "cached_input_tokens": Figure(_TOKEN, "cached input tokens", "tokens"),
    "cache_write_tokens": Figure(_TOKEN, "tokens written to a cache", "tokens"),
    "cache_write_1h_tokens": Figure(_TOKEN, "tokens written to a cache for an hour", "tokens"),
    "audio_input_tokens": Figure(_TOKEN, "audio tokens in the input", "tokens"),
    "image_tokens": Figure(_TOKEN, "image tokens in the input", "tokens"),
    "output_tokens": Figure(_TOKEN, "output tokens", "tokens"),
    "streamed_tokens": Figure(_TOKEN, "output tokens", "tokens"),
    "audio_output_tokens": Figure(_TOKEN, "audio tokens in the answer", "tokens"),
    "reasoning_tokens": Figure(_TOKEN, "reasoning tokens", "tokens"),
    "delivered_tokens": Figure(_TOKEN, "tokens delivered to the client", "tokens"),
    "delivered_chunks": Figure(_TOKEN, "events delivered to the client", "calls"),
    "delivered_chars": Figure(_TOKEN, "characters delivered to the client", "calls"),
    "delivered_bytes": Figure(_TOKEN, "bytes delivered to the client", "calls"),
    "rendered_tokens": Figure(_TOKEN, "tokens shown to the user", "tokens"),
    "rendered_basis": Figure(_TOKEN, "tokens shown to the user"),
    "rendered_chars": Figure(_TOKEN, "characters shown to the user", "calls"),
    "rendered_chunks": Figure(_TOKEN, "chunks shown to the user", "calls"),
    "max_tokens": Figure(_TOKEN, "output cap", "tokens"),
    "usage_basis": Figure(_TOKEN, "where its usage comes from"),
    "usage_status": Figure(_TOKEN, "where its usage comes from"),
    "output_low": Figure(_TOKEN, "output tokens", "tokens"),
    "billed_tokens": Figure(_TOKEN, "billed output tokens", "tokens"),
    "cache_hit": Figure(_TOKEN, "whether a response cache answered"),
    "service_tier": Figure(_MONEY, "tier that served it"),
    "cost_usd": Figure(_MONEY, "cost", "usd"),
    "cost_basis": Figure(_MONEY, "cost"),
    "cost_low_usd": Figure(_MONEY, "cost", "usd"),
    "input_cost_usd": Figure(_MONEY, "input cost", "usd"),
    "input_cost_basis": Figure(_MONEY, "input cost"),
    "output_cost_usd": Figure(_MONEY, "output cost", "usd"),
    "output_cost_basis": Figure(_MONEY, "output cost"),
    "output_usd_per_token": Figure(_MONEY, "price of an output token", "usd_per_token"),
    "usd_per_output_token": Figure(_MONEY, "price of an output token", "usd_per_token"),
    "outcome": Figure(_OUTCOME, "outcome"),
    "cancel_evidence": Figure(_OUTCOME, "evidence of how it ended"),
    "cancelled_by": Figure(_OUTCOME, "who cut it"),
    "cancelled_at_ms": Figure(_OUTCOME, "time of the cut", "ms"),
    "stopped_before_first_token": Figure(_OUTCOME, "evidence"),
    "upstream_cancelled": Figure(_OUTCOME, "whether the provider stopped too"),
    "upstream_end_ms": Figure(_OUTCOME, "time the provider stopped", "ms"),
    "upstream_held_ms": Figure(_OUTCOME, "time a server at the edge closed its upstream", "ms"),
    "edge_servers": Figure(_OUTCOME, "log of a server at the edge"),
    "finish_reason": Figure(_OUTCOME, "finish reason"),
    "http_status": Figure(_OUTCOME, "HTTP status"),
    "error_type": Figure(_OUTCOME, "error"),
    "ended_early": Figure(_OUTCOME, "outcome"),
    "ended_by": Figure(_OUTCOME, "who ended it"),
    "on_disconnect": Figure(_OUTCOME, "provider whose habit is known"),
    "ran_on": Figure(_OUTCOME, "evidence"),
    "tax_class": Figure(TAX, "class"),
    "tax_rule": Figure(TAX, "rule"),
    "billed_low": Figure(TAX, "billed tokens", "tokens"),
    "billed_high": Figure(TAX, "billed tokens", "tokens"),
    "delivered_rule": Figure(TAX, "evidence of what was delivered"),
    "delivered_low": Figure(TAX, "evidence of what was delivered", "tokens"),
    "delivered_best": Figure(TAX, "evidence of what was delivered", "tokens"),
    "delivered_high": Figure(TAX, "evidence of what was delivered", "tokens"),
    "rendered_rule": Figure(TAX, "evidence of what was rendered"),
    "rendered_low": Figure(TAX, "evidence of what was rendered", "tokens"),
    "rendered_best": Figure(TAX, "evidence of what was rendered", "tokens"),
    "rendered_high": Figure(TAX, "evidence of what was rendered", "tokens"),
    "tax_low": Figure(TAX, "low end", "tokens"),
    "tax_best": Figure(TAX, "value", "tokens"),
    "tax_high": Figure(TAX, "high end", "tokens"),
    "tax_hidden": Figure(TAX, "hidden part", "tokens"),
    "tax_undelivered": Figure(TAX, "undelivered part", "tokens"),
    "tax_unread": Figure(TAX, "unread part", "tokens"),
    "tax_orphaned": Figure(TAX, "part generated after the user had left", "tokens"),
    "tax_low_usd": Figure(TAX, "low end in dollars", "usd"),
    "tax_best_usd": Figure(TAX, "value in dollars", "usd"),
    "tax_high_usd": Figure(TAX, "high end in dollars", "usd"),
    "saved_low": Figure(TAX, "evidence of what a stop would have saved", "tokens"),
    "saved_high": Figure(TAX, "evidence of what a stop would have saved", "tokens"),
    "unseen_prompt": Figure(TAX, "evidence"),
    "input_hash": Figure(_CONTENT, "input to take a hash of"),
    "output_chars": Figure(_CONTENT, "output to measure", "calls"),
    "visible_output_chars": Figure(_CONTENT, "visible output to measure", "calls"),
    "retractions": Figure(_CONTENT, "text to look for corrections in"),
}
FIRST = (
    "cost_usd", "usd_per_output_token", "tax_class", "tax_low", "tax_best", "tax_high", "tax_low_usd", "tax_best_usd",
    "tax_high_usd",
)  # fmt: skip
"""The figures of money and tax that a screen shows; all others are there with ``--wide``."""
LISTS = ("chunk_offsets_ms", "client_chunk_offsets_ms", "chunk_tokens", "retractions", "versions")
# Derived and not read from a field; the figures of the tax belong to them too.
DECIDED = {
    "source", "load_id", "counted", "uncounted_reason", "record_hash", "versions", "provider_basis", "inherited",
    "ttft_status", "ttft_basis", "tpot_ms", "streamed_tokens", "rendered_basis", "usage_basis", "billed_tokens",
    "cost_basis",
    "input_cost_basis", "output_cost_basis", "usd_per_output_token",
    "outcome", "cancel_evidence", "stopped_before_first_token", "ended_early", "input_hash", "retractions",
    "unseen_prompt", "usage_status", "output_low", "cost_low_usd", "ended_by", "on_disconnect", "ran_on",
    "output_usd_per_token",
}  # fmt: skip
