"""One set of records in every container: the same calls, and each bad record told by where it stands."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest import staging
from streamaudit.ingest.readers.reader import CONTAINERS, Reader, expand
from streamaudit.ingest.results import FileResult
from streamaudit.store.connection import Database
from streamaudit.store.store import Store
from tests.cli.running import Cli
from tests.reused import empty_store
from tests.sampling import keep
from tests.support import NOT_UNDERSTOOD, Record, content, equation, ingest, langfuse_row, raw_call, stored_calls

TEXT = 'Said "so, it is",\nand; left\r\nit'


def records() -> list[Record]:
    """Calls with nested values, awkward text, dotted keys and other fields in each; one is bad."""
    usage = {"input": 50, "output": 100, "output_reasoning_tokens": 0, "total": 150}
    found = [
        langfuse_row(f"call-{n}", usage_details=usage, metadata={"org.name": "acme", "n": {"deep": n}}, output=TEXT * n)
        for n in range(4)
    ]
    found[1]["tags"] = ["tenant:globex", "a,b"]
    found[2]["start_time"] = None
    found[3]["completion_start_time"] = "2026-11-16 08:00:00.500000"
    return found


def delimited(rows: list[Record], separator: str = ",", end: str = "\n") -> str:
    """A table of records: nested values as JSON text, every cell quoted."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerow(names)
    for row in rows:
        cells = (row.get(name) for name in names)
        writer.writerow(["" if cell is None else cell if isinstance(cell, str) else json.dumps(cell) for cell in cells])
    return out.getvalue()


def parquet(rows: list[Record], path: Path) -> None:
    """A Parquet file with the types that the vendor's database gives: instants, maps and lists."""
    lines = path.with_suffix(".lines")
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Database(None) as database:
        database.run(
            """
            COPY (
                SELECT * REPLACE (start_time::TIMESTAMP AS start_time, end_time::TIMESTAMPTZ AS end_time,
                    completion_start_time::TIMESTAMP_NS AS completion_start_time, type::BLOB AS type)
                FROM read_json($path, format = 'newline_delimited', columns = {
                    id: 'VARCHAR', trace_id: 'VARCHAR', type: 'VARCHAR', name: 'VARCHAR', level: 'VARCHAR',
                    start_time: 'VARCHAR', end_time: 'VARCHAR', completion_start_time: 'VARCHAR',
                    parent_observation_id: 'VARCHAR', provided_model_name: 'VARCHAR', environment: 'VARCHAR',
                    usage_details: 'MAP(VARCHAR, UBIGINT)', cost_details: 'MAP(VARCHAR, DECIMAL(18, 12))',
                    total_cost: 'DOUBLE', metadata: 'MAP(VARCHAR, JSON)', tags: 'VARCHAR[]', output: 'VARCHAR'})
            ) TO $to (FORMAT parquet)
            """,
            {"path": str(lines), "to": str(path)},
        )


def dumped(rows: list[Record], between: str = "\n") -> str:
    """Records as JSON, one after another."""
    return between.join(json.dumps(row) for row in rows)


WRITERS: dict[str, tuple[str, Callable[[list[Record], Path], object]]] = {
    "lines": ("lines", lambda rows, path: path.write_text(dumped(rows) + "\n")),
    "lines, packed": ("lines", lambda rows, path: path.write_bytes(gzip.compress(dumped(rows).encode()))),
    "array": ("array", lambda rows, path: path.write_text(json.dumps(rows))),
    "pretty array": ("array", lambda rows, path: path.write_text(json.dumps(rows, indent=2))),
    "page": ("pages", lambda rows, path: path.write_text(json.dumps({"data": rows, "meta": {}}, indent=1))),
    "pages a line each": ("pages", lambda rows, path: path.write_text(dumped([{"data": [row]} for row in rows]))),
    "array of pages": (
        "pages", lambda rows, path: path.write_text(json.dumps([{"data": rows[:1]}, {"data": rows[1:]}])),
    ),
    "concatenated pages": ("pages", lambda rows, path: path.write_text(dumped([{"data": [row]} for row in rows], ""))),
    "a first page without records": (
        "pages", lambda rows, path: path.write_text(dumped([{"data": []}, {"data": rows}])),
    ),
    "concatenated objects": ("objects", lambda rows, path: path.write_text(dumped(rows, ""))),
    "pretty objects": (
        "objects", lambda rows, path: path.write_text("\n".join(json.dumps(row, indent=4) for row in rows)),
    ),
    "csv": ("csv", lambda rows, path: path.write_text(delimited(rows), newline="")),
    "csv with a BOM and CRLF": (
        "csv", lambda rows, path: path.write_bytes(b"\xef\xbb\xbf" + delimited(rows, end="\r\n").encode()),
    ),
    "csv, packed": ("csv", lambda rows, path: path.write_bytes(gzip.compress(delimited(rows).encode()))),
    "csv with semicolons": ("csv", lambda rows, path: path.write_text(delimited(rows, ";"), newline="")),
    "tsv": ("csv", lambda rows, path: path.write_text(delimited(rows, "\t"), newline="")),
    "parquet": ("parquet", parquet),
}  # fmt: skip
KEPT = (
    "lines", "pretty array", "a first page without records", "pretty objects", "csv", "csv with a BOM and CRLF",
    "csv with semicolons", "parquet",
)  # fmt: skip
MAPPED = ("tenant=metadata.org.name", "route=metadata.n.deep")


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[str], list[str]]]:
    """What the records are as JSON lines, with two paths mapped."""
    path = tmp_path_factory.mktemp("wanted") / "calls.jsonl"
    path.write_text(dumped(records()) + "\n")
    with empty_store() as store:
        put(store, path, *MAPPED)
        yield content(store)


def put(store: Store, path: Path, *mapping: str) -> FileResult:
    """Ingest a file that must be readable."""
    (result,) = ingest(store, path, mapping=mapping)
    assert result.problem is None, result.problem
    return result


def test_every_container_is_tried() -> None:
    """No container is without its case here."""
    assert {name for name, _ in WRITERS.values()} == {container.name for container in CONTAINERS}


@pytest.mark.parametrize("case", keep(WRITERS, KEPT))
def test_every_container_gives_the_same_calls(
    case: str, wanted: tuple[list[str], list[str]], store: Store, tmp_path: Path
) -> None:
    """Whatever holds the records; the one without a start is rejected as the third; and a path can be mapped, also one
    inside JSON that a cell holds, and a dotted key."""
    name, write = WRITERS[case]
    path = tmp_path / "calls.data"
    write(records(), path)
    with Reader() as reader:
        assert reader.open(str(path)).container.name == name
    result = put(store, path, *MAPPED)
    assert equation(result) == (4, 3, 0, 0, 1, 0)
    assert content(store) == wanted
    (reject,) = result.rejects
    assert (reject.record, reject.reason) == (3, "no start time")
    assert reject.line == line_of(case)
    rows = store.query("SELECT call_id, tenant, route FROM store.calls ORDER BY call_id")
    assert rows == [("call-0", "acme", "0"), ("call-1", "acme", "1"), ("call-3", "acme", "3")]


def line_of(case: str) -> int | None:
    """The line on which the third record begins, counted by hand; None where records have none."""
    if case.startswith("csv") or case == "tsv":
        return 4 + 2 * (0 + 1)  # a header, two rows, and the breaks inside the second one's text
    found: dict[str, int] = {"lines": 3, "lines, packed": 3, "array": 1, "concatenated objects": 1}
    if case == "pretty array":
        return json.dumps(records(), indent=2)[: json.dumps(records(), indent=2).index('"call-2"')].count("\n")
    if case == "pretty objects":
        return sum(json.dumps(row, indent=4).count("\n") + 1 for row in records()[:2]) + 1
    return found.get(case)


BROKEN = b"""request_id,start_time,model,output_tokens
a,2026-11-16T08:00:00Z,"two
lines",5

b,2026-11-16T08:00:00Z
c,2026-11-16T08:00:00Z,m,5,6
d,nonsense,m,5
e,2026-11-16T08:00:00Z,\xff,5
,,,
f,2026-11-16T08:00:00Z,m,7
g,2026-11-16T08:00:00Z,"open,5
"""


@pytest.mark.parametrize("repeats", [1, 3000])
def test_every_bad_row_of_a_table_is_told_with_its_line(
    store: Store, tmp_path: Path, repeats: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that the database leaves out, and rows that make no call; good ones stay, in small files and in those that
    are read a second time."""
    if repeats > 1:
        monkeypatch.setattr(staging, "_NUMBERED_BYTES", 0)
    path = tmp_path / "calls.csv"
    good = "".join(f"good-{n},2026-11-16T08:00:00Z,m,5\n" for n in range(repeats)).encode()
    head, rest = BROKEN.split(b"\n", 1)
    path.write_bytes(head + b"\n" + good + rest)
    result = put(store, path)
    assert equation(result)[:2] == (8 + repeats, 2 + repeats)
    assert [(reject.line, reject.reason) for reject in result.rejects] == [
        (repeats + 5, "fewer cells than the header"),
        (repeats + 6, "more cells than the header"),
        (repeats + 7, NOT_UNDERSTOOD),
        (repeats + 8, "invalid UTF-8"),
        (repeats + 9, "no known field"),
        (repeats + 11, "a quote that is never closed, or text after a closing quote"),
    ]


@pytest.mark.parametrize(
    ("notes", "kept", "line", "reason"),
    [
        (("x", '"x', "x", "x"), ["0"], 3, "lines 3 to 5 are lost"),
        (("x", '"x', 'x"y', "x"), ["0", "3"], 3, "lines 3 to 4 are lost"),
        (("x", '"x"y', "x", "x"), ["0", "2", "3"], 3, "a quote that is never closed, or text after a closing quote"),
    ],
    ids=["to the end", "to the next quote", "on its own line"],
)
@pytest.mark.parametrize("numbered", [pytest.param(True, marks=pytest.mark.proof), False])
def test_an_open_quote_says_which_lines_it_takes(
    numbered: bool, notes: tuple[str, ...], kept: list[str], line: int, reason: str, store: Store, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The rows behind it are part of one cell: one reject, whose reason counts them."""
    if not numbered:
        monkeypatch.setattr(staging, "_NUMBERED_BYTES", 0)
    rows = "".join(f"{number},2026-11-16T08:00:00Z,m,{note}\n" for number, note in enumerate(notes))
    (tmp_path / "calls.csv").write_text("request_id,start_time,model,note\n" + rows)
    (reject,) = put(store, tmp_path / "calls.csv").rejects
    assert sorted(stored_calls(store)) == kept
    assert reject.line == line
    assert reject.reason.endswith(reason)


def test_a_table_of_headers_alone_is_empty(store: Store, tmp_path: Path) -> None:
    """An hour without a call is no failure."""
    (tmp_path / "calls.csv").write_text("request_id,start_time,model\n")
    parquet([], tmp_path / "calls.parquet")
    for result in ingest(store, tmp_path / "calls.csv", tmp_path / "calls.parquet"):
        assert result.empty


def test_columns_that_differ_by_case_alone_and_columns_without_a_name(store: Store, tmp_path: Path) -> None:
    """A score may be called like a field; the first one counts."""
    (tmp_path / "calls.csv").write_text(
        ",request_id,start_time,model,Model,ordinality\n0,a,2026-11-16T08:00:00Z,gpt-4o,gpt-3,7\n"
    )
    put(store, tmp_path / "calls.csv", "tenant=ordinality_")
    assert store.query("SELECT call_id, model, tenant FROM store.calls") == [("a", "gpt-4o", "7")]


def test_python_prints_of_objects_are_read_in_cells(store: Store, tmp_path: Path) -> None:
    """What a dataframe writes where it holds a dict."""
    row = {**raw_call("a"), "metadata": "{'tenant': 'acme', 'cancelled': True, 'left': None}"}
    (tmp_path / "calls.csv").write_text(delimited([row]), newline="")
    put(store, tmp_path / "calls.csv")
    assert store.query("SELECT tenant, outcome FROM store.calls") == [("acme", "completed")]


def test_a_folder_stands_for_its_files_of_records(tmp_path: Path) -> None:
    """By their names, packed or not, hidden ones left out."""
    names = ("a.jsonl", "b.csv.gz", "c.parquet", "d.json.zst", "e.tsv", "f.ndjson", "notes.txt", ".hidden.csv")
    for name in names:
        (tmp_path / name).touch()
    assert [Path(name).name for name in expand([str(tmp_path)])] == sorted(names[:6])


@pytest.mark.parametrize("case", keep(["csv", "parquet", "pretty objects"], ["csv"]))
def test_reports_fields_and_standard_input_take_every_container(tmp_path: Path, case: str) -> None:
    """Without an option, and from a pipe."""
    cli = Cli(tmp_path)
    path = cli.folder / "calls.data"
    WRITERS[case][1](records(), path)
    fields, report = cli.run_each([[name, path.name, "--format", "json"] for name in ("fields", "report")])
    assert (fields.code, report.code) == (0, 0), (fields.err, report.err)
    paths: dict[str, Any] = {row["path"]: row for row in json.loads(fields.out)["tables"][0]["rows"]}
    assert paths["metadata.n.deep"]["filled_rate"] == 1.0
    assert paths["usage_details.output"]["filled_rate"] == 1.0
    (shown,) = json.loads(report.out)["tables"][0]["rows"]
    assert shown["output_tokens"] == 300
    piped = cli.run("report", "-", "--format", "json", stdin=path.read_bytes())
    assert json.loads(piped.out)["tables"][0]["rows"] == [shown]


def test_a_table_too_wide_is_called_one(store: Store, tmp_path: Path) -> None:
    """The reason names the columns, not a lack of a header."""
    names, cells = ",".join(f"c{n}" for n in range(5_000)), ",".join("1" * 5_000)
    path = tmp_path / "wide.csv"
    path.write_text(f"request_id,{names}\nr1,{cells}\n")
    (result,) = ingest(store, path)
    assert "more than 4,000 columns" in str(result.problem)
