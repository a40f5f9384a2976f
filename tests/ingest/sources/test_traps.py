"""Every trap of a format has a test: the tables in ``traps`` name them, and none may name one that is not there."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TABLES = sorted((HERE / "traps").glob("*.md"))


def rows(table: Path) -> list[tuple[str, str]]:
    """Each trap and the tests beside it."""
    found = re.findall(r"^\| (.+) \| (\S+\.py)::(.+) \|$", table.read_text(), re.MULTILINE)
    assert len(found) == table.read_text().count("\n| ") - 1, "a row without a test"
    return [(file, one) for _, file, tests in found for one in tests.split("; ")]


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_every_trap_has_a_test_that_is_there(table: Path) -> None:
    """A test is a function, or one of the named cases of a parametrised one."""
    named = rows(table)
    assert len(named) >= 5
    for file, test in named:
        source = (HERE / file).read_text()
        assert f"def {test}(" in source or f'"{test}"' in source, f"{file}::{test}"
