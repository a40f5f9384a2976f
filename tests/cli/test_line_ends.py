"""Files as they come: byte order marks, DOS line ends, blank lines, cut ends, and lines of any length."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import Cli, equation, stored_calls
from tests.cli.traffic import Record, as_lines, call, calls

STORE = "store.duckdb"
LINES = as_lines(calls(10)).encode()
BOM = b"\xef\xbb\xbf"

SHAPES: dict[str, Callable[[list[Record]], bytes]] = {
    "plain": lambda records: _lines(records),
    "bom": lambda records: BOM + _lines(records),
    "crlf": lambda records: _dos(_lines(records)),
    "bom and crlf": lambda records: BOM + _dos(_lines(records)),
    "blank lines": lambda records: b"\n\n" + _lines(records).replace(b"\n", b"\n\n \t\n\r\n") + b"\n\n",
    "no final newline": lambda records: _lines(records).rstrip(b"\n"),
    "crlf without final newline": lambda records: _dos(_lines(records)).rstrip(),
    "array": lambda records: json.dumps(records).encode(),
    "array with bom": lambda records: BOM + json.dumps(records, indent=2).encode(),
    "array over crlf lines": lambda records: _dos(json.dumps(records, indent=2).encode()),
}


def _lines(records: list[Record]) -> bytes:
    return as_lines(records).encode()


def _dos(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def test_the_same_calls_in_every_shape(cli: Cli) -> None:
    """Ten calls are ten calls however the lines end, and nothing is rejected."""
    for index, (shape, write) in enumerate(SHAPES.items()):
        records = [call(number, tenant_id=shape) for number in range(10 * index, 10 * index + 10)]
        (cli.folder / f"{shape}.json").write_bytes(write(records))
    done = cli.run("ingest", *(f"{shape}.json" for shape in SHAPES), "--db", STORE)
    assert done.code == 0, done.err
    assert equation(done.err)["read"] == equation(done.err)["new"] == 10 * len(SHAPES)
    counted = cli.run("report", "--db", STORE, "--by", "tenant", "--format", "csv").out.splitlines()[1:]
    assert {line.split(",")[0]: line.split(",")[1] for line in counted} == dict.fromkeys(SHAPES, "10")


BROKEN: dict[str, tuple[bytes, list[tuple[int, str]]]] = {
    "cut last line": (LINES + b'{"request_id": "r99", "start_', [(11, "malformed JSON (the last line is cut off)")]),
    "cut last line after blank ones": (
        b"\n" + LINES.replace(b"\n", b"\n\n") + b'{"request_id": "r99"',
        [(22, "malformed JSON (the last line is cut off)")],
    ),
    "cut last line of dos": (
        b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n") + b'{"request_id": "r9',
        [(11, "malformed JSON (the last line is cut off)")],
    ),
    "bad lines here and there": (
        b"\n{garbage}\n" + LINES + b"[]\n" + as_lines(calls(2, start=50)).encode() + b'{"request_id": "\xff"}\nnull\n',
        [(2, "malformed JSON"), (13, "not a JSON object"), (16, "invalid UTF-8"), (17, "not a JSON object")],
    ),
    "glued lines": (
        LINES + LINES[: LINES.index(b"\n")] * 2 + b"\n" + as_lines(calls(1, start=50)).encode(),
        [(11, "malformed JSON")],
    ),
}


def test_a_bad_line_is_rejected_under_its_true_number(cli: Cli) -> None:
    """Line numbers count every line of the file, blank ones too, as an editor does."""
    for kind, (data, _) in BROKEN.items():
        (cli.folder / f"{kind}.jsonl").write_bytes(data)
    done = cli.run("ingest", *(f"{kind}.jsonl" for kind in BROKEN), "--db", STORE, "--rejects", "rejects.csv")
    assert done.code == 0, done.err
    listed = [line.split(",") for line in (cli.folder / "rejects.csv").read_text().splitlines()[1:]]
    found = [(name, int(line), reason) for name, line, _, reason, _ in listed]
    assert found == [(f"{kind}.jsonl", *reject) for kind, (_, rejects) in BROKEN.items() for reject in rejects]
    for _, number, reason in found[:3]:
        assert f"rejected line {number}: {reason}" in done.err


def _huge(path: Path, size: int) -> None:
    """Three calls, the second with a text of that many bytes."""
    with path.open("w") as file:
        file.write(as_lines([call(1)]))
        file.write(json.dumps(call(2, input="TEXT"))[:-6])
        for _ in range(size >> 20):
            file.write("x" * (1 << 20))
        file.write('"}\n')
        file.write(as_lines([call(3)]))


@pytest.mark.proof
def test_a_line_of_100_megabytes_is_a_line(cli: Cli) -> None:
    """One enormous prompt among normal calls costs none of them."""
    _huge(cli.folder / "calls.jsonl", 100 << 20)
    done = cli.run("ingest", "calls.jsonl", "--db", STORE)
    assert done.code == 0, done.err
    assert stored_calls(cli.folder / STORE) == 3
    assert equation(done.err)["rejected"] == 0
    assert (cli.folder / STORE).stat().st_size < 4 << 20


def test_a_first_line_of_4_megabytes_is_recognised(cli: Cli) -> None:
    """A first record longer than what is usually looked at still tells the format."""
    (cli.folder / "calls.jsonl").write_text(as_lines([call(1, input="x" * (4 << 20)), call(2)]))
    assert cli.run("ingest", "calls.jsonl", "--db", STORE).code == 0
    assert stored_calls(cli.folder / STORE) == 2
