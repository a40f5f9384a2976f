"""``streamaudit check``: exit codes, what is listed where, and what a wrong entry or a missing window says."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Cli, Result
from tests.cli.traffic import call, write_lines

CHECKS = """
[[check]]
metric = "error_rate"
expect = "<0.5"
by = "tenant"

[[check]]
metric = "ttft_ms"
expect = ["p(50)<1", "p(99)<5000"]
severity = "warn"

[[check]]
metric = "calls"
expect = "<1"
where = "tenant=acme"
hold = {reason = "ticket 812", until = 9999-12-31}

[thresholds]
duration_ms = "p(50)<60000"
"""


def traffic(cli: Cli) -> Path:
    """Two calls of acme, one of them failed, and one without a tenant."""
    records = [call(1, outcome="error"), call(2), call(3, tenant_id=None)]
    return write_lines(cli.folder / "calls.jsonl", records)


def configure(cli: Cli, text: str) -> None:
    (cli.folder / "streamaudit.toml").write_text(text)


def rows(done: Result) -> list[dict[str, Any]]:
    """The rows of the JSON report."""
    listed: list[dict[str, Any]] = json.loads(done.out)["tables"][0]["rows"]
    return listed


def test_a_breach_and_nothing_else_ends_with_1(cli: Cli) -> None:
    """The rest is told by the verdict; too little data is what --on-insufficient says."""
    path = str(traffic(cli))
    texts = {
        "fail": '[[check]]\nmetric = "error_rate"\nexpect = "<0.1"\n',
        "warn": '[[check]]\nmetric = "error_rate"\nexpect = "<0.1"\nseverity = "warn"\n',
        "pass": '[[check]]\nmetric = "error_rate"\nexpect = "<0.9"\n',
        "few": '[[check]]\nmetric = "error_rate"\nexpect = "<0.9"\nmin_n = 4\n',
    }
    for name, text in texts.items():
        (cli.folder / f"{name}.toml").write_text(text)
    runs = {
        ("fail",): (1, "fail"), ("warn",): (0, "pass"), ("pass",): (0, "pass"), ("few",): (0, "insufficient"),
        ("few", "--on-insufficient", "pass"): (0, "pass"), ("few", "--on-insufficient", "fail"): (1, "fail"),
        ("few", "--on-insufficient", "warn"): (0, "insufficient"),
        ("pass", "--week", "2020-W01"): (0, "insufficient"),
        ("pass", "--week", "2020-W01", "--fail-on-empty"): (3, "insufficient"),
    }  # fmt: skip
    stored, *done = cli.run_each([
        ["ingest", path, "--db", "s.duckdb", "-q"],
        *(["--config", f"{name}.toml", "check", "--db", "s.duckdb", "--json", *more] for name, *more in runs),
    ])  # fmt: skip
    assert stored.code == 0
    assert [(one.code, json.loads(one.out)["verdict"]) for one in done] == list(runs.values())
    assert all(not one.err for one in done if one.code != 3)


def test_the_screen_lists_what_presses_and_data_formats_list_everything(cli: Cli) -> None:
    path = str(traffic(cli))
    configure(cli, CHECKS.replace("<0.5", "<0.3"))
    screen, verbose, data, sheet = cli.run_each(
        [["check", path, *more] for more in ([], ["-v"], ["--json"], ["--format", "csv"])]
    )
    assert {one.code for one in (screen, verbose, data, sheet)} == {1}
    lines = screen.out.splitlines()
    assert lines[1:3] == [
        "Of 6 thresholds 1 failed, 1 warned, 1 inconclusive, 1 held, 2 passed; -v lists 2 more.", "verdict: fail",
    ]  # fmt: skip
    assert [line.split()[:4] for line in lines[6:10]] == [
        ["fail", "error_rate", "<0.3", "tenant=acme"], ["warn", "ttft_ms", "p(50)<1", "(all)"],
        ["inconclusive", "ttft_ms", "p(99)<5000", "(all)"], ["held", "calls", "<1", "tenant=acme"],
    ]  # fmt: skip
    assert lines[6].split()[4:] == ["0.5000", "2"]
    assert lines[8].endswith("n=3 < 100") and lines[9].endswith("until 9999-12-31: ticket 812")
    assert not any(line.startswith("note: ") for line in lines), "the headline has the counts"
    assert "\npass  " in verbose.out and "\npass  " not in screen.out
    listed = rows(data)
    assert [row["verdict"] for row in listed] == ["fail", "warn", "skip", "held", "pass", "pass"]
    assert [row["verdict"] for row in csv.DictReader(io.StringIO(sheet.out))] == [row["verdict"] for row in listed]
    assert (listed[4]["tenant"], listed[4]["where"], listed[4]["by"]) == (None, "tenant=-", "tenant")
    assert (listed[0]["value"], listed[0]["limit"], listed[0]["n"], listed[0]["check"]) == (0.5, 0.3, 2, 1)


def test_the_long_tail_of_groups_without_enough_data_is_not_on_the_screen(cli: Cli) -> None:
    """Those with most calls are; data formats have all."""
    records = [call(100 * n + m, tenant_id=f"t{n:02}") for n in range(30) for m in range(n + 1)]
    path = str(write_lines(cli.folder / "calls.jsonl", records))
    configure(cli, '[[check]]\nmetric = "error_rate"\nexpect = "<0.5"\nby = "tenant"\nmin_n = 1000\n')
    screen, data = cli.run_each([["check", path], ["check", path, "--json"]])
    assert screen.out.count("inconclusive  ") == 20 and "tenant=t29" in screen.out and "tenant=t09" not in screen.out
    assert "Of 30 thresholds 30 inconclusive; -v lists 10 more." in screen.out
    assert len(rows(data)) == 30


def test_aliases_stand_for_groups_and_for_what_an_entry_selects(cli: Cli) -> None:
    configure(cli, CHECKS)
    path = traffic(cli)
    done = cli.run("check", path, "--redact", "tenant", "--json", "--only", "model=gpt*")
    assert "acme" not in done.out and "(redacted)" in done.out
    (selected,) = (row for row in rows(done) if row["metric"] == "calls")
    assert selected["tenant"].startswith("tenant-") and selected["where"] == f"tenant={selected['tenant']}"
    assert {row["tenant"] for row in rows(done) if row["by"]} == {None, selected["tenant"]}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[[check]]\nmetric = "ttft_ms"\nexpect = "p(95)<1"\n\n[[check]]\nmetric = "tfft_ms"\nexpect = "p(95)<1"\n', 6,
            "check.metric: there is no metric 'tfft_ms', did you mean ttft_ms"),
        ('tz = "UTC"\n[[check]]\nmetric = "tax_usd"\nexpect = "about 5"\n', 4, "check.expect"),
        ('[[check]]\nmetric = "tax_usd"\nexpect = "<5"\n[[check]]\nmetric = "tax_usd"\nexpects = "<5"\n', 6,
            "did you mean expect"),
        ('[[check]]\nmetric = "tax_usd"\n', 1, "check: it has no expect"),
        ('[[check]]\nmetric = "calls"\nexpect = ">1"\n[check.hold]\nreason = "x"\n', 4, "check.hold: it has no day"),
        ('check = "tax_usd<5"\n', 1, "[[check]]"),
        ('[thresholds]\ntax_usd = "<5"\ncancel_rate = "<5"\n', 3, "thresholds.cancel_rate: cancel_rate is a share"),
    ],
)  # fmt: skip
def test_a_wrong_entry_names_file_line_and_remedy(cli: Cli, text: str, line: int, says: str) -> None:
    configure(cli, text)
    done = cli.run("check")
    assert (done.code, done.out) == (2, "")
    assert f"{cli.folder}/streamaudit.toml:{line}: " in done.err
    assert says in done.err


def test_what_a_check_needs_and_has_not_is_said(cli: Cli) -> None:
    """Entries at all, a window for a baseline, a group that exists, selectors that do not contradict; never a pass."""
    path = str(traffic(cli))
    texts = {
        "none": "top = 3\n",
        "baseline": '[[check]]\nmetric = "calls"\nexpect = ">baseline*0.5"\n',
        "group": '[[check]]\nmetric = "calls"\nexpect = ">1"\nby = "group:tennant"\n[groups.big]\ntenant = "a*"\n',
        "where": '[[check]]\nmetric = "calls"\nexpect = ">1"\nwhere = "tenant=acme"\n',
    }
    for name, text in texts.items():
        (cli.folder / f"{name}.toml").write_text(text)
    runs = [
        ("none", [], "no threshold to check"), ("baseline", [], "baseline.toml:1"),
        ("baseline", ["--since", "2026-11-16"], "--week last"), ("group", [], "no group is called so"),
        ("where", ["--only", "tenant=b"], "where.toml:1"),
        ("where", ["--on-insufficient", "maybe"], "pass, warn or fail"),
    ]  # fmt: skip
    found = cli.run_each([["--config", f"{name}.toml", "check", path, *more] for name, more, _ in runs])
    for done, (name, _, says) in zip(found, runs, strict=True):
        assert (done.code, done.out) == (2, ""), name
        assert says in done.err
    nothing = cli.run("check", path)
    assert nothing.code == 2 and "there is no configuration file" in nothing.err


def test_a_baseline_of_a_week_is_the_week_before(cli: Cli) -> None:
    records = [call(n, start_time=f"2026-11-{9 if n < 4 else 16}T08:00:00Z") for n in range(6)]
    path = write_lines(cli.folder / "calls.jsonl", records)
    configure(cli, '[[check]]\nmetric = "calls"\nexpect = ">=baseline*0.75"\n')
    done = cli.run("check", path, "--week", "2026-W47", "--json")
    (row,) = rows(done)
    assert (done.code, row["value"], row["baseline"], row["limit"], row["n"]) == (1, 2, 4, 3.0, 2)
    notes = {note["code"]: note["message"] for note in json.loads(done.out)["notes"]}
    assert "of 2026-11-09 00:00 to 2026-11-16 00:00 UTC" in notes["baseline"]


def test_checks_are_among_the_settings(cli: Cli) -> None:
    """With the line each begins at."""
    configure(cli, CHECKS)
    settings = {row["setting"]: (row["value"], row["from"]) for row in rows(cli.run("config", "show", "--json"))}
    file = f"{cli.folder}/streamaudit.toml"
    assert settings["check.1"] == ("error_rate <0.5, by tenant", f"{file}:2")
    assert settings["check.3"] == ("calls <1, where tenant=acme, held until 9999-12-31", f"{file}:12")
    assert settings["check.4"] == ("duration_ms p(50)<60000", f"{file}:19")
