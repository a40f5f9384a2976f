-- What each other log knows of a call. Of several records of one call the furthest counts, so that a client may log its
-- progress as often as it likes and the order of files does not matter. An id that several calls share joins none.
CREATE OR REPLACE TEMP TABLE evidence_by_server AS
WITH keyed AS (
    -- The hashes of ids are compared first: few of the calls have evidence, and reading all ids takes long.
    SELECT 'request_id' AS key_kind, coalesce(request_id, call_id) AS key, source, call_id, rowid AS call_row
    FROM store.calls
    WHERE counted AND operation <> 'embedding' AND rowid IN (
        SELECT hashed.rowid FROM store.calls AS hashed
        WHERE hashed.id_bits IN (SELECT bits_of(key) FROM store.evidence WHERE key_kind = 'request_id'))
    UNION ALL
    SELECT 'response_id', response_id, source, call_id, rowid FROM store.calls
    WHERE counted AND operation <> 'embedding' AND rowid IN (
        SELECT hashed.rowid FROM store.calls AS hashed
        WHERE hashed.response_bits IN (SELECT bits_of(key) FROM store.evidence WHERE key_kind = 'response_id'))
    UNION ALL
    SELECT 'trace_id', trace_id, source, call_id, rowid FROM store.calls
    WHERE counted AND operation <> 'embedding' AND rowid IN (
        SELECT hashed.rowid FROM store.calls AS hashed
        WHERE hashed.trace_bits IN (SELECT bits_of(key) FROM store.evidence WHERE key_kind = 'trace_id'))
), alone AS (
    SELECT
        key_kind, key, any_value(source) AS source, any_value(call_id) AS call_id, any_value(call_row) AS call_row
    FROM keyed SEMI JOIN (SELECT key_kind, key FROM store.evidence) AS wanted USING (key_kind, key)
    GROUP BY key_kind, key HAVING count(*) = 1
)
SELECT
    source, call_id, call_row, server, any_value(key_kind ORDER BY key_kind) AS key_kind,
    -- A page that knew the tokens of its first pieces, and no longer later, does not know them.
    CASE WHEN max(rendered_chars) > max(rendered_chars) FILTER (rendered_tokens IS NOT NULL) THEN NULL
        ELSE max(rendered_tokens) END AS rendered_tokens,
    max(rendered_chars) AS rendered_chars,
    max(rendered_chunks) AS rendered_chunks, max(delivered_tokens) AS delivered_tokens,
    max(delivered_chars) AS delivered_chars, max(delivered_chunks) AS delivered_chunks,
    max(delivered_bytes) AS delivered_bytes, max(late_chunks) AS late_chunks,
    max(output_tokens) AS output_tokens, max(reasoning_tokens) AS reasoning_tokens, max(cost_usd) AS cost_usd,
    -- A page reports each time that it is hidden as if its reader had left; a later report knows better.
    CASE WHEN server IS NULL OR max(coalesce(rendered_tokens, rendered_chars, rendered_chunks)) IS NULL
            THEN bool_or(cancelled)
        ELSE max_by(cancelled, (coalesce(rendered_tokens, rendered_chars, rendered_chunks, 0), NOT cancelled))
    END AS cancelled,
    max(cancelled_at_ms) AS cancelled_at_ms, max(upstream_end_ms) AS upstream_end_ms,
    max(ttfb_ms) AS ttfb_ms, max(client_ttft_ms) AS client_ttft_ms, max(upstream_held_ms) AS upstream_held_ms
FROM store.evidence JOIN alone USING (key_kind, key)
GROUP BY source, call_id, call_row, server;

-- Every server notices that a client left when it can, no earlier than it did: the earliest is the nearest.
CREATE OR REPLACE TEMP TABLE joined_evidence AS
SELECT
    call_row,
    max(rendered_tokens) AS rendered_tokens, max(rendered_chars) AS rendered_chars,
    max(rendered_chunks) AS rendered_chunks,
    coalesce(max(delivered_tokens) FILTER (server IS NULL), min(delivered_tokens)) AS delivered_tokens,
    min(delivered_chars) AS delivered_chars, min(delivered_chunks) AS delivered_chunks,
    min(delivered_bytes) AS delivered_bytes,
    max(output_tokens) AS output_tokens, max(reasoning_tokens) AS reasoning_tokens, max(cost_usd) AS cost_usd,
    bool_or(cancelled) AS cancelled, bool_or(cancelled) FILTER (server IS NULL) AS stated_cancelled,
    min(cancelled_at_ms) AS cancelled_at_ms,
    max(upstream_end_ms) FILTER (server IS NULL) AS upstream_end_ms,
    max(upstream_end_ms) FILTER (server IS NOT NULL) AS edge_end_ms,
    max(ttfb_ms) AS ttfb_ms, max(client_ttft_ms) AS client_ttft_ms, max(upstream_held_ms) AS upstream_held_ms,
    string_agg(DISTINCT server, '+' ORDER BY server) AS edge_servers,
    any_value(key_kind ORDER BY key_kind) AS key_kind
FROM evidence_by_server
GROUP BY call_row;

-- Whether other logs know that the client of a call left before its end. A server in front of the application that saw
-- it leave when the provider had finished, as clients do that close after the last event, saw a call that is complete.
CREATE OR REPLACE TEMP MACRO left_early(e, outcome, finish_reason, upstream_end_ms, duration_ms) AS
    outcome IN ('completed', 'interrupted', 'unknown')
    AND (
        (e.cancelled AND (e.stated_cancelled IS true OR outcome <> 'completed' OR finish_reason IS NULL
            OR e.cancelled_at_ms IS NULL
            OR coalesce(e.cancelled_at_ms < coalesce(upstream_end_ms, duration_ms), true)))
        OR (e.cancelled IS NULL AND e.cancelled_at_ms < coalesce(upstream_end_ms, duration_ms))
    );

-- The provider's own record of what it billed takes precedence over the usage in the trace, and what the client or the
-- gateway logged as shown over what the trace says of it. A call known to have been left early has not completed.
CREATE OR REPLACE TEMP VIEW calls_with_evidence AS
SELECT
    calls.* REPLACE (
        -- What the client logged replaces what the trace says was shown, in whatever unit.
        CASE WHEN coalesce(e.rendered_tokens, e.rendered_chars, e.rendered_chunks) IS NULL THEN calls.rendered_tokens
            ELSE e.rendered_tokens END AS rendered_tokens,
        CASE WHEN coalesce(e.rendered_tokens, e.rendered_chars, e.rendered_chunks) IS NULL THEN calls.rendered_chars
            ELSE e.rendered_chars END AS rendered_chars,
        CASE WHEN coalesce(e.rendered_tokens, e.rendered_chars, e.rendered_chunks) IS NULL THEN calls.rendered_chunks
            ELSE e.rendered_chunks END AS rendered_chunks,
        coalesce(e.delivered_tokens, calls.delivered_tokens) AS delivered_tokens,
        coalesce(e.output_tokens, calls.output_tokens) AS output_tokens,
        coalesce(e.reasoning_tokens, CASE WHEN e.output_tokens IS NULL OR calls.reasoning_tokens <= e.output_tokens
            THEN calls.reasoning_tokens END) AS reasoning_tokens,
        CASE WHEN e.output_tokens IS NOT NULL THEN 'evidence' ELSE calls.usage_basis END AS usage_basis,
        CASE WHEN coalesce(e.rendered_tokens, e.rendered_chars, e.rendered_chunks) IS NOT NULL
            THEN 'evidence by ' || e.key_kind ELSE calls.rendered_basis END AS rendered_basis,
        coalesce(e.cost_usd, CASE WHEN e.output_tokens IS NULL OR calls.cost_basis = 'reported' THEN calls.cost_usd
            ELSE calls.input_cost_usd + e.output_tokens * calls.output_usd_per_token END) AS cost_usd,
        CASE WHEN e.output_tokens IS NULL THEN calls.output_cost_usd
            ELSE e.output_tokens * coalesce(calls.output_usd_per_token,
                calls.output_cost_usd / nullif(calls.output_tokens, 0)) END AS output_cost_usd,
        CASE WHEN e.cost_usd IS NOT NULL THEN 'reported'
            WHEN e.output_tokens IS NULL OR calls.cost_basis = 'reported' THEN calls.cost_basis
            WHEN calls.input_cost_usd + e.output_tokens * calls.output_usd_per_token IS NOT NULL THEN 'priced'
            ELSE 'none' END AS cost_basis,
        CASE WHEN e.output_tokens IS NULL THEN calls.output_cost_basis
            WHEN coalesce(calls.output_usd_per_token,
                calls.output_cost_usd / nullif(calls.output_tokens, 0)) IS NOT NULL
                THEN 'priced' ELSE 'none' END AS output_cost_basis,
        -- The gateway's clock started with the call; a client's starts when its user asks.
        coalesce(calls.cancelled_at_ms, e.cancelled_at_ms) AS cancelled_at_ms,
        coalesce(e.upstream_end_ms, calls.upstream_end_ms, e.edge_end_ms) AS upstream_end_ms,
        CASE WHEN left_early(e, calls.outcome, calls.finish_reason, calls.upstream_end_ms, calls.duration_ms)
            THEN 'cancelled' ELSE calls.outcome END AS outcome,
        CASE WHEN left_early(e, calls.outcome, calls.finish_reason, calls.upstream_end_ms, calls.duration_ms)
            THEN 'evidence' ELSE calls.cancel_evidence END AS cancel_evidence
    ),
    e.delivered_chars, e.delivered_chunks, e.delivered_bytes, e.ttfb_ms, e.client_ttft_ms, e.upstream_held_ms,
    e.edge_servers
FROM calls_with_lookups AS calls
LEFT JOIN joined_evidence AS e ON e.call_row = calls.call_row;
