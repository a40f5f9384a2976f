"""SQL fragments that read voice turns from a Langfuse export: spans of LiveKit Agents and Pipecat that came in over its
OpenTelemetry endpoint.

Langfuse keeps the attributes of such a span under ``metadata.attributes``, each value as text, and the name of its
library as ``metadata.scope.name``. It calls every span that names a model a generation, recognisers and voices too
(langfuse/langfuse, ``OtelIngestionProcessor.ts``, ``ObservationTypeMapper.ts``, 2026). Its newer tables
(``observations_v2``) keep no attributes of spans: there a step is known by its name alone, and its stages are not.
"""

from streamaudit.ingest.sources._otel_voice import NAMED, OPENED, SORTED, TYPED

_TELLING = {
    '"lk.': "lk", "attributes.lk.": "lk", "metrics.ttfb": "metrics.ttfb", "turn.number": "turn.number",
    '"livekit': "livekit*", '"pipecat': "pipecat*",
}  # fmt: skip
"""Texts in the metadata of a step of a voice turn; looking for them is all that other records pay for. Each with the
name that a file has where it has the text."""
WORDS = tuple(dict.fromkeys(_TELLING.values()))
"""Names without which a file has none of these texts."""
_NAMES = (
    "user_turn", "eou_detection", "tts_node", "tts_request", "tts_request_run", "tts_stream_adapter", "stt", "tts",
)  # fmt: skip
"""Steps around speech, where no attribute tells what they are."""

_OPENED = """
spoken AS (
    SELECT
        *,
        CASE WHEN {telling} THEN map_entries(coalesce(try_cast(meta->'attributes' AS MAP(VARCHAR, VARCHAR)),
            try_cast(meta AS MAP(VARCHAR, VARCHAR)))) END AS attributes,
        coalesce(meta->>'$.scope.name', meta->>'/scope.name') AS scope
    FROM counted
), named AS (
    SELECT
        *,
        list_transform(attributes, lambda e: regexp_replace(e.key, '^attributes[.]', '')) AS keys,
        list_transform(attributes, lambda e: e.value) AS vals
    FROM spoken
), opened AS (
    SELECT
        *,
        {named}
        {opened}
        lower(attribute(keys, vals, 'gen_ai.operation.name')) AS operation_word
    FROM named
), voiced AS (
    SELECT
        *,
        {typed}
    FROM opened
), sorted AS (
    SELECT
        *,
        {sorted}
        coalesce(voice_kind IS NOT NULL OR {is_named_so}, false) AS is_speech,
        -- What LiveKit counted of a request, where the export has no usage of the provider; zeros were not counted.
        CASE WHEN is_voice AND len(usages) = 0 AND coalesce(tokens_of(voice_metrics->>'completion_tokens'), 0)
            + coalesce(tokens_of(voice_metrics->>'prompt_tokens'), 0) > 0 THEN voice_metrics END AS voice_counts,
        -- The framework wrote the usage on its span, so that Langfuse did not count it.
        coalesce(voice_counts IS NOT NULL
            OR (is_voice AND attribute(keys, vals, 'gen_ai.usage.output_tokens') IS NOT NULL), false)
            AS is_voice_counted,
        CASE WHEN is_voice THEN nullif(greatest(0, number_of(coalesce(voice_metrics->>'ttft',
            attribute(keys, vals, 'metrics.ttfb'))) * 1000), 0) END AS voice_ttft_ms
    FROM voiced
)
"""
_NO_VOICE = """
sorted AS (
    SELECT
        *, coalesce({is_named_so}, false) AS is_speech, NULL::VARCHAR AS voice_kind, NULL::JSON AS voice_metrics,
        NULL::JSON AS voice_counts, false AS is_voice_counted, NULL::DOUBLE AS voice_ttft_ms,
        NULL::STRUCT(stage VARCHAR, ms DOUBLE)[] AS stages, NULL::BOOLEAN AS interrupted
    FROM counted
)
"""
_IS_NAMED_SO = f"""(type = 'GENERATION' AND name IN {_NAMES}
            AND coalesce(input_tokens, output_tokens, most_output) IS NULL)"""


def voice_sql(*, has_voice: bool) -> str:
    """Return the SQL steps from ``counted`` to ``sorted``, which adds ``is_speech`` (a step that is no call of a
    language model), ``voice_kind``, ``voice_counts``, ``is_voice_counted``, ``voice_metrics``, ``voice_ttft_ms``,
    ``stages`` and ``interrupted``. Without voice they are those of a file in which none of WORDS occurs."""
    telling = " OR ".join(f"contains(meta::VARCHAR, '{text}')" for text in _TELLING)
    filled = _OPENED if has_voice else _NO_VOICE
    for mark, text in {
        "{telling}": telling, "{named}": NAMED.strip(), "{opened}": OPENED.strip(),
        "{typed}": TYPED.strip().rstrip(","), "{sorted}": SORTED.strip(), "{is_named_so}": _IS_NAMED_SO,
    }.items():  # fmt: skip
        filled = filled.replace(mark, text)
    return filled
