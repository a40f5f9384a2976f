"""Read what Langfuse was sent: the events of its SDKs before version 3, which a server of one's own also keeps in a
bucket. An observation is created when it begins and updated when it ends, maybe in another event.

https://langfuse.com/self-hosting/deployment/infrastructure/blobstorage
"""

import json
import re

EVENT = re.compile(r"(trace|observation|span|generation|event|agent|tool|chain|retriever|evaluator|embedding|guardrail)"
                   r"-(create|update)")  # fmt: skip

_WHOLE = """
    WITH sent AS (
        SELECT
            line, record,
            unnest(CASE WHEN batch IS NOT NULL THEN batch ELSE [json_object('type', type, 'body', body,
                'timestamp', "timestamp")] END) AS happening
        FROM records
        WHERE batch IS NOT NULL OR body IS NOT NULL
    ), opened_events AS (
        SELECT
            line, record, happening->'body' AS body, happening->>'timestamp' AS sent_at,
            split_part(happening->>'type', '-', 1) AS subject, happening->>'type' LIKE '%-create' AS is_first,
            coalesce(body->'usage', '{}') AS usage,
            coalesce(nullif(body->'usageDetails', '{}'), json_object(
                'input', coalesce(usage->>'input', usage->>'promptTokens'),
                'output', coalesce(usage->>'output', usage->>'completionTokens'),
                'total', coalesce(usage->>'total', usage->>'totalTokens'))) AS counts,
            coalesce(nullif(body->'costDetails', '{}'), json_object(
                'input', usage->'inputCost', 'output', usage->'outputCost', 'total', usage->'totalCost')) AS costs
        FROM sent
        WHERE regexp_full_match(happening->>'type', '{event}')
    ), filled_events AS (
        SELECT
            line, record, sent_at, is_first, body->>'id' AS id,
            -- A field without a value changes nothing.
            json_merge_patch({written_body}, json_object(
                'type', CASE subject WHEN 'trace' THEN NULL WHEN 'observation' THEN body->>'type'
                    ELSE upper(subject) END,
                'usageDetails', {written_counts}, 'providedUsageDetails', {written_counts},
                'costDetails', {written_costs}, 'providedCostDetails', {written_costs})) AS body
        FROM opened_events
    ), whole AS (
        SELECT arg_min(line, line) AS line, arg_min(record, line) AS record,
            list_reduce(list(body ORDER BY sent_at, is_first DESC, line),
                lambda one, next: json_merge_patch(one, next)) AS body
        FROM filled_events GROUP BY coalesce(nullif(id, ''), hash(body)::VARCHAR), body->>'type' IS NULL
        UNION ALL
        -- What is no event is a record of its own, which no column fills.
        SELECT line, record, NULL::JSON FROM records WHERE batch IS NULL AND body IS NULL
    ), observed AS (
        SELECT line, record, unnest(from_json(body, '{structure}')) FROM whole
    ),
"""
_WRITTEN = "to_json(map_from_entries(list_filter({entries}, lambda e: json_type(e.value) <> 'NULL')))"
_ENTRIES = "map_entries(try_cast({object} AS MAP(VARCHAR, JSON)))"
# OpenAI's usage has its details in objects of their own.
_OPENED = """flatten(list_transform({entries}, lambda e: CASE WHEN json_type(e.value) = 'OBJECT' THEN list_transform(
    map_entries(try_cast(e.value AS MAP(VARCHAR, JSON))), lambda d: {'key': e.key || '.' || d.key, 'value': d.value})
    ELSE [{'key': e.key, 'value': e.value}] END))"""


def events_sql(fields: dict[str, str]) -> str:
    """Return the SQL steps from ``records``, which are events or batches of them, to ``observed``, which has the fields
    of whole observations and traces."""
    entries = {name: _ENTRIES.replace("{object}", name) for name in ("body", "counts", "costs")}
    entries["counts"] = _OPENED.replace("{entries}", entries["counts"])
    filled = _WHOLE
    for name, listed in entries.items():
        filled = filled.replace(f"{{written_{name}}}", _WRITTEN.replace("{entries}", listed))
    return filled.replace("{event}", EVENT.pattern).replace("{structure}", json.dumps(fields))
