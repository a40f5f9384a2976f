"""The figures that the documentation shows: kept as JSON, and written into their place on the page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.generate import HERE
from benchmarks.results import markdown

KEPT = HERE / "measured.json"
PAGE = HERE.parent / "docs" / "performance.md"
START, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def keep(found: Mapping[str, Any], kept: Path = KEPT, page: Path = PAGE) -> None:
    """Replace both."""
    kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    page.write_text(with_figures(page.read_text("utf-8"), found), "utf-8")


def with_figures(text: str, found: Mapping[str, Any]) -> str:
    """The page with these figures between its marks; ValueError when it has no marks."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError("the page has no place for the figures")
    return f"{before}{start}\n\n{markdown(found)}\n\n{end}{after}"
