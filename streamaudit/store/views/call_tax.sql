-- Every call with its tax; completed calls have none.
CREATE OR REPLACE TEMP VIEW call_tax AS
SELECT *, false AS ended_early FROM call_outcome WHERE outcome NOT IN ('cancelled', 'timeout', 'interrupted', 'error')
UNION ALL BY NAME
SELECT calls.*, true AS ended_early, early_tax.* EXCLUDE (source, call_id)
FROM call_outcome AS calls JOIN early_tax ON early_tax.source = calls.source AND early_tax.call_id = calls.call_id
WHERE calls.outcome IN ('cancelled', 'timeout', 'interrupted', 'error');
