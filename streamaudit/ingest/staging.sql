-- One file's records on their way into the store. A source's SQL fills ``records`` by name, with the reason of every
-- record that is rejected; ``staged`` shows them.

CREATE OR REPLACE TABLE scratch.records (
    line BIGINT, kind VARCHAR, reason VARCHAR,
    call_id VARCHAR, trace_id VARCHAR, parent_id VARCHAR, logical_request_id VARCHAR, attempt_number INTEGER,
    response_id VARCHAR, name VARCHAR, span_kind VARCHAR,
    model VARCHAR, response_model VARCHAR, provider VARCHAR, provider_basis VARCHAR, route VARCHAR,
    route_rank INTEGER, tenant VARCHAR,
    tenant_rank INTEGER, user_id VARCHAR, session_id VARCHAR, deploy VARCHAR, deploy_rank INTEGER, environment VARCHAR,
    service VARCHAR, region VARCHAR, transport VARCHAR, operation VARCHAR,
    start_time TIMESTAMP, end_time TIMESTAMP, duration_ms DOUBLE, streamed BOOLEAN, ttft_ms DOUBLE, ttvt_ms DOUBLE,
    server_ttft_ms DOUBLE, ttft_basis VARCHAR,
    chunk_count BIGINT, chunk_offsets_ms DOUBLE[], client_chunk_offsets_ms DOUBLE[], chunk_tokens BIGINT[],
    input_tokens BIGINT, cached_input_tokens BIGINT, cache_write_tokens BIGINT,
    cache_write_1h_tokens BIGINT, audio_input_tokens BIGINT, image_tokens BIGINT, output_tokens BIGINT,
    audio_output_tokens BIGINT, reasoning_tokens BIGINT, total_tokens BIGINT,
    delivered_tokens BIGINT, delivered_tokens_rank INTEGER, rendered_tokens BIGINT,
    rendered_tokens_rank INTEGER, rendered_chars BIGINT, rendered_chunks BIGINT, max_tokens BIGINT,
    usage_basis VARCHAR, cache_hit BOOLEAN, service_tier VARCHAR,
    cost_usd DOUBLE, input_cost_usd DOUBLE, output_cost_usd DOUBLE,
    said_outcome VARCHAR, app_outcome VARCHAR, cancel_flag BOOLEAN, cut_evidence VARCHAR, failed BOOLEAN,
    error_cancelled BOOLEAN, error_timeout BOOLEAN,
    cancelled_by VARCHAR, cancelled_at_ms DOUBLE, upstream_cancelled BOOLEAN, upstream_end_ms DOUBLE,
    finish_reason VARCHAR, http_status INTEGER, error_type VARCHAR,
    input_hash VARCHAR, output_chars BIGINT, visible_output_chars BIGINT, source_updated_at TIMESTAMP,
    retractions STRUCT(offset_chars BIGINT, offset_ms DOUBLE, marker VARCHAR)[],
    -- Of the steps of a voice turn alone.
    stages STRUCT(stage VARCHAR, ms DOUBLE)[], interrupted BOOLEAN,
    sample_rate DOUBLE, for_diversity BOOLEAN,
    -- Mapped columns whose value is of another kind, for a note of the load alone.
    misfits VARCHAR[], record_hash UBIGINT
);

-- Where several files are staged together, the variable file_ends has the last line of each.

-- A large file fills only some of the columns (narrow.py), and this view has the others as constants.
CREATE OR REPLACE VIEW scratch.staged AS SELECT *, rowid AS staged_row FROM scratch.records;
