"""The smallest number of calls that a percentile is given for, in one place for SQL and Python."""

MIN_CALLS = {"p50": 1, "p90": 10, "p95": 20, "p99": 100}
"""A percentile of fewer calls than this is NULL: a handful of calls has no meaningful tail."""

# ``from_enough(value, 'p95', calls)`` is the value, NULL where too few calls gave it, by the table above.
FROM_ENOUGH = (
    "CREATE OR REPLACE TEMP MACRO from_enough(value, percentile, calls) AS CASE WHEN calls >= CASE percentile "
    + " ".join(f"WHEN '{percentile}' THEN {calls}" for percentile, calls in MIN_CALLS.items())
    + " END THEN value END"
)
