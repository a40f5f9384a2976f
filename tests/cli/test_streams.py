"""Standard output is the result and nothing else; narration is on standard error, and its sums agree."""

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from streamaudit.store.store import Store
from tests.cli.running import SAMPLES, Cli, equation
from tests.cli.traffic import as_lines, calls, write_lines
from tests.sampling import keep

EXPECTED: dict[str, Any] = json.loads((SAMPLES / "expected.json").read_text())
FILES = ("raw.jsonl.gz", "langfuse_observations.jsonl.gz", "datadog_spans.json.gz", "failures.jsonl.gz")
COUNTS = ("read", "new", "repeated", "replaced", "rejected", "not_calls")


def known(err: str) -> dict[str, int]:
    """The coverage lines that follow the equation."""
    rows = re.findall(r"^  (llm calls|streamed|TTFT|usage|cancelled|  usage) +([\d,]+)", err, re.MULTILINE)
    return {label: int(count.replace(",", "")) for label, count in rows}


@pytest.mark.proof
@pytest.mark.parametrize("file", FILES)
def test_the_equation_holds_and_has_the_expected_numbers(cli: Cli, file: str) -> None:
    """read = new + repeated + replaced + rejected + not calls, each as the generator of the samples knows them."""
    done = cli.run("ingest", SAMPLES / file, "--db", "store.duckdb")
    assert (done.code, done.out) == (0, "")
    assert_as_generated(done.err, (file,), EXPECTED[file]["total"])


def test_the_equation_holds_for_all_samples_together(sample_store: Path) -> None:
    """The sums are those of the files, each of which has a load with its own."""
    assert_as_generated((sample_store.parent / "ingest.err").read_text(), FILES, EXPECTED["all"]["total"])
    with Store.open(sample_store, write=False) as store:
        loads = store.query(
            "SELECT path, read_records, new_calls, repeated_calls, replaced_calls, rejected_records, not_calls "
            "FROM store.loads"
        )
    assert {Path(path).name: dict(zip(COUNTS, counts, strict=True)) for path, *counts in loads} == {
        file: {name: EXPECTED[file]["ingest"][name] for name in COUNTS} for file in FILES
    }


def assert_as_generated(err: str, files: tuple[str, ...], total: dict[str, Any]) -> None:
    counts = equation(err)
    assert counts["read"] == sum(counts[name] for name in COUNTS[1:])
    assert counts == {name: sum(EXPECTED[file]["ingest"][name] for file in files) for name in COUNTS}
    assert known(err) == {
        "llm calls": total["calls"], "streamed": total["streamed_calls"], "TTFT": total["ttft_calls"],
        "usage": total["usage_known_calls"], "cancelled": total["cancelled_calls"],
        "  usage": total["cancelled_usage_known_calls"],
    }  # fmt: skip


def test_the_equation_holds_for_a_second_run(cli: Cli, sample_store: Path) -> None:
    """An unchanged file is skipped and says so; --force reads it again and finds everything repeated."""
    file = SAMPLES / "langfuse_observations.jsonl.gz"
    shutil.copy(sample_store, cli.folder / "store.duckdb")
    again = cli.run("ingest", file, "--db", "store.duckdb")
    assert again.code == 0
    assert again.err.count("unchanged since it was read, skipped") == 1
    assert set(equation(again.err).values()) == {0}
    forced = equation(cli.run("ingest", file, "--db", "store.duckdb", "--force").err)
    first = {name: EXPECTED[file.name]["ingest"][name] for name in COUNTS}
    assert forced == {**first, "new": 0, "repeated": first["new"] + first["repeated"]}


@pytest.mark.parametrize("command", keep(["report", "ttft", "tax"], ["tax"]))
def test_json_on_standard_output_parses_alone(cli: Cli, command: str) -> None:
    """What was recognised and rejected in the file is said on standard error, not in the JSON."""
    (cli.folder / "mixed.jsonl").write_text(as_lines(calls(5)) + "{not json}\n")
    done = cli.run(command, "mixed.jsonl", "--format", "json", "--by", "tenant")
    assert json.loads(done.out)["schema"] == "streamaudit.report/1"
    assert "rejected line 6: malformed JSON" in done.err


def test_quiet_silences_narration_but_not_errors(cli: Cli) -> None:
    """-q leaves standard error empty when all is well, and still says what went wrong."""
    write_lines(cli.folder / "calls.jsonl", calls(5))
    (cli.folder / "mixed.jsonl").write_text(as_lines(calls(5)) + "{not json}\n")
    assert cli.run("ingest", "mixed.jsonl", "calls.jsonl", "--db", "store.duckdb", "-q").err == ""
    assert cli.run("report", "mixed.jsonl", "--quiet").err == ""
    (cli.folder / "login.json").write_text("<html>")
    assert "login.json: HTML" in cli.run("ingest", "login.json", "--db", "store.duckdb", "-q").err
    assert cli.run("report", "missing.jsonl", "-q").err.startswith("error: no such file: missing.jsonl")


def test_output_files_get_the_format_of_their_suffix(cli: Cli) -> None:
    """-o can be given several times; standard output stays empty and each file is announced."""
    write_lines(cli.folder / "calls.jsonl", calls(30))
    names = ("week.json", "week.jsonl", "week.csv", "week.md", "week.markdown", "week.txt", "WEEK2.JSON")
    done = cli.run("report", "calls.jsonl", "--by", "tenant", *(part for name in names for part in ("-o", name)))
    assert (done.code, done.out) == (0, "")
    assert [line for line in done.err.splitlines() if line.startswith("wrote ")] == [f"wrote {name}" for name in names]
    text = {name: (cli.folder / name).read_text() for name in names}
    for name in ("week.json", "WEEK2.JSON"):
        assert json.loads(text[name])["tables"][0]["rows"][0]["tenant"] == "acme"
    assert all(json.loads(line) for line in text["week.jsonl"].splitlines())
    assert next(csv.DictReader(io.StringIO(text["week.csv"])))["calls"] == "30"
    assert text["week.md"] == text["week.markdown"]
    assert text["week.md"].startswith("## ")
    assert text["week.txt"].startswith("streamaudit report")


def test_a_given_format_beats_the_suffix(cli: Cli) -> None:
    """--format decides for files too, so any name can be used."""
    write_lines(cli.folder / "calls.jsonl", calls(30))
    assert cli.run("report", "calls.jsonl", "-q", "--format", "csv", "-o", "figures.dat", "-o", "x.json").code == 0
    assert (cli.folder / "figures.dat").read_text() == (cli.folder / "x.json").read_text()
    assert (cli.folder / "figures.dat").read_text().startswith("calls,")


def test_all_groups_are_in_data_and_twenty_on_a_screen(cli: Cli) -> None:
    """One run writes the short table and the whole data, and --top limits both with one rest row."""
    write_lines(cli.folder / "calls.jsonl", [{**call, "tenant_id": f"t{i:02d}"} for i, call in enumerate(calls(25))])
    assert cli.run("report", "calls.jsonl", "-q", "--by", "tenant", "-o", "all.csv", "-o", "short.txt").code == 0
    assert len((cli.folder / "all.csv").read_text().splitlines()) == 1 + 25
    assert "(5 others)" in (cli.folder / "short.txt").read_text()
    top = cli.run("report", "calls.jsonl", "--by", "tenant", "--top", "3", "--format", "json").out
    rows = json.loads(top)["tables"][0]["rows"]
    assert [row.get("rest", False) for row in rows] == [False, False, False, True]
    assert sum(row["calls"] for row in rows) == 25


def test_no_prompt_or_answer_leaves_the_files(cli: Cli, sample_store: Path) -> None:
    """The samples mark every text, and no mark is in any output, narration, reject list or store."""
    listed = (sample_store.parent / "rejects.csv").read_text()
    assert len(listed.splitlines()) > 3
    written = listed + (sample_store.parent / "ingest.err").read_text()
    for command in ("report --by tenant,user_id", "ttft", "tax --top-calls 50"):
        written += cli.run(*command.split(), "--db", sample_store, "--format", "json").out
    assert "CONFIDENTIAL" not in written
    assert b"CONFIDENTIAL" not in sample_store.read_bytes()
    assert not list((sample_store.parent / "tmp").iterdir())


@pytest.mark.parametrize("form", keep(["table", "json"], ["json"]))
def test_a_full_standard_output_is_one_line_and_5(cli: Cli, form: str) -> None:
    """The figures exist and did not reach where they were sent."""
    write_lines(cli.folder / "calls.jsonl", calls(3))
    done = cli.shell(f"streamaudit report calls.jsonl -q --format {form} > /dev/full")
    assert done.code == 5
    assert [line for line in done.err.splitlines() if "standard output" in line] == done.err.splitlines()
