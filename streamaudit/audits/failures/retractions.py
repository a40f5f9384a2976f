"""Retractions: answers that correct themselves in front of the user, after what was wrong had been shown.

Ingest reads the answers and keeps where a correction begins, when it was shown and its marker, but no text. A
correction is a sentence that begins with one of the strong markers of ``corrections.csv`` (English, German, Spanish,
Chinese: *wait, that's not right*, *Moment, das stimmt nicht*), after other text of the same answer and outside code,
quotations and block quotes. *Actually* as an adverb, *however* and *but* do not count, nor does an answer that opens
with an apology for an earlier one. Exposure is what the user had read before it: characters, tokens in proportion, and
the time since the first token.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "retractions"
FINDS = "answers that take back what they have just shown"
NEEDS = (
    "the text of answers, which is read during ingest and not kept; to get it, export observations with their output, "
    "record message content (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT), or write output_text in raw lines"
)
BY = ("model", "route")
THRESHOLDS = (
    Threshold("least_share", 0.02, "least share of a group's answers with a correction for a finding"),
    Threshold("least_affected", 3, "fewest corrected answers of a group for a finding"),
)
KINDS = {
    "visible_correction": Kind("warning",
        "{affected_calls:n} of {calls:n} answers ({affected_share:pct}) corrected themselves after {chars_p50:n} "
        "characters{tokens_words}{shown_words} (median) had been shown, most often by {marker}{left_words}.",
        "Let the model think before it speaks: give it reasoning that is not shown, check figures with a tool first, "
        "or hold back the first sentences of answers that are often corrected."),
}  # fmt: skip
PREPARE: tuple[str, ...] = ()
EXAMINED = """
SELECT count(*) FILTER (retractions IS NOT NULL), count(*) FROM scope
"""
QUERY = """
, answers AS (
    SELECT
        by_1, by_2, by_3, by_4, call_id, outcome = 'cancelled' AS has_left, len(retractions) > 0 AS is_corrected,
        retractions[1].marker AS marker, retractions[1].offset_chars AS shown_chars,
        least(1, shown_chars / nullif(coalesce(visible_output_chars, output_chars), 0))
            * (output_tokens - coalesce(reasoning_tokens, 0)) AS shown_tokens,
        retractions[1].offset_ms - coalesce(ttvt_ms, ttft_ms) AS shown_ms
    FROM scope
    WHERE retractions IS NOT NULL
), groups AS (
    SELECT
        by_1, by_2, by_3, by_4, count(*) AS calls, count(*) FILTER (is_corrected) AS affected_calls,
        list(call_id ORDER BY shown_chars DESC, call_id) FILTER (is_corrected)[1:3] AS examples,
        median(shown_chars) FILTER (is_corrected) AS chars_p50,
        median(shown_tokens) FILTER (is_corrected) AS tokens_p50,
        median(shown_ms) FILTER (is_corrected) AS shown_p50_ms, commonest(marker) AS marker,
        count(*) FILTER (is_corrected AND has_left) / nullif(count(*) FILTER (is_corrected), 0) AS left,
        count(*) FILTER (NOT is_corrected AND has_left) / nullif(count(*) FILTER (NOT is_corrected), 0) AS left_others
    FROM answers
    GROUP BY ALL
)
SELECT
    by_1, by_2, by_3, by_4, 'visible_correction' AS finding, calls, affected_calls, NULL::BIGINT AS tokens_at_stake,
    NULL::DOUBLE AS usd_at_stake, examples, chars_p50, marker,
    coalesce('; ' || round("left" * 100, 1) || ' % of these users left, ' || round(left_others * 100, 1)
        || ' % of the others', '') AS left_words,
    coalesce(', ' || round(tokens_p50)::BIGINT || ' tokens', '') AS tokens_words,
    coalesce(' and ' || round(shown_p50_ms / 1000, 1) || ' s', '') AS shown_words
FROM groups
WHERE affected_calls >= $least_affected AND affected_calls >= $least_share * calls
"""
