"""JUnit XML, for the test view of Jenkins, GitLab and others: a test case per row, failed by its finding."""

from xml.etree import ElementTree

from streamaudit.report.escape import line, terminal
from streamaudit.report.model import Report
from streamaudit.report.render import _text
from streamaudit.report.render._findings import Line, lines, listed
from streamaudit.report.render.formats import Screen

SUFFIXES = (".xml",)
ALL_GROUPS = True


def render(report: Report, screen: Screen) -> str:
    """Return one test suite per table. Unknown figures are left out; undecided or accepted rows are skipped tests."""
    title = terminal(report.title)
    root = ElementTree.Element("testsuites", name=title)
    suites: dict[str, ElementTree.Element] = {}
    for table in listed(report):
        about = {"name": terminal(table.name), "tests": str(len(table.rows))}
        suites[table.name] = ElementTree.SubElement(root, "testsuite", about)
    for row in lines(report):
        _add(suites[row.table.name], row, title)
    for suite in suites.values():
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    if report.notes and suites:
        notes = line("\n".join(terminal(_text.note(note)) for note in report.notes))
        ElementTree.SubElement(next(iter(suites.values())), "system-out").text = notes
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=False) + "\n"


def _add(suite: ElementTree.Element, row: Line, title: str) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=f"{title} {terminal(row.table.name)}", name=row.subject)
    if row.figures:
        properties = ElementTree.SubElement(case, "properties")
        for name, value in row.figures:
            ElementTree.SubElement(properties, "property", name=name, value=value)
    found = row.finding
    if found and found.is_failure:
        code = terminal(found.code)
        ElementTree.SubElement(case, "failure", message=f"{code}: {row.summary}", type=code)
    elif found and found.is_skipped:
        ElementTree.SubElement(case, "skipped", message=terminal(found.hold or row.evidence or found.word))
