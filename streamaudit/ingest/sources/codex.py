"""Codex CLI rollouts (``~/.codex/sessions/**/rollout-*.jsonl``): events of a session, one per line.

A ``token_count`` with a usage of its own is a call; the model is that of the turn it lies in. Resumed and forked
sessions and archived copies repeat lines, so that a call is known by its time and its counts. Its time is when the
count was written and stands for the start (ryoppippi/ccusage, adapter/codex).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import LEARNT, normalise
from streamaudit.ingest.sources.registry import Match, Record, Source

_EVENTS = ("session_meta", "turn_context", "event_msg", "response_item", "compacted")
_NOTE = (
    "a token count is written when its call has ended: its time is used as the start of the call, and durations are "
    "unknown"
)


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        if record.get("type") in _EVENTS and isinstance(record.get("payload"), dict) and "timestamp" in record:
            return Match("rollout", "type + payload", notes=(_NOTE,))
    return None


_PREPARED = """
    WITH events AS (
        SELECT
            line, record, type, payload->>'$.type' AS event, instant_utc("timestamp") AS written, "timestamp" AS stamp,
            payload->'$.info' AS info, payload,
            CASE WHEN type = 'session_meta' THEN coalesce(payload->>'$.id', payload->>'$.session_id') END AS session,
            CASE WHEN type = 'session_meta' THEN payload->>'$.originator' END AS program,
            CASE WHEN type = 'session_meta' THEN payload->>'$.cli_version' END AS program_version,
            CASE WHEN type = 'session_meta' THEN payload->>'$.model_provider' END AS seller,
            CASE WHEN type IN ('session_meta', 'turn_context') THEN payload->>'$.cwd' END AS folder,
            CASE WHEN type = 'turn_context' THEN payload->>'$.model' END AS turn_model,
            CASE WHEN type = 'turn_context' THEN payload->>'$.turn_id' END AS turn
        FROM records
    ), placed AS (
        SELECT * REPLACE (
            last_value(session IGNORE NULLS) OVER earlier AS session,
            last_value(program IGNORE NULLS) OVER earlier AS program,
            last_value(program_version IGNORE NULLS) OVER earlier AS program_version,
            last_value(seller IGNORE NULLS) OVER earlier AS seller,
            last_value(folder IGNORE NULLS) OVER earlier AS folder,
            last_value(turn_model IGNORE NULLS) OVER earlier AS turn_model,
            last_value(turn IGNORE NULLS) OVER earlier AS turn
        ), CASE WHEN event = 'token_count' THEN json_extract_string(info, ['/last_token_usage/input_tokens',
                '/last_token_usage/cached_input_tokens', '/last_token_usage/output_tokens',
                '/last_token_usage/reasoning_output_tokens', '/total_token_usage/input_tokens',
                '/total_token_usage/cached_input_tokens', '/total_token_usage/output_tokens',
                '/total_token_usage/reasoning_output_tokens', '/model']) END AS u
        FROM events
        WINDOW earlier AS (ORDER BY written, line ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ), counted AS (
        SELECT *, list_transform(u[1:8], lambda n: tokens_of(n)) AS n,
            lag(list_transform(u[1:8], lambda n: tokens_of(n))) OVER (PARTITION BY session, u IS NULL
                ORDER BY written, line) AS before
        FROM placed
    ), typed AS (
        SELECT *,
            -- The totals of a session grow; where only they are written, a call is their difference.
            list_transform([1, 2, 3, 4], lambda i:
                coalesce(n[i], try_cast(n[i + 4]::HUGEINT - coalesce(before[i + 4], 0) AS BIGINT))) AS own,
            coalesce(n[5] IS NOT NULL AND n[5:8] = before[5:8], false) AS is_repeat
        FROM counted
    )
    SELECT
        line, record, CASE WHEN record IS NULL OR json_type(record) <> 'OBJECT' THEN NULL
            WHEN own[1] IS NOT NULL AND NOT is_repeat THEN 'llm'
            WHEN event = 'turn_aborted' THEN 'span' ELSE 'other' END AS kind,
        CASE WHEN event = 'turn_aborted' THEN concat_ws('/', session, 'aborted', payload->>'$.turn_id', stamp)
            ELSE md5(concat_ws('|', stamp, coalesce(u[9], turn_model), n::VARCHAR)) END AS call_id,
        CASE WHEN event = 'turn_aborted' THEN 'turn_aborted' END AS name,
        CASE WHEN event = 'turn_aborted' THEN 'turn' END AS span_kind,
        session AS session_id, turn AS logical_request_id, coalesce(nullif(u[9], ''), turn_model) AS model,
        coalesce(seller, 'openai') AS provider, coalesce(program, 'codex') AS service,
        [program_version] AS own_deploys,
        [nullif(string_split(rtrim(replace(folder, chr(92), '/'), '/'), '/')[-1], '')] AS own_routes,
        written AS start_time, own[1] AS input_tokens, own[2] AS cached_input_tokens, own[3] AS output_tokens,
        own[4] AS reasoning_tokens, CASE WHEN own[1] IS NOT NULL THEN 'completed' END AS app_outcome,
        CASE WHEN event = 'turn_aborted' THEN true END AS failed
    FROM typed
"""

_READS = {
    "call_id": "digest of timestamp, model and counts", "session_id": "session_meta.payload.id",
    "logical_request_id": "turn_context.payload.turn_id", "model": "info.model, turn_context.payload.model",
    "service": "session_meta.payload.originator", "start_time": "timestamp of the token_count",
    "provider": "session_meta.payload.model_provider, else openai",
    "input_tokens": "last_token_usage.input_tokens", "cached_input_tokens": "last_token_usage.cached_input_tokens",
    "output_tokens": "last_token_usage.output_tokens",
    "reasoning_tokens": "last_token_usage.reasoning_output_tokens",
}  # fmt: skip

_REMEDIES = {
    **dict.fromkeys(
        ("duration", "ttft", "ttvt", "streamed", "chunk_times"),
        "rollouts hold no times of single calls: Codex's OpenTelemetry export has them",
    ),
    **dict.fromkeys(LEARNT, "rollouts hold none"),
    "outcome": "a call that was cut leaves no token count; an aborted turn is kept as a step of the session",
    "billed_at_cut": "a call that was cut leaves no token count: only the provider's bill has it",
    "tenant": "one rollout is one person's: --source NAME for each",
    "route": "the last part of the session's cwd is taken",
    "deploy": "the program's cli_version is taken",
    "cost": "rollouts hold no cost: tokens and model price a call",
}  # fmt: skip

SOURCE = Source(
    name="codex",
    version=1,
    recognise=_recognise,
    fields={"timestamp": "VARCHAR", "type": "VARCHAR", "payload": "JSON"},
    whole=True,
    sql=normalise(_PREPARED),
    own_keys={"route": ("cwd",), "deploy": ("cli_version",)},
    needs=(("timestamp",), ("type",), ("payload",)),
    reads=_READS,
    remedies=_REMEDIES,
)
