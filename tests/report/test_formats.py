"""What every format owes its reader, run over each one found in the folder."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from streamaudit.errors import UsageError
from streamaudit.report.finding import Finding
from streamaudit.report.model import Column, Interval, Note, Report, Row, Table
from streamaudit.report.numbers import NUMBERS, header
from streamaudit.report.render.formats import BINARY, Screen, format_for, formats, load

TEXTS = [name for name in formats() if name not in (*BINARY, "svg")]
"""All but the pictures, which refuse a report with nothing to draw (test_pictures.py), and tables (test_frames.py)."""
SCREENS = [Screen(), Screen(60), Screen(120, color=True), Screen(80, wide=True), Screen(40, unicode=False)]
SHOWN = [(name, screen) for name in TEXTS for screen in (SCREENS if name in ("table", "markdown") else SCREENS[-1:])]
"""Every format, on every kind of screen if it looks at the screen."""
OBEYED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
STYLES = re.compile("\x1b\\[[0-9;]*m")

Make = Callable[..., Report]


def render(name: str, report: Report, screen: Screen | None = None) -> str:
    return load(name).render(report, screen or Screen())


def test_the_formats_of_the_contract_are_there() -> None:
    """Adding a file adds a format; these five always exist."""
    assert {"csv", "json", "jsonl", "markdown", "table"} <= set(formats())
    assert not [name for name in formats() if name.startswith("_")]


def test_listing_formats_imports_none_of_them() -> None:
    """A command's help must not pay for rich or any format."""
    code = (
        "import sys, streamaudit.report.render.formats as r; r.formats();"
        "print([m for m in ('rich', 'duckdb', 'decimal', 'streamaudit.report.render.csv') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_suffix_implies_a_format() -> None:
    """``-o week.json`` needs no ``--format``; an unknown suffix implies nothing."""
    found = [format_for(path) for path in ("a.json", "A.CSV", "b/c.md", "d.jsonl", "e.txt", "f.exe", "json")]
    assert found == ["json", "csv", "markdown", "jsonl", "table", None, None]


@pytest.mark.parametrize("name", ["jsn", "_escape", "../json", ""])
def test_an_unknown_format_is_a_usage_error(name: str) -> None:
    """Only formats in the folder can be loaded, never helpers or paths."""
    with pytest.raises(UsageError):
        load(name)


@pytest.mark.parametrize("name", formats())
def test_every_format_states_its_suffixes_and_groups(name: str) -> None:
    """The command line relies on both constants."""
    module = load(name)
    assert all(suffix.startswith(".") for suffix in module.SUFFIXES)
    assert module.ALL_GROUPS is (name in {"arrow", "csv", "json", "jsonl", "junit", "html", "parquet"})


@pytest.mark.parametrize(("name", "screen"), SHOWN, ids=str)
def test_hostile_names_are_harmless(name: str, screen: Screen, hostile_report: Report) -> None:
    """No format passes on a character that a terminal obeys or that reorders what stands beside it."""
    output = render(name, hostile_report, screen)
    assert not OBEYED.findall(STYLES.sub("", output) if screen.color else output)
    output.encode("utf-8")


@pytest.mark.parametrize("name", sorted({*TEXTS} - {"csv"}))  # a quoted cell may hold line feeds: see below
def test_hostile_names_add_no_line(name: str, hostile_report: Report) -> None:
    """A line feed in a name never starts a line of output that looks like another record."""
    tame = replace(
        hostile_report, tables=tuple(replace(t, rows=tuple(map(_tamed, t.rows))) for t in hostile_report.tables)
    )
    assert render(name, hostile_report).count("\n") == render(name, tame).count("\n")


def _tamed(row: Row) -> Row:
    return tuple(re.sub(r"[\r\n]", "~", value) if isinstance(value, str) else value for value in row)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("unit", sorted(filter(None, NUMBERS)))
def test_unknown_differs_from_zero(name: str, unit: Any, report_of: Make) -> None:
    """NULL and zero never read the same, whatever the unit, and zero shows a 0."""
    columns = (Column("tenant"), Column("figure", unit))
    unknown, zero = (render(name, report_of(columns, [("acme", value)], ("tenant",))) for value in (None, 0))
    assert unknown != zero
    assert len(zero.split("0")) > len(unknown.split("0"))


@pytest.mark.parametrize(("name", "screen"), SHOWN, ids=str)
def test_an_empty_report_is_still_a_report(name: str, screen: Screen, empty_report: Report) -> None:
    """No rows, no notes and no tables are shown as such, not as an error."""
    for report in (empty_report, replace(empty_report, tables=())):
        output = render(name, report, screen)
        assert output == "" or output.endswith("\n")


@pytest.mark.parametrize("name", sorted({*TEXTS} - {"table", "markdown"}))
def test_only_what_is_for_people_looks_at_the_screen(name: str, empty_report: Report) -> None:
    """So the other formats need no test on every screen."""
    assert len({render(name, empty_report, screen) for screen in SCREENS}) == 1


@pytest.mark.parametrize("name", TEXTS)
def test_rendering_twice_gives_the_same_text(name: str, awkward_report: Report) -> None:
    """Output depends on the report and the screen alone."""
    assert render(name, awkward_report) == render(name, awkward_report)


def test_table_and_csv_agree_cell_for_cell(awkward_report: Report) -> None:
    """What the screen humanises is what the CSV holds raw, in every row and column both show."""
    table = replace(awkward_report.tables[0], marks={})
    screen = render("table", replace(awkward_report, tables=(table,)), Screen(wide=True)).split("\n\n")[1]
    heading, _, *lines = [re.split(r"\s{2,}", line) for line in screen.splitlines()]
    rows = list(csv.DictReader(io.StringIO(render("csv", awkward_report))))
    assert heading == [header(column) for column in table.columns]
    assert len(lines) == len(rows)
    compared = 0
    for cells, row in zip(lines, rows, strict=True):
        for column, shown in zip(table.columns, cells, strict=True):
            if column.unit is not None:
                raw = row[column.name]
                assert shown == (NUMBERS[column.unit](_number(raw)) if raw else "-")
                compared += 1
    assert compared == 8 * 8


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def test_json_has_the_one_shape(awkward_report: Report) -> None:
    """The keys of the schema in their order, raw values, NULL for NaN and infinity, moments in UTC."""
    document = json.loads(render("json", awkward_report), parse_constant=pytest.fail)
    assert list(document) == [
        "schema", "title", "generated_at", "version", "interval", "filters", "by", "tables", "notes",
        "headline", "verdict",
    ]  # fmt: skip
    assert document["interval"] == {"since": "2026-11-16T00:00:00Z", "until": "2026-11-23T00:00:00Z", "tz": "UTC"}
    table = document["tables"][0]
    assert table["columns"][:2] == [{"name": "tenant"}, {"name": "calls", "unit": "calls"}]
    assert table["rows"][1]["tenant"] == "\x1b[31mred\u202e|`<b>"
    assert table["rows"][4]["cancel_rate"] is None
    assert table["rows"][0]["first_seen"] == "2026-11-16T09:30:00Z"
    assert [row.get("rest") for row in table["rows"]] == [None] * 7 + [True]
    assert type(table["rows"][0]["calls"]) is int
    assert document["notes"][0] == {
        "code": "usage_unknown", "count": 12, "message": "12 cancelled calls carry no usage",
    }  # fmt: skip


def test_json_is_indented_as_python_would(awkward_report: Report) -> None:
    """Rows are set in by hand for speed; the text is the one the standard library gives."""
    output = render("json", replace(awkward_report, tables=awkward_report.tables[1:]))
    assert output == json.dumps(json.loads(output), indent=1, ensure_ascii=False) + "\n"


def test_json_without_verdict_has_no_such_key(empty_report: Report) -> None:
    """A verdict is there only where a gate was asked for."""
    assert "verdict" not in json.loads(render("json", empty_report))


def test_a_name_cannot_pass_for_the_place_of_the_rows(report_of: Make) -> None:
    """Text that imitates the JSON around it stays a value."""
    name = '\n   "rows": []'
    report = replace(report_of((Column("tenant"),), [(name,)]), title=name)
    assert json.loads(render("json", report))["tables"][0]["rows"] == [{"tenant": name}]


def test_jsonl_holds_the_rows_of_the_first_json_table(awkward_report: Report) -> None:
    """One record a line, equal to the record in JSON."""
    rows = [json.loads(line) for line in render("jsonl", awkward_report).split("\n")[:-1]]
    assert rows == json.loads(render("json", awkward_report))["tables"][0]["rows"]


def test_csv_reads_back(hostile_report: Report, hostile: list[str]) -> None:
    """The csv module reads as many rows as were written, all as wide as the header, none a formula."""
    rows = list(csv.reader(io.StringIO(render("csv", hostile_report), newline="")))
    assert rows[0] == ["tenant", "calls", "reason"]
    assert [row[1] for row in rows[1:]] == [str(index) for index in range(len(hostile))]
    assert all(len(row) == 3 and not row[0].startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows)


def test_csv_values_are_raw(awkward_report: Report) -> None:
    """Numbers without commas or units, NULL empty, booleans in words, the rest row flagged, negative numbers kept."""
    output = render("csv", awkward_report)
    lines = output.split("\n")
    assert "\r" not in output
    assert lines[1] == "acme,31204,0.0912,402.1,1432.3,2520.0,52.34,7120331,41.2,worst,2026-11-16T09:30:00Z,true,false"
    assert lines[4] == "unknown,14,,,,,,,,,,,false"
    assert lines[8].startswith(",42715,") and lines[8].endswith(",true")


def test_csv_leaves_negative_numbers_alone(report_of: Make) -> None:
    """Only text can be a formula: a change of -5 % stays a number, and no rest row means no column for it."""
    report = report_of((Column("tenant"), Column("change_ratio", "ratio")), [("-5", -0.05)])
    assert render("csv", report) == "tenant,change_ratio\n'-5,-0.05\n"


def test_markdown_rows_keep_their_columns(hostile_report: Report) -> None:
    """No name adds a cell, a code span, a tag, a link or a mention to the page."""
    lines = render("markdown", hostile_report).split("\n")
    table = lines[lines.index("| tenant | calls | reason |") :]
    table = table[: table.index("")]
    assert {line.count("|") for line in table} == {4}
    text = "\n".join(table)
    assert not re.search(r"<(?!!---->)|@|#\d+;?\w*#|://|www\.", text)
    assert not re.search(r"(?<!\\)[*_\[\]](?!\*)", text.replace("**", ""))


def test_markdown_fences_hold(hostile_report: Report) -> None:
    """A group named like a fence does not end the code block its histogram stands in."""
    lines = render("markdown", hostile_report).split("\n")
    fences = [line for line in lines if re.fullmatch("`{4,}", line)]
    assert len(fences) == 2 and fences[0] == fences[1]


@pytest.mark.parametrize("name", [name for name in TEXTS if load(name).ALL_GROUPS and name != "html"])
def test_many_groups_all_arrive(name: str, report_of: Make) -> None:
    """Formats for machines hold every group, ten thousand of them too."""
    rows: list[Row] = [(f"tenant-{i}", i, i / 7, None) for i in range(10_000)]
    columns = (Column("tenant"), Column("calls", "calls"), Column("tax_usd", "usd"), Column("ttft_p50_ms", "ms"))
    output = render(name, report_of(columns, rows, ("tenant",)))
    assert output.count("tenant-") == 10_000


def test_moments_without_a_zone_are_utc(report_of: Make) -> None:
    """DuckDB hands out naive UTC; every machine format says Z."""
    naive = datetime(2026, 11, 16, 1, 2, 3)
    for name in ("csv", "json", "jsonl"):
        assert "2026-11-16T01:02:03Z" in render(name, report_of((Column("hour"),), [(naive,)]))


def test_only_the_first_table_is_in_flat_formats(awkward_report: Report) -> None:
    """A total never stands among the groups of a CSV."""
    only: tuple[Table, ...] = awkward_report.tables[:1]
    for name in ("csv", "jsonl"):
        assert render(name, awkward_report) == render(name, replace(awkward_report, tables=only))


def test_markdown_opens_with_what_was_found_and_folds_the_rest() -> None:
    """Verdict first; rows that decide nothing, long tables behind the first, and many notes are folded, each whole."""
    columns = (Column("tenant"), Column("verdict"), Column("calls", "calls"))
    judged = Table(
        "by_tenant", columns,
        (("acme", "regression", 3), ("<b>", "too little data", 2), ("globex", "no change", 1)), ("tenant",),
        findings={
            0: Finding(audit="diff", code="regression", severity="critical"),
            1: Finding(audit="diff", code="too little data", severity="info", status="undecided"),
            2: Finding(audit="diff", code="no change", severity="info", status="passed"),
        },
    )  # fmt: skip
    long = Table("others", (Column("name"), Column("calls", "calls")), tuple((f"n{i}", i) for i in range(13)))
    notes = tuple(Note(f"n{number}", f"caveat {number}") for number in range(5))
    report = Report(
        "a <title>", Interval(None, None), (judged, long), ("tenant",), notes=notes, verdict="fail", headline="1 worse"
    )
    text = load("markdown").render(report, Screen())
    opened, _, rest = text.partition("<details>")
    assert opened.index("Verdict: **fail**") < opened.index("1 worse") < opened.index("| acme | **regression** | 3 |")
    assert "| globex | no change | 1 |" in opened and "&lt;b&gt;" not in opened
    assert "<summary>1 row inconclusive</summary>\n\n| tenant |" in rest and "| &lt;b&gt; | inconclusive |" in rest
    assert "<summary>others: 13 rows</summary>\n\n| name |" in rest
    assert "<summary>5 notes</summary>\n\n- caveat 0" in rest
    assert text.count("<details>") == text.count("\n\n</details>") == 3
