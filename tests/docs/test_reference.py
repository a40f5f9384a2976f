"""The reference pages are complete: nothing is printed, stored or derived that no page defines."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamaudit
from streamaudit.audits import discover
from streamaudit.dimensions import DIMENSIONS
from streamaudit.report import Column
from streamaudit.scope import Scope
from streamaudit.store import Store, sql_text
from tests.docs import pages, schema

PACKAGE = Path(streamaudit.__file__).parent
DOCS = pages.ROOT / "docs"
if not DOCS.is_dir():
    pytest.skip("there is no documentation beside these tests", allow_module_level=True)


def _named_in_code(text: str) -> set[str]:
    return {word for code in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"[A-Za-z0-9_]+", code)}


def _written_columns() -> Iterator[str]:
    """The names of columns that stand in the code of any report."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Column":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant):
                    yield str(first.value)


def _made_columns() -> Iterator[str]:
    """The names of columns that an audit makes from a list of its own."""
    for module in discover().values():
        for value in vars(module).values():
            if isinstance(value, tuple):
                yield from (column.name for column in value if isinstance(column, Column))


def _exported_columns() -> Iterator[str]:
    """The columns that an export has beyond the view."""
    scope = Scope()
    with Store.in_memory() as store:
        scope.prepare(store)
        known = {row[0] for row in store.query("DESCRIBE call_tax")}
        from streamaudit.buckets import define_buckets

        define_buckets(store)
        query = "DESCRIBE " + scope.sql(sql_text("export.sql")) + "SELECT * FROM exported"
        yield from (row[0] for row in store.query(query, {**scope.params(), "untimed": None}) if row[0] not in known)


def test_every_figure_that_is_printed_is_defined() -> None:
    """Each column of each report, of the list of fields and of an export has its place in the definitions."""
    written, made, exported = {*_written_columns()}, {*_made_columns()}, {*_exported_columns()}
    assert len(written) > 100 and len(made) > 100 and len(exported) > 15
    defined = _named_in_code((DOCS / "definitions.md").read_text())
    assert sorted((written | made | exported | {*DIMENSIONS}) - defined) == []


def test_every_rule_and_class_of_the_tax_is_defined() -> None:
    """Each word that the SQL of the tax gives as a class, a rule or a status is one the definitions explain."""
    text = sql_text("tax.sql") + sql_text("views.sql")
    words = set(re.findall(r"(?:THEN|ELSE|IN \() ?'([a-z_]{4,})'", text))
    assert {"exact", "even_pace", "zero_on_abort", "infrastructure_limit"} <= words
    defined = " ".join((DOCS / name).read_text() for name in ("definitions.md", "schema.md"))
    assert sorted(word for word in words if word not in defined) == []


def test_the_schema_page_is_what_the_store_says() -> None:
    """Regenerating it changes nothing: ``python -m tests.docs.schema > docs/schema.md``."""
    assert (DOCS / "schema.md").read_text() == schema.page()


def test_every_column_of_store_and_view_has_a_meaning() -> None:
    """No table and no column is without a comment, and no description outlives its column."""
    assert sorted(schema.tables()) == sorted(schema.TABLES)
    assert {name for name, _ in schema.view_columns()} == set(schema.DERIVED)
    cells = [line.split("|")[-2].strip() for line in schema.page().splitlines() if line.startswith("| `")]
    assert all(cells)
