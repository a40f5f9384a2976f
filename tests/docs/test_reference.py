"""The reference pages are complete: nothing is printed, stored or derived that no page defines."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

import streamaudit
from streamaudit.audits.export.export import ORDINAL, params_of
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Column, Unit
from streamaudit.report.render.formats import Screen, load
from streamaudit.report.render.json import SCHEMA
from streamaudit.store.buckets import define_buckets
from streamaudit.store.dimensions import DIMENSIONS
from streamaudit.store.package_files import package_text
from streamaudit.store.store import Store
from streamaudit.store.views.valuation import TAX_STEPS
from tests.docs import pages, schema
from tests.shapes import assert_valid_report, validator
from tests.support import AUDITS, raw_call, store_of, write_lines

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
    for module in AUDITS.values():
        for value in vars(module).values():
            if isinstance(value, tuple):
                yield from (column.name for column in value if isinstance(column, Column))


def _exported_columns() -> Iterator[str]:
    """The columns that an export has beyond the view."""
    scope = Scope()
    with Store.in_memory() as store:
        scope.prepare(store)
        known = {row[0] for row in store.query("DESCRIBE call_tax")}
        define_buckets(store)
        store.run(ORDINAL)
        query = "DESCRIBE " + scope.sql(package_text("audits.export", "export.sql")) + "SELECT * FROM exported"
        yield from (row[0] for row in store.query(query, params_of(scope, Path())) if row[0] not in known)


def test_every_figure_that_is_printed_is_defined() -> None:
    """Each column of each report, of the list of fields and of an export has its place in the definitions."""
    written, made, exported = {*_written_columns()}, {*_made_columns()}, {*_exported_columns()}
    assert len(written) > 100 and len(made) > 100 and len(exported) > 15
    defined = _named_in_code((DOCS / "definitions.md").read_text())
    assert sorted((written | made | exported | {*DIMENSIONS}) - defined) == []


def test_every_rule_and_class_of_the_tax_is_defined() -> None:
    """Each word that the SQL of the tax gives as a class, a rule or a status is one the definitions explain."""
    text = "".join(package_text("store", name) for name in (*TAX_STEPS.values(), "views/outcome.sql"))
    words = set(re.findall(r"(?:THEN|ELSE) '([a-z_]{4,})'", text))
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


SHAPE = json.loads((DOCS / "report.schema.json").read_text())
GOLDEN = json.loads((pages.ROOT / "tests" / "report" / "golden" / "json.txt").read_text())


def test_the_schema_of_a_report_is_one_and_names_every_unit() -> None:
    """It is a JSON Schema itself, and a unit or verdict that a report may have is in it."""
    Draft202012Validator.check_schema(SHAPE)
    definitions = SHAPE["$defs"]
    assert definitions["column"]["properties"]["unit"]["enum"] == list(get_args(Unit))
    assert SHAPE["properties"]["schema"]["const"] == SCHEMA


def test_the_golden_report_is_valid() -> None:
    """What --format json writes has the published shape, and each row has exactly its columns."""
    assert_valid_report(GOLDEN)


@pytest.mark.parametrize("name", AUDITS)
def test_every_report_is_valid(name: str, tmp_path: Path) -> None:
    """Of every audit that there is, over calls that ended in every way, grouped, with a rest row."""
    outcomes = ("completed", "cancelled", "timeout", "error", "interrupted")
    records = [raw_call(one, tenant_id=one, outcome=one, time_to_first_chunk_ms=300) for one in outcomes]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        report = AUDITS[name].run(store, Scope(by=("tenant",), top=2))
    assert_valid_report(json.loads(load("json").render(report, Screen())))


@pytest.mark.parametrize(
    "fault",
    [{"schema": "streamaudit.report/2"}, {"tables": [{"name": "t", "columns": []}]}, {"verdict": None}, {"by": None}],
    ids=["schema", "rows", "verdict", "by"],
)
def test_a_report_of_another_shape_is_not_valid(fault: dict[str, object]) -> None:
    """The schema says something: each of these breaks it."""
    assert not validator().is_valid({**GOLDEN, **fault})


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_the_links_of_a_page_beside_the_readme_lead_somewhere(name: str) -> None:
    """As those of the documentation do."""
    page = pages.ROOT / name
    if not page.is_file():
        pytest.skip("these tests run without the checkout")
    for target in pages.links(page):
        path, _, fragment = target.partition("#")
        file = page.parent / path
        assert file.exists(), target
        assert not fragment or fragment in pages.anchors(file), target


def test_recipes_name_tests_and_files_that_exist() -> None:
    """A path of the project in a recipe is one, unless it is the file to be added."""
    if not (pages.ROOT / "Makefile").is_file():
        pytest.skip("these tests run without the checkout")
    for page in [*(DOCS / "recipes").glob("*.md"), pages.ROOT / "CONTRIBUTING.md"]:
        named = re.findall(r"`((?:streamaudit|tests|docs)/[\w./-]+)`", pages.prose(page))
        assert named
        assert [path for path in named if not (pages.ROOT / path).exists()] == [], page.name


def test_recipes_show_python_that_parses() -> None:
    """What is there to be copied is code."""
    for page in (DOCS / "recipes").glob("*.md"):
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        assert blocks, page.name
        for block in blocks:
            ast.parse(block)
