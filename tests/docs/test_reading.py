"""docs/reading-the-first-screen.md quotes figures that its screens show."""

import re

from tests.docs import pages
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reading-the-first-screen.md"
FIGURE = re.compile(r"\$\d[\d,.]*\d|\d+(?:\.\d+)? %|\b\d+ calls\b")


def test_what_to_say_in_the_meeting_is_on_the_screens() -> None:
    """Each amount, share and count in the sentences to say is part of an output shown on the page."""
    shown = "\n".join(line for command in pages.commands(PAGE) for line in command.shown)
    rows = re.findall(r'^\| ("[^|]+") \|', PAGE.read_text().partition("| say | do not say |")[2], re.MULTILINE)
    figures = {figure for row in rows for figure in FIGURE.findall(row)}
    assert len(rows) == 3 and len(figures) >= 6
    assert sorted(figure for figure in figures if figure not in shown) == []
