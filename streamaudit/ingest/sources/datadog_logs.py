"""Datadog logs: pages of the Logs API, or archives of it in a bucket. An application's own log of its calls is under
``attributes`` and is read like raw JSON lines; tags and the time of the log line fill the columns that it lacks. What
LiteLLM's callback logs there is its logging payload, and is read as one.

Datadog Logs API v2 (``data[].attributes.attributes``) and log archives (``_id``, ``date``, ``attributes``).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from streamaudit.ingest.json_text import decode
from streamaudit.ingest.sources import _litellm_payload as litellm
from streamaudit.ingest.sources._common import normalise
from streamaudit.ingest.sources._raw_advice import READS, REMEDIES, TOP_KEYS
from streamaudit.ingest.sources._raw_calls import call_fields, calls_sql, recognise_own
from streamaudit.ingest.sources.registry import Match, Record, Source

_ARCHIVED_HOUR = re.compile(r"(?:^|/)dt=(20\d\d[01]\d[0-3]\d)/hour=([01]\d|2[0-3])/")


def _find_logged(record: Record) -> tuple[str, dict[str, Any]] | None:
    """Return where the application's own record is inside a log line, and the record; None when there is none."""
    attributes = record.get("attributes")
    if not isinstance(attributes, dict):
        return None
    inner = attributes.get("attributes")
    if record.get("type") == "log" and isinstance(inner, dict):
        return "attributes.attributes", {**inner, **_parse_message(attributes.get("message"))}
    if "_id" in record and "date" in record:
        return "attributes", {**attributes, **_parse_message(record.get("message"))}
    return None


def _parse_message(message: Any) -> dict[str, Any]:
    """Parse a log line of JSON that no pipeline of Datadog has parsed."""
    try:
        found = decode(message) if isinstance(message, str) and message.startswith("{") else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        found = _find_logged(record)
        if found is None:
            continue
        place, inner = found
        if {"call_type", "startTime"} <= inner.keys():
            return Match("LiteLLM's payloads", place, reading=_PAYLOADS)
        if recognise_own([{"request_id": "", "timestamp": "", **inner}]):
            return Match("Logs API" if place.endswith(".attributes") else "log archive", place)
    return None


_LOGGED = """opened AS (
    SELECT
        line, record, coalesce(id, _id) AS log_id, coalesce("date", attributes->>'timestamp') AS logged_at,
        -- A record that no pipeline has parsed is still in the message, as JSON text.
        CASE WHEN message_text LIKE '{%' AND json_valid(message_text) THEN json_merge_patch(logged, message_text)
            ELSE logged END AS inner_record,
        coalesce(tags, attributes->'tags') AS log_tags,
        coalesce(service, attributes->>'service') AS log_service
    FROM (
        SELECT *, CASE WHEN type = 'log' THEN attributes->'attributes' ELSE attributes END AS logged,
            coalesce(message, attributes->>'message') AS message_text
        FROM records
    )
), logged AS (
    SELECT
        line, record,
        inner_record.* REPLACE (
            coalesce(inner_record.id, inner_record.request_id, inner_record.call_id, inner_record.span_id, log_id)
                AS id,
            coalesce(inner_record.tags, log_tags) AS tags,
            coalesce(inner_record.service, log_service) AS service,
            coalesce(inner_record.environment, tag_values(try_cast(log_tags AS VARCHAR[]), ['env'])[1])
                AS environment,
            -- A line is logged when its call has ended.
            coalesce(inner_record."timestamp", inner_record.start_time, CAST(
                instant_utc(logged_at) - to_milliseconds(
                    least(greatest(coalesce(number_of(inner_record.duration_ms), 0), 0), 1e10)) AS VARCHAR))
                AS "timestamp"
        )
    FROM (SELECT * REPLACE (from_json(inner_record, '{structure}') AS inner_record) FROM opened)
), """


def _sql() -> str:
    structure = "{" + ", ".join(f'"{name}": "{kind}"' for name, kind in call_fields(wide=False).items()) + "}"
    before = _LOGGED.replace("{structure}", structure)
    return calls_sql(wide=False, call_id="own_id", before=before, relation="logged")


def _window_end(path: str) -> datetime | None:
    """Return the end of the hour that a file of a log archive holds."""
    hour = _ARCHIVED_HOUR.search(path)
    try:
        start = datetime.strptime(hour[1] + hour[2], "%Y%m%d%H") if hour else None
    except ValueError:  # no date of the calendar
        return None
    return start.replace(tzinfo=UTC) + timedelta(hours=1) if start else None


_PAYLOAD = "(WITH {opened}) SELECT line, record, unnest(from_json(inner_record, '{structure}')) FROM opened)"


def _payloads_sql() -> str:
    structure = "{" + ", ".join(f'"{name}": "{kind}"' for name, kind in litellm.FIELDS.items()) + "}"
    opened = _LOGGED[: _LOGGED.index("), logged AS (")]
    inner = _PAYLOAD.replace("{opened}", opened).replace("{structure}", structure)
    # The proxy's other lines are among them.
    return normalise(litellm.prepare(inner).replace("startTime IS NULL THEN NULL", "startTime IS NULL THEN 'other'"))


SOURCE = Source(
    name="datadog_logs",
    version=10,
    recognise=_recognise,
    fields={
        **dict.fromkeys(("id", "_id", "type", "date", "service", "message"), "VARCHAR"),
        **dict.fromkeys(("attributes", "tags"), "JSON"),
    },
    sql=_sql(),
    top_keys=TOP_KEYS,
    id_field="id",
    has_total=True,
    time_field="date",
    needs=(("attributes",), ("date", "type")),
    reads=READS,
    remedies=REMEDIES,
    window_end=_window_end,
)
_PAYLOADS = replace(
    SOURCE, sql=_payloads_sql(), own_keys=litellm.OWN_KEYS, top_keys={}, reads=litellm.READS, id_names="request",
    remedies=litellm.REMEDIES,
)  # fmt: skip
