"""Tokens and costs of a Langfuse observation from its usage details.

Langfuse asks for buckets that exclude each other, and many writers send details that are included in ``input`` or
``output`` (langfuse/langfuse issues 10592, 11244, 12306). A record's own total decides, since it counts every token
once. Where it fits both readings or neither, or was computed by Langfuse from all keys, the count is at least the
smaller reading and at most the sum; only details larger than what would include them are surely not included. Names
that providers use keep the provider's contract where no total decides: OpenAI includes cached and reasoning tokens,
Gemini's candidates exclude thoughts. A record made of an OpenTelemetry span still has the span's own counts, which are
whole, and decide where the span had no total: the record's is then Langfuse's sum of all keys.
"""

_IN_OUTER = (
    "input", "prompt_tokens", "promptTokens", "prompt_token_count", "promptTokenCount", "input_tokens", "inputTokens",
    "prompt",
)  # fmt: skip
_OUT_OUTER = (
    "output", "completion_tokens", "completionTokens", "candidates_token_count", "candidatesTokenCount",
    "output_tokens", "outputTokens", "completion",
)  # fmt: skip
_TOTALS = ("total_tokens", "totalTokens", "total_token_count", "totalTokenCount", "total")
_TOOL_PROMPT = ("tool_use_prompt_token_count", "toolUsePromptTokenCount")
_GEMINI_OUT = ("candidates_token_count", "candidatesTokenCount")
_OUT_WORDS = "output|reasoning|thought|completion|candidates|prediction|generated|^eval_count"
_INCLUDED = (
    "u.k IN ('accepted_prediction_tokens', 'rejected_prediction_tokens') OR starts_with(u.k, 'audio.') "
    "OR starts_with(u.k, 'cache_read.audio')"
)
"""Parts of what is counted elsewhere: OpenAI's predictions by its own names, and Pipecat's audio. What Langfuse takes
out has a name that begins with input or output; these it only adds to a total."""
_SPAN_NAMES = r"^details[.]|^prompt_details[.]|^completion_details[.]|^cache_(read|write|creation)(_|[.]input_)tokens$"
_WRITES = "creat|write|ephemeral"
_IN_WORDS = "input|prompt|cache|ephemeral"


def _first(names: tuple[str, ...]) -> str:
    """Return the SQL of the first count in the usage map under one of several names."""
    return f"first_count(list_transform({list(names)}, lambda k: tokens_of(usage_map[k])))::HUGEINT"


def _among(names: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"'{name.lower()}'" for name in names) + ")"


# Whether a count of the details has no cost of its own.
_UNPRICED = """len(list_filter({inner}, lambda u: u.n > 0
                AND NOT list_contains(list_transform({costs}, lambda c: c.k), u.k))) > 0"""
_SQL = """
sorted_usage AS (
    SELECT
        *,
        {in_outer} + coalesce({tool_prompt}, 0) AS in_outer, {out_outer} AS out_outer, {total} AS given_total,
        list_filter(usages, lambda u: {included}) AS parts,
        CASE WHEN len(parts) > 0 THEN list_filter(usages, lambda u: NOT ({included})) ELSE usages END AS wholes,
        CASE WHEN len(parts) > 0 AND given_total = {all_keys}
            THEN given_total - list_sum(list_transform(parts, lambda u: u.n)) ELSE given_total END AS own_total,
        list_filter(wholes, lambda u: u.k NOT IN {outer} AND regexp_matches(u.k, '{out_words}')) AS out_inner,
        list_filter(wholes, lambda u: u.k NOT IN {outer} AND NOT regexp_matches(u.k, '{out_words}')
            AND regexp_matches(u.k, '{in_words}')) AS in_inner,
        -- Names of OpenTelemetry's conventions, by which a detail is included; kept where Langfuse took nothing out.
        len(in_inner) + len(out_inner) > 0
            AND len(list_filter(usages, lambda u: regexp_matches(u.k, '{span_names}'))) > 0 AS is_of_span,
        is_of_span OR ({own_in} IS NULL AND {anthropic_in} IS NULL) AS keeps_input_contract,
        {own_in} IS NULL AND {anthropic_in} IS NOT NULL AND {anthropic_cache} IS NOT NULL AS excludes_cache,
        is_of_span OR {own_out} IS NULL AS keeps_output_contract,
        {gemini_out} IS NOT NULL AS excludes_thoughts,
        -- A total that was not provided is Langfuse's own sum of every key.
        coalesce(CASE WHEN provided_usage IS NULL THEN is_of_span
                AND own_total = {all_keys}
            ELSE len(json_keys(provided_usage)) > 0 AND NOT contains(lower(provided_usage::VARCHAR), '"total')
            END, false) AS is_computed
    FROM found
), weighed AS (
    SELECT
        *,
        -- The same count under two names is one; cache writes by lifetime are included in their sum.
        list_sum(list_distinct(list_transform(list_filter(in_inner, lambda u: contains(u.k, 'cache')
            AND NOT regexp_matches(u.k, '{writes}|miss|no_?cache')), lambda u: u.n))) AS cached,
        greatest(
            list_sum(list_distinct(list_transform(list_filter(in_inner, lambda u: regexp_matches(u.k, '{writes}')
                AND NOT regexp_matches(u.k, '5m|1h')), lambda u: u.n))),
            list_sum(list_transform(list_filter(in_inner, lambda u: regexp_matches(u.k, '{writes}')
                AND regexp_matches(u.k, '5m|1h')), lambda u: u.n))
        ) AS written,
        list_sum(list_transform(list_filter(in_inner, lambda u: NOT regexp_matches(u.k, 'cache|{writes}')
            OR regexp_matches(u.k, 'miss|no_?cache')), lambda u: u.n)) AS other_input,
        list_sum(list_transform(list_filter(in_inner, lambda u: contains(u.k, '1h')), lambda u: u.n)) AS written_1h,
        coalesce(list_sum(list_transform(list_filter(in_inner, lambda u: contains(u.k, 'audio')
            AND NOT contains(u.k, 'cache')), lambda u: u.n)),
            list_filter(parts, lambda u: u.k = 'audio.input_tokens')[1].n) AS heard,
        list_sum(list_transform(list_filter(in_inner, lambda u: contains(u.k, 'image')
            AND NOT contains(u.k, 'cache')), lambda u: u.n)) AS seen,
        coalesce(list_sum(list_transform(list_filter(out_inner, lambda u: contains(u.k, 'audio')), lambda u: u.n)),
            list_filter(parts, lambda u: u.k = 'audio.output_tokens')[1].n) AS spoken,
        list_sum(list_distinct(list_transform(
            list_filter(out_inner, lambda u: regexp_matches(u.k, 'reasoning|thought')), lambda u: u.n))) AS reasoned,
        list_sum(list_transform(list_filter(out_inner, lambda u: NOT regexp_matches(u.k, 'reasoning|thought')),
            lambda u: u.n)) AS other_output
    FROM sorted_usage
), summed AS (
    SELECT
        *,
        coalesce(cached, 0) + coalesce(written, 0) + coalesce(other_input, 0) AS in_details,
        coalesce(reasoned, 0) + coalesce(other_output, 0) AS out_details,
        coalesce(in_outer, 0) AS in_base, coalesce(out_outer, 0) AS out_base
    FROM weighed
), fitted AS (
    -- Every reading that the record's total allows: what of the input's details is to be added to it (``i``), and 1
    -- where the details of the output are not included in it. A writer may take out of the input what was read from a
    -- cache, and leave in what was written to it.
    SELECT
        *,
        coalesce(cached, 0) + coalesce(written, 0) AS cached_all, cached_all <= in_base AS may_include_cache,
        CASE WHEN NOT is_computed THEN list_filter(
            [{'i': 0, 'o': 0}, {'i': 0, 'o': out_details}, {'i': coalesce(cached, 0), 'o': 0},
                {'i': coalesce(cached, 0), 'o': out_details}, {'i': in_details, 'o': 0},
                {'i': in_details, 'o': out_details}],
            lambda w: in_base + w.i + out_base + w.o = own_total
        ) END AS plain_ways,
        -- Langfuse and its SDKs take each detail out of what it is meant to be included in, to 0 at the least: also
        -- details that overlap, as the cached ones with all of the text, and reasoning that was not included.
        CASE WHEN len(plain_ways) = 0 AND in_details + out_details > 0 THEN list_filter(
            list_transform(range(16), lambda n: {
                'i': [0, coalesce(cached, 0), in_details, in_details - coalesce(cached, 0)][n // 4 + 1],
                'o': [0, out_details, out_details - coalesce(reasoned, 0), out_details + coalesce(reasoned, 0)][
                    n % 4 + 1]}),
            lambda w: in_base + w.i + out_base + w.o = own_total AND in_base + w.i >= coalesce(cached, 0)
                AND out_base + w.o >= coalesce(reasoned, 0)
        ) ELSE plain_ways END AS ways,
        -- A cache larger than the input is not in it, whatever was added up to a total.
        list_distinct(list_transform(list_filter(ways, lambda w: w.i > 0 OR may_include_cache), lambda w: w.i))
            AS in_ways,
        -- What the input was before its details were taken out, where that left 0.
        CASE WHEN in_base = 0 AND in_details > 0 THEN coalesce(span_input,
            CASE WHEN NOT is_computed AND len(ways) = 0 AND (out_base > 0 OR out_details = 0)
                THEN own_total - out_base - out_details END) END AS own_rest
    FROM summed
), decided AS (
    SELECT
        *,
        CASE
            WHEN in_details = 0 THEN 0
            WHEN in_base + in_details = span_input THEN in_details
            WHEN in_base = span_input AND may_include_cache THEN 0
            -- All was taken out of the input, or the same part twice: what the span counted is whole, unless more was
            -- cached.
            WHEN in_base = 0 AND own_rest > 0 THEN own_rest + CASE WHEN cached_all > own_rest THEN cached_all ELSE 0 END
            WHEN span_input - in_base = 2 * cached THEN span_input - in_base
            WHEN len(in_ways) = 1 THEN in_ways[1]
            WHEN in_details > in_base THEN in_details
            WHEN excludes_cache AND coalesce(len(ways), 0) = 0 THEN in_details
            WHEN keeps_input_contract AND coalesce(len(ways), 0) = 0 THEN 0
        END AS in_added,
        CASE
            WHEN out_details = 0 THEN 0
            WHEN out_base + out_details = span_output THEN out_details
            WHEN out_base = span_output AND out_details <= out_base THEN 0
            WHEN len(list_distinct(list_transform(ways, lambda w: w.o))) = 1 THEN ways[1].o
            -- An answer shorter than its reasoning, which was taken out of it and was never in it.
            WHEN out_base = 0 AND out_details > span_output THEN span_output + out_details
            WHEN out_base = 0 AND in_details = 0 AND own_total - in_base BETWEEN out_details AND 2 * out_details
                THEN own_total - in_base
            WHEN out_details > out_base THEN out_details
            WHEN excludes_thoughts THEN out_details
            WHEN keeps_output_contract AND coalesce(len(ways), 0) = 0 THEN 0
        END AS out_added
    FROM fitted
), valued AS (
    SELECT
        *,
        try_cast(CASE WHEN in_added IS NOT NULL THEN first_count([
            CASE WHEN in_outer IS NOT NULL OR len(in_inner) > 0 THEN in_base + in_added END,
            nullif(flat_input, 0)]) END AS BIGINT) AS input_tokens,
        -- Of two readings the smaller one is what was billed at least, as of a stream that broke off.
        try_cast(CASE WHEN out_added IS NOT NULL THEN first_count([
            CASE WHEN out_outer IS NOT NULL OR len(out_inner) > 0 THEN out_base + out_added END,
            nullif(flat_output, 0)]) ELSE nullif(out_base, 0) END AS BIGINT) AS output_tokens,
        try_cast(CASE WHEN out_added IS NULL THEN out_base + out_details END AS BIGINT) AS most_output,
        try_cast(cached AS BIGINT) AS cached_input_tokens, try_cast(written AS BIGINT) AS cache_write_tokens,
        try_cast(written_1h AS BIGINT) AS cache_write_1h_tokens, try_cast(heard AS BIGINT) AS audio_input_tokens,
        try_cast(seen AS BIGINT) AS image_tokens, try_cast(spoken AS BIGINT) AS audio_output_tokens,
        -- More reasoning than the output that includes it is a provider's slip (langfuse/langfuse 14987).
        try_cast(CASE WHEN out_added = 0 AND reasoned > out_base AND out_base > 0 THEN NULL ELSE reasoned END
            AS BIGINT) AS reasoning_tokens,
        CASE WHEN NOT is_computed AND span_output IS NULL THEN try_cast(own_total AS BIGINT) END AS total_tokens,
        list_filter(costs, lambda c: regexp_matches(c.k, '{out_words}')) AS out_costs,
        list_filter(costs, lambda c: NOT regexp_matches(c.k, '{out_words}') AND regexp_matches(c.k, '{in_words}'))
            AS in_costs,
        -- Langfuse prices each key that has a price: included details twice, and neither a detail without one nor what
        -- it took out twice (langfuse/langfuse 12531, 16321).
        coalesce(provided_cost, '{}') = '{}' AS is_priced_by_key,
        -- Where nothing tells who computed a cost, one of the whole input may be the application's own.
        coalesce(provided_cost = '{}', false) AS is_known_computed,
        -- A price of 0 for what failed, or was not counted.
        coalesce(greatest(total_cost, number_of(cost_map['total'])), 0) = 0 AND (coalesce(level = 'ERROR', false)
            OR (len(usages) = 0 AND coalesce(flat_input, flat_output, 0) = 0
                AND NOT coalesce(bool_of(meta->>'cache_hit'), false))) AS is_unpaid,
        -- Dify hands a price over in the currency that the model is sold in.
        coalesce(contains(meta::VARCHAR, '"total_price"') AND upper(meta->>'currency') <> 'USD'
            AND number_of(meta->>'total_price') = greatest(total_cost, number_of(cost_map['total'])), false)
            AS is_foreign
    FROM decided
), charged AS (
    SELECT
        *,
        is_priced_by_key AND coalesce((answered IS NOT NULL
                AND tokens_of(given_usage['input']) <> in_base - coalesce(cached, 0))
            OR in_added > in_details OR (in_added < in_details AND len(list_filter(in_costs, lambda c: c.n > 0)) > 1)
            OR (is_known_computed AND in_added = in_details AND in_details > 0 AND len(in_costs) > 0
                AND {unpriced_in}), false)
            AS mischarges_input,
        is_priced_by_key AND coalesce((answered IS NOT NULL
                AND tokens_of(given_usage['output']) <> out_base + out_added)
            OR out_added > out_details OR (out_added < out_details
                AND len(list_filter(out_costs, lambda c: c.n > 0)) > 1)
            OR (is_known_computed AND out_added = out_details AND out_details > 0 AND len(out_costs) > 0
                AND {unpriced_out}), false)
            AS mischarges_output
    FROM valued
), counted AS (
    -- In relations of their own: a name that is used where it is defined is planned again for each use.
    SELECT
        *,
        CASE WHEN NOT is_unpaid AND NOT is_foreign AND NOT mischarges_input
            THEN list_sum(list_transform(in_costs, lambda c: c.n)) END AS input_cost_usd,
        CASE WHEN NOT is_unpaid AND NOT is_foreign AND NOT mischarges_output
            THEN list_sum(list_transform(out_costs, lambda c: c.n)) END AS output_cost_usd
    FROM charged
)
"""


def usage_sql() -> str:
    """Return the SQL steps from ``found`` (``usage_map``, ``usages``, ``costs``, ``flat_input``, ``flat_output``,
    ``span_input``, ``span_output``, ``answered``, ``given_usage``, ``provided_usage``, ``provided_cost``, ``cost_map``,
    ``total_cost``, ``level``, ``meta``) to ``counted``."""
    outer = (*_IN_OUTER, *_OUT_OUTER, *_TOTALS, *_TOOL_PROMPT)
    filled = _SQL
    for mark, text in {
        "{in_outer}": _first(_IN_OUTER), "{out_outer}": _first(_OUT_OUTER), "{total}": _first(_TOTALS),
        "{tool_prompt}": _first(_TOOL_PROMPT), "{gemini_out}": _first(_GEMINI_OUT), "{own_in}": _first(("input",)),
        "{anthropic_in}": _first(("input_tokens", "inputTokens")),
        "{anthropic_cache}": _first(("cache_read_input_tokens", "cache_creation_input_tokens")),
        "{included}": _INCLUDED,
        "{all_keys}": "list_sum(list_transform(list_filter(usages, lambda u: u.k <> 'total'), lambda u: u.n))",
        "{own_out}": _first(("output",)),
        "{outer}": _among(outer), "{out_words}": _OUT_WORDS, "{in_words}": _IN_WORDS,
        "{unpriced_in}": _UNPRICED.format(inner="in_inner", costs="in_costs"),
        "{unpriced_out}": _UNPRICED.format(inner="out_inner", costs="out_costs"),
        "{writes}": _WRITES, "{span_names}": _SPAN_NAMES,
    }.items():  # fmt: skip
        filled = filled.replace(mark, text)
    return filled
