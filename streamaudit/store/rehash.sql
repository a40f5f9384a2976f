-- Fill the columns with hashes of ids: after an upgrade, and where the database computes hashes in another way than it
-- did when they were written. To change the type of a column writes that column alone, in little memory. As ``bits_of``
-- computes them, which a log that is replayed would not know.
ALTER TABLE calls ALTER COLUMN id_bits TYPE UINTEGER
    USING (hash(coalesce(request_id, call_id)) >> 32)::UINTEGER;
ALTER TABLE calls ALTER COLUMN trace_bits TYPE UINTEGER
    USING CASE WHEN trace_id IS NOT NULL THEN (hash(trace_id) >> 32)::UINTEGER END;
ALTER TABLE calls ALTER COLUMN response_bits TYPE UINTEGER
    USING CASE WHEN response_id IS NOT NULL THEN (hash(response_id) >> 32)::UINTEGER END;
ALTER TABLE spans ALTER COLUMN id_bits TYPE UINTEGER USING (hash(span_id) >> 32)::UINTEGER;
ALTER TABLE spans ALTER COLUMN trace_bits TYPE UINTEGER
    USING CASE WHEN trace_id IS NOT NULL THEN (hash(trace_id) >> 32)::UINTEGER END;
DELETE FROM meta WHERE key = 'hash_probe';
INSERT INTO meta VALUES ('hash_probe', hash('streamaudit')::VARCHAR);
