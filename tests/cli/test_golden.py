"""Each report in each format over one awkward data set.

Formats that people read or paste are compared with a file to the last character; so is the CSV. JSON, JSON lines and
JUnit's XML are held against their published shape and against each other, and the figures that no CSV has (the tables
after the first) against ``golden/*.rows``, one line a row. ``test_data_formats.py`` has figures worked out by hand.
``STREAMAUDIT_UPDATE_GOLDEN=1 pytest tests/cli/test_golden.py`` rewrites the files; read the difference.
"""

import csv
import io
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streamaudit import __version__
from streamaudit.report.model import Unit
from streamaudit.report.numbers import NUMBERS, change, usd_of_call
from tests.cli.awkward import HOSTILE, awkward
from tests.cli.running import Cli
from tests.cli.traffic import write_lines
from tests.once import once
from tests.shapes import assert_valid_junit, assert_valid_report

GOLDEN = Path(__file__).parent / "golden"
JUDGED_OTHERWISE = ("regression", "fail", "too little data", "skip", "held")
"""Verdicts that JUnit reports as failed or skipped."""
SIGNED = ("change_ratio", "ci_low_ratio", "ci_high_ratio", "mix_change_ratio", "change_at_base_mix_ratio")
COMMANDS = {
    "report": ["report", "--by", "tenant"],
    "ttft": ["ttft", "--by", "model", "--slo", "1s"],
    "tax": ["tax", "--by", "tenant", "--top-calls", "3", "--split", "--if-stopped"],
    "coverage": ["coverage"],
    "explain": ["explain", "r68"],
    "sql": ["sql", "SELECT tenant, outcome, count(*) AS calls FROM calls GROUP BY ALL ORDER BY ALL"],
    "check": ["--config", "checks.toml", "check", "--week", "2026-W47"],
    "reconcile": ["report", "--reconcile", "invoice.csv"],
    "diff": ["diff", "--base-since", "2026-11-16", "--since", "2026-11-19", "--by", "tenant", "--stat", "p50"],
    "history": ["history", "--by", "day"],
    "weekly": ["--config", "checks.toml", "weekly", "--since", "2026-11-19", "--until", "2026-11-22"],
}
CHECKS = """
[[check]]
metric = "cancel_rate"
expect = "<0.15"
by = "tenant"
min_n = 5
severity = "warn"
hold = [
    {reason = "ticket 812", until = 9999-12-31, where = "tenant=tab*,acme"},
    {reason = "=expired", until = 2020-01-01},
]

[[check]]
metric = "ttft_ms"
expect = ["p(50)<1000", "p(95)<9000", "p(95)<baseline*1.1"]
where = ["route=/chat", "tenant=acme,glob*"]
severity = "warn"

[[check]]
metric = "tax_usd"
expect = "<0.001"
severity = "warn"

[thresholds]
tax_tokens = "<2000"
calls = ">10"
"""
SUFFIXES = {
    "table": "txt", "json": "json", "jsonl": "jsonl", "csv": "csv", "markdown": "md", "junit": "xml", "github": "gha",
}  # fmt: skip
PINNED = ("table", "csv", "markdown", "github")
"""Formats whose every byte is compared with a file."""
UPDATES = bool(os.environ.get("STREAMAUDIT_UPDATE_GOLDEN"))
ANNOTATED = tuple(COMMANDS) if UPDATES else ("report", "diff", "check")
"""Commands that are run once more for GitHub's form, which has no suffix; those of the others are proofs."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """Every report in every format."""
    return once(tmp_path_factory, "golden", _made)


def _furnish(folder: Path) -> Path:
    """Write what the commands read."""
    cli = Cli(folder)
    write_lines(cli.folder / "calls.jsonl", awkward())
    (cli.folder / "invoice.csv").write_text("month,provider,cost_usd\n2026-11,OpenAI,2.50\n2026-10,nobody,1\n")
    (cli.folder / "checks.toml").write_text(CHECKS)
    assert cli.run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    return folder


def _made(folder: Path) -> dict[tuple[str, str], str]:
    cli = Cli(_furnish(folder))
    # All files of a command come from one run; GitHub's form has no suffix, and the table is also what is printed.
    files = {form: suffix for form, suffix in SUFFIXES.items() if form != "github"}
    lines = [
        [*words, "-q", "--db", "store.duckdb", *(part for end in files.values() for part in ("-o", f"{command}.{end}"))]
        for command, words in COMMANDS.items()
    ]  # fmt: skip
    lines += [_annotated(command) for command in ANNOTATED]
    runs = cli.run_each([*lines, [*COMMANDS["report"], "--db", "store.duckdb"]])
    for done in runs:
        assert (done.code, done.err) == (0, "")
    found = {(command, "github"): done.out for command, done in zip(ANNOTATED, runs[len(COMMANDS) :], strict=False)}
    for command in COMMANDS:
        for form, end in files.items():
            found[command, form] = (cli.folder / f"{command}.{end}").read_bytes().decode()
    assert found["report", "table"] == runs[-1].out
    return {key: _stable(text.replace(f"{cli.folder}/", "")) for key, text in found.items()}


def _annotated(command: str) -> list[str]:
    return [*COMMANDS[command], "--db", "store.duckdb", "--format", "github"]


def _stable(text: str) -> str:
    text = re.sub(r'("generated_at": ?)"[^"]*"', r'\1"GENERATED_AT"', text)
    # The width of these depends on the length of a temporary folder's name.
    text = re.sub(r"(?m)^load id .*\n-+\n(?:.+\n)+", "LOADS\n", text)
    text = re.sub(r"(?m)^  file  .*\n(?: {20,}.*\n)*", "  FILE\n", text)
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    # A window may end today at midnight; nothing is loaded then to the second.
    text = re.sub(rf"{today}[T ](?!00:00:00Z)\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?", "LOADED-AT", text)
    return text.replace(f'"version": "{__version__}"', '"version": "VERSION"')


@pytest.mark.parametrize("command", COMMANDS)
def test_the_output_is_the_golden_one(outputs: dict[tuple[str, str], str], command: str) -> None:
    """A change of any figure, word or space shows here and is either wrong or reviewed."""
    texts = {SUFFIXES[form]: outputs[command, form] for form in PINNED if (command, form) in outputs}
    texts["rows"] = _rows(json.loads(outputs[command, "json"]))
    if UPDATES:
        for suffix, text in texts.items():
            (GOLDEN / f"{command}.{suffix}").write_text(text, newline="")
    for suffix, text in texts.items():
        assert text == (GOLDEN / f"{command}.{suffix}").read_bytes().decode(), suffix


@pytest.mark.proof
def test_the_annotations_of_every_command_are_the_golden_ones(
    outputs: dict[tuple[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of those that are not in every run."""
    cli = Cli(once(tmp_path_factory, "golden-folder", _furnish))
    others = [command for command in COMMANDS if (command, "github") not in outputs]
    for command, done in zip(others, cli.run_each([_annotated(command) for command in others]), strict=True):
        assert (done.code, done.err) == (0, "")
        shown = _stable(done.out.replace(f"{cli.folder}/", ""))
        assert shown == (GOLDEN / f"{command}.gha").read_bytes().decode(), command


def _rows(document: dict[str, Any]) -> str:
    """A report as one line for each of its fields and each row of its tables after the first, which is in the CSV."""
    lines = [f"{name}: {_compact(value)}" for name, value in document.items() if name not in ("tables", "notes")]
    lines += [f"note: {_compact(note)}" for note in document["notes"]]
    first, *others = document["tables"]
    lines.append(f"table: {first['name']} {_compact(_units(first))}")
    for table in others:
        lines.append(f"table: {table['name']} {_compact(_units(table))}")
        lines += [_compact(list(row.values())) for row in table["rows"]]
    return "".join(f"{line}\n" for line in lines)


def _units(table: dict[str, Any]) -> dict[str, Unit | None]:
    return {column["name"]: column.get("unit") for column in table["columns"]}


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def test_a_golden_file_belongs_to_each_report_and_no_other_is_kept() -> None:
    """Files of a command or format that is gone do not stay; together they stay short enough to be read."""
    suffixes = [*(SUFFIXES[form] for form in PINNED), "rows"]
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.{end}" for name in COMMANDS for end in suffixes}
    beside = GOLDEN.parents[1] / "report" / "golden"
    assert sum(path.read_bytes().count(b"\n") for folder in (GOLDEN, beside) for path in folder.iterdir()) <= 5_000


@pytest.mark.parametrize("command", COMMANDS)
def test_data_has_its_published_shape(outputs: dict[tuple[str, str], str], command: str) -> None:
    """JSON follows ``docs/report.schema.json``, JSON lines and CSV are the rows of its first table, XML is JUnit."""
    document = json.loads(outputs[command, "json"])
    assert_valid_report(document)
    first = document["tables"][0]
    assert [json.loads(line) for line in outputs[command, "jsonl"].split("\n")[:-1]] == first["rows"]
    rows = list(csv.DictReader(io.StringIO(outputs[command, "csv"], newline="")))
    assert len(rows) == len(first["rows"])
    for row, record in zip(rows, first["rows"], strict=True):
        for column in first["columns"]:
            value = record[column["name"]]
            if value is None or isinstance(value, int | float):
                assert row[column["name"]] == ("" if value is None else json.dumps(value)), column
    assert_valid_junit(outputs[command, "junit"])


@pytest.mark.parametrize("command", COMMANDS)
def test_junit_has_a_case_for_each_row_with_the_figures_that_are_known(
    outputs: dict[tuple[str, str], str], command: str
) -> None:
    """In the order of the JSON; numbers are written as the screen writes them, and NULL is left out, never 0."""
    tables = json.loads(outputs[command, "json"])["tables"]
    root = assert_valid_junit(outputs[command, "junit"])
    assert [suite.attrib["name"] for suite in root] == [table["name"] for table in tables]
    compared = 0
    for suite, table in zip(root, tables, strict=True):
        units = {name: unit for name, unit in _units(table).items() if unit is not None}
        for case, row in zip(suite.findall("testcase"), table["rows"], strict=True):
            found = {each.attrib["name"]: each.attrib["value"] for each in case.findall("properties/property")}
            for name, unit in units.items():
                value = row[name]
                write = usd_of_call if unit == "usd" and table["name"] == "top_calls" else NUMBERS[unit]
                write = change if name in SIGNED else write
                assert found.get(name) == (None if value is None else write(value)), (table["name"], name)
                compared += 1
            verdict = row.get("verdict")
            outcome = case.find("failure") if verdict in ("regression", "fail") else case.find("skipped")
            assert (outcome is not None) == (verdict in JUDGED_OTHERWISE), row
    assert compared or command in ("check", "sql")  # their columns have no unit


def test_data_formats_hold_the_names_as_they_are(outputs: dict[tuple[str, str], str]) -> None:
    """JSON gives every name back unchanged; in CSV a quote keeps a sheet from running one, and controls are spelled."""
    rows = json.loads(outputs["report", "json"])["tables"][0]["rows"]
    assert {row["tenant"] for row in rows} == {*HOSTILE, "acme", "few", None}
    read = {row["tenant"] for row in csv.DictReader(io.StringIO(outputs["report", "csv"], newline=""))}
    spelled = {name.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e") for name in HOSTILE}
    assert read == {f"'{name}" if name[0] in "=+-@" else name for name in spelled} | {"acme", "few", ""}


def test_no_output_holds_a_raw_control_character(outputs: dict[tuple[str, str], str]) -> None:
    """Escape, and signs that turn text around, are spelled out wherever a person or a terminal reads."""
    for (command, form), text in outputs.items():
        allowed = "\n\t" if form == "csv" else "\n"
        bad = {sign for sign in text if (ord(sign) < 32 or sign in "\u202e\x7f") and sign not in allowed}
        assert not bad, (command, form)


def test_all_formats_agree(outputs: dict[tuple[str, str], str]) -> None:
    """The calls of every group are the same number in JSON, JSON lines and CSV, and add up to the total."""
    groups, total = json.loads(outputs["report", "json"])["tables"][:2]
    counts = [row["calls"] for row in groups["rows"]]
    assert sum(counts) == total["rows"][0]["calls"] == len(awkward())
    assert [int(row["calls"]) for row in csv.DictReader(io.StringIO(outputs["report", "csv"], newline=""))] == counts
    lines = [json.loads(line) for line in outputs["report", "jsonl"].splitlines()]
    assert [line["calls"] for line in lines if "tenant" in line] == counts
