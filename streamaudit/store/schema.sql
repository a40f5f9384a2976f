-- The store: one row per attempt at an LLM provider, the steps around it, and where every row came from.
-- Unknown is NULL, never zero. Times are UTC; durations float milliseconds; money US dollars. No text of prompts or
-- answers.
-- A COMMENT ON statement is one line: a store in memory is made without them. Ids are compressed in the way named,
-- which is read as fast as what DuckDB would choose and written faster; an older store is as good with its own.

CREATE TABLE calls ( -- noqa: PRS
    source                  VARCHAR NOT NULL,
    call_id                 VARCHAR NOT NULL USING COMPRESSION zstd,
    trace_id                VARCHAR USING COMPRESSION zstd,
    parent_id               VARCHAR,
    logical_request_id      VARCHAR,
    request_id              VARCHAR,
    attempt_number          INTEGER,
    response_id             VARCHAR,
    load_id                 BIGINT NOT NULL,
    counted                 BOOLEAN NOT NULL,
    uncounted_reason        VARCHAR,
    name                    VARCHAR,
    model                   VARCHAR,
    response_model          VARCHAR,
    provider                VARCHAR,
    provider_basis          VARCHAR,
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
    cache_write_1h_tokens   BIGINT,
    audio_input_tokens      BIGINT,
    image_tokens            BIGINT,
    output_tokens           BIGINT,
    audio_output_tokens     BIGINT,
    reasoning_tokens        BIGINT,
    delivered_tokens        BIGINT,
    rendered_tokens         BIGINT,
    rendered_chars          BIGINT,
    rendered_chunks         BIGINT,
    max_tokens              BIGINT,
    usage_basis             VARCHAR,
    rendered_basis          VARCHAR,
    cache_hit               BOOLEAN,
    service_tier            VARCHAR,
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
    versions                STRUCT(start_time TIMESTAMP, attempt_number INTEGER, response_id VARCHAR)[],
    record_hash             UBIGINT NOT NULL,
    id_bits                 UINTEGER,
    trace_bits              UINTEGER,
    response_bits           UINTEGER
);

COMMENT ON TABLE calls IS 'One row per attempt at an LLM provider.';
COMMENT ON COLUMN calls.source IS 'Name the calls were ingested under (--source, by default the format). Half of a call''s identity.';
COMMENT ON COLUMN calls.call_id IS 'The source''s own id of this attempt; with source it identifies the call.';
COMMENT ON COLUMN calls.trace_id IS 'Id shared by the steps of one request; NULL when the source has none.';
COMMENT ON COLUMN calls.parent_id IS 'call_id or span_id of the step that made this call; NULL at the root.';
COMMENT ON COLUMN calls.logical_request_id IS 'Same for all attempts of one user request.';
COMMENT ON COLUMN calls.request_id IS 'The export''s own id where it names a request and several attempts share it; NULL when call_id is that id.';
COMMENT ON COLUMN calls.attempt_number IS '1 for the first attempt; NULL unknown.';
COMMENT ON COLUMN calls.response_id IS 'The provider''s id of the response.';
COMMENT ON COLUMN calls.load_id IS 'The load that brought the stored version of this call.';
COMMENT ON COLUMN calls.counted IS 'False for an outer call that repeats a nested one, and for a response already counted in another source.';
COMMENT ON COLUMN calls.uncounted_reason IS 'nested or same_response; NULL when counted.';
COMMENT ON COLUMN calls.name IS 'The step''s name in the source.';
COMMENT ON COLUMN calls.model IS 'Requested model, else the response model without its date suffix.';
COMMENT ON COLUMN calls.response_model IS 'Model that answered, as the source wrote it; what prices are looked up by.';
COMMENT ON COLUMN calls.provider IS 'Provider as the source names it, lower case; else the one that the model''s name suggests (provider_basis).';
COMMENT ON COLUMN calls.provider_basis IS 'reported by the source, or inferred from the model''s name; NULL when the provider is not known.';
COMMENT ON COLUMN calls.route IS 'Route or feature of the application that asked.';
COMMENT ON COLUMN calls.tenant IS 'Customer, organisation or team the call was made for; never the end user.';
COMMENT ON COLUMN calls.user_id IS 'End user.';
COMMENT ON COLUMN calls.session_id IS 'Session or conversation.';
COMMENT ON COLUMN calls.deploy IS 'Version of the application that made the call.';
COMMENT ON COLUMN calls.environment IS 'Deployment environment, such as production.';
COMMENT ON COLUMN calls.service IS 'Service that made the call.';
COMMENT ON COLUMN calls.region IS 'Region.';
COMMENT ON COLUMN calls.transport IS 'sse, websocket, grpc or http.';
COMMENT ON COLUMN calls.operation IS 'chat, completion, embedding, ...';
COMMENT ON COLUMN calls.start_time IS 'UTC instant the request was issued; NULL when the format has no instants.';
COMMENT ON COLUMN calls.end_time IS 'UTC instant the call ended; NULL when it was never ended.';
COMMENT ON COLUMN calls.duration_ms IS 'Request issued to last byte, error or cut, in milliseconds.';
COMMENT ON COLUMN calls.streamed IS 'True streamed, false not, NULL unknown. A usable TTFT makes it true.';
COMMENT ON COLUMN calls.ttft_ms IS 'Request issued to the first chunk of any kind, as recorded; ttft_status says whether it is usable.';
COMMENT ON COLUMN calls.ttvt_ms IS 'Request issued to the first visible token, after reasoning.';
COMMENT ON COLUMN calls.server_ttft_ms IS 'First token as the serving engine measured it; never mixed with ttft_ms.';
COMMENT ON COLUMN calls.ttft_basis IS 'Where ttft_ms came from: reported, timestamps, first_chunk; or why a recorded value was dropped: equals_duration.';
COMMENT ON COLUMN calls.chunk_count IS 'Content chunks received.';
COMMENT ON COLUMN calls.chunk_offsets_ms IS 'Arrival of each chunk from the provider, milliseconds after the request.';
COMMENT ON COLUMN calls.client_chunk_offsets_ms IS 'Arrival of each chunk at the end client, milliseconds after the request.';
COMMENT ON COLUMN calls.chunk_tokens IS 'Tokens in each chunk, same length as chunk_offsets_ms.';
COMMENT ON COLUMN calls.input_tokens IS 'Billed input tokens, cached ones included.';
COMMENT ON COLUMN calls.cached_input_tokens IS 'Input tokens read from the provider''s cache, a part of input_tokens.';
COMMENT ON COLUMN calls.cache_write_tokens IS 'Input tokens written to the provider''s cache, a part of input_tokens.';
COMMENT ON COLUMN calls.cache_write_1h_tokens IS 'Tokens written to the cache for an hour instead of minutes, a part of cache_write_tokens; NULL when the export does not tell them apart.';
COMMENT ON COLUMN calls.audio_input_tokens IS 'Audio in the input, a part of input_tokens; NULL when the export does not tell.';
COMMENT ON COLUMN calls.image_tokens IS 'Images in the input, a part of input_tokens; NULL when the export does not tell.';
COMMENT ON COLUMN calls.output_tokens IS 'Billed output tokens, reasoning included; NULL unknown, 0 measured zero.';
COMMENT ON COLUMN calls.audio_output_tokens IS 'Audio in the answer, a part of output_tokens; NULL when the export does not tell.';
COMMENT ON COLUMN calls.reasoning_tokens IS 'Billed hidden reasoning, a part of output_tokens.';
COMMENT ON COLUMN calls.delivered_tokens IS 'Visible tokens handed to the client before the end or the cut.';
COMMENT ON COLUMN calls.rendered_tokens IS 'Visible tokens shown to the user before the end or the cut.';
COMMENT ON COLUMN calls.rendered_chars IS 'Characters of answer shown to the user before the end or the cut.';
COMMENT ON COLUMN calls.rendered_chunks IS 'Content chunks shown to the user before the end or the cut.';
COMMENT ON COLUMN calls.max_tokens IS 'Output cap of the request.';
COMMENT ON COLUMN calls.usage_basis IS 'Where output_tokens came from: provider, partial, tokenizer, unclear (provider or tokenizer), none.';
COMMENT ON COLUMN calls.rendered_basis IS 'Field that rendered_tokens came from.';
COMMENT ON COLUMN calls.cache_hit IS 'Answered from a response cache: no bill and no TTFT.';
COMMENT ON COLUMN calls.service_tier IS 'Tier that served the call, lower case: default, flex, priority, batch, ...; NULL when the export does not tell. A tier that was only requested is not one.';
COMMENT ON COLUMN calls.cost_usd IS 'Cost of the call in US dollars.';
COMMENT ON COLUMN calls.input_cost_usd IS 'Input part of the cost in US dollars.';
COMMENT ON COLUMN calls.output_cost_usd IS 'Output part of the cost in US dollars.';
COMMENT ON COLUMN calls.output_usd_per_token IS 'Price of an output token at the call''s date in the price table; NULL unpriced. The call''s own cost takes precedence.';
COMMENT ON COLUMN calls.cost_basis IS 'reported by the source, priced from a price table, or none.';
COMMENT ON COLUMN calls.input_cost_basis IS 'The same for input_cost_usd.';
COMMENT ON COLUMN calls.output_cost_basis IS 'The same for output_cost_usd.';
COMMENT ON COLUMN calls.outcome IS 'completed, cancelled, timeout, error, interrupted or unknown.';
COMMENT ON COLUMN calls.cancel_evidence IS 'Rule that decided the outcome, such as flag, http_status, finish_reason, error_type.';
COMMENT ON COLUMN calls.cancelled_by IS 'client, user, server or unknown.';
COMMENT ON COLUMN calls.cancelled_at_ms IS 'When the call was cut, milliseconds after the request.';
COMMENT ON COLUMN calls.upstream_cancelled IS 'Did the call to the provider stop too?';
COMMENT ON COLUMN calls.upstream_end_ms IS 'When the provider really stopped, milliseconds after the request.';
COMMENT ON COLUMN calls.finish_reason IS 'Finish reason of the first choice, as the source wrote it.';
COMMENT ON COLUMN calls.http_status IS 'HTTP status of the response.';
COMMENT ON COLUMN calls.error_type IS 'Class or code of the error; never its message.';
COMMENT ON COLUMN calls.input_hash IS 'Hash of the input salted with this store''s secret; equal inputs have equal hashes.';
COMMENT ON COLUMN calls.output_chars IS 'Characters of output text received.';
COMMENT ON COLUMN calls.visible_output_chars IS 'The same without reasoning.';
COMMENT ON COLUMN calls.retractions IS 'Visible self-corrections: where in the answer, when (milliseconds after the request; NULL where it was not streamed) and which marker; empty where the answer was read and has none, NULL where it was not read. No text.';
COMMENT ON COLUMN calls.inherited IS 'Columns taken from another step because the call itself had no value: dimensions from an enclosing step, figures from another record of the same call.';
COMMENT ON COLUMN calls.source_updated_at IS 'Last update of the record in the source. Of two records of one call, a later one takes precedence, unless it is a partial one.';
COMMENT ON COLUMN calls.versions IS 'Start, attempt number and response id of every record of this call, where they differ; NULL when they agree. Later records are matched to the call by it.';
COMMENT ON COLUMN calls.record_hash IS 'Hash of the normalised record; the last tie-breaker between two records of one call.';
COMMENT ON COLUMN calls.id_bits IS 'Half of the hash of the id that the export gives (request_id, else call_id), by which an ingest finds calls without reading all ids; for ingest alone, and not in the view.';
COMMENT ON COLUMN calls.trace_bits IS 'The same of trace_id; NULL where that is NULL.';
COMMENT ON COLUMN calls.response_bits IS 'The same of response_id.';

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
    transport   VARCHAR,
    stages      STRUCT(stage VARCHAR, ms DOUBLE)[],
    interrupted BOOLEAN,
    record_hash UBIGINT NOT NULL,
    id_bits     UINTEGER,
    trace_bits  UINTEGER
);

COMMENT ON TABLE spans IS 'Every other step of a trace.';
COMMENT ON COLUMN spans.source IS 'Name the span was ingested under.';
COMMENT ON COLUMN spans.span_id IS 'The source''s id of this step.';
COMMENT ON COLUMN spans.trace_id IS 'Trace the step belongs to.';
COMMENT ON COLUMN spans.parent_id IS 'Enclosing step; NULL at the root.';
COMMENT ON COLUMN spans.load_id IS 'Load that brought it.';
COMMENT ON COLUMN spans.kind IS 'tool, agent, workflow, retrieval, event, stt, tts, endpointing, turn, ...';
COMMENT ON COLUMN spans.name IS 'The step''s name.';
COMMENT ON COLUMN spans.start_time IS 'UTC start.';
COMMENT ON COLUMN spans.end_time IS 'UTC end; NULL when never ended.';
COMMENT ON COLUMN spans.status IS 'ok, error or NULL.';
COMMENT ON COLUMN spans.route IS 'As in calls.';
COMMENT ON COLUMN spans.tenant IS 'As in calls.';
COMMENT ON COLUMN spans.user_id IS 'As in calls.';
COMMENT ON COLUMN spans.session_id IS 'As in calls.';
COMMENT ON COLUMN spans.deploy IS 'As in calls.';
COMMENT ON COLUMN spans.environment IS 'As in calls.';
COMMENT ON COLUMN spans.service IS 'As in calls.';
COMMENT ON COLUMN spans.transport IS 'As in calls; a call without a transport takes that of the request that it sent.';
COMMENT ON COLUMN spans.stages IS 'Waits of a voice turn that the step recorded, in milliseconds: endpointing, stt, end_of_turn (both), llm, tts, turn (all of it); NULL when it recorded none.';
COMMENT ON COLUMN spans.interrupted IS 'True where the user spoke over the agent''s turn; NULL when not recorded.';
COMMENT ON COLUMN spans.record_hash IS 'Hash of the normalised record; of two records of one span one that has ended is kept, else the larger hash.';
COMMENT ON COLUMN spans.id_bits IS 'Half of the hash of span_id, as in calls.';
COMMENT ON COLUMN spans.trace_bits IS 'As in calls.';

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

COMMENT ON TABLE loads IS 'One row per ingested file, with its tally.';
COMMENT ON COLUMN loads.load_id IS 'Number of the load.';
COMMENT ON COLUMN loads.source IS 'Name its calls are stored under.';
COMMENT ON COLUMN loads.path IS 'File as given, made absolute; - for standard input.';
COMMENT ON COLUMN loads.fingerprint IS 'Size, modification time and hash of head and tail.';
COMMENT ON COLUMN loads.format IS 'Format that claimed the file.';
COMMENT ON COLUMN loads.variant IS 'Shape of the format, such as observations_v2.';
COMMENT ON COLUMN loads.digest IS 'Format, its version and a hash of the field mapping; a new digest reads the file again.';
COMMENT ON COLUMN loads.loaded_at IS 'UTC.';
COMMENT ON COLUMN loads.tool_version IS 'streamaudit that read it.';
COMMENT ON COLUMN loads.read_records IS '= new + repeated + replaced + rejected + not_calls.';
COMMENT ON COLUMN loads.new_calls IS 'Calls seen for the first time.';
COMMENT ON COLUMN loads.repeated_calls IS 'Calls already stored in an equal or better version.';
COMMENT ON COLUMN loads.replaced_calls IS 'Calls whose stored version this file improved.';
COMMENT ON COLUMN loads.rejected_records IS 'Records that could not be used; see rejects.';
COMMENT ON COLUMN loads.not_calls IS 'Spans, scores and other records that are no LLM call.';
COMMENT ON COLUMN loads.sample_rate IS 'Share of the calls that the exporter kept (--sample-rate), 0 to 1; NULL unknown.';
COMMENT ON COLUMN loads.continues IS 'The load that read the same file before it grew, of which this one read on; NULL when it began at the start.';
COMMENT ON COLUMN loads.end_byte IS 'Byte after the last record read of a file of lines, where a later load goes on; NULL when the file has to be read whole.';
COMMENT ON COLUMN loads.end_line IS 'Lines before that byte; NULL not counted.';
COMMENT ON COLUMN loads.end_record IS 'Lines before that byte that are not blank; NULL not counted.';
COMMENT ON COLUMN loads.content_before IS 'Hash of the first and last bytes before it, which tells a file that grew from another one of its name.';

CREATE TABLE load_keys (
    load_id BIGINT NOT NULL,
    source  VARCHAR NOT NULL,
    digest  VARCHAR NOT NULL,
    field   VARCHAR NOT NULL,
    rank    INTEGER NOT NULL,
    key     VARCHAR NOT NULL
);

COMMENT ON TABLE load_keys IS 'Which candidate key filled a column, per load.';
COMMENT ON COLUMN load_keys.load_id IS 'Load.';
COMMENT ON COLUMN load_keys.source IS 'Source of the load.';
COMMENT ON COLUMN load_keys.digest IS 'Mapping digest of the load: ranks compare only within one digest.';
COMMENT ON COLUMN load_keys.field IS 'tenant, route, deploy, rendered_tokens or delivered_tokens.';
COMMENT ON COLUMN load_keys.rank IS 'Rank of the best candidate key that occurs in the load; the lowest of a source fills its column.';
COMMENT ON COLUMN load_keys.key IS 'That candidate key.';

CREATE TABLE rejects (
    load_id BIGINT NOT NULL,
    path    VARCHAR NOT NULL,
    line    BIGINT,
    record  BIGINT,
    reason  VARCHAR NOT NULL,
    bytes   BIGINT
);

COMMENT ON TABLE rejects IS 'Records that were not used, and why.';
COMMENT ON COLUMN rejects.load_id IS 'Load.';
COMMENT ON COLUMN rejects.path IS 'File.';
COMMENT ON COLUMN rejects.line IS 'True line number, 1-based; NULL when the format has no lines.';
COMMENT ON COLUMN rejects.record IS 'Ordinal of the record in the file, 1-based.';
COMMENT ON COLUMN rejects.reason IS 'Why it was rejected; never holds content.';
COMMENT ON COLUMN rejects.bytes IS 'Length of the record in bytes.';

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
    upstream_end_ms  DOUBLE,
    server           VARCHAR,
    delivered_chunks BIGINT,
    delivered_chars  BIGINT,
    delivered_bytes  BIGINT,
    late_chunks      INTEGER,
    ttfb_ms          DOUBLE,
    client_ttft_ms   DOUBLE,
    upstream_held_ms DOUBLE
);

COMMENT ON TABLE evidence IS 'What other logs know of calls (ingest --evidence); joined to them when they are read.';
COMMENT ON COLUMN evidence.load_id IS 'Load that brought it.';
COMMENT ON COLUMN evidence.key_kind IS 'What key is compared with: request_id (call_id), response_id or trace_id.';
COMMENT ON COLUMN evidence.key IS 'The call''s id of that kind.';
COMMENT ON COLUMN evidence.rendered_tokens IS 'As in calls, from the client.';
COMMENT ON COLUMN evidence.rendered_chars IS 'As in calls.';
COMMENT ON COLUMN evidence.rendered_chunks IS 'As in calls.';
COMMENT ON COLUMN evidence.delivered_tokens IS 'As in calls, from the gateway.';
COMMENT ON COLUMN evidence.output_tokens IS 'Billed output tokens, from the provider.';
COMMENT ON COLUMN evidence.reasoning_tokens IS 'As in calls.';
COMMENT ON COLUMN evidence.cost_usd IS 'Cost of the call, from the provider.';
COMMENT ON COLUMN evidence.cancelled IS 'Whether the client left early.';
COMMENT ON COLUMN evidence.cancelled_at_ms IS 'When it left, milliseconds after the request.';
COMMENT ON COLUMN evidence.upstream_end_ms IS 'When the provider really stopped.';
COMMENT ON COLUMN evidence.server IS 'Server or recorder that logged it, such as nginx; NULL for any other file.';
COMMENT ON COLUMN evidence.delivered_chunks IS 'Events handed to the client.';
COMMENT ON COLUMN evidence.delivered_chars IS 'Characters of answer handed to the client.';
COMMENT ON COLUMN evidence.delivered_bytes IS 'Bytes handed to the client, with the framing and headers that its server counts; NULL where they were compressed.';
COMMENT ON COLUMN evidence.late_chunks IS 'Events that its server may have counted although the client had left; NULL where that was not measured.';
COMMENT ON COLUMN evidence.ttfb_ms IS 'When the response began, milliseconds after the server began to read the request; it need not be the first token.';
COMMENT ON COLUMN evidence.client_ttft_ms IS 'When the client showed the first text, milliseconds after it asked.';
COMMENT ON COLUMN evidence.upstream_held_ms IS 'Of a stream whose client left, until when the server kept the connection to its upstream.';

CREATE TABLE lookups (
    field      VARCHAR NOT NULL,
    key_column VARCHAR NOT NULL,
    key        VARCHAR NOT NULL,
    value      VARCHAR NOT NULL
);

COMMENT ON TABLE lookups IS 'Values given to a dimension by the value of another column ([lookup] of the configuration).';
COMMENT ON COLUMN lookups.field IS 'Dimension that gets the value.';
COMMENT ON COLUMN lookups.key_column IS 'Column whose value is looked up.';
COMMENT ON COLUMN lookups.key IS 'Its value.';
COMMENT ON COLUMN lookups.value IS 'What the dimension becomes; calls with no entry keep what they have.';

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

COMMENT ON TABLE deliveries IS 'What weekly --post sent, one row a try; no address and no text of a message.';
COMMENT ON COLUMN deliveries.period IS 'What it is about, such as 2026-W47.';
COMMENT ON COLUMN deliveries.target IS 'Hash of the target''s address without its password.';
COMMENT ON COLUMN deliveries.config IS 'Hash of what was asked for: filters, zone, thresholds.';
COMMENT ON COLUMN deliveries.kind IS 'slack, teams, discord, mail, json, or the name of another service.';
COMMENT ON COLUMN deliveries.state IS 'pending (begun; where it stays so the process died, and the message may have arrived), sent or failed.';
COMMENT ON COLUMN deliveries.content IS 'Hash of the verdicts, movers and broken thresholds that were reported.';
COMMENT ON COLUMN deliveries.attempts IS 'How often it was tried; NULL while pending.';
COMMENT ON COLUMN deliveries.started_at IS 'UTC instant before the first attempt.';
COMMENT ON COLUMN deliveries.ended_at IS 'UTC instant after the last attempt; NULL while pending.';

CREATE TABLE meta (
    key   VARCHAR NOT NULL,
    value VARCHAR NOT NULL
);

COMMENT ON TABLE meta IS 'Facts about the store itself.';
COMMENT ON COLUMN meta.key IS 'schema_version, hash_salt, store_id, ...';
COMMENT ON COLUMN meta.value IS 'Its value.';
