"""The promises of the documentation name tests that exist."""

import re

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "promises.md"


def test_every_promise_is_held_by_a_test_that_is_there() -> None:
    """Each row of its tables names a file of this repository or a target of the Makefile."""
    rows = re.findall(r"^\| (?!promise|---)(.*) \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert len(rows) > 20
    for promise, held in rows:
        names = re.findall(r"`([^`]+)`", held)
        assert names, promise
        for name in names:
            there = name.removeprefix("make ") in targets if name.startswith("make ") else (ROOT / name).is_file()
            assert there, f"{promise}: {name}"
