"""``streamaudit audit`` as a process: names and files, the gate, and what is refused."""

import json
from pathlib import Path

import pytest

from tests.audits.failures.cases import PLANTED
from tests.cli.running import Cli
from tests.cli.traffic import write_lines
from tests.once import once
from tests.shapes import assert_valid_junit, assert_valid_report

BURST = next(case for case in PLANTED if case.finding == "burst")


def test_names_and_files_and_stores_go_together(cli: Cli) -> None:
    """An argument is an audit or a file; a store takes the place of files, not of names."""
    write_lines(cli.folder / "calls.jsonl", BURST.records)
    from_file = json.loads(cli.run("audit", "buffering", "calls.jsonl", "--json").out)
    assert cli.run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    from_store = json.loads(cli.run("audit", "buffering", "--db", "store.duckdb", "--json").out)
    assert [table["rows"] for table in from_file["tables"]] == [table["rows"] for table in from_store["tables"]]
    assert [row["finding"] for row in from_store["tables"][0]["rows"]] == ["burst"]
    every = json.loads(cli.run("audit", "--db", "store.duckdb", "--json").out)
    assert len(every["tables"][1]["rows"]) > 10
    assert cli.run("audit", "buffering", "calls.jsonl", "--db", "store.duckdb").code == 2


@pytest.fixture
def burst(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The option for a store with a burst, which is only read."""
    return ["--db", str(once(tmp_path_factory, "burst", _store_burst))]


def _store_burst(folder: Path) -> Path:
    write_lines(folder / "calls.jsonl", BURST.records)
    assert Cli(folder).run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    return folder / "store.duckdb"


def test_a_gate_fails_on_what_it_names_from_its_severity_on(cli: Cli, burst: list[str]) -> None:
    """Exit 1 only for a finding that is there and grave enough."""
    gates = {"burst": 1, "burst:critical": 0, "any:warning": 1, "stall": 0, "brust": 2}
    runs = cli.run_each([["audit", "buffering", *burst, "--fail-on", gate, "-q"] for gate in gates])
    assert {gate: done.code for gate, done in zip(gates, runs, strict=True)} == gates
    assert "burst" in runs[-1].err


def test_what_is_misspelt_is_named(cli: Cli) -> None:
    """A name that is nearly an audit's, and a threshold that is none."""
    done = cli.run("audit", "bufering")
    assert done.code == 2 and "buffering" in done.err
    write_lines(cli.folder / "calls.jsonl", BURST.records)
    done = cli.run("audit", "calls.jsonl", "--threshold", "buffering.burst_rato=1")
    assert done.code == 2 and "burst_ratio" in done.err


HOSTILE = "/<script>alert(1)</script>"


def test_a_page_lists_the_work_with_an_example_drawn(cli: Cli) -> None:
    """Every finding with its sentence, its remedy, a drawing of its first example in words too, and how to open it; the
    moments are in no other table of the page, and are no tests of JUnit."""
    buffered = next(case for case in PLANTED if case.finding == "buffered")
    write_lines(cli.folder / "calls.jsonl", [{**record, "route": HOSTILE} for record in buffered.records])
    outputs = ("-o", "a.html", "-o", "a.json", "-o", "a.xml")
    assert cli.run("audit", "buffering", "calls.jsonl", *outputs, "-q").code == 0
    page, report = (cli.folder / "a.html").read_text(), json.loads((cli.folder / "a.json").read_text())
    assert_valid_report(report)
    (row,) = report["tables"][0]["rows"]
    first = row["examples"].split()[0]
    assert page.count('<li class="critical">') == 1 and "&lt;script&gt;alert(1)" in page and HOSTILE not in page
    assert row["evidence"] in page and f"<code>streamaudit explain {first}</code>" in page
    assert f'aria-label="Call {first}: first chunk 400 ms, end 4.40 s."' in page
    assert page.count('class="chunk"') == page.count('class="chunk client"') == 40
    events = [one["event"] for one in report["tables"][2]["rows"]]
    assert {"request_issued", "first_chunk", "end", "finding_buffered"} <= {*events}
    suites = assert_valid_junit((cli.folder / "a.xml").read_text())
    assert [suite.attrib["name"] for suite in suites] == ["findings", "audits"]


def test_ci_formats_follow_the_gate(cli: Cli, burst: list[str]) -> None:
    """With a gate on a warning it is an error for GitHub and a failure for JUnit; without one a warning."""
    gate = ["audit", "buffering", "transport", *burst, "-q", "--fail-on", "burst"]
    done, junit, plain = cli.run_each([
        [*gate, "--format", "github"], [*gate, "--format", "junit"],
        ["audit", "buffering", *burst, "-q", "--format", "github"],
    ])  # fmt: skip
    assert done.code == 1 and "::error title=streamaudit audit burst::" in done.out
    root = assert_valid_junit(junit.out)
    assert [suite.attrib["failures"] for suite in root] == ["1", "0"]
    assert [case.find("skipped") is not None for case in root[1]] == [False, True]
    assert plain.code == 0 and "::warning title=streamaudit audit burst::" in plain.out and "::error" not in plain.out


def test_the_configuration_holds_a_finding(cli: Cli, burst: list[str]) -> None:
    """It is listed as held and passes the gate; a wrong entry names its line."""
    config = cli.folder / "streamaudit.toml"
    entry = '[[suppress]]\nfinding = "burst"\nwhere = "route=/chat"\nreason = "ticket 812"\nuntil = 9999-12-31\n'
    config.write_text(entry)
    done = cli.run("audit", "buffering", *burst, "-q", "--fail-on", "burst")
    assert done.code == 0 and "held: until 9999-12-31: ticket 812" in done.out and "1 held" in done.out
    assert "suppress.1" in cli.run("config", "show").out
    config.write_text(entry.replace("burst", "brust"))
    done = cli.run("audit", "buffering", *burst)
    assert done.code == 2 and "streamaudit.toml:2: suppress.finding:" in done.err and "burst" in done.err
