-- From version 1: lookups and evidence in the store, the sampling of a load, characters and chunks rendered.
ALTER TABLE loads ADD COLUMN sample_rate DOUBLE;
COMMENT ON COLUMN loads.sample_rate IS 'Share of the calls that the exporter kept (--sample-rate), 0 to 1; NULL unknown.';

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
COMMENT ON COLUMN loads.digest IS 'Format, its version and a hash of the field mapping; a new digest reads the file again.';
ALTER TABLE calls ADD COLUMN rendered_chars BIGINT;
ALTER TABLE calls ADD COLUMN rendered_chunks BIGINT;
ALTER TABLE calls ADD COLUMN output_usd_per_token DOUBLE;
ALTER TABLE calls ADD COLUMN input_cost_basis VARCHAR;
-- Where the output's cost or the whole is the source's, the input's may be: reprice then leaves it alone.
UPDATE calls SET input_cost_basis = CASE
    WHEN input_cost_usd IS NULL THEN 'none'
    WHEN cost_basis = 'reported' OR output_cost_basis = 'reported' THEN 'reported'
    ELSE 'priced' END;
COMMENT ON COLUMN calls.input_cost_basis IS 'The same for input_cost_usd.';
COMMENT ON COLUMN calls.rendered_chars IS 'Characters of answer shown to the user before the end or the cut.';
COMMENT ON COLUMN calls.rendered_chunks IS 'Content chunks shown to the user before the end or the cut.';
COMMENT ON COLUMN calls.output_usd_per_token IS 'Price of an output token at the call''s date in the price table; NULL unpriced. The call''s own cost takes precedence.';

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
COMMENT ON COLUMN calls.usage_basis IS 'Where output_tokens came from: provider, partial, tokenizer, unclear (provider or tokenizer), none.';
