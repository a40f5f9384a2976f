"""Recognise files of formats that are not read, and name the commands that convert them.

These are checked only when no source claims a file, and only where the user has mapped nothing: with ``--map`` any JSON
records can be read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamaudit.ingest.sources.registry import Record, Refusal


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A format, recognised by the keys that its first records have."""

    what: str
    instead: str
    is_one: Callable[[Record], bool]


def _has(*keys: str) -> Callable[[Record], bool]:
    """Whether a record has all these keys, dotted ones inside objects."""
    return lambda record: all(_at(record, key.split(".")) is not None for key in keys)


def _at(value: object, names: Sequence[str]) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _holds_spans(record: Record) -> bool:
    """Whether a line is a trace whose spans or calls are in a list inside it."""
    return any(
        isinstance(record.get(key), list) and any(isinstance(one, dict) and _is_step(one) for one in record[key])
        for key in ("spans", "calls", "llm_calls", "steps", "requests")
    )


def _is_usage_bucket(record: Record) -> bool:
    """Whether a record is a span of time with the sums of a provider's usage or cost report."""
    results = record.get("results")
    return isinstance(results, list) and bool({"start_time", "starting_at"} & record.keys())


_COUNTERS = ("num_model_requests", "api_requests", "request_count", "num_requests", "requests", "calls")
_DAYS = ("date", "day", "month", "period", "bucket", "usage_date", "usage_date_utc", "hour", "week")


def _counts_calls(record: Record) -> bool:
    """Whether a row is a sum: its tokens are those of several calls, which it counts. Calls of an agent's turn have a
    plain name too, and no day."""
    if any(isinstance(record.get(name), int | float | str) for name in _COUNTERS[:2]):
        return True
    return any(name in record for name in _DAYS) and any(_exceeds_one(record.get(name)) for name in _COUNTERS[2:])


def _exceeds_one(value: object) -> bool:
    try:
        return not isinstance(value, bool) and float(str(value)) > 1
    except ValueError:
        return False


def _is_step(one: Record) -> bool:
    return any(key in one for key in ("model", "usage", "tokens", "input_tokens", "prompt_tokens", "latency_ms"))


_BRAINTRUST_MAPS = (
    "--map id=span_id --map start=metrics.start:s --map end=metrics.end:s --map ttft=metrics.time_to_first_token:s "
    "--map model=metadata.model --map provider=metadata.provider --map input_tokens=metrics.prompt_tokens "
    "--map output_tokens=metrics.completion_tokens --map cached_input_tokens=metrics.prompt_cached_tokens "
    "--map cache_write_tokens=metrics.prompt_cache_creation_tokens "
    "--map reasoning_tokens=metrics.completion_reasoning_tokens"
)
_INSPECT_CALLS = (
    "select(.event == \"model\") | del(.span_id)' FILE | streamaudit ingest - --map start=timestamp "
    "--map end=completed --map model=model --map input_tokens=output.usage.input_tokens "
    "--map output_tokens=output.usage.output_tokens --map cached_input_tokens=output.usage.input_tokens_cache_read"
)
_A_CALL = "a report needs one record a call: log each response's usage, or export the requests"
KNOWN = (
    LookAlike(
        "buckets of a provider's usage or cost report: they hold sums, no single call", _A_CALL, _is_usage_bucket,
    ),
    LookAlike(
        "daily activity of LiteLLM: it holds sums by day, no single call",
        "take the rows of /spend/logs (summarize=false), or the logging payloads",
        lambda record: (
            (isinstance(record.get("results"), list) and _has("metadata.total_spend")(record))
            or _has("date", "metrics.spend", "breakdown")(record) or {"spend", "api_requests"} <= record.keys()
            or {"startTime", "spend", "users", "models"} <= record.keys()
        ),
    ),
    LookAlike("rows of sums: each counts the calls of which it has the tokens", _A_CALL, _counts_calls),
    LookAlike(
        "rows of Braintrust, a format that is not read",
        "jq -c '.. | objects | select(.metrics? and (.span_attributes.type? // .type?) == \"llm\") | "
        ".metadata.model //= .metadata.invocation_params.model' FILE | "
        f"streamaudit ingest - {_BRAINTRUST_MAPS}",
        lambda record: (
            isinstance(record.get("metrics"), dict)
            and "start" in record["metrics"]
            and ("span_attributes" in record or str(record.get("type")) in ("llm", "task", "function", "score", "tool"))
        ),
    ),
    LookAlike(
        "a log of Inspect AI, a format that is not read",
        f"jq -c '.samples[].events[] | {_INSPECT_CALLS}",
        _has("eval", "plan", "stats"),
    ),
    LookAlike(
        "a sample of an Inspect AI log, a format that is not read",
        f"jq -c '.events[] | {_INSPECT_CALLS}",
        lambda record: isinstance(record.get("events"), list) and {"epoch", "events", "id"} <= record.keys(),
    ),
    LookAlike(
        "a trace of DeepEval, a format that is not read",
        "jq -c '.llmSpans[]' FILE | streamaudit ingest - --map id=uuid --map start=startTime --map end=endTime "
        "--map model=model --map input_tokens=inputTokenCount --map output_tokens=outputTokenCount "
        "--map outcome=status",
        _has("llmSpans"),
    ),
    LookAlike(
        "a run of promptflow, a format that is not read",
        "jq -c '.run_info.api_calls | .. | objects | select(.type? == \"LLM\")' FILE | streamaudit ingest - "
        "--map id=output.id --map start=start_time:s --map end=end_time:s --map model=output.model "
        "--map input_tokens=output.usage.prompt_tokens --map output_tokens=output.usage.completion_tokens",
        _has("run_info.api_calls"),
    ),
    LookAlike(
        "a usage export of Cursor: a row is a request of a user, of one or several calls, and has no duration",
        "streamaudit ingest FILE --source cursor --map start=Date --map model=Model "
        "--map output_tokens='Output Tokens' --map cached_input_tokens='Cache Read' --map cost=Cost --map outcome=Kind",
        _has("Input (w/o Cache Write)", "Output Tokens"),
    ),
    LookAlike(
        "diagnostic logs of Azure OpenAI: they have times and models, and no token counts",
        "jq -c '(.records[]? // .) | .properties = ((.properties | fromjson?) // .properties)' FILE | "
        "streamaudit ingest - --map id=correlationId --map start=time --map duration=durationMs:ms "
        "--map model=properties.modelName --map status=resultSignature",
        _has("category", "operationName", "durationMs", "properties"),
    ),
    LookAlike(
        "spans of dd-trace, a format that is not read",
        "export them from LLM Observability: streamaudit reads its spans API and its exports",
        lambda record: {"meta", "metrics", "resource", "span_id"} <= record.keys(),
    ),
    LookAlike(
        "rows of CloudWatch Logs Insights: each has its span or log line as text",
        "jq -c '(if type == \"array\" then .[] else . end)[\"@message\"] | fromjson' FILE | streamaudit ingest -",
        lambda record: "@message" in record,
    ),
    LookAlike(
        "log events of CloudWatch: each has its span or log line as text",
        "jq -c '.events[].message | fromjson' FILE | streamaudit ingest -",
        lambda record: (
            isinstance(record.get("events"), list)
            and any(isinstance(one, dict) and {"message", "timestamp"} <= one.keys() for one in record["events"])
        ),
    ),
    LookAlike(
        "an answer of Azure Monitor's query API: its rows have no names",
        "jq -c '.tables[] | [.columns[].name] as $names | .rows[] | [$names, .] | transpose | "
        "map({(.[0]): .[1]}) | add' FILE | streamaudit ingest -",
        lambda record: (
            isinstance(record.get("tables"), list)
            and any(isinstance(one, dict) and {"columns", "rows"} <= one.keys() for one in record["tables"])
        ),
    ),
    LookAlike(
        "a trace of Google Cloud Trace, a format that is not read",
        "jq -c '(.traces? // [.])[] | .traceId as $id | .spans[] | {traceId: $id, spanId, parentSpanId, name, "
        "startTime, endTime, attributes: .labels}' FILE | streamaudit ingest -",
        lambda record: (
            _has("labels", "spanId", "startTime", "endTime")(record)
            or (isinstance(record.get("traces"), list)
                and any(isinstance(one, dict) and {"projectId", "spans"} <= one.keys() for one in record["traces"]))
        ),
    ),
    LookAlike(
        "spans of Google Cloud Trace, a format that is not read",
        "jq -c '{traceId: (.name | split(\"/\")[3]), spanId, parentSpanId, name: .displayName.value, startTime, "
        "endTime, attributes: (.attributes.attributeMap | map_values(.stringValue.value // .intValue // .boolValue))}' "
        "FILE | streamaudit ingest -",
        _has("displayName.value", "attributes.attributeMap"),
    ),
    LookAlike(
        "traces of MLflow, a format that is not read",
        "jq -c '.data.spans[]' FILE | streamaudit ingest -",
        _has("info", "data.spans"),
    ),
    LookAlike(
        "calls of W&B Weave, a format that is not read",
        "jq -c '(if type == \"array\" then .[] else . end) | select(.inputs.model) "
        "| .usage = ((.summary.usage // {}) | to_entries[0].value)' FILE | "
        "streamaudit ingest - --map id=id --map start=started_at --map end=ended_at --map model=inputs.model",
        _has("op_name", "started_at"),
    ),
    LookAlike(
        "chats of Open WebUI",
        "jq -c '(if type == \"array\" then .[] else . end) | .chat.history.messages[] | "
        "select(.role == \"assistant\" and .usage)' FILE | streamaudit ingest - --map id=id --map start=timestamp "
        "--map model=model",
        _has("chat.history.messages"),
    ),
    LookAlike(
        "an export of LobeChat",
        "jq -c '.state.messages[] | select(.role == \"assistant\")' FILE | streamaudit ingest - --map id=id "
        "--map start=createdAt --map model=model --map provider=provider "
        "--map input_tokens=metadata.totalInputTokens --map output_tokens=metadata.totalOutputTokens "
        "--map cached_input_tokens=metadata.inputCachedTokens --map reasoning_tokens=metadata.outputReasoningTokens "
        "--map ttft=metadata.ttft:ms",
        _has("exportType", "state.messages"),
    ),
    LookAlike(
        "executions of n8n",
        "jq -c '(if type == \"array\" then .[] else . end) | .data.resultData.runData[][] "
        "| select(.data.ai_languageModel) | .usage = .data.ai_languageModel[0][0].json.tokenUsage "
        "| .model = .data.ai_languageModel[0][0].json.response.generations[0][0].generationInfo.model_name "
        "| del(.data)' FILE | streamaudit ingest - --map start=startTime:ms --map duration=executionTime:ms "
        "--map outcome=executionStatus --map model=model --map input_tokens=usage.promptTokens "
        "--map output_tokens=usage.completionTokens",
        _has("data.resultData.runData"),
    ),
    LookAlike(
        "totals of ccusage by day, week, month or session: they hold sums, no single call",
        "read the sessions themselves: streamaudit ingest ~/.claude/projects",
        lambda record: "totals" in record and any(
            isinstance(record.get(key), list) for key in ("daily", "weekly", "monthly", "sessions", "blocks")
        ),
    ),
    LookAlike(
        "traces that hold their calls in a list",
        "jq -c '(.spans // .calls // .llm_calls // .steps // .requests)[]' FILE | streamaudit ingest -",
        _holds_spans,
    ),
)


def look_alike(head: Sequence[Record]) -> Refusal | None:
    """Return the refusal of a file that no source claims; None when it is not a known format either."""
    for record in head:
        for one in KNOWN:
            if one.is_one(record):
                return Refusal(one.what, one.instead)
    return None
