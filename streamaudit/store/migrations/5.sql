-- From version 4: the tier that served a call, the token kinds with a price of their own, and which records are
-- attempts of one request.
ALTER TABLE calls ADD COLUMN request_id VARCHAR;
ALTER TABLE calls ADD COLUMN provider_basis VARCHAR;
ALTER TABLE calls ADD COLUMN cache_write_1h_tokens BIGINT;
ALTER TABLE calls ADD COLUMN audio_input_tokens BIGINT;
ALTER TABLE calls ADD COLUMN image_tokens BIGINT;
ALTER TABLE calls ADD COLUMN audio_output_tokens BIGINT;
ALTER TABLE calls ADD COLUMN service_tier VARCHAR;
ALTER TABLE calls ADD COLUMN versions STRUCT(start_time TIMESTAMP, attempt_number INTEGER, response_id VARCHAR)[];
UPDATE calls SET provider_basis = 'reported' WHERE provider IS NOT NULL;
COMMENT ON COLUMN calls.request_id IS 'The export''s own id where it names a request and several attempts share it; NULL when call_id is that id.';
COMMENT ON COLUMN calls.inherited IS 'Columns taken from another step because the call itself had no value: dimensions from an enclosing step, figures from another record of the same call.';
COMMENT ON COLUMN calls.provider IS 'Provider as the source names it, lower case; else the one that the model''s name suggests (provider_basis).';
COMMENT ON COLUMN calls.provider_basis IS 'reported by the source, or inferred from the model''s name; NULL when the provider is not known.';
COMMENT ON COLUMN calls.cache_write_1h_tokens IS 'Tokens written to the cache for an hour instead of minutes, a part of cache_write_tokens; NULL when the export does not tell them apart.';
COMMENT ON COLUMN calls.audio_input_tokens IS 'Audio in the input, a part of input_tokens; NULL when the export does not tell.';
COMMENT ON COLUMN calls.image_tokens IS 'Images in the input, a part of input_tokens; NULL when the export does not tell.';
COMMENT ON COLUMN calls.audio_output_tokens IS 'Audio in the answer, a part of output_tokens; NULL when the export does not tell.';
COMMENT ON COLUMN calls.service_tier IS 'Tier that served the call, lower case: default, flex, priority, batch, ...; NULL when the export does not tell. A tier that was only requested is not one.';
COMMENT ON COLUMN calls.versions IS 'Start, attempt number and response id of every record of this call, where they differ; NULL when they agree. Later records are matched to the call by it.';
COMMENT ON COLUMN calls.source_updated_at IS 'Last update of the record in the source. Of two records of one call, a later one takes precedence, unless it is a partial one.';
