"""Claude Code session files (``~/.claude/projects/*/*.jsonl``): one line a content block, tool result or note.

One answer is several lines with one ``message.id`` and growing usage, and resumed sessions and subagents copy lines of
others: the message is the call, and its last line counts. ``timestamp`` is when a line was written; there is no start,
duration or first token, and the first line's time stands for the start (ryoppippi/ccusage, adapter/claude).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import LEARNT, normalise
from streamaudit.ingest.sources.registry import Match, Record, Source

_NOTE = "a line's timestamp is when it was written: it is used as the start of a call, and durations are unknown"


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        message = record.get("message")
        if "sessionId" not in record or not isinstance(message, dict) or "role" not in message:
            continue
        if {"parentUuid", "isSidechain"} <= record.keys() or ("usage" in message and "id" in message):
            return Match("session", "sessionId + message.role", notes=(_NOTE,))
    return None


_PREPARED = """
    WITH lines AS (
        SELECT
            line, record, type, sessionId, requestId, "version", cwd, isApiErrorMessage, costUSD, message,
            instant_utc("timestamp") AS written,
            json_extract_string(message, ['/id', '/model', '/stop_reason', '/role', '/usage/input_tokens',
                '/usage/output_tokens', '/usage/cache_creation_input_tokens', '/usage/cache_read_input_tokens',
                '/usage/cache_creation/ephemeral_1h_input_tokens', '/usage/service_tier', '/usage/speed']) AS m,
            -- The program writes these in the user's name when the user stops it.
            coalesce(json_extract_string(message, '/content/0/text'), message->>'$.content') IN
                ('[Request interrupted by user]', '[Request interrupted by user for tool use]') AS is_stop,
            coalesce(json_extract_string(message, '/content/0/text'), message->>'$.content')
                = '[Request interrupted by user]' AS is_cut
        FROM records
    ), asked AS (
        SELECT *, CASE WHEN coalesce(type, m[4]) = 'assistant' AND json_type(message, '/usage') = 'OBJECT'
            AND m[2] IS DISTINCT FROM '<synthetic>' THEN coalesce(nullif(m[1], ''), nullif(requestId, '')) END AS id
        FROM lines
    ), placed AS (
        SELECT *, last_value(id IGNORE NULLS) OVER earlier AS id_before, max(written) OVER session AS last_written
        FROM asked
        WINDOW earlier AS (PARTITION BY sessionId ORDER BY written, line ROWS BETWEEN UNBOUNDED PRECEDING
            AND CURRENT ROW), session AS (PARTITION BY sessionId)
    ), cut AS (
        SELECT DISTINCT id_before AS id FROM placed WHERE is_cut AND id_before IS NOT NULL
    ), typed AS (
        SELECT placed.*, cut.id IS NOT NULL AS was_cut, min(written) OVER (PARTITION BY placed.id) AS first_written,
            max(written) OVER (PARTITION BY placed.id) AS own_last,
            tokens_of(m[7]) AS written_tokens, tokens_of(m[8]) AS read_tokens
        FROM placed LEFT JOIN cut ON cut.id = placed.id
    )
    SELECT
        line, record, CASE WHEN record IS NULL OR json_type(record) <> 'OBJECT' THEN NULL
            WHEN id IS NULL THEN 'other' ELSE 'llm' END AS kind,
        id AS call_id, nullif(m[1], '') AS response_id, nullif(sessionId, '') AS session_id,
        nullif(m[2], '') AS response_model, undated(nullif(m[2], '')) AS model, 'anthropic' AS provider,
        [nullif(string_split(rtrim(replace(cwd, chr(92), '/'), '/'), '/')[-1], '')] AS own_routes,
        [nullif("version", '')] AS own_deploys, 'claude-code' AS service,
        CASE WHEN id IS NULL THEN written ELSE first_written END AS start_time, written AS source_updated_at,
        -- Anthropic's input leaves the cache out.
        tokens_with(tokens_of(m[5]), written_tokens, read_tokens) AS input_tokens,
        read_tokens AS cached_input_tokens, written_tokens AS cache_write_tokens,
        tokens_of(m[9]) AS cache_write_1h_tokens, tokens_of(m[6]) AS output_tokens,
        CASE WHEN m[11] = 'fast' THEN m[11] ELSE nullif(m[10], 'default') END AS service_tier,
        -- The count of a message that was cut is the one that opened its stream. So are a few tokens without a reason:
        -- some versions never write the last line (anthropics/claude-code#22686).
        CASE WHEN was_cut OR (m[3] IS NULL AND tokens_of(m[6]) <= 8) THEN 'partial' END AS usage_basis,
        number_of(costUSD) AS cost_usd,
        CASE WHEN was_cut THEN NULL WHEN m[3] <> '' OR own_last < last_written THEN 'completed' END AS app_outcome,
        CASE WHEN was_cut THEN true END AS cancel_flag, CASE WHEN bool_of(isApiErrorMessage) THEN true END AS failed,
        CASE WHEN NOT was_cut THEN nullif(m[3], '') END AS finish_reason
    FROM typed
"""

_READS = {
    "call_id": "message.id", "response_id": "message.id", "session_id": "sessionId", "response_model": "message.model",
    "model": "message.model without its date", "start_time": "timestamp of the message's first line",
    "input_tokens": "message.usage: input_tokens and both kinds of cached ones",
    "cached_input_tokens": "message.usage.cache_read_input_tokens",
    "cache_write_tokens": "message.usage.cache_creation_input_tokens",
    "cache_write_1h_tokens": "message.usage.cache_creation.ephemeral_1h_input_tokens",
    "output_tokens": "message.usage.output_tokens of the last line", "cost_usd": "costUSD",
    "finish_reason": "message.stop_reason", "source_updated_at": "timestamp", "service_tier": "message.usage",
}  # fmt: skip

_REMEDIES = {
    **dict.fromkeys(
        ("duration", "ttft", "ttvt", "streamed", "chunk_times"),
        "session files hold no durations: Claude Code's OpenTelemetry export has them",
    ),
    **dict.fromkeys(LEARNT, "session files hold none"),
    "tenant": "one session file is one person's: --map tenant=cwd, or one --source NAME for each",
    "route": "the last part of cwd is taken",
    "deploy": "the program's version is taken",
    "billed_at_cut": "an interrupted message keeps the count that opened it: only the provider's bill has the rest",
    "cost": "newer versions write no costUSD: tokens and model price a call",
}  # fmt: skip

SOURCE = Source(
    name="claude_code",
    version=2,
    recognise=_recognise,
    fields={
        **dict.fromkeys(
            ("type", "timestamp", "sessionId", "requestId", "version", "cwd", "isApiErrorMessage", "costUSD"), "VARCHAR"
        ),
        "message": "JSON",
    },
    whole=True,
    sql=normalise(_PREPARED),
    own_keys={"route": ("cwd",), "deploy": ("version",)},
    needs=(("sessionId",), ("message.role",)),
    reads=_READS,
    remedies=_REMEDIES,
)
