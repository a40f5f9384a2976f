-- From version 8: half of the hash of each id, by which an ingest finds calls. The columns are filled by rehash.sql.
ALTER TABLE calls ADD COLUMN id_bits UINTEGER;
ALTER TABLE calls ADD COLUMN trace_bits UINTEGER;
ALTER TABLE calls ADD COLUMN response_bits UINTEGER;
ALTER TABLE spans ADD COLUMN id_bits UINTEGER;
ALTER TABLE spans ADD COLUMN trace_bits UINTEGER;
COMMENT ON COLUMN calls.id_bits IS 'Half of the hash of the id that the export gives (request_id, else call_id), by which an ingest finds calls without reading all ids; for ingest alone, and not in the view.';
COMMENT ON COLUMN calls.trace_bits IS 'The same of trace_id; NULL where that is NULL.';
COMMENT ON COLUMN calls.response_bits IS 'The same of response_id.';
COMMENT ON COLUMN spans.id_bits IS 'Half of the hash of span_id, as in calls.';
COMMENT ON COLUMN spans.trace_bits IS 'As in calls.';
COMMENT ON COLUMN meta.key IS 'schema_version, hash_salt, store_id, ...';
