"""What every test of figures needs: records to files, files to a store, an audit to rows by table."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamaudit.audits.base import discover
from streamaudit.audits.scope.scope import Scope, parse_by
from streamaudit.ingest.mapping import parse_mapping
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import FileResult, Options
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store
from streamaudit.store.views.refresh import refresh
from tests.reused import empty_store

Record = dict[str, Any]
Tables = dict[str, list[Record]]

AUDITS = discover()
CONTENT_MARKER = "CONFIDENTIAL-"
NOT_UNDERSTOOD = "start time not understood: write it as 2026-11-22T08:26:40Z, or as an epoch number"
"""The reason of a record whose start is text that is no instant."""


def write_lines(path: Path, records: Iterable[object]) -> Path:
    """JSON lines; a text is written as it is, so that a line may be malformed."""
    path.write_text("".join(f"{_line(record)}\n" for record in records))
    return path


def _line(record: object) -> str:
    return record if isinstance(record, str) else json.dumps(record)


def ingest(
    store: Store, *paths: Path, mapping: Sequence[str] = (), source: str | None = None, force: bool = False,
    prices: PriceFile | None = None,
) -> list[FileResult]:  # fmt: skip
    """Ingest files one by one, in the order given."""
    with Reader() as reader:
        job = Ingest(store, Options(parse_mapping(list(mapping)), source, force, prices=prices))
        return [job.file(reader, str(path)) for path in paths]


@contextmanager
def store_of(
    *paths: Path, mapping: Sequence[str] = (), source: str | None = None, force: bool = False
) -> Iterator[Store]:
    """A store in memory that holds these files, each of which must be readable; its queries are planned as those of a
    small store are."""
    with empty_store() as store:
        for result in ingest(store, *paths, mapping=mapping, source=source, force=force):
            assert result.problem is None, result.problem
        yield store


def audit(store: Store, name: str, by: str = "", **options: Any) -> Tables:
    """Run one audit; ``options`` of the scope (``since``, ``only``, ``top`` …) go to it, the rest to the audit."""
    of_scope = {key: options.pop(key) for key in tuple(options) if key in Scope.__dataclass_fields__}
    report = AUDITS[name].run(store, Scope(by=parse_by(by), **of_scope), **options)
    return {table.name: list(table.records()) for table in report.tables}


def notes(store: Store, name: str, **options: Any) -> dict[str, int | None]:
    """The notes of one audit by code, with their counts."""
    return {note.code: note.count for note in AUDITS[name].run(store, Scope(**options)).notes}


def total(store: Store, name: str, **options: Any) -> Record:
    """The total row of one audit."""
    return audit(store, name, **options)["total"][0]


def grouped(store: Store, name: str, by: str, **options: Any) -> dict[Any, Record]:
    """The rows of one audit by their dimension, without the rest row."""
    rows = audit(store, name, by, **options)["by_" + by.replace(",", "_")]
    names = by.split(",")
    kept = [row for row in rows if "rest" not in row]
    return {row[by] if len(names) == 1 else tuple(row[each] for each in names): row for row in kept}


def calls(store: Store) -> dict[str, Record]:
    """Every call by its id, with all columns of ``call_tax``."""
    return {row["call_id"]: row for row in rows_of(store, "call_tax")}


def stored_calls(store: Store) -> dict[str, Record]:
    """Every call by its id, with the columns that ingest wrote: no tax is valued for them."""
    return {row["call_id"]: row for row in rows_of(store, "store.calls")}


def rows_of(store: Store, relation: str) -> list[Record]:
    """Every row of a table or view, by column name."""
    if relation == "call_tax":
        refresh(store)
    names = [row[0] for row in store.query(f"DESCRIBE {relation}")]
    return [dict(zip(names, row, strict=True)) for row in store.query(f"FROM {relation}")]


def content(store: Store) -> tuple[list[str], list[str]]:
    """The calls and spans of a store as comparable text, without the loads they came in."""

    def of(relation: str, order: str) -> list[str]:
        return [
            repr({name: value for name, value in row.items() if name not in ("load_id", "input_hash", "record_hash")})
            for row in sorted(rows_of(store, relation), key=lambda row: (row["source"], row[order]))
        ]

    return of("store.calls", "call_id"), of("store.spans", "span_id")


def equation(result: FileResult) -> tuple[int, int, int, int, int, int]:
    """read, new, repeated, replaced, rejected, not calls of one file, after checking that they add up."""
    assert result.problem is None, result.problem
    assert result.counts is not None
    counts = result.counts
    parts = (counts.new, counts.repeated, counts.replaced, counts.rejected, counts.not_calls)
    assert counts.read == sum(parts)
    return (counts.read, *parts)


def same(column: str, value: object, expected: object) -> bool:
    """Equal counts, tokens and texts; times to a microsecond of rounding, dollars and rates to a billionth."""
    if not isinstance(value, float) or not isinstance(expected, float):
        return value == expected
    if column.endswith("_ms"):
        return abs(value - expected) <= 1e-3
    return math.isclose(value, expected, rel_tol=1e-9, abs_tol=0.0)


def raw_call(name: str, /, **fields: Any) -> Record:
    """One completed raw call; a field given as None is left out."""
    record = {
        "request_id": name, "start_time": "2026-11-16T08:00:00Z", "model": "gpt-4o-mini", "duration_ms": 5000,
        "output_tokens": 100, "outcome": "completed", **fields,
    }  # fmt: skip
    return {key: value for key, value in record.items() if value is not None}


def langfuse_row(name: str, /, **fields: Any) -> Record:
    """One completed generation of a bucket export, five seconds long; a field given as ... is left out. Another type
    has no usage."""
    is_call = fields.get("type", "GENERATION") in ("GENERATION", "EMBEDDING")
    record = {
        "id": name, "trace_id": f"trace-{name}", "type": "GENERATION", "name": "answer", "level": "DEFAULT",
        "start_time": "2026-11-16 08:00:00.000000", "end_time": "2026-11-16 08:00:05.000000",
        "parent_observation_id": "", "provided_model_name": "gpt-4o-mini", "environment": "production",
        "usage_details": {"input": 50, "output": 100, "total": 150} if is_call else {}, "cost_details": {},
        "total_cost": 0, "metadata": {}, **fields,
    }  # fmt: skip
    return {key: value for key, value in record.items() if value is not ...}


def datadog_span(name: str, /, **fields: Any) -> Record:
    """One span as its bare attributes, five seconds long; a field given as ... is left out."""
    record = {
        "span_id": name, "trace_id": f"trace-{name}", "parent_id": "undefined", "name": "OpenAI.createChatCompletion",
        "span_kind": "llm", "status": "ok", "start_ns": 1_794_816_000_000_000_000, "duration": 5e9,
        "model_name": "gpt-4o-mini", "model_provider": "openai", "metadata": {},
        "metrics": {"input_tokens": 50.0, "output_tokens": 100.0, "reasoning_output_tokens": 0.0}, "tags": [],
        **fields,
    }  # fmt: skip
    return {key: value for key, value in record.items() if value is not ...}


def otel_value(value: object) -> Record:
    """A value of an attribute as OTLP JSON wraps it; an object is wrapped already."""
    if isinstance(value, dict):
        return value
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [otel_value(item) for item in value]}}
    return {"stringValue": value}


def otel_attributes(attributes: Record) -> list[Record]:
    """Attributes as OTLP JSON lists them; one given as ... is left out."""
    return [{"key": key, "value": otel_value(value)} for key, value in attributes.items() if value is not ...]


def otel_span(name: str, attributes: Record | None = None, /, **fields: Any) -> Record:
    """One completed call as a span of OTLP, five seconds long; an attribute or a field given as ... is left out."""
    usual = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 100, "gen_ai.response.finish_reasons": ["stop"],
    }  # fmt: skip
    span = {
        "traceId": f"{name.encode().hex():f>32}", "spanId": f"{name.encode().hex():f>16}"[-16:], "name": "chat",
        "kind": 3, "startTimeUnixNano": "1794816000000000000", "endTimeUnixNano": "1794816005000000000",
        "attributes": otel_attributes({**usual, **(attributes or {})}), "status": {}, **fields,
    }  # fmt: skip
    return {key: value for key, value in span.items() if value is not ...}


def otel_batch(*spans: Record, resource: Record | None = None, scope: str = "test") -> Record:
    """Spans of one resource as a line of OTLP."""
    scoped = {"scope": {"name": scope}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": otel_attributes(resource or {})}, "scopeSpans": [scoped]}]}


def phoenix_span(name: str, attributes: Record | None = None, /, **fields: Any) -> Record:
    """One completed call as an item of Phoenix's REST API, five seconds long; what is given as ... is left out."""
    usual = {
        "llm.model_name": "gpt-4o-mini", "llm.provider": "openai", "llm.token_count.prompt": 50,
        "llm.token_count.completion": 100, "llm.finish_reason": "stop",
    }  # fmt: skip
    kept = {key: value for key, value in {**usual, **(attributes or {})}.items() if value is not ...}
    record = {
        "id": f"row-{name}", "name": "ChatCompletion", "span_kind": "LLM", "parent_id": None, "status_code": "OK",
        "context": {"trace_id": f"trace-{name}", "span_id": name}, "start_time": "2026-11-16T08:00:00+00:00",
        "end_time": "2026-11-16T08:00:05+00:00", "status_message": "", "attributes": kept, "events": [], **fields,
    }  # fmt: skip
    return {key: value for key, value in record.items() if value is not ...}


def assert_same_tables(where: object, found: Tables, wanted: Tables) -> None:
    """The same tables and rows, whatever the order of groups that tie but for the last digit."""
    assert list(found) == list(wanted), where
    for table, rows in wanted.items():
        assert len(found[table]) == len(rows), (where, table)
        for row, expected in zip(sorted(found[table], key=_key), sorted(rows, key=_key), strict=True):
            for column, value in expected.items():
                assert same(column, row[column], value), (where, table, column, row[column], value)


def _key(row: Record) -> str:
    names = [value for value in row.values() if value is None or isinstance(value, str)]
    return repr([*names, row.get("bucket_low_ms")])
