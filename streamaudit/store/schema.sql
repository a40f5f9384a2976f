-- The store: one row per attempt at an LLM provider, the steps around it, and where every row came from.
-- Unknown is NULL, never zero. Times are UTC; durations float milliseconds; money US dollars. No text of prompts or answers.

CREATE TABLE calls (
    source                  VARCHAR NOT NULL,
    call_id                 VARCHAR NOT NULL,
    trace_id                VARCHAR,
    parent_id               VARCHAR,
    logical_request_id      VARCHAR,
    attempt_number          INTEGER,
    response_id             VARCHAR,
    load_id                 BIGINT NOT NULL,
    counted                 BOOLEAN NOT NULL,
    uncounted_reason        VARCHAR,
    name                    VARCHAR,
    model                   VARCHAR,
    response_model          VARCHAR,
    provider                VARCHAR,
    route                   VARCHAR,
    tenant                  VARCHAR,
    user_id                 VARCHAR,
    session_id              VARCHAR,
    deploy                  VARCHAR,
    environment             VARCHAR,
    service                 VARCHAR,
    region                  VARCHAR,
    transport               VARCHAR,
    operation               VARCHAR,
    start_time              TIMESTAMP,
    end_time                TIMESTAMP,
    duration_ms             DOUBLE,
    streamed                BOOLEAN,
    ttft_ms                 DOUBLE,
    ttvt_ms                 DOUBLE,
    server_ttft_ms          DOUBLE,
    ttft_basis              VARCHAR,
    chunk_count             BIGINT,
    chunk_offsets_ms        DOUBLE[],
    client_chunk_offsets_ms DOUBLE[],
    chunk_tokens            BIGINT[],
    input_tokens            BIGINT,
    cached_input_tokens     BIGINT,
    cache_write_tokens      BIGINT,
    output_tokens           BIGINT,
    reasoning_tokens        BIGINT,
    delivered_tokens        BIGINT,
    rendered_tokens         BIGINT,
    rendered_chars          BIGINT,
    rendered_chunks         BIGINT,
    max_tokens              BIGINT,
    usage_basis             VARCHAR,
    rendered_basis          VARCHAR,
    cache_hit               BOOLEAN,
    cost_usd                DOUBLE,
    input_cost_usd          DOUBLE,
    output_cost_usd         DOUBLE,
    output_usd_per_token    DOUBLE,
    cost_basis              VARCHAR,
    input_cost_basis        VARCHAR,
    output_cost_basis       VARCHAR,
    outcome                 VARCHAR NOT NULL,
    cancel_evidence         VARCHAR,
    cancelled_by            VARCHAR,
    cancelled_at_ms         DOUBLE,
    upstream_cancelled      BOOLEAN,
    upstream_end_ms         DOUBLE,
    finish_reason           VARCHAR,
    http_status             INTEGER,
    error_type              VARCHAR,
    input_hash              VARCHAR,
    output_chars            BIGINT,
    visible_output_chars    BIGINT,
    retractions             STRUCT(offset_chars BIGINT, offset_ms DOUBLE, marker VARCHAR)[],
    inherited               VARCHAR[],
    source_updated_at       TIMESTAMP,
    record_hash             UBIGINT NOT NULL
);

CREATE TABLE spans (
    source      VARCHAR NOT NULL,
    span_id     VARCHAR NOT NULL,
    trace_id    VARCHAR,
    parent_id   VARCHAR,
    load_id     BIGINT NOT NULL,
    kind        VARCHAR,
    name        VARCHAR,
    start_time  TIMESTAMP,
    end_time    TIMESTAMP,
    status      VARCHAR,
    route       VARCHAR,
    tenant      VARCHAR,
    user_id     VARCHAR,
    session_id  VARCHAR,
    deploy      VARCHAR,
    environment VARCHAR,
    service     VARCHAR,
    record_hash UBIGINT NOT NULL
);

CREATE TABLE loads (
    load_id          BIGINT NOT NULL,
    source           VARCHAR NOT NULL,
    path             VARCHAR NOT NULL,
    fingerprint      VARCHAR NOT NULL,
    format           VARCHAR NOT NULL,
    variant          VARCHAR,
    digest           VARCHAR NOT NULL,
    loaded_at        TIMESTAMP NOT NULL,
    tool_version     VARCHAR NOT NULL,
    read_records     BIGINT NOT NULL,
    new_calls        BIGINT NOT NULL,
    repeated_calls   BIGINT NOT NULL,
    replaced_calls   BIGINT NOT NULL,
    rejected_records BIGINT NOT NULL,
    not_calls        BIGINT NOT NULL,
    sample_rate      DOUBLE,
    continues        BIGINT,
    end_byte         BIGINT,
    end_line         BIGINT,
    end_record       BIGINT,
    content_before   VARCHAR
);

CREATE TABLE load_keys (
    load_id BIGINT NOT NULL,
    source  VARCHAR NOT NULL,
    digest  VARCHAR NOT NULL,
    field   VARCHAR NOT NULL,
    rank    INTEGER NOT NULL,
    key     VARCHAR NOT NULL
);

CREATE TABLE rejects (
    load_id BIGINT NOT NULL,
    path    VARCHAR NOT NULL,
    line    BIGINT,
    record  BIGINT,
    reason  VARCHAR NOT NULL,
    bytes   BIGINT
);

CREATE TABLE evidence (
    load_id          BIGINT NOT NULL,
    key_kind         VARCHAR NOT NULL,
    key              VARCHAR NOT NULL,
    rendered_tokens  BIGINT,
    rendered_chars   BIGINT,
    rendered_chunks  BIGINT,
    delivered_tokens BIGINT,
    output_tokens    BIGINT,
    reasoning_tokens BIGINT,
    cost_usd         DOUBLE,
    cancelled        BOOLEAN,
    cancelled_at_ms  DOUBLE,
    upstream_end_ms  DOUBLE
);

CREATE TABLE lookups (
    field      VARCHAR NOT NULL,
    key_column VARCHAR NOT NULL,
    key        VARCHAR NOT NULL,
    value      VARCHAR NOT NULL
);

CREATE TABLE deliveries (
    period     VARCHAR NOT NULL,
    target     VARCHAR NOT NULL,
    config     VARCHAR NOT NULL,
    kind       VARCHAR NOT NULL,
    state      VARCHAR NOT NULL,
    content    VARCHAR NOT NULL,
    attempts   INTEGER,
    started_at TIMESTAMP NOT NULL,
    ended_at   TIMESTAMP
);

CREATE TABLE meta (
    key   VARCHAR NOT NULL,
    value VARCHAR NOT NULL
);
