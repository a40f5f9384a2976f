"""The field names under which raw JSON lines and home-made logs keep the columns of a call.

``OWN`` are streamaudit's names and those close to them; ``USUAL`` are common in other people's logs, and are read where
the first records of a file have one of them.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from streamaudit.ingest.mapping import KINDS, can_fill
from streamaudit.ingest.names import words
from streamaudit.ingest.sources._raw_usage import HOLDERS, NESTED, find_usage, has_count

Names = dict[str, tuple[str, ...]]

ID = ("request_id", "call_id", "id", "span_id")
START = ("start_time", "start_time_unix_ns", "start_time_unix_ms", "start_time_unix_s", "timestamp")

OWN: Names = {
    "call_id": ID,
    "trace_id": ("trace_id",),
    "parent_id": ("parent_span_id", "parent_id"),
    "logical_request_id": ("logical_request_id",),
    "attempt_number": ("attempt_number",),
    "response_id": ("response_id",),
    "session_id": ("conversation_id", "session_id"),
    "user_id": ("user_id",),
    "tenant": (
        "tenant", "tenant_id", "tenant.id", "organization_id", "organizationId", "org_id", "customer_id", "account_id",
        "team_id",
    ),
    "route": ("route", "endpoint", "http.route", "feature"),
    "deploy": ("deploy", "service_version", "deployment_id", "release", "version", "app_version"),
    "environment": ("environment",),
    "service": ("service_name", "service"),
    "region": ("region",),
    "transport": ("transport",),
    "operation": ("operation_name", "operation"),
    "provider": ("provider",),
    "model": ("request_model", "model"),
    "response_model": ("response_model",),
    "start_time": START,
    "end_time": ("end_time",),
    "duration_ms": ("duration_ms",),
    "streamed": ("stream", "streamed"),
    "ttft_ms": ("time_to_first_chunk_ms", "ttft_ms"),
    "ttvt_ms": ("time_to_first_output_token_ms", "ttvt_ms"),
    "server_ttft_ms": ("server_time_to_first_token_ms", "server_ttft_ms"),
    "input_tokens": ("input_tokens",),
    "cached_input_tokens": ("cache_read_input_tokens", "cached_input_tokens"),
    "cache_write_tokens": ("cache_write_input_tokens", "cache_write_tokens"),
    "output_tokens": ("output_tokens",),
    "reasoning_tokens": ("reasoning_output_tokens", "reasoning_tokens"),
    "delivered_tokens": ("streamed_output_tokens", "delivered_tokens"),
    "rendered_tokens": ("rendered_tokens", "rendered_output_tokens", "tokens_rendered"),
    "total_tokens": ("total_tokens",),
    "cost_usd": ("cost_usd",),
    "input_cost_usd": ("input_cost_usd",),
    "output_cost_usd": ("output_cost_usd",),
    "cache_hit": ("cache_hit",),
    "outcome": ("outcome", "stream_status"),
    "status": ("status",),
    "cancelled": ("cancelled", "canceled", "aborted", "client_disconnected"),
    "success": ("success", "ok"),
    "error": ("error_message", "error"),
    "http_status": ("http_status_code", "http_status"),
    "finish_reason": ("finish_reason", "stop_reason"),
    "max_tokens": ("max_tokens",),
}  # fmt: skip

_UNITS = {"ms": 1.0, "millis": 1.0, "s": 1e3, "sec": 1e3, "secs": 1e3, "seconds": 1e3, "us": 1e-3, "ns": 1e-6}


_LATENCIES = (
    "latency", "duration", "elapsed_time", "response_time", "total_time", "total_latency", "total_duration",
    "request_duration", "wall_time", "took",
)
_FIRST_TOKENS = (
    "ttft", "time_to_first_token", "first_token", "first_token_latency", "time_to_first_chunk", "first_chunk",
)


def _name_times(*bases: str) -> tuple[str, ...]:
    return tuple(f"{base}_{unit}" for base in bases for unit in _UNITS)


ANSWERS = ("output_text", "response_text", "completion_text", "answer_text")
"""Names for the text of an answer; those that are a text or an object are read only next to usual names."""

USUAL: Names = {
    "call_id": ("generation_id", "event_id", "log_id", "record_id", "invocation_id", "uuid"),
    "session_id": ("session", "thread_id", "chat_id"),
    "user_id": ("user", "uid", "end_user"),
    "route": ("task_type", "step", "stage", "agent", "agent_name", "role", "function_name"),
    "deploy": ("git_sha", "commit", "build"),
    "environment": ("env",),
    "service": ("app_name", "application"),
    "transport": ("protocol", "scheme", "url", "request_url", "base_url", "api_base", "rpc_system"),
    "provider": ("provider_name", "llm_provider", "vendor"),
    "model": ("model_name", "llm_model", "model_id", "requested_model", "engine", "gen_ai.request.model"),
    "response_model": ("served_model", "actual_model", "modelVersion", "gen_ai.response.model"),
    "start_time": (
        "started_at", "start", "start_ts", "start_timestamp", "request_time", "requested_at", "ts", "time",
        "@timestamp", "datetime_utc", "created_at", "created", "datetime", "ts_ms", "timestamp_ms",
        "start_time_ms", "start_ms", "start_time_ns", "start_ns", "logging_time", "create_time", "TimeGenerated",
    ),
    "end_time": (
        "ended_at", "end", "end_ts", "end_timestamp", "finished_at", "completed_at", "end_time_ms",
        "end_ms", "end_time_ns", "end_ns",
    ),
    "duration_ms": (*_name_times("elapsed", *_LATENCIES), "elapsed"),
    "streamed": ("streaming", "is_streaming", "is_stream"),
    "ttft_ms": _name_times(*_FIRST_TOKENS),
    "first_token_at": (
        "first_token_at", "first_token_time", "first_chunk_at", "first_token_ts", "first_token_timestamp",
        "first_token_at_ms",
    ),
    "input_tokens": (
        "prompt_tokens", "tokens_in", "tokens_prompt", "tokens_input", "in_tokens", "input_token_count",
        "prompt_token_count", "promptTokenCount", "num_input_tokens", "num_prompt_tokens", "n_input_tokens",
        "n_prompt_tokens", "request_tokens", "prompt_eval_count", "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
    ),
    "cached_input_tokens": (
        "cached_tokens", "cache_read_tokens", "tokens_cached", "cached_prompt_tokens", "cache_hit_tokens",
        "prompt_cache_hit_tokens", "cached_content_token_count", "cachedContentTokenCount", "cached",
        "prompt_eval_cached_count",
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
    ),
    "cache_write_tokens": ("cache_creation_input_tokens", "cache_creation_tokens"),
    "output_tokens": (
        "completion_tokens", "tokens_out", "tokens_completion", "tokens_output", "out_tokens", "output_token_count",
        "completion_token_count", "num_output_tokens", "num_completion_tokens", "n_output_tokens",
        "n_completion_tokens", "generated_tokens", "tokens_generated", "candidates_token_count", "candidatesTokenCount",
        "response_tokens", "eval_count", "billed_output_tokens", "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
    ),
    "reasoning_tokens": (
        "thinking_tokens", "tokens_reasoning", "thoughts_tokens", "thoughts_token_count", "thoughtsTokenCount",
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
    ),
    "delivered_tokens": ("tokens_streamed", "streamed_tokens", "tokens_delivered", "delivered_output_tokens"),
    "rendered_tokens": ("displayed_tokens", "tokens_displayed", "shown_tokens", "tokens_shown"),
    "total_tokens": ("tokens_total", "total_token_count", "totalTokenCount"),
    "cost_usd": (
        "cost", "cost_est_usd", "estimated_cost_usd", "total_cost_usd", "total_cost", "estimated_cost", "usd",
        "cost_cents", "cost_usd_cents", "cost_micros", "cost_usd_micros", "cost_microusd",
    ),
    "input_cost_usd": ("input_cost", "prompt_cost", "cost_input"),
    "output_cost_usd": ("output_cost", "completion_cost", "cost_output"),
    "cache_hit": ("from_cache", "is_cached", "cached"),
    "status": ("completion_status", "request_status", "final_status", "stream_outcome"),
    "state": ("state", "event"),
    "cancelled": (
        "was_cancelled", "was_canceled", "is_cancelled", "is_canceled", "user_cancelled", "user_canceled",
        "cancelled_by_user", "client_cancelled", "was_aborted", "is_aborted", "user_aborted", "aborted_by_user",
        "client_aborted", "client_closed", "disconnected", "user_disconnected", "was_interrupted", "user_interrupted",
        "interrupted_by_user", "stopped_by_user", "user_stopped",
    ),
    "cancel_reason": (
        "cancel_reason", "cancellation_reason", "cancelled_reason", "abort_reason", "disconnect_reason",
    ),
    "finished": ("completed", "finished", "is_complete", "is_completed", "stream_completed", "stream_finished"),
    "cancelled_at": ("cancelled_at", "canceled_at", "aborted_at", "disconnected_at", "client_disconnected_at"),
    "success": ("succeeded", "is_success"),
    "failed": ("failed", "is_error", "errored"),
    "error": (
        "error_msg", "errorMessage", "errorCode", "err", "exception", "failure_reason", "error_code", "error_details",
    ),
    "http_status": ("status_code", "response_status", "response_code"),
    "finish_reason": ("finishReason", "stopReason", "done_reason", "end_reason", "termination_reason"),
    "max_tokens": (
        "max_output_tokens", "max_completion_tokens", "maxTokens", "maxOutputTokens", "maxCompletionTokens",
        "max_new_tokens", "max_tokens_to_sample",
    ),
    "answer": (*ANSWERS, "answer", "response", "completion", "output"),
}  # fmt: skip

ONLY_USUAL = frozenset(name for names in USUAL.values() for name in names) - {
    name for names in OWN.values() for name in names
} - {"answer", "response", "completion", "output", "state", "event"}
"""Names that distinguish a home-made log from lines in streamaudit's own names."""

_IN_COST = {
    "cost_usd": ("total", "usd", "total_usd", "total_cost"), "input_cost_usd": ("input", "prompt"),
    "output_cost_usd": ("output", "completion"),
}  # fmt: skip
OBJECTS = {"cost"}
"""Names under which an object may replace a number."""


def unit_ms(name: str) -> float:
    """Return the milliseconds in the unit that a duration's name ends in; a plain ``elapsed`` is in seconds."""
    return 1e3 if name == "elapsed" else _UNITS.get(words(name)[-1], 1.0)


def _spelling(name: str) -> str:
    return "_".join(words(name))


_SPELLED = {
    _spelling(name): column
    for names in (OWN, USUAL) for column, spelled in names.items() if column in KINDS for name in spelled
}  # fmt: skip
_SPELLED["date"] = "start_time"
_TIME_OF_DAY = re.compile(r"\d[T ]\d?\d:\d\d")
# Gemini writes the model that answered so, others a date.
del _SPELLED["model_version"]
# A status at the top of a record is how the call ended; inside an object it is about something else.
_AT_TOP = {_spelling(name): "outcome" for name in (*OWN["status"], *USUAL["status"])}
_NO_UNIT = {**dict.fromkeys(_LATENCIES, "duration_ms"), **dict.fromkeys(_FIRST_TOKENS, "ttft_ms")}
_WITH_UNIT = re.compile(r"\s*\d+(\.\d+)?\s*([nuµμ]?s|ms|millis\w*|secs?|seconds?|m|mins?|minutes?)\s*")
_CUT = frozenset("cancelled canceled cancel aborted abort disconnected disconnect interrupted abandoned".split())
_OF_A_CUT = frozenset(
    "stream streaming request response generation completion call client user caller connection by was is has been "
    "early".split()
)
_PLACES = {name: place for place, name in enumerate(_SPELLED)}
_INSIDE = {
    _spelling(name): column for column, names in NESTED.items() if column in KINDS for name in names
}  # fmt: skip
# A remark in brackets that leaves the value what it is; all others may change it, as a unit or a currency does.
_REMARK = re.compile(r"\s*[(\[](?:UTC|GMT|billed|count|number|total|tokens|#|n)[)\]]$", re.IGNORECASE)
# A cost as a table shows it.
_MONEY = re.compile(r"^\s*(?:US)?\$?\s*([\d.]+)(?:,\d+)?\s*(?:USD)?\s*$")
_MAX_DEPTH = 4
_SEVERAL = {"max_tokens"}
"""Columns that a log may keep at another path in each line: one with calls of several APIs has a cap in each one's own
request."""
_ENVELOPES = frozenset(("json_payload", "source", "log", "event"))
"""Objects into which a collector of logs puts the record of an application (Google Cloud, Elasticsearch, Splunk)."""
_TYPED = frozenset(("$date", "$oid", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal"))
"""Keys of an object that MongoDB's exports have in the place of a value."""
_PLAIN_OBJECTS = frozenset(
    "request response llm call data payload event metrics meta timing timings result body info details stats latency "
    "params parameters options config attributes metadata extra properties context output input message "
    "model_parameters invocation_params generation_config inference_config input_body_json output_body_json "
    "model response_metadata llm_output generation_info prompt_tokens_details completion_tokens_details "
    "input_tokens_details output_tokens_details".split()
)


def list_names(wide: bool) -> Names:
    """Return the names by column, in the order in which they are tried."""
    return {
        column: tuple(dict.fromkeys((*OWN.get(column, ()), *(USUAL.get(column, ()) if wide else ()))))
        for column in OWN | USUAL
    }


def find_other_spellings(head: Sequence[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return the paths of fields that have a usual name in another spelling (``latencyMs``, ``Prompt Tokens``, ``Cost
    ($)``), or are inside an object (``response.usage.output_tokens``), by the column that has no field of its own yet:
    the path that is tried first, of a cap every path."""
    names = list_names(wide=True)
    present = {
        name for record in head for name, value in record.items() if value not in (None, "") and not _is_typed(value)
    }
    taken = {column for column, own in names.items() if not present.isdisjoint(own)}
    usages = [find_usage(record) for record in head]
    taken |= {column for column in NESTED if any(has_count(usage, column) for usage in usages)}
    taken -= _SEVERAL
    # An object with the model's id and its provider is no name, but has one; one with parts of a cost has their sum.
    for name, named in (("model", "model"), ("cost", "cost_usd")):
        given = [record[name] for record in head if record.get(name)]
        if given and all(isinstance(value, dict) for value in given):
            taken.discard(named)
    found: dict[str, set[tuple[int, int, str]]] = {}
    for record in head:
        for path, value in _leaves(record, ()):
            column = _column(path) or _column_of_value(path[-1], value)
            if column is None or column in taken or not _has_kind(column, value):
                continue
            if path[-1].lower() == "date" and not _TIME_OF_DAY.search(str(value)):
                continue  # A day is no start.
            if "status" in taken and len(path) == 1 and _spelling(path[0]) in _AT_TOP:
                continue
            spelled = ".".join(path)
            # The name that is tried first, where there are several as deep.
            place = (len(path), _PLACES.get(_spelling(path[-1]), len(_PLACES)), spelled)
            if can_fill(column, spelled):
                found.setdefault(column, set()).add(place)
    paths = {column: tuple(path for _, _, path in sorted(places)) for column, places in found.items()}
    return {
        column: some if column in _SEVERAL else some[:1]
        for column, some in paths.items() if not set(some) <= set(names[column])
    }  # fmt: skip


def find_unitless(head: Sequence[dict[str, Any]]) -> dict[str, tuple[str, list[float]]]:
    """Return the first path that may be a duration or TTFT and does not say its unit, by that column, with its
    values."""
    found: dict[str, tuple[str, list[float]]] = {}
    for record in head:
        for path, value in _leaves(record, ()):
            column = _NO_UNIT.get(_spelling(path[-1]))
            if column is None or not _has_kind(column, value) or _says_unit(value):
                continue
            spelled, values = found.setdefault(column, (".".join(path), []))
            if spelled == ".".join(path) and float(value) > 0 and can_fill(column, spelled):
                values.append(float(value))
    return {column: (path, values) for column, (path, values) in found.items() if values}


@lru_cache(maxsize=4096)
def _column(path: tuple[str, ...]) -> str | None:
    """Return the column of a path: by its last name and the object's around it, such as ``response.model``, else by the
    last alone; None when it has none."""
    if len(path) > 1 and _spelling(path[0]) in _ENVELOPES:
        return _column(path[1:])
    if len(path) > 1 and path[-1] in _TYPED:
        return _column(path[:-1])
    *above, last = path
    name = _spelling(_REMARK.sub("", last))
    if not above:
        return _SPELLED.get(name) or _AT_TOP.get(name)
    if _SPELLED.get(name) in ("route", "tenant"):
        return None  # A role or a step inside an object is about something else.
    around = _spelling(above[-1])
    if around in OBJECTS:
        return next((column for column, names in _IN_COST.items() if name in names), None)
    return _INSIDE.get(name) if around in HOLDERS else _SPELLED.get(f"{around}_{name}", _SPELLED.get(name))


def _column_of_value(name: str, value: Any) -> str | None:
    """Return the column of a name that its value makes plain: a duration written with its unit, or the flag of a call
    that was cut, whatever its subject."""
    if _says_unit(value):
        return _NO_UNIT.get(_spelling(name))
    parts = frozenset(words(name))
    is_flag = isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("true", "false"))
    return "cancelled" if is_flag and parts & _CUT and parts <= _CUT | _OF_A_CUT else None


def _says_unit(value: Any) -> bool:
    return isinstance(value, str) and _WITH_UNIT.fullmatch(value) is not None


def _has_kind(column: str, value: Any) -> bool:
    kind = KINDS[column]
    if kind == "duration" and _says_unit(value):
        return True
    if kind in ("count", "money", "duration"):
        try:
            shown = _MONEY.sub(r"\1", value) if kind == "money" and isinstance(value, str) else value
            return not isinstance(shown, bool) and float(shown) >= 0
        except (TypeError, ValueError, OverflowError):
            return False
    return not isinstance(value, dict | list)


def _is_typed(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and value.keys() <= _TYPED


def _leaves(value: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, inner in value.items():
        if "." in key:
            continue
        plain = _spelling(key)
        if isinstance(inner, dict):
            if _is_typed(inner):
                yield from (((*path, key, name), held) for name, held in inner.items())
            elif len(path) < _MAX_DEPTH and (
                plain in _PLAIN_OBJECTS or plain in HOLDERS or plain in OBJECTS or (not path and plain in _ENVELOPES)
            ):
                yield from _leaves(inner, (*path, key))
        elif inner is not None and inner != "":
            yield (*path, key), inner

