"""The figures that the documentation shows: kept as JSON, and written into their place on the page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.generate import HERE
from benchmarks.results import markdown

KEPT = HERE / "measured.json"
PAGE = HERE.parent / "docs" / "performance.md"


def keep(found: Mapping[str, Any], kept: Path = KEPT, page: Path = PAGE) -> None:
    """Replace both."""
    kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    page.write_text(with_figures(page.read_text("utf-8"), found), "utf-8")


def with_figures(text: str, found: Mapping[str, Any]) -> str:
    """The page with these figures between its marks; ValueError when it has no marks."""
    before, after = around(text, "measured")
    return f"{before}\n\n{markdown(found)}\n\n{after}"


def around(text: str, name: str) -> tuple[str, str]:
    """What stands before and after a place on a page, with its marks; ValueError when it is not there."""
    before, start, rest = text.partition(f"<!-- {name}: begin -->")
    _, end, after = rest.partition(f"<!-- {name}: end -->")
    if not start or not end:
        raise ValueError(f"the page has no place for the figures: {name}")
    return before + start, end + after
