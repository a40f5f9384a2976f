"""Logs of coding agents in OTLP JSON: each request to a model is an event with its usage, and no span is needed.

Claude Code writes ``claude_code.api_request`` and ``api_error``, Gemini CLI and Qwen Code ``api_response`` and
``api_error`` under their own names, and Codex ``codex.sse_event`` of kind ``response.completed``. An event is written
when its request has ended, with the duration in milliseconds. All other logs are no calls.
"""

from collections.abc import Iterator, Sequence

from streamaudit.ingest.sources._otel_shapes import OWNERS
from streamaudit.ingest.sources.registry import Record

LISTS = ("resourceLogs", "resource_logs")
_CALLS = (
    r"claude_code\.api_(request|error)|(gemini_cli|qwen-code|qwen_code)\.api_(response|error)|codex\.sse_event"
)
# By the names of the conventions; Claude Code's own are read as they are, since they leave out what was cached.
_RENAMED = {
    "input_token_count": "gen_ai.usage.input_tokens", "output_token_count": "gen_ai.usage.output_tokens",
    "cached_content_token_count": "gen_ai.usage.cache_read.input_tokens",
    "cached_token_count": "gen_ai.usage.cache_read.input_tokens",
    "thoughts_token_count": "gen_ai.usage.reasoning.output_tokens",
    "reasoning_token_count": "gen_ai.usage.reasoning.output_tokens",
    "total_token_count": "gen_ai.usage.total_tokens", "model": "gen_ai.request.model",
    "conversation.id": "gen_ai.conversation.id", "error.message": "error",
}  # fmt: skip


def has_calls(record: Record) -> bool:
    """Whether one of a batch's first logs is a request of a coding agent."""
    return any(name.startswith(("claude_code.", "gemini_cli.", "qwen", "codex.")) for name in _names(record))


def _names(record: Record) -> Iterator[str]:
    for batch in _each(record, LISTS):
        for scope in _each(batch, ("scopeLogs", "scope_logs")):
            for log in _each(scope, ("logRecords", "log_records")):
                body = log.get("body")
                text = (body.get("stringValue") or body.get("string_value")) if isinstance(body, dict) else None
                given = (
                    (one.get("value") or {}).get("stringValue") for one in _each(log, ("attributes",))
                    if one.get("key") == "event.name" and isinstance(one.get("value"), dict)
                )  # fmt: skip
                yield from (str(name) for name in (log.get("eventName"), text, *given) if name)


def _each(record: Record, keys: Sequence[str]) -> Iterator[Record]:
    for key in keys:
        value = record.get(key)
        if isinstance(value, list):
            yield from (one for one in value if isinstance(one, dict))


_VALUE = (
    "STRUCT(stringValue VARCHAR, intValue VARCHAR, doubleValue VARCHAR, boolValue VARCHAR, arrayValue VARCHAR, "
    "string_value VARCHAR, int_value VARCHAR, double_value VARCHAR, bool_value VARCHAR, array_value VARCHAR)"
)
_ATTRIBUTES = f"STRUCT(key VARCHAR, value {_VALUE})[]"
_LOG = (
    "STRUCT(timeUnixNano VARCHAR, time_unix_nano VARCHAR, observedTimeUnixNano VARCHAR, eventName VARCHAR, "
    f"event_name VARCHAR, body STRUCT(stringValue VARCHAR, string_value VARCHAR), attributes {_ATTRIBUTES})[]"
)
_SCOPES = f"STRUCT(scope STRUCT(name VARCHAR), logRecords {_LOG}, log_records {_LOG})[]"
FIELDS = dict.fromkeys(
    LISTS, f"STRUCT(resource STRUCT(attributes {_ATTRIBUTES}), scopeLogs {_SCOPES}, scope_logs {_SCOPES})[]"
)
SPANS = """
    WITH resources AS (
        SELECT line, record, batch, otlp_keys(batch.resource.attributes) AS r_keys,
            otlp_values(batch.resource.attributes) AS r_vals
        FROM (SELECT line, record, unnest(CASE WHEN len(listed) > 0 THEN listed ELSE [NULL] END) AS batch
            FROM (SELECT *, coalesce("resourceLogs", resource_logs) AS listed FROM records))
    ), owners AS (
        SELECT *, {owners} FROM resources
    ), single AS (
        SELECT * EXCLUDE (batch, logs), unnest(CASE WHEN len(logs) > 0 THEN logs ELSE [NULL] END) AS log
        FROM (SELECT *, flatten(list_transform(coalesce(batch."scopeLogs", batch.scope_logs, []),
            lambda part: coalesce(part."logRecords", part.log_records, []))) AS logs FROM owners)
    ), named AS (
        SELECT *, otlp_keys(log.attributes) AS given_keys, otlp_values(log.attributes) AS given_vals,
            coalesce(log."eventName", log.event_name, attribute(given_keys, given_vals, 'event.name')) AS event,
            CASE WHEN contains(event, '.') THEN event
                ELSE coalesce(log.body."stringValue", log.body.string_value, event) END AS event_name,
            -- Codex logs every event of a stream; only the last has usage.
            coalesce(regexp_full_match(event_name, '{calls}') AND (event_name <> 'codex.sse_event'
                OR attribute(given_keys, given_vals, 'event.kind') IN ('response.completed', 'response.failed')), false)
                AS is_call,
            starts_with(event_name, 'claude_code.') AS is_claude, ends_with(event_name, '.api_error') AS is_failure
        FROM single
    ), timed AS (
        SELECT *,
            coalesce(epoch_utc(nullif(log."timeUnixNano", '0')), epoch_utc(nullif(log.time_unix_nano, '0')),
                instant_utc(attribute(given_keys, given_vals, 'event.timestamp')),
                epoch_utc(log."observedTimeUnixNano"))
                AS logged,
            CASE WHEN is_claude THEN given_keys ELSE list_concat(list_transform(given_keys,
                lambda k: coalesce({renamed}[k], k)), ['gen_ai.operation.name', 'gen_ai.response.finish_reasons'])
                END AS keys,
            CASE WHEN is_claude THEN given_vals ELSE list_concat(given_vals, ['chat',
                CASE attribute(given_keys, given_vals, 'event.kind') WHEN 'response.completed' THEN 'completed' END])
                END AS vals
        FROM named
    )
    SELECT
        line, NOT is_call AS is_other,
        CASE WHEN record IS NOT NULL THEN attribute_object(keys, vals, r_keys, r_vals) END AS record,
        NULL::VARCHAR AS trace,
        -- No event has an id of its own: what it tells does not repeat.
        CASE WHEN is_call THEN md5(concat_ws(' ', epoch_us(logged), given_vals::VARCHAR)) END AS span,
        NULL::VARCHAR AS parent,
        CASE WHEN is_claude THEN 'claude_code.llm_request' ELSE event_name END AS name,
        NULL::VARCHAR AS kind, NULL::VARCHAR AS kind_word, NULL::VARCHAR AS scope,
        later_by(logged, -coalesce(number_of(attribute(given_keys, given_vals, 'duration_ms')), 0)) AS started,
        CASE WHEN number_of(attribute(given_keys, given_vals, 'duration_ms')) IS NOT NULL THEN logged END AS ended,
        keys, vals, own_attributes(keys) AS own, r_keys, r_vals, r_tenants, r_deploys,
        NULL::STRUCT(name VARCHAR, "at" BIGINT, attributes VARCHAR)[] AS events, NULL::BIGINT AS dropped,
        CASE WHEN is_failure OR attribute(given_keys, given_vals, 'event.kind') = 'response.failed' THEN 'ERROR' END
            AS status,
        coalesce(attribute(given_keys, given_vals, 'error'), attribute(given_keys, given_vals, 'error.message'))
            AS status_message
    FROM timed
"""
_MARKS = {
    "{owners}": OWNERS.strip(), "{calls}": _CALLS,
    "{renamed}": "MAP {" + ", ".join(f"'{old}': '{new}'" for old, new in _RENAMED.items()) + "}",
}  # fmt: skip
for _mark, _text in _MARKS.items():
    SPANS = SPANS.replace(_mark, _text)
