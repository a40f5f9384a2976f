"""Codex CLI rollouts (``~/.codex/sessions/**/rollout-*.jsonl``): events of a session, one per line.

A ``token_count`` with a usage of its own is a call; the model is that of the turn it lies in. Resumed sessions and
archived copies repeat lines, and a forked session or a subagent begins with its parent's, often with other times: a
call is known by its session and by counts that grow with it, else by its time. Its time is when the count was written
and stands for the start (ryoppippi/ccusage, adapter/codex; ccusage#950, tokscale#679).
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
            CASE WHEN type = 'session_meta' THEN coalesce(payload->>'$.forked_from_id', payload->>'$.parent_thread_id',
                payload->>'$.source.subagent.thread_spawn.parent_thread_id') END AS parent,
            CASE WHEN type = 'session_meta' THEN payload->>'$.originator' END AS program,
            CASE WHEN type = 'session_meta' THEN payload->>'$.cli_version' END AS program_version,
            CASE WHEN type = 'session_meta' THEN payload->>'$.model_provider' END AS seller,
            CASE WHEN type IN ('session_meta', 'turn_context') THEN payload->>'$.cwd' END AS folder,
            CASE WHEN type = 'turn_context' THEN payload->>'$.model' END AS turn_model,
            CASE WHEN type = 'turn_context' THEN payload->>'$.turn_id' END AS turn,
            CASE WHEN type = 'turn_context' THEN payload->>'$.service_tier' END AS turn_tier
        FROM records
    ), metas AS (
        -- A fork begins with the head of its parent, whose lines follow.
        SELECT line AS meta_line, coalesce(lag(parent) OVER (ORDER BY line) = session, false) AS is_copied
        FROM events WHERE session IS NOT NULL
    ), placed AS (
        SELECT * REPLACE (
            coalesce(last_value(own.id IGNORE NULLS) OVER earlier, first_value(own.id IGNORE NULLS) OVER later)
                AS session,
            coalesce(last_value(own IGNORE NULLS) OVER earlier, first_value(own IGNORE NULLS) OVER later) AS own,
            last_value(turn_tier IGNORE NULLS) OVER earlier AS turn_tier,
            last_value(program IGNORE NULLS) OVER earlier AS program,
            last_value(program_version IGNORE NULLS) OVER earlier AS program_version,
            last_value(seller IGNORE NULLS) OVER earlier AS seller,
            last_value(folder IGNORE NULLS) OVER earlier AS folder,
            last_value(turn_model IGNORE NULLS) OVER earlier AS turn_model,
            last_value(turn IGNORE NULLS) OVER earlier AS turn
        ), last_value(session IGNORE NULLS) OVER earlier AS stated,
            CASE WHEN event = 'token_count' THEN json_extract_string(info, ['/last_token_usage/input_tokens',
                '/last_token_usage/cached_input_tokens', '/last_token_usage/output_tokens',
                '/last_token_usage/reasoning_output_tokens', '/last_token_usage/cache_write_input_tokens',
                '/total_token_usage/input_tokens', '/total_token_usage/cached_input_tokens',
                '/total_token_usage/output_tokens', '/total_token_usage/reasoning_output_tokens',
                '/total_token_usage/cache_write_input_tokens', '/model', '/service_tier']) END AS u
        FROM (
            SELECT events.*, CASE WHEN session IS NOT NULL AND NOT is_copied
                THEN struct_pack(id := session, parent := parent, begun := written) END AS own
            FROM events LEFT JOIN metas ON meta_line = line
        )
        WINDOW earlier AS (ORDER BY written, line ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
            later AS (ORDER BY written, line ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
    ), sorted AS (
        -- What a fork repeats is written in one go when it begins, or has its first time.
        SELECT * REPLACE (CASE WHEN own.parent IS NOT NULL AND written <= own.begun + INTERVAL 2 SECOND
                THEN coalesce(nullif(stated, session), own.parent) ELSE session END AS session),
            coalesce(own.parent IS NOT NULL AND written <= own.begun + INTERVAL 2 SECOND, false) AS may_repeat
        FROM placed
    ), counted AS (
        SELECT *, list_transform(u[1:10], lambda n: tokens_of(n)) AS n,
            lag(list_transform(u[1:10], lambda n: tokens_of(n))) OVER (PARTITION BY own.id, u IS NULL
                ORDER BY written, line) AS before
        FROM sorted
    ), typed AS (
        SELECT *,
            -- The totals of a session grow; where only they are written, a call is their difference. Those of a fork
            -- go on from its parent's.
            list_transform([1, 2, 3, 4, 5], lambda i: coalesce(n[i], CASE WHEN own.parent IS NULL OR before IS NOT NULL
                THEN try_cast(n[i + 5]::HUGEINT - coalesce(before[i + 5], 0) AS BIGINT) END)) AS counts,
            coalesce(n[6] IS NOT NULL AND n[6:10] = before[6:10], false) AS is_repeat
        FROM counted
    )
    SELECT
        line, record, CASE WHEN record IS NULL OR json_type(record) <> 'OBJECT' THEN NULL
            WHEN counts[1] IS NOT NULL AND NOT is_repeat THEN 'llm'
            WHEN event = 'turn_aborted' THEN 'span' ELSE 'other' END AS kind,
        CASE WHEN event = 'turn_aborted' THEN concat_ws('/', session, 'aborted', payload->>'$.turn_id', stamp)
            -- Totals occur once in a session.
            WHEN n[6] IS NOT NULL AND session IS NOT NULL THEN md5(concat_ws('|', session, n::VARCHAR))
            ELSE md5(concat_ws('|', stamp, coalesce(u[11], turn_model), n::VARCHAR)) END AS call_id,
        CASE WHEN event = 'turn_aborted' THEN 'turn_aborted' END AS name,
        CASE WHEN event = 'turn_aborted' THEN 'turn' END AS span_kind,
        session AS session_id, turn AS logical_request_id, coalesce(nullif(u[11], ''), turn_model) AS model,
        coalesce(seller, 'openai') AS provider, coalesce(program, 'codex') AS service,
        [program_version] AS own_deploys,
        [nullif(string_split(rtrim(replace(folder, chr(92), '/'), '/'), '/')[-1], '')] AS own_routes,
        written AS start_time, counts[1] AS input_tokens, counts[2] AS cached_input_tokens,
        counts[3] AS output_tokens, counts[4] AS reasoning_tokens, counts[5] AS cache_write_tokens,
        coalesce(u[12], payload->>'$.service_tier', turn_tier) AS service_tier,
        -- The record of the session itself wins over what a fork repeats.
        CASE WHEN NOT may_repeat THEN written END AS source_updated_at,
        CASE WHEN counts[1] IS NOT NULL THEN 'completed' END AS app_outcome,
        CASE WHEN event = 'turn_aborted' THEN true END AS failed
    FROM typed
"""

_READS = {
    "call_id": "digest of the session and its counts", "session_id": "session_meta.payload.id",
    "logical_request_id": "turn_context.payload.turn_id", "model": "info.model, turn_context.payload.model",
    "service": "session_meta.payload.originator", "start_time": "timestamp of the token_count",
    "provider": "session_meta.payload.model_provider, else openai",
    "input_tokens": "last_token_usage.input_tokens", "cached_input_tokens": "last_token_usage.cached_input_tokens",
    "output_tokens": "last_token_usage.output_tokens",
    "cache_write_tokens": "last_token_usage.cache_write_input_tokens",
    "service_tier": "service_tier of the token_count or its turn_context",
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
    version=2,
    recognise=_recognise,
    fields={"timestamp": "VARCHAR", "type": "VARCHAR", "payload": "JSON"},
    whole=True,
    sql=normalise(_PREPARED),
    own_keys={"route": ("cwd",), "deploy": ("cli_version",)},
    needs=(("timestamp",), ("type",), ("payload",)),
    reads=_READS,
    remedies=_REMEDIES,
)
