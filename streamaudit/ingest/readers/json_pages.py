"""API pages: objects that hold a list of records, in sequence, one per line, in an array, or a single download."""

from collections.abc import Iterator
from typing import Any

from streamaudit.ingest.json_text import decode_at
from streamaudit.ingest.readers.container import Bad, Container, Found, Head, InputFile, Record, Reject
from streamaudit.ingest.readers.diagnose import name_reason
from streamaudit.ingest.readers.sniff import HEAD_RECORDS, skip

PAGE_KEYS = ("data", "observations", "spans", "result", "logs")
"""Keys under which pages hold their records."""
_NEXT_TO = {"result": ("result_info", "success"), "logs": ("pagination",)}
"""Keys of which a page has one next to its records, where a record may have such a list of its own: answers of
Cloudflare's API, and of Bifrost's."""

_READ = """
SELECT base + position AS line, json
FROM (
    SELECT base, unnest(items) AS json, generate_subscripts(items, 1) AS position FROM (
        SELECT items, coalesce(sum(len(items)) OVER (
            ORDER BY page ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::BIGINT AS base
        FROM (
            SELECT ordinality AS page,
                CASE WHEN around IS NULL OR observations IS NULL THEN coalesce(data, observations, spans,
                    CASE WHEN json_type(result) = 'ARRAY' THEN result->'$[*]' END,
                    CASE WHEN json_type(logs) = 'ARRAY' THEN logs->'$[*]' END)
                    ELSE list_append(observations, around) END AS items
            FROM (SELECT *, CASE WHEN json_type(trace) = 'OBJECT' THEN trace WHEN htmlPath IS NOT NULL THEN json_object(
                'id', id, 'timestamp', "timestamp", 'htmlPath', htmlPath, 'name', name, 'userId', userId,
                'sessionId', sessionId, 'release', "release", 'version', "version", 'environment', environment,
                'tags', tags, 'metadata', metadata) END AS around
            FROM read_json(
                $files, format = 'auto', records = true,
                columns = {data: 'JSON[]', observations: 'JSON[]', spans: 'JSON[]', result: 'JSON',
                    logs: 'JSON', trace: 'JSON', htmlPath: 'JSON',
                    id: 'JSON', "timestamp": 'JSON', name: 'JSON', userId: 'JSON', sessionId: 'JSON', "release": 'JSON',
                    "version": 'JSON', environment: 'JSON', tags: 'JSON', metadata: 'JSON'},
                maximum_object_size = $object_bytes, compression = $compression) WITH ORDINALITY)
        )
    )
)
"""
_PARTIAL = """
SELECT count(*) FROM read_json($files, format = 'auto', records = true, columns = {meta: 'JSON'},
    maximum_object_size = $object_bytes, compression = $compression)
WHERE meta->>'status' = 'timeout'
"""
"""Datadog returns what it has found so far when its own time limit is reached (export API reference,
``meta.status``)."""


def _look(head: Head) -> Found | None:
    if head.text[0] == "[":
        key = _page_key(head.objects[0]) if head.objects else None
        return Found(_items(head.objects, key)) if key else None
    key, paged = _page(head) if head.text[0] == "{" else (None, ())
    # A page may be written with each of its records on a line of its own: the page then fits more of the text.
    split_page = len(paged) > len(head.lines) and head.values.line(0) is None
    if not key or (head.lines and not split_page and not all(_page_key(line) for line in head.lines)):
        return None
    return Found(paged or _items(head.objects, key))


def _items(pages: tuple[dict[str, Any], ...], key: str) -> tuple[dict[str, Any], ...]:
    return tuple(item for page in pages for item in page.get(key, ()) if isinstance(item, dict))[:HEAD_RECORDS]


def _page_key(record: dict[str, Any]) -> str | None:
    """Return the key that makes an object a page of records rather than a record itself; None for a record."""
    if "processes" in record:  # a trace of Jaeger, whose spans are incomplete without it
        return None
    for key in PAGE_KEYS:
        value = record.get(key)
        if (
            isinstance(value, list)
            and _is_page_of(key, record)
            and all(isinstance(item, dict) for item in value)
            and (not {"id", "type"} & set(record) or (key == "observations" and "htmlPath" in record))
        ):
            return key
    return None


def _is_page_of(key: str, record: dict[str, Any]) -> bool:
    return key not in _NEXT_TO or any(name in record for name in _NEXT_TO[key])


def _page(head: Head) -> tuple[str | None, tuple[Record, ...]]:
    """Return the key of the list of records in the object at the start, and the first of them; also for an object that
    is longer than the head."""
    found = head.values.at(0)
    if found is None:
        key, start = _page_start(head.text)
        return key, tuple(head.values.elements(start)) if key else ()
    for key in found[0] if "processes" not in found[0] else ():
        if key in PAGE_KEYS and isinstance(found[0][key], list) and _is_page_of(key, found[0]):
            return key, tuple(item for item in found[0][key][:HEAD_RECORDS] if isinstance(item, dict))
    return None, ()


def _page_start(text: str) -> tuple[str | None, int]:
    """Return where the list of records of a page begins, found without decoding the whole page."""
    position, before = 1, dict[str, Any]()
    while True:
        position = skip(text, position, " \t\r\n,")
        try:
            key, position = decode_at(text, position)
            position = skip(text, position, " \t\r\n:")
            # Of a page whose records come first, what is next to them is not known yet.
            if key in PAGE_KEYS and text[position] == "[" and (not before or _is_page_of(str(key), before)):
                return str(key), position + 1
            before[str(key)], position = decode_at(text, position)
        except (ValueError, IndexError):
            return None, 0


def is_empty(value: object) -> bool:
    """Whether this is an export without records: ``[]``, or a page whose list is empty."""
    return value == [] or (isinstance(value, dict) and any(value.get(key) == [] for key in PAGE_KEYS))


def _locate(file: InputFile, bad: Bad) -> Iterator[Reject]:
    for record, reasons in bad.records():
        for reason in reasons:
            yield Reject(record, None, name_reason(reason), None)


def _fault(file: InputFile) -> str:
    return "the page is cut off or malformed"


PAGES = Container("pages", _look, _READ, _locate, _fault, partial=_PARTIAL)
