"""``streamaudit audit`` as a process: names and files, the gate, and what is refused."""

import json

from tests.audits.failures.cases import PLANTED
from tests.cli.running import Cli
from tests.cli.traffic import write_lines

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


def test_a_gate_fails_on_what_it_names_from_its_severity_on(cli: Cli) -> None:
    """Exit 1 only for a finding that is there and grave enough."""
    write_lines(cli.folder / "calls.jsonl", BURST.records)
    for gate, code in (("burst", 1), ("burst:critical", 0), ("any:warning", 1), ("stall", 0)):
        assert cli.run("audit", "buffering", "calls.jsonl", "--fail-on", gate, "-q").code == code, gate
    done = cli.run("audit", "calls.jsonl", "--fail-on", "brust")
    assert done.code == 2 and "burst" in done.err


def test_what_is_misspelt_is_named(cli: Cli) -> None:
    """A name that is nearly an audit's, and a threshold that is none."""
    done = cli.run("audit", "bufering")
    assert done.code == 2 and "buffering" in done.err
    write_lines(cli.folder / "calls.jsonl", BURST.records)
    done = cli.run("audit", "calls.jsonl", "--threshold", "buffering.burst_rato=1")
    assert done.code == 2 and "burst_ratio" in done.err


def test_names_of_groups_can_be_hidden(cli: Cli) -> None:
    """``--redact`` leaves no value of the dimension, in the groups or in the evidence."""
    write_lines(cli.folder / "calls.jsonl", [{**record, "route": "/secret-route"} for record in BURST.records])
    for form in ("json", "table", "github"):
        done = cli.run("audit", "buffering", "calls.jsonl", "--redact", "route", "--format", form, "-q")
        assert done.code == 0 and "secret-route" not in done.out
