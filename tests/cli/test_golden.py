"""Each report in each format over one awkward data set, compared with a file to the last character.

``STREAMAUDIT_UPDATE_GOLDEN=1 pytest tests/cli/test_golden.py`` writes the files anew; the difference is for review.
"""

import csv
import io
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamaudit import __version__
from tests.cli.awkward import HOSTILE, awkward
from tests.cli.running import Cli
from tests.cli.traffic import write_lines
from tests.once import once

GOLDEN = Path(__file__).parent / "golden"
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


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """Every report in every format."""
    return once(tmp_path_factory, "golden", _made)


def _made(folder: Path) -> dict[tuple[str, str], str]:
    cli = Cli(folder)
    write_lines(cli.folder / "calls.jsonl", awkward())
    (cli.folder / "invoice.csv").write_text("month,provider,cost_usd\n2026-11,OpenAI,2.50\n2026-10,nobody,1\n")
    (cli.folder / "checks.toml").write_text(CHECKS)
    assert cli.run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    # All files of a command come from one run; GitHub's form has no suffix, and the table is also what is printed.
    files = {form: suffix for form, suffix in SUFFIXES.items() if form != "github"}
    lines = [
        [*words, "-q", "--db", "store.duckdb", *(part for end in files.values() for part in ("-o", f"{command}.{end}"))]
        for command, words in COMMANDS.items()
    ]  # fmt: skip
    lines += [[*words, "--db", "store.duckdb", "--format", "github"] for words in COMMANDS.values()]
    runs = cli.run_each([*lines, [*COMMANDS["report"], "--db", "store.duckdb"]])
    for done in runs:
        assert (done.code, done.err) == (0, "")
    found = {(command, "github"): done.out for command, done in zip(COMMANDS, runs[len(COMMANDS) :], strict=False)}
    for command in COMMANDS:
        for form, end in files.items():
            found[command, form] = (cli.folder / f"{command}.{end}").read_bytes().decode()
    assert found["report", "table"] == runs[-1].out
    return {key: _stable(text.replace(f"{cli.folder}/", "")) for key, text in found.items()}


def _stable(text: str) -> str:
    text = re.sub(r'("generated_at": ?)"[^"]*"', r'\1"GENERATED_AT"', text)
    # The width of these depends on the length of a temporary folder's name.
    text = re.sub(r"(?m)^load id .*\n-+\n(?:.+\n)+", "LOADS\n", text)
    text = re.sub(r"(?m)^  file  .*\n(?: {20,}.*\n)*", "  FILE\n", text)
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    # A window may end today at midnight; nothing is loaded then to the second.
    text = re.sub(rf"{today}[T ](?!00:00:00Z)\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?", "LOADED-AT", text)
    return text.replace(f'"version": "{__version__}"', '"version": "VERSION"')


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_output_is_the_golden_one(outputs: dict[tuple[str, str], str], command: str, form: str) -> None:
    """A change of any figure, word or space shows here and is either wrong or reviewed."""
    path = GOLDEN / f"{command}.{SUFFIXES[form]}"
    text = outputs[command, form]
    if os.environ.get("STREAMAUDIT_UPDATE_GOLDEN"):
        path.write_text(text, newline="")
    assert text == path.read_bytes().decode()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_table_of_a_report_has_a_name_of_its_own(outputs: dict[tuple[str, str], str], command: str) -> None:
    """What reads a report as data looks its tables up by name."""
    names = [table["name"] for table in json.loads(outputs[command, "json"])["tables"]]
    assert names and len(names) == len(set(names))


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
