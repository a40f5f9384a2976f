"""SQL that turns records in streamaudit's own field names into calls: shared by JSON lines, and by Datadog's logs,
which hold such records.
"""

import re
from collections.abc import Sequence

from streamaudit.ingest.mapping import scale
from streamaudit.ingest.sources import _raw_answers
from streamaudit.ingest.sources._app_keys import expand_app_keys
from streamaudit.ingest.sources._raw_names import ID, OWN, START, Names, list_names, unit_ms
from streamaudit.ingest.sources._raw_parts import choose_parts
from streamaudit.ingest.sources._raw_usage import NESTED, Usage
from streamaudit.ingest.sources.registry import Match, Occurs, Record

TELLING = (
    "time_to_first_chunk_ms", "ttft_ms", "output_tokens", "request_model", "model", "duration_ms",
    "rendered_output_tokens", "rendered_tokens", "outcome", "tenant_id", "tenant",
)  # fmt: skip
# Fields that belong to other formats: such a file is not raw even if it has an id and a start.
_FOREIGN = (
    "traceId",
    "trace_name",
    "provided_model_name",
    "parent_observation_id",
    "span_kind",
    "meta.span.kind",
    "metrics.output_tokens",
    "dotted_order",
    "resourceSpans",
    "call_type",
    "delay_ms",
    "run_type",
    "native_tokens_completion",
)
_OTHERS = (
    "schema", "error_type", "chunk_count", "rendered_chars", "rendered_chunks", "usage_source", "usage_basis",
    "cancelled_by", "cancelled_at_ms", "upstream_cancelled", "upstream_end_ms", "input_hash", "output_chars",
    "visible_output_chars", "updated_at", "name", "kind",
)  # fmt: skip
_JSON = ("metadata", "attributes", "extra", "tags", "chunk_offsets_ms", "client_chunk_offsets_ms", "chunk_tokens")


def recognise_own(head: Sequence[Record]) -> Match | None:
    """Claim records that have an id, and a start or something telling, under streamaudit's own names."""
    for record in head:
        if str(record.get("schema", "")).startswith("streamaudit."):
            return Match("attempt/1", "schema")
        if any(key in record for key in _FOREIGN) or isinstance(record.get("metrics"), dict):
            continue
        identity = next((key for key in ID if key in record), None)
        start = next((key for key in START if key in record), None)
        telling = next((key for key in TELLING if key in record), None)
        if identity and telling and (start or identity != "id"):
            return Match("fields", " + ".join(key for key in (identity, start, telling) if key))
    return None


_FOUND = """
WITH {before}found AS (
    SELECT
        *{tenant_name},
        {app_values} AS app,
        {tag_values} AS tagged,
        -- Absent timing columns are distinguished from present ones once, here.
        coalesce({started}) AS started,
        {ended} AS ended,
        {deep} AS deep,
        {answered}
        {voice_stage} AS voice_stage
    FROM {relation}
), worded AS (
    SELECT
        *,
        coalesce({id}) AS own_id,
        {status_word} AS status_word,
        {outcome_words} AS words,
        coalesce({error}) AS error_text
    FROM found
), judged AS (
    SELECT
        *,
        try_cast(coalesce({http_status}, CASE WHEN regexp_full_match(status_word, '[1-5]\\d\\d') THEN status_word END)
            AS INTEGER) AS http,
        -- An error may be an object, whose type and code are words and whose message is not.
        {error_object} AS error_object,
        CASE WHEN NOT regexp_full_match(status_word, '[1-5]\\d\\d') THEN words[1] END AS ended_as,
        CASE
            WHEN {says_error} OR bool_of(coalesce({success})) = false OR bool_of({failed})
                OR {said_state} = 'error' THEN true
        END AS has_failed
    FROM worded
), counted AS (
    SELECT
        *,
        {counted_in} AS counted_in, {counted_out} AS counted_out,
        tokens_of(coalesce({cached_input_tokens})) AS counted_read,
        tokens_of(coalesce({cache_write_tokens})) AS counted_write,
        tokens_of(coalesce({total_tokens})) AS counted_all,
        {error_message} AS error_message_text,
        {error_word} AS error_word,
        {error_classes} AS classes,
        {transports} AS transports,
        {answer_reason} AS answer_reason,
        {arrivals} AS arrivals, {client_arrivals} AS client_arrivals
    FROM judged
), known AS (
    SELECT
        *,
        -- 0 tokens of an unknown usage, or of a call that failed, are not measured.
        CASE
            WHEN lower(coalesce("usage_source", "usage_basis")) = 'none' THEN 0
            WHEN counted_out = 0 AND coalesce(counted_in, 0) = 0 AND bool_of({cache_hit}) IS DISTINCT FROM true
                AND (counted_in = 0 OR has_failed OR http >= 400) THEN 0
            -- Nor are those of a stream that was cut after its first token.
            WHEN counted_out = 0 AND coalesce({ttft_ms}, arrivals[1]) > 0 AND (coalesce({cancel_flag}, false)
                OR http IN (499, 460, 408, 504, 524) OR list_has_any(
                    [ended_as, words[2], words[3], words[4]], ['cancelled', 'timeout', 'interrupted'])) THEN 0
        END AS nothing
    FROM counted
)
"""
_SQL = """
SELECT
    line, record,
    {kind} AS kind,
    {voice_id} AS call_id,
    voice_stage AS span_kind,
    {stages} AS stages,
    nullif("trace_id", '') AS trace_id,
    coalesce({parent_id}) AS parent_id,
    nullif("logical_request_id", '') AS logical_request_id,
    try_cast("attempt_number" AS INTEGER) AS attempt_number,
    nullif("response_id", '') AS response_id,
    nullif("name", '') AS name,
    coalesce({model}, undated(coalesce({response_model}))) AS model,
    coalesce({response_model}) AS response_model,
    lower(coalesce({provider})) AS provider,
    CASE {tenant_ranks}
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[tenant], 99), filled_rank(tagged[tenant], 199))
    END AS tenant_rank,
    coalesce({tenant}, first_filled(app[tenant]), first_filled(tagged[tenant])) AS tenant,
    CASE {route_ranks}
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[route], 99), filled_rank(tagged[route], 199))
    END AS route_rank,
    coalesce({route}, first_filled(app[route]), first_filled(tagged[route])) AS route,
    CASE {deploy_ranks}
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[deploy], 99), filled_rank(tagged[deploy], 199))
    END AS deploy_rank,
    coalesce({deploy}, first_filled(app[deploy]), first_filled(tagged[deploy])) AS deploy,
    coalesce({user_id}) AS user_id,
    coalesce({session_id}) AS session_id,
    coalesce({environment}) AS environment,
    coalesce({service}) AS service,
    nullif("region", '') AS region,
    coalesce(transports[1], nullif("transport", ''), transports[2], transports[3]) AS transport,
    lower(coalesce({operation})) AS operation,
    {started_or_implied} AS start_time,
    ended AS end_time,
    coalesce({duration_ms}, span_ms(started, ended)) AS duration_ms,
    coalesce({streamed}) AS streamed,
    coalesce({ttft_ms}, {first_token_at}arrivals[1]) AS ttft_ms,
    coalesce({ttvt_ms}) AS ttvt_ms,
    coalesce({server_ttft_ms}) AS server_ttft_ms,
    CASE WHEN coalesce({ttft_ms}) IS NULL AND arrivals IS NOT NULL THEN 'first_chunk' END AS ttft_basis,
    coalesce(try_cast("chunk_count" AS BIGINT), len(arrivals)) AS chunk_count,
    arrivals AS chunk_offsets_ms,
    client_arrivals AS client_chunk_offsets_ms,
    try_cast("chunk_tokens" AS BIGINT[]) AS chunk_tokens,
    nullif(CASE
        WHEN {leaves_cache_out} AND counted_all IS DISTINCT FROM counted_in::HUGEINT + counted_out
            THEN tokens_with(counted_in, counted_read, counted_write)
        ELSE whole_input(counted_in, counted_read, counted_write, counted_out, counted_all)
    -- No answer is without a prompt: a server wrote 0 for one that it had cached.
    END, CASE WHEN counted_out > 0 THEN 0 ELSE nothing END) AS input_tokens,
    counted_read AS cached_input_tokens,
    counted_write AS cache_write_tokens,
    {details}
    nullif(counted_out, nothing) AS output_tokens,
    nullif(tokens_of(coalesce({reasoning_tokens})), nothing) AS reasoning_tokens,
    counted_all AS total_tokens,
    CASE {delivered_tokens_ranks}
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[delivered_tokens], 99), filled_rank(tagged[delivered_tokens], 199))
    END AS delivered_tokens_rank,
    tokens_of(coalesce({delivered_tokens}, first_filled(app[delivered_tokens]), first_filled(tagged[delivered_tokens])))
        AS delivered_tokens,
    CASE {rendered_tokens_ranks}
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[rendered_tokens], 99), filled_rank(tagged[rendered_tokens], 199))
    END AS rendered_tokens_rank,
    tokens_of(coalesce({rendered_tokens}, first_filled(app[rendered_tokens]), first_filled(tagged[rendered_tokens])))
        AS rendered_tokens,
    tokens_of(coalesce("rendered_chars", first_filled(app[rendered_chars]))) AS rendered_chars,
    tokens_of(coalesce("rendered_chunks", first_filled(app[rendered_chunks]))) AS rendered_chunks,
    tokens_of(coalesce({max_tokens})) AS max_tokens,
    coalesce({usage_basis}, CASE WHEN {is_part} THEN 'partial' END) AS usage_basis,
    bool_of({cache_hit}) AS cache_hit,
    -- Nor is the price of what was not counted.
    nullif(coalesce({cost_usd}) + {upstream_cost}, nothing) AS cost_usd,
    coalesce({input_cost_usd}) AS input_cost_usd,
    coalesce({output_cost_usd}) AS output_cost_usd,
    {said_outcome} AS said_outcome,
    -- A status of error is one of the failures below, whose class may say more.
    coalesce(words[4], CASE WHEN ended_as <> 'error' THEN ended_as END,
        CASE WHEN {said_state} IN ('cancelled', 'timeout')
            OR ({said_state} = 'interrupted' AND NOT coalesce({cancel_flag}, false)) THEN {said_state} END,
        CASE WHEN bool_of(coalesce({success})) OR {is_whole} THEN 'completed' END) AS app_outcome,
    {cancel_flag} AS cancel_flag,
    has_failed AS failed,
    {says_cancelled} AS error_cancelled,
    {says_timeout} AS error_timeout,
    {cancelled_by} AS cancelled_by,
    coalesce({cancelled_at}number_of("cancelled_at_ms")) AS cancelled_at_ms,
    bool_of("upstream_cancelled") AS upstream_cancelled,
    number_of("upstream_end_ms") AS upstream_end_ms,
    code_word(coalesce({finish_reason}, answer_reason, {incomplete_reason})) AS finish_reason,
    {answered_status} AS http_status,
    {error_code} AS error_type,
    CASE WHEN "input_hash" <> '' THEN md5($salt || "input_hash") END AS input_hash,
    {lengths}
    CASE WHEN {started_or_implied} IS NULL THEN start_misfit(coalesce({start_time})) END AS misfits,
    {updated_at} AS source_updated_at
FROM known
"""
_OWN_KIND = """CASE
        WHEN voice_stage IS NOT NULL THEN 'span'
        WHEN own_id IS NULL
            AND started IS NULL AND coalesce("model", "request_model", "outcome", "output_tokens") IS NULL THEN NULL
        WHEN lower(coalesce("operation_name", "operation")) LIKE '%embed%'
            OR ("output_tokens" IS NULL AND coalesce("request_model", "model") LIKE '%embed%') THEN 'embedding'
        ELSE 'llm'
    END"""
# A log may hold other lines besides its calls; a call has a model, tokens, or a measure of its own.
_WIDE_KIND = """CASE
        WHEN record IS NULL OR json_type(record) <> 'OBJECT' THEN NULL
        WHEN voice_stage IS NOT NULL THEN 'span'
        WHEN {is_event} THEN 'other'
        WHEN coalesce({model}, {response_model}) IS NULL AND coalesce(counted_in, counted_out) IS NULL
            AND coalesce({ttft_ms}) IS NULL AND coalesce({cost_usd}) IS NULL
            AND coalesce("outcome", "request_id") IS NULL THEN 'other'
        WHEN lower(coalesce({operation})) LIKE '%embed%' OR coalesce({model}) LIKE '%embed%' THEN 'embedding'
        ELSE 'llm'
    END"""
# Kinds of tokens with a price of their own, which only a provider's usage has.
_DETAILS = ("cache_write_1h_tokens", "audio_input_tokens", "image_tokens", "audio_output_tokens")
_SUMS = ("cost_usd", "input_cost_usd", "output_cost_usd")
# Bedrock's events of an answer end with how long it took, and when it began.
INVOCATION_METRICS = "amazon-bedrock-invocationMetrics"
_INVOCATION_METRIC = (
    "number_of(json_extract_string(record, '$.output.outputBodyJson[*].\"amazon-bedrock-invocationMetrics\".{}')[1])"
)
# Every field is quoted in the SQL, and nothing else.
_QUOTED = re.compile(r'"([^"]+)"')
LINE_DIGEST = "'line-' || md5(record::VARCHAR)"
LINE_ORDINAL = f"{LINE_DIGEST} || '-' || row_number() OVER (PARTITION BY md5(record::VARCHAR))"


# Only a log that may have answers pays for looking at them.
_LENGTHS = """try_cast("output_chars" AS BIGINT) AS output_chars,
    try_cast("visible_output_chars" AS BIGINT) AS visible_output_chars,"""
_LENGTHS_OF_ANSWERS = """coalesce(try_cast("output_chars" AS BIGINT), nullif(length(answered), 0)) AS output_chars,
    coalesce(try_cast("visible_output_chars" AS BIGINT), nullif(length(answered), 0)) AS visible_output_chars,
    corrections_of(answered) AS retractions,"""


def _build_fragments(names: Names, occurs: Occurs, *, wide: bool) -> dict[str, str]:
    """Return the SQL fragment of each column: its candidates that occur, in order."""
    usage = Usage(occurs if wide else lambda name: False, _raw_answers.NAMES)
    listed = _raw_answers.kinds(usage)

    def nested(column: str) -> list[str]:
        return [*usage.values(NESTED.get(column, ())), *listed.get(column, ())]

    def filled(column: str) -> str:
        return ", ".join([f"nullif({_quote(name)}, '')" for name in names[column]]) or "NULL::VARCHAR"

    def counts(column: str) -> str:
        # A 0 under one name does not hide a count under another.
        some = [*map(_quote, names.get(column, ())), *nested(column)]
        firsts = [f"nullif(nullif({one}, ''), '0')" for one in some] if len(some) > 1 else []
        return ", ".join([*firsts, *(f"nullif({one}, '')" for one in some)]) or "NULL::VARCHAR"

    def sums(column: str) -> list[str]:
        # Of an object, what it says of the column itself is a path of its own.
        own = [
            f"money_of({_quote(name)})" + (f" * {scale(column, name)!r}" if scale(column, name) != 1 else "")
            for name in names[column]
        ]
        ticks = usage.cost_of_ticks() if column == "cost_usd" else []
        some = [*own, *(f"money_of({one})" for one in nested(column)), *ticks]
        return [*(f"nullif({one}, 0)" for one in some if len(some) > 1), *some]

    def durations(column: str) -> str:
        return ", ".join(
            f"number_of({_quote(name)})" + (f" * {unit_ms(name)!r}" if unit_ms(name) != 1 else "")
            for name in names[column]
        ) or "NULL::DOUBLE"

    def ranks(column: str) -> str:
        return " ".join(
            f"WHEN {_quote(name)} <> '' THEN {rank}"
            for rank, name in enumerate(every[column], start=1) if name in names[column]
        )  # fmt: skip

    every = list_names(wide=wide)
    starts = (f"{'epoch_utc' if '_unix_' in name else 'instant_utc'}({_quote(name)})" for name in names["start_time"])
    instants = names.get("first_token_at", ())
    texts = {
        **{column: filled(column) for column in names},
        **{column: counts(column) for column in (*NESTED, "delivered_tokens", "rendered_tokens") if column in names},
        **{column: durations(column) for column in ("duration_ms", "ttft_ms", "ttvt_ms")},
        "server_ttft_ms": ", ".join([durations("server_ttft_ms"), *usage.server_waits()]),
        **{f"{column}_ranks": ranks(column)
           for column in ("tenant", "route", "deploy", "delivered_tokens", "rendered_tokens")},
        **{column: ", ".join(sums(column)) or "NULL::DOUBLE" for column in _SUMS},
        "model": ", ".join(f"a_name({_quote(name)})" for name in names["model"]) or "NULL::VARCHAR",
        "streamed": ", ".join(f"bool_of({_quote(name)})" for name in names["streamed"]) or "NULL::BOOLEAN",
        "started": ", ".join(starts) or "NULL::TIMESTAMP",
        "id": filled("call_id"),
        "end_time": f"coalesce({filled('end_time')})",
        "cache_hit": f"coalesce({filled('cache_hit')})",
        "failed": f"coalesce({filled('failed')})" if wide else "NULL",
        "first_token_at": "".join(f"span_ms(started, instant_utc({_quote(name)})), " for name in instants),
        **{column: fragment for column in ("cancel_reason", "finished", "state")
           for fragment in [filled(column) if wide else "NULL::VARCHAR"]},
        "cancelled_at": "".join(
            f"span_ms(started, instant_utc({_quote(name)})), " for name in names.get("cancelled_at", ())
        ),
        "deep": usage.select(),
        "counted_in": usage.input_tokens(f"coalesce({counts('input_tokens')})"),
        "counted_out": usage.output_tokens(f"coalesce({counts('output_tokens')})"),
        "leaves_cache_out": usage.leaves_cache_out(),
        "upstream_cost": usage.upstream_cost(),
        "is_whole": _raw_answers.is_whole(occurs) if wide else "false",
        "details": "".join(f"tokens_of(coalesce({counts(column)})) AS {column}, " for column in _DETAILS)
        + f"{_raw_answers.service_tier(usage, occurs)} AS service_tier," if wide else "",
        "tenant_name": ' REPLACE (a_name("tenant") AS tenant)' if "tenant" in names["tenant"] else "",
    }  # fmt: skip
    texts["is_part"] = _raw_answers.is_part(usage, occurs).format(**texts) if wide else "false"
    if wide and occurs("response") and occurs("object"):
        texts["state"] += f", {_raw_answers.state_inside('failed', 'cancelled')}"
        texts["is_whole"] += f" OR {_raw_answers.state_inside('completed')} IS NOT NULL"
    texts["lengths"] = _LENGTHS_OF_ANSWERS if wide else _LENGTHS
    # An object in the place of an answer is what a provider sent, and its text is none of the answer's own.
    texts["answered"] = (
        f"CASE WHEN left(coalesce({filled('answer')}), 1) NOT IN ('{{', '[') THEN coalesce({filled('answer')}) END "
        "AS answered," if wide else ""
    )
    if wide and occurs(INVOCATION_METRICS):
        texts["duration_ms"] += f", {_INVOCATION_METRIC.format('invocationLatency')}"
        texts["ttft_ms"] += f", {_INVOCATION_METRIC.format('firstByteLatency')}"
        texts["duration_ms"] = f"coalesce({texts['duration_ms']})"
    elif len(names["duration_ms"]) > 1:
        texts["duration_ms"] = f"coalesce({texts['duration_ms']})"
    if wide:
        texts["route"] = ", ".join(
            f"nullif({_quote(name)}, '')" if name in OWN["route"] else f"step_label({_quote(name)})"
            for name in names["route"]
        ) or "NULL::VARCHAR"
        texts["route_ranks"] = " ".join(
            f"WHEN {_quote(name) if name in OWN['route'] else f'step_label({_quote(name)})'} <> '' THEN {rank}"
            for rank, name in enumerate(every["route"], start=1) if name in names["route"]
        )
    texts["is_event"] = _raw_answers.is_event(occurs).format(**texts) if wide else "false"
    return texts


def _quote(name: str) -> str:
    return f'"{name}"'


def calls_sql(
    *, wide: bool, call_id: str, before: str = "", relation: str = "records", occurs: Occurs = lambda name: True
) -> str:
    """Return the SQL of a source whose records have these names.

    Args:
        wide: read the usual names of home-made logs too, and figures nested in an object.
        call_id: the expression that identifies a call; ``own_id`` is the record's id.
        before: relations that prepare the records, each followed by a comma.
        relation: the one that holds the records, with ``line``, ``record`` and their fields.
        occurs: whether a record may have a name; the relation need not have a field of any other.
    """
    names = {column: tuple(filter(occurs, some)) for column, some in list_names(wide=wide).items()}
    fragments = _build_fragments(names, occurs, wide=wide)
    kind = _WIDE_KIND.format(**fragments) if wide else _OWN_KIND
    filled = {**fragments, "kind": kind, "call_id": call_id, "before": before, "relation": relation}
    parts = {name: part.format(**filled) for name, part in choose_parts(list_names(wide=wide), occurs).items()}
    sql = (_FOUND + _SQL).format(**filled, **parts)
    absent = {name: kind for name, kind in call_fields(wide=wide).items() if not occurs(name)}
    if absent:
        sql = _QUOTED.sub(lambda found: f"NULL::{absent[found[1]]}" if found[1] in absent else found[0], sql)
    return expand_app_keys(sql)


def call_fields(*, wide: bool, occurs: Occurs = lambda name: True) -> dict[str, str]:
    """Return the fields that ``calls_sql`` reads, with their types."""
    names = [name for names in list_names(wide=wide).values() for name in names]
    others = (*_OTHERS, *(_raw_answers.FIELDS if wide else ()))
    every = {**dict.fromkeys((*names, *others), "VARCHAR"), **dict.fromkeys(_JSON, "JSON")}
    return {name: kind for name, kind in every.items() if occurs(name)}
