"""Where dimensions come from: one candidate key fills a column for a whole source, the user's path goes before it."""

from pathlib import Path
from typing import Any

import pytest

from streamaudit.store.store import Store
from tests.support import (
    Record,
    content,
    datadog_span,
    ingest,
    langfuse_row,
    raw_call,
    store_of,
    stored_calls,
    write_lines,
)

# Candidate keys of each column, best first, wherever an application can put its own.
ORDER = {
    "tenant": (
        "tenant", "tenant_id", "tenant.id", "organization_id", "organizationId", "org_id", "customer_id", "account_id",
        "team_id",
    ),
    "route": ("route", "endpoint", "http.route", "feature"),
    "deploy": ("release", "version", "app_version", "deployment", "git.commit.sha"),
    "rendered_tokens": ("rendered_tokens", "rendered_output_tokens", "tokens_rendered"),
    "delivered_tokens": ("streamed_output_tokens", "delivered_tokens"),
}  # fmt: skip
NUMERIC = ("rendered_tokens", "delivered_tokens")


def value(column: str, number: int) -> Any:
    """A value of a column, another for each number."""
    return number + 1 if column in NUMERIC else f"v{number}"


@pytest.mark.parametrize("place", ["metadata", pytest.param("tags", marks=pytest.mark.proof)])
def test_the_first_candidate_key_that_occurs_fills_a_column_for_the_whole_source(place: str, tmp_path: Path) -> None:
    """Not row by row, in every order of files: a call that has only a later key is unknown."""

    def record(name: str, keys: dict[str, Any]) -> Record:
        named = {"tags": [f"{key}:{text}" for key, text in keys.items()]} if place == "tags" else {"metadata": keys}
        return langfuse_row(name, trace_id=name, name="", **named)

    def keys_from(first: int) -> dict[str, Any]:
        return {key: value(column, n) for column, names in ORDER.items() for n, key in enumerate(names) if n >= first}

    records = [record(f"r{n}", keys_from(n)) for n in range(9)]
    paths = [write_lines(tmp_path / f"{n}.jsonl", records[n : n + 3]) for n in (0, 3, 6)]
    with store_of(write_lines(tmp_path / "all.jsonl", records)) as store:
        for name, call in stored_calls(store).items():
            expected = [value(column, 0) if name == "r0" else None for column in ORDER]
            assert [call[column] for column in ORDER] == expected
        together = content(store)
    for order in (paths, paths[::-1]):
        with store_of(*order) as store:
            assert content(store) == together


def test_the_last_candidate_key_fills_a_column_that_has_no_other(tmp_path: Path) -> None:
    """Every key of the list is looked for."""
    last = {names[-1]: value(column, 0) for column, names in ORDER.items()}
    with store_of(write_lines(tmp_path / "one.jsonl", [langfuse_row("a", metadata=last)])) as store:
        assert [stored_calls(store)["a"][column] for column in ORDER] == [value(column, 0) for column in ORDER]


def test_a_better_key_in_a_later_file_also_empties_what_calls_had_inherited(tmp_path: Path) -> None:
    """A root with a worse key, its call, and a call elsewhere with a better one, in the orders that differ most."""
    root = langfuse_row("root", trace_id="t", type="SPAN", metadata={"org_id": "o"})
    inside = langfuse_row("inside", trace_id="t", parent_observation_id="root")
    better = langfuse_row("better", metadata={"tenant": "acme"})
    paths = [write_lines(tmp_path / f"{record['id']}.jsonl", [record]) for record in (root, inside, better)]
    seen = []
    for order in (paths, [paths[1], paths[2], paths[0]]):
        with store_of(*order) as store:
            tenants = {name: call["tenant"] for name, call in stored_calls(store).items()}
            assert tenants == {"inside": None, "better": "acme"}
            seen.append(content(store))
    assert all(each == seen[0] for each in seen)


def test_a_key_of_one_source_does_not_touch_another(tmp_path: Path) -> None:
    """Each source has its own habits."""
    one = write_lines(tmp_path / "one.jsonl", [langfuse_row("l", metadata={"org_id": "o"})])
    other = write_lines(tmp_path / "other.jsonl", [datadog_span("d", tags=["tenant:acme"])])
    with store_of(one, other) as store:
        assert {name: call["tenant"] for name, call in stored_calls(store).items()} == {"l": "o", "d": "acme"}


def test_top_level_keys_of_raw_lines_go_before_metadata(store: Store, tmp_path: Path) -> None:
    """A line that has a field of its own for a column means that field."""
    own = {{"deploy": "service_version"}.get(column, names[0]): value(column, 1) for column, names in ORDER.items()}
    record = raw_call("a", **own, metadata={names[0]: value(column, 2) for column, names in ORDER.items()})
    ingest(store, write_lines(tmp_path / "calls.jsonl", [record]))
    call = stored_calls(store)["a"]
    assert {column: call[column] for column in ORDER} == {column: value(column, 1) for column in ORDER}


@pytest.mark.parametrize("make", [langfuse_row, datadog_span, raw_call], ids=["langfuse", "datadog", "raw"])
def test_a_mapped_path_tries_the_literal_dotted_key_and_then_walks(make: Any, store: Store, tmp_path: Path) -> None:
    """And goes before every candidate of the format."""
    records = [
        make("literal", metadata={"org.id": "literal", "org": {"id": "walked"}, "tenant": "own"}),
        make("walked", metadata={"org": {"id": "walked"}, "tenant": "own"}),
        make("neither", metadata={"tenant": "own"}),
    ]
    (result,) = ingest(store, write_lines(tmp_path / "x.jsonl", records), mapping=["tenant=metadata.org.id"])
    assert {name: call["tenant"] for name, call in stored_calls(store).items()} == {
        "literal": "literal", "walked": "walked", "neither": None,
    }  # fmt: skip
    assert result.keys["tenant"] == "metadata.org.id"


MAPPED = {
    "tenant": "acme",
    "route": "/x",
    "deploy": "7",
    "user_id": "u",
    "session_id": "s",
    "environment": "e",
    "service": "v",
    "region": "eu", "transport": "sse", "model": "m", "rendered_tokens": 7, "delivered_tokens": 8,
}  # fmt: skip


@pytest.mark.parametrize("make", [langfuse_row, datadog_span, raw_call], ids=["langfuse", "datadog", "raw"])
def test_every_mappable_column_is_filled_from_the_user_s_path(make: Any, store: Store, tmp_path: Path) -> None:
    """Also the cancel flag, which then decides the outcome."""
    fields = {"metadata": {"mine": {**MAPPED, "gone": True}}}
    record = {**make("a", **fields), "outcome": None}
    mapping = [f"{column}=metadata.mine.{column}" for column in MAPPED]
    ingest(store, write_lines(tmp_path / "x.jsonl", [record]), mapping=[*mapping, "cancelled=metadata.mine.gone"])
    call = stored_calls(store)["a"]
    assert {column: call[column] for column in MAPPED} == MAPPED
    assert (call["outcome"], call["cancel_evidence"]) == ("cancelled", "flag")


def test_a_mapped_field_of_a_datadog_item_is_named_from_its_attributes_or_from_the_item(tmp_path: Path) -> None:
    """A path is read in the record as it is written, envelope included."""
    import json

    span = datadog_span("a", metadata={"org": "acme"})
    (tmp_path / "page.json").write_text(json.dumps({"data": [{"id": "a", "type": "span", "attributes": span}]}))
    with store_of(tmp_path / "page.json", mapping=["tenant=attributes.metadata.org"]) as store:
        assert stored_calls(store)["a"]["tenant"] == "acme"


@pytest.mark.parametrize("make", [langfuse_row, datadog_span, raw_call], ids=["langfuse", "datadog", "raw"])
def test_a_tenant_is_never_taken_from_the_end_user(make: Any, store: Store, tmp_path: Path) -> None:
    """Unless the user says so with a mapping of their own."""
    record = make("a", metadata={"user_id": "u1", "user": "u1"}, user_id="u1", tags=["user_id:u1"])
    path = write_lines(tmp_path / "x.jsonl", [record])
    ingest(store, path)
    assert stored_calls(store)["a"]["tenant"] is None
    ingest(store, path, mapping=["tenant=metadata.user_id"])
    assert stored_calls(store)["a"]["tenant"] == "u1"
