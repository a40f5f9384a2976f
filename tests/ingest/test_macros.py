"""Macros are defined when a statement first uses them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamaudit.ingest
from streamaudit.errors import StreamauditError
from streamaudit.ingest import pipeline
from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.merge import define_merge_macros
from streamaudit.store.store import Store
from tests.support import ingest, raw_call, stored_calls, write_lines


@pytest.fixture
def store() -> Iterator[Store]:
    """On a connection of its own, which has no macros yet."""
    with Store.in_memory() as opened:
        yield opened


def test_a_statement_gets_its_macros_and_those_that_they_use(store: Store) -> None:
    statement = "SELECT instant_utc(v), tokens_of('7'), upper(v) FROM (VALUES ('2026-11-16'), ('1794816000')) AS t (v)"
    define_macros(store, statement)
    assert {"instant_utc", "text_utc", "epoch_utc", "micros_utc", "tokens_of"} <= store.macros
    assert "seller_of" not in store.macros
    assert [(when.day, tokens) for when, tokens, _ in store.query(statement)] == [(16, 7), (16, 7)]


def test_every_module_has_the_macros_of_its_statements(store: Store) -> None:
    """Those that merging defines, or those that the module itself asks for."""
    define_merge_macros(store)
    package = Path(streamaudit.ingest.__path__[0])
    definitions = "".join(file.read_text() for file in package.glob("macros/*.sql"))
    names = re.findall(r"TEMP MACRO (\w+)\(", definitions)
    for module in package.glob("*.py"):
        text = module.read_text()
        used = {name for name in names if re.search(rf"(?<![\w.]){name}\((?!self)", text)}
        assert used <= store.macros or "define_macros(" in text or module.name in ("mapped.py", "mapping.py"), (
            module.name, used - store.macros,
        )  # fmt: skip


def test_macros_that_were_defined_in_a_transaction_that_failed_are_defined_again(store: Store) -> None:
    with pytest.raises(StreamauditError), store.transaction():
        define_macros(store, "number_of(1)")
        store.run("SELECT error('no')")
    define_macros(store, "number_of(1)")
    assert store.one("SELECT number_of('1.5')")[0] == 1.5


def test_planning_is_brief_after_a_small_file_until_a_larger_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped = "SELECT current_setting('disabled_optimizers')"
    with Store.in_memory() as store:
        ingest(store, write_lines(tmp_path / "small.jsonl", [raw_call("a")]))
        assert stored_calls(store).keys() == {"a"}
        assert store.one(skipped)[0] != ""
        monkeypatch.setattr(pipeline, "_FEW_BYTES", 0)
        ingest(store, write_lines(tmp_path / "larger.jsonl", [raw_call("b")]))
        assert stored_calls(store).keys() == {"a", "b"}
        assert store.one(skipped)[0] == ""
