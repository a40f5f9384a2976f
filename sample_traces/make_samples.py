"""Write the sample files of the demo: three different fleets in three shapes, planted failures, and their truth.

Run `python sample_traces/make_samples.py`; the same bytes come out every time.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sample_traces.datadog import datadog_items, page
from sample_traces.failures import Planted, plant_failures
from sample_traces.figures import truth
from sample_traces.fleet import simulate
from sample_traces.langfuse import shape_v2
from sample_traces.langfuse_observations import observations
from sample_traces.model import Fleet
from sample_traces.writers import Record, dump, raw_records, write_text

HERE = Path(__file__).resolve().parent
START = datetime(2026, 11, 9, tzinfo=UTC)
DAYS = 14
MALFORMED = '{"request_id":"torn-line","start_time":"2026-11-10T08:00:00Z","prompt":"CONFIDENTIAL-PROMPT-0 cu'


def tally(fleet: Fleet, read: int, rejected: int, repeated: int) -> dict[str, int]:
    """State what reading a file must report: read = new + repeated + replaced + rejected + not_calls."""
    new = len(fleet.calls)
    return {
        "read": read,
        "new": new,
        "repeated": repeated,
        "replaced": 0,
        "rejected": rejected,
        "not_calls": read - new - repeated - rejected,
        "nested_not_counted": sum(not call.counted for call in fleet.calls),
        "embeddings": sum(call.operation == "embedding" for call in fleet.calls),
    }


def without(record: Record, key: str, **changes: object) -> Record:
    """Return a copy of a record that lacks a key."""
    return {name: value for name, value in (record | changes).items() if name != key}


def write_raw_sample(fleet: Fleet) -> dict[str, int]:
    """Write raw lines with a torn one, one without a start time and one twice."""
    records = list(raw_records(fleet))
    lines = [dump(record) for record in records]
    lines.insert(700, dump(records[40]))
    bad = without(records[10], "start_time", request_id="9000000000000001", span_id="9000000000000001")
    lines.insert(400, dump(bad))
    lines.insert(200, MALFORMED)
    write_text(HERE / "raw.jsonl.gz", (line + "\n" for line in lines))
    return tally(fleet, len(lines), rejected=2, repeated=1)


def write_langfuse_sample(fleet: Fleet) -> dict[str, int]:
    """Write a bucket export with one row without a start time and one twice."""
    rows = [shape_v2(each) for each in observations(fleet)]
    generations = [row for row in rows if row["type"] == "GENERATION"]
    rows.insert(900, generations[30])
    rows.insert(300, without(generations[7], "start_time", id="9000000000000002"))
    write_text(HERE / "langfuse_observations.jsonl.gz", (dump(row) + "\n" for row in rows))
    return tally(fleet, len(rows), rejected=1, repeated=1)


def write_datadog_sample(fleet: Fleet) -> dict[str, int]:
    """Write an export page with one span without a start and one twice."""
    items = list(datadog_items(fleet))
    attributes = [item["attributes"] for item in items]
    llm = [each for each in attributes if isinstance(each, dict) and each["span_kind"] == "llm"]
    bad = without(llm[7], "start_ns", span_id="9000000000000003")
    items.insert(700, next(item for item in items if item["id"] == llm[30]["span_id"]))
    items.insert(300, {"id": "9000000000000003", "type": "span", "attributes": bad})
    write_text(HERE / "datadog_spans.json.gz", [dump(page(items)), "\n"])
    return tally(fleet, len(items), rejected=1, repeated=1)


def write_failures_sample(fleet: Fleet, planted: Sequence[Planted], steps: Sequence[Record]) -> dict[str, object]:
    """Write the planted failures as raw lines, and return what reading them must report and audits must find."""
    records = [without(record, "prompt") for record in raw_records(fleet)]
    lines = [*(without(record, "completion") for record in records), *steps]
    write_text(HERE / "failures.jsonl.gz", (dump(line) + "\n" for line in lines))
    findings = [asdict(one) for one in planted]
    return {"ingest": tally(fleet, len(lines), rejected=0, repeated=0), "findings": findings, **expect(fleet)}


def expect(*fleets: Fleet) -> dict[str, object]:
    """Return the truth of fleets taken together."""
    return dict(truth(*fleets, by=("tenant", "route", "model", "deploy")))


def main() -> None:
    """Write everything."""
    raw = simulate(1500, 20261109, START, DAYS)
    langfuse = simulate(1200, 20261110, START, DAYS)
    datadog = simulate(900, 20261111, START, DAYS)
    failures, planted, steps = plant_failures(20261112, START, DAYS)
    expected = {
        "raw.jsonl.gz": {"ingest": write_raw_sample(raw), **expect(raw)},
        "langfuse_observations.jsonl.gz": {"ingest": write_langfuse_sample(langfuse), **expect(langfuse)},
        "datadog_spans.json.gz": {"ingest": write_datadog_sample(datadog), **expect(datadog)},
        "failures.jsonl.gz": write_failures_sample(failures, planted, steps),
        "all": expect(raw, langfuse, datadog, failures),
    }
    write_text(HERE / "expected.json", [_pretty(expected), "\n"])


def _pretty(expected: dict[str, dict[str, object]]) -> str:
    """Serialise with one table row a line, so that a changed figure shows in a diff."""
    files = []
    for name, tables in expected.items():
        parts = []
        for table, rows in tables.items():
            body = dump(rows)
            if isinstance(rows, list):
                body = "[\n" + ",\n".join("      " + dump(row) for row in rows) + "\n    ]"
            parts.append(f"    {dump(table)}: {body}")
        files.append(f"  {dump(name)}: {{\n" + ",\n".join(parts) + "\n  }")
    return "{\n" + ",\n".join(files) + "\n}"


if __name__ == "__main__":
    main()
