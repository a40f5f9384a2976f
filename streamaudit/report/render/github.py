"""GitHub Actions workflow commands: an annotation for each failure, and one line for all.

A workflow shows ten annotations of a kind for a step, so rows that did not fail are only counted
(https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions).
"""

from collections.abc import Iterator

from streamaudit.report.escape import terminal
from streamaudit.report.model import Report
from streamaudit.report.render import _text
from streamaudit.report.render._findings import Line, lines
from streamaudit.report.render.formats import Screen

SUFFIXES = ()
ALL_GROUPS = False


def render(report: Report, screen: Screen) -> str:
    """Return ``::error`` and ``::warning`` for failures and warnings, and ``::notice`` for the report as a whole.

    Rows of a report without findings have a ``::notice`` each.
    """
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    rows = list(lines(report))
    if not any(row.finding for row in rows):
        for row in rows:
            yield _command("notice", f"{report.title} {row.table.name}", _message(row))
    for row in rows:
        found = row.finding
        if found and (found.is_failure or found.is_warning):
            level = "error" if found.is_failure else "warning"
            yield _command(level, f"{report.title} {found.code}", _message(row))
    if report.answer:
        verdict = f"{_text.verdict(report)}: " if report.verdict else ""
        yield _command("notice", report.title, verdict + terminal(report.answer))
    for note in _text.notes(report):
        yield _command("notice", report.title, terminal(note))


def _message(row: Line) -> str:
    return ": ".join(filter(None, [row.subject, row.summary or "unknown", row.evidence]))


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(terminal(title))}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
