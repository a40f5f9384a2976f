"""The exact text of each format for one awkward report; STREAMAUDIT_UPDATE_GOLDEN=1 rewrites the files."""

import os
import re
from pathlib import Path

import pytest

from streamaudit.report.model import Report
from streamaudit.report.render.formats import BINARY, Screen, formats, load

GOLDEN = Path(__file__).parent / "golden"
TERMINALS = {
    "table-60": Screen(60),
    "table-80": Screen(80),
    "table-120": Screen(120),
    "table-wide": Screen(80, wide=True),
}
TEXTS = [name for name in formats() if name not in (*BINARY, "svg")]
CASES = {name: (name, Screen()) for name in TEXTS} | {key: ("table", screen) for key, screen in TERMINALS.items()}


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, awkward_report: Report) -> None:
    """A change in what readers see is a change in a file they can review."""
    name, screen = CASES[case]
    output = re.sub(r'"version": ".*"', '"version": "VERSION"', load(name).render(awkward_report, screen))
    if name == "html":  # its style and script are files of their own
        own = r"(?s)<(style|script)>.*?</\1>|content=.default-src[^>]*|<p>streamaudit [^<]*|<time>[^<]*"
        output = re.sub(own, "", output)
    path = GOLDEN / f"{case}.txt"
    if os.environ.get("STREAMAUDIT_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(output.encode())
    assert output.encode() == path.read_bytes()
