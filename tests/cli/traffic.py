"""Made-up calls for these tests, as raw JSON lines."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def call(number: int, **fields: Any) -> Record:
    """One completed, streamed call; a field given as None is left out."""
    record = {
        "request_id": f"r{number}", "start_time": f"2026-11-16T08:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "tenant_id": "acme", "model": "gpt-4o-mini", "provider": "openai", "stream": True,
        "time_to_first_chunk_ms": 300 + number, "duration_ms": 2000 + number, "input_tokens": 100,
        "output_tokens": 60, "cost_usd": 0.01, "output_cost_usd": 0.006, "outcome": "completed", **fields,
    }  # fmt: skip
    return {name: value for name, value in record.items() if value is not None}


def calls(count: int, start: int = 0) -> list[Record]:
    """That many different calls."""
    return [call(number) for number in range(start, start + count)]


def as_lines(records: Iterable[Record]) -> str:
    """JSON lines, each with its line feed."""
    return "".join(f"{json.dumps(record)}\n" for record in records)


def write_lines(path: Path, records: Iterable[Record]) -> Path:
    """The records as a JSON lines file."""
    path.write_text(as_lines(records))
    return path


def write_many(path: Path, count: int) -> Path:
    """A file of many calls, written fast, that takes a while to ingest."""
    line = (
        '{"request_id":"r%d","start_time":"2026-11-16T%02d:%02d:%02dZ","tenant_id":"t%d","model":"gpt-4o-mini",'
        '"stream":true,"time_to_first_chunk_ms":%d,"duration_ms":%d,"output_tokens":%d,"outcome":"completed"}\n'
    )
    with path.open("w") as file:
        for n in range(count):
            values = (n, n // 3600 % 24, n // 60 % 60, n % 60, n % 7, 100 + n % 900, 2000 + n % 1000, 50 + n % 300)
            file.write(line % values)
    return path


def long_line(record: Record) -> bytes:
    """The record as a line of more than a megabyte, after which a copy of standard input is begun."""
    return as_lines([{**record, "padding": "x" * (1 << 20)}]).encode()
