"""Recognise what Langfuse exports by the fields of its records: which shape it is, or that it holds no calls."""

from collections.abc import Sequence

from streamaudit.ingest.sources._langfuse_events import EVENT
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source

_TYPES = {
    "SPAN", "GENERATION", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL",
}  # fmt: skip


def recognise(head: Sequence[Record], events: Source) -> Match | Refusal | None:
    """Return the shape of the first record that has one, or why a file of it is refused; ``events`` reads what SDKs
    sent."""
    for record in head:
        telling = _telling_of_events(record)
        if telling:
            return Match("events of an SDK", telling, reading=events)
        refusal = _refuse(record)
        if refusal:
            return refusal
        if _is_trace(record):
            return Match("traces", "timestamp + bookmarked" if "bookmarked" in record else "timestamp + htmlPath")
        if str(record.get("type")).upper() not in _TYPES:
            continue
        start = next((key for key in ("start_time", "startTime") if key in record), None)
        trace = next((key for key in ("trace_id", "traceId") if key in record), None)
        if start and trace:
            variant, telling = _variant(record)
            return Match(variant, " + ".join(dict.fromkeys(("type", trace, telling))))
    return None


def _telling_of_events(record: Record) -> str | None:
    """Return by which fields a record is an event, or a batch of them; None for others."""
    batch = record.get("batch")
    happenings = batch if isinstance(batch, list) else [record]
    is_event = any(
        isinstance(one, dict) and isinstance(one.get("body"), dict) and EVENT.fullmatch(str(one.get("type")))
        for one in happenings
    )
    return ("batch" if isinstance(batch, list) else "type + body") if is_event else None


def _is_trace(record: Record) -> bool:
    """Whether a record is a trace, which holds no call but has what its calls lack: release, session, user, tags,
    name."""
    keys = set(record)
    return (
        "timestamp" in keys and bool(keys & {"bookmarked", "htmlPath"}) and "id" in keys
        and not keys & {"traceId", "trace_id", "start_time", "startTime"}
    )  # fmt: skip


def _variant(record: Record) -> tuple[str, str]:
    for key, variant in (
        ("latencyMs", "UI events export"),
        ("traceTags", "UI observations export"),
        ("promptTokens", "REST v1"),
        ("is_root_observation", "bucket observations_v2"),
        ("calculated_total_cost", "Python SDK dump"),
    ):
        if key in record:
            return variant, key
    if "startTime" in record:
        return "REST v2", "startTime"
    if "model" in record:
        return "Python SDK dump", "model"
    if "trace_name" in record or "user_id" in record:
        return "bucket observations_v2", "trace_name" if "trace_name" in record else "user_id"
    return "bucket observations", "start_time"


def _refuse(record: Record) -> Refusal | None:
    instead = "export the observations table (blob storage observations_v2, or Observations > Export in the UI)"
    keys = set(record)
    if keys & {"dataType", "data_type"} and keys & {"observationId", "observation_id", "traceId", "trace_id"}:
        return Refusal("a Langfuse scores export: it holds ratings, no LLM calls", instead)
    if {"countTraces", "sessionDuration"} <= keys:
        return Refusal("a Langfuse sessions export: it holds totals, no LLM calls", instead)
    if {"exportSource", "files", "tables"} <= keys:
        return Refusal("a Langfuse export manifest: it lists files, and holds no LLM calls", instead)
    if "time_dimension" in keys:
        return Refusal("a Langfuse metrics response: it holds aggregates, no LLM calls", instead)
    return None
