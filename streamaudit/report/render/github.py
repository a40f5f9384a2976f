"""GitHub Actions workflow commands: an annotation for each failure, and one line for all.

A workflow shows ten annotations of a kind for a step, so what did not fail is only counted
(https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions).
"""

from collections.abc import Iterator

from streamaudit.report.escape import terminal
from streamaudit.report.model import Report
from streamaudit.report.render import _text
from streamaudit.report.render._verdicts import FAILED, WARNED, Judged, judged
from streamaudit.report.render.formats import Screen

SUFFIXES = ()
ALL_GROUPS = False


def render(report: Report, screen: Screen) -> str:
    """``::error`` and ``::warning`` for rows with such a verdict, ``::notice`` for rows that have none and for the
    report as a whole."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    rows = list(judged(report))
    verdicts = any(row.verdict for row in rows)
    for row in rows:
        level = "error" if row.verdict in FAILED else "warning" if row.verdict in WARNED else ""
        if level or not verdicts:
            yield _command(level or "notice", f"{report.title} {row.verdict or row.table.name}", _message(row))
    if report.headline:
        verdict = f"{report.verdict}: " if report.verdict else ""
        yield _command("notice", report.title, verdict + terminal(report.headline))
    for note in report.notes:
        yield _command("notice", report.title, terminal(_text.note(note)))


def _message(row: Judged) -> str:
    return ": ".join(filter(None, [row.subject, row.told or "unknown", row.reason]))


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(terminal(title))}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
