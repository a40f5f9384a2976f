"""OpenTelemetry spans that Azure Monitor keeps: rows of ``dependencies`` and ``requests`` in Application Insights, or
of ``AppDependencies`` and ``AppRequests`` in a workspace, as Azure AI Foundry, Semantic Kernel and others send them.

Attributes are in ``customDimensions`` (``Properties``), the duration is milliseconds, and ``timestamp`` is the start;
the portal's CSV puts the zone behind the column's name.
"""

from streamaudit.ingest.sources._otel_shapes import OWNERS
from streamaudit.ingest.sources.registry import Record

# Each column's name in Application Insights and in a workspace: DuckDB tells names apart by more than their case only.
_NAMES = {
    "id": ("id", "Id"), "name": ("name", "Name"), "started": ("timestamp", "TimeGenerated"),
    "in_portal": ("timestamp [UTC]", "TimeGenerated [UTC]"), "duration": ("duration", "DurationMs"),
    "success": ("success", "Success"), "result": ("resultCode", "ResultCode"),
    "trace": ("operation_Id", "OperationId"), "parent": ("operation_ParentId", "ParentId"),
    "table": ("itemType", "Type"), "role": ("cloud_RoleName", "AppRoleName"),
    "version": ("application_Version", "AppVersion"), "given": ("customDimensions", "Properties"),
}  # fmt: skip
_SPANS = """
    WITH opened AS (
        SELECT *,
            CASE WHEN json_type({given}) = 'VARCHAR' THEN json_of({given}->>'$') ELSE {given} END AS dimensions
        FROM records
    ), keyed AS (
        SELECT *, json_keys(dimensions) AS keys, json_extract_string(dimensions, '$.*') AS vals,
            ['service.name', 'service.version'] AS r_keys, [{role}, nullif({version}, '')] AS r_vals,
            coalesce(instant_utc({started}), instant_utc({in_portal}),
                try_strptime({in_portal}, '%m/%d/%Y, %I:%M:%S.%f %p')) AS began
        FROM opened
    )
    SELECT
        line,
        coalesce({table} NOT IN ('dependency', 'request', 'AppDependencies', 'AppRequests'), false) AS is_other,
        CASE WHEN record IS NOT NULL THEN attribute_object(keys, vals, r_keys, r_vals) END AS record,
        {trace} AS trace, {id} AS span, nullif({parent}, {trace}) AS parent, {name} AS name,
        CASE WHEN {table} IN ('request', 'AppRequests') THEN 'server' ELSE 'client' END AS kind,
        NULL::VARCHAR AS kind_word, NULL::VARCHAR AS scope,
        began AS started, later_by(began, number_of({duration})) AS ended,
        keys, vals, own_attributes(keys) AS own, r_keys, r_vals, {owners},
        NULL::STRUCT(name VARCHAR, "at" BIGINT, attributes VARCHAR)[] AS events, NULL::BIGINT AS dropped,
        CASE WHEN bool_of({success}) = false THEN 'ERROR' END AS status,
        -- Azure Monitor's exporter has the description of a span's status as the code of its result.
        {result} AS status_message
    FROM keyed
"""


def fields(place: int) -> dict[str, str]:
    """Return the columns of a table in Application Insights (0) or in a workspace (1), with their types."""
    return {names[place]: "JSON" if key == "given" else "VARCHAR" for key, names in _NAMES.items()}


def spans(place: int) -> str:
    """Return the SELECT of the spans of such a table."""
    sql = _SPANS.replace("{owners}", OWNERS.strip())
    for key, names in _NAMES.items():
        sql = sql.replace(f"{{{key}}}", f'"{names[place]}"')
    return sql


def needs(place: int) -> tuple[tuple[str, ...], ...]:
    """Return the columns without which a row is none of such a table."""
    return ((_NAMES["given"][place],), (_NAMES["trace"][place],))


def find_place(record: Record) -> int | None:
    """Return which of the two tables a record is a row of, with the attributes of a model's call; None for no row."""
    for place in (0, 1):
        given = record.get(_NAMES["given"][place])
        if _NAMES["trace"][place] in record and ("gen_ai." in str(given) or "llm." in str(given)):
            return place
    return None
