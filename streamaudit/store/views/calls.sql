-- The vocabulary: what an outcome, a usable TTFT and a cancellation tax are. Audits sum these and never redefine them.
-- Temporary views, so that a store written by an older version is read with this version's definitions.

-- The calls as stored, without the hashes by which an ingest finds them.
-- call_row is the call's place in its table: a number joins many times faster than a source and an id do.
CREATE OR REPLACE TEMP VIEW calls_without_lookups AS
SELECT * EXCLUDE (id_bits, trace_bits, response_bits), rowid AS call_row FROM store.calls;
-- The same, repeated since each view in another takes its time to plan; replaced by a view that looks dimensions up
-- when there is anything to look up (lookups.py).
CREATE OR REPLACE TEMP VIEW calls_with_lookups AS
SELECT * EXCLUDE (id_bits, trace_bits, response_bits), rowid AS call_row FROM store.calls;

-- The same with what other logs know of a call; replaced when there is evidence to join (evidence.sql).
CREATE OR REPLACE TEMP VIEW calls_without_evidence AS
SELECT
    *, NULL::BIGINT AS delivered_chars, NULL::BIGINT AS delivered_chunks, NULL::BIGINT AS delivered_bytes,
    NULL::DOUBLE AS ttfb_ms, NULL::DOUBLE AS client_ttft_ms, NULL::DOUBLE AS upstream_held_ms,
    NULL::VARCHAR AS edge_servers
FROM calls_with_lookups;
CREATE OR REPLACE TEMP VIEW calls_with_evidence AS FROM calls_without_evidence;

-- Half of the hash of an id, as it is stored next to ids so that they need not be read to find some; NULL of none.
CREATE OR REPLACE TEMP MACRO bits_of(id) AS CASE WHEN id IS NOT NULL THEN (hash(id) >> 32)::UINTEGER END;

-- The least that a call can have cost: its input, and the output that was billed at least; NULL where nothing is known.
CREATE OR REPLACE TEMP MACRO low_cost_usd(cost, said_output, input_cost, output_low, unit_cost) AS
    coalesce(cost, CASE WHEN said_output IS NOT NULL
        THEN nullif(coalesce(input_cost, 0) + coalesce(output_low * unit_cost, 0), 0) END);

-- Two clocks are compared where a server at the edge tells when the user left: its log has whole milliseconds of a time
-- that it reads once for all that happens at a moment (nginx), and its request begins before the application's.
CREATE OR REPLACE TEMP MACRO clock_slack_ms(edge_servers) AS CASE WHEN edge_servers IS NULL THEN 0 ELSE 50 END;

-- The tokens of the chunks that had come by a moment, as the client's clock has it if there is one; of all chunks where
-- the moment is NULL. NULL where the sizes or the times are unknown.
CREATE OR REPLACE TEMP MACRO tokens_until(sizes, offsets_ms, client_offsets_ms, moment_ms) AS
    CASE
        WHEN sizes IS NULL THEN NULL
        WHEN len(sizes) = 0 OR len(client_offsets_ms) = 0 THEN 0
        WHEN len(client_offsets_ms) <= len(sizes)
            THEN list_sum(sizes[1:len(list_filter(client_offsets_ms, lambda t: moment_ms IS NULL OR t <= moment_ms))])
        WHEN len(offsets_ms) = len(sizes)
            THEN list_sum(sizes[1:len(list_filter(offsets_ms, lambda t: moment_ms IS NULL OR t <= moment_ms))])
    END;
