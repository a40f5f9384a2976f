"""What a CI runner, a spreadsheet and an XML parser make of hostile names, in every format that is found."""

import csv
import io
import re
from xml.etree import ElementTree

import pytest

from streamaudit.report import escape
from streamaudit.report.finding import Finding
from streamaudit.report.model import Column, Interval, Note, Report, Table
from streamaudit.report.render.formats import BINARY, Screen, formats, load

NAMES = (
    "::error::stop", "  ::add-mask::x", "a\n::error::b", "a\r\n \t::error::c", ":::error::d", "##[error]e",
    "##vso[task.setvariable variable=x]y", "a ##VSO[task.complete result=Failed]b", "###[group]f",
    "##teamcity[testFailed]",
    "no\ufffecharacter\uffff \ufdd0", "\x00\x01\x0b\x1f\x7f\x85", "lone \ud83d half", "]]>", "<!--", "&#0;",
    "=1+1", "a;=1+1", "a\t@SUM(A1)", "a\n+1", ";;-1", "\r=1", "＝1", "very " + "long" * 2600, "a b " * 2600,
)  # fmt: skip
TEXTS = [name for name in formats() if name not in (*BINARY, "svg")]
SCREENS = [Screen(), Screen(80), Screen(60, unicode=False)]
COMMAND = re.compile(r"##(?:vso|teamcity)?\[", re.IGNORECASE)


def report_of(name: str) -> Report:
    """A report in which the name is in every place that a name can have."""
    columns = (Column("tenant"), Column("calls", "calls"), Column("verdict"), Column("reason", prose=True))
    rows = ((name, 1, name, name), (None, 2, name, name))
    found = {
        0: Finding(audit="x", code="drift", severity="critical", evidence=name, group={"tenant": name},
            examples=(name,)),
        1: Finding(audit="x", code="stall", severity="info", status="accepted", evidence=name, hold=name),
    }
    return Report(
        "report", Interval(None, None),
        (
            Table("by_tenant", columns, rows, ("tenant",), findings=found),
            Table("facts", columns, rows, ("tenant",), shape="facts", title="facts"),
        ),
        ("tenant",), filters={"only tenant": name}, notes=(Note("a", name), Note("b", f"note of {name}")),
        headline="{0} leads.", headline_names=(("tenant", name),),
    )  # fmt: skip


def obeyed(output: str) -> list[str]:
    """What a runner would take for a command that this package did not write."""
    lines = [line for line in re.split("[\r\n]", output) if line.lstrip().startswith("::")]
    own = [line for line in lines if re.match(r"::(?:error|warning|notice) title=[^:\s][^:]*::", line)]
    return [*(line for line in lines if line not in own), *COMMAND.findall(output)]


SHOWN = [(name, screen) for name in TEXTS for screen in (SCREENS if name in ("table", "markdown") else SCREENS[:1])]


@pytest.mark.parametrize(("format_name", "screen"), SHOWN, ids=str)
def test_no_name_commands_a_runner(format_name: str, screen: Screen) -> None:
    """GitHub's lines begin with two colons, those of Azure and TeamCity have a bracket behind two hashes."""
    usual = obeyed(load(format_name).render(report_of("plain"), screen))
    for name in NAMES:
        assert obeyed(load(format_name).render(report_of(name), screen)) == usual, name


def test_a_line_of_narration_is_no_command() -> None:
    """Files may be called so too."""
    assert escape.line(escape.terminal("::error::.jsonl: raw")) == r"\x3a:error::.jsonl: raw"
    assert escape.terminal("##vso[x]") == r"\x23#vso[x]"


def test_junit_is_xml_whatever_a_name_holds() -> None:
    """It parses, and holds no character that XML 1.0 forbids."""
    for name in NAMES:
        text = load("junit").render(report_of(name), Screen())
        assert ElementTree.fromstring(text).tag == "testsuites"
        assert not re.search("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)


def test_no_cell_is_a_formula_for_any_separator() -> None:
    """A spreadsheet may split at semicolons or tabs, and begin anew at a line break."""
    for name in NAMES:
        for row in csv.reader(io.StringIO(load("csv").render(report_of(name), Screen()), newline="")):
            assert not [part for part in re.split("[;\t\r\n]", row[0]) if re.match(r"[=+\-@＝＋－＠]", part)], name
            assert not [part for part in re.split("[\r\n]", row[0]) if part.lstrip().startswith("::")], name


def test_a_screen_cuts_what_is_no_name() -> None:
    """In cells, sentences and notes; data formats have it whole."""
    for name in NAMES:
        for screen in SCREENS:
            assert len(load("table").render(report_of(name), screen)) < 80_000
        assert (len(name) > 1000) == ("…" in load("table").render(report_of(name), Screen()))
    assert NAMES[-2] in load("json").render(report_of(NAMES[-2]), Screen())
