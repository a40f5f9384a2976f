"""Which of several records of one call is kept: the same one in whatever order and files they arrive."""

from itertools import permutations
from pathlib import Path
from random import Random

import pytest

from streamaudit.store.store import Store
from tests.support import (
    Record,
    content,
    equation,
    ingest,
    langfuse_row,
    otel_batch,
    otel_span,
    raw_call,
    store_of,
    stored_calls,
    write_lines,
)

# Best first: each is better by one rule and worse by all later ones.
CHAIN: list[Record] = [
    {"outcome": "completed", "usage_source": "provider", "output_tokens": 90, "updated_at": "2026-11-16T12:00:00Z"},
    {"outcome": "cancelled", "usage_source": "provider", "output_tokens": 100, "updated_at": "2026-11-16T10:00:00Z"},
    {"outcome": "completed", "usage_source": "provider", "output_tokens": 400},
    {"outcome": "timeout", "usage_source": "partial", "output_tokens": 500, "updated_at": "2026-11-16T13:00:00Z"},
    {"outcome": "error", "usage_source": "estimated", "output_tokens": 600, "updated_at": "2026-11-16T14:00:00Z"},
    {"outcome": None, "duration_ms": None, "output_tokens": 700, "updated_at": "2026-11-16T15:00:00Z"},  # never ended
]  # fmt: skip


def orders() -> dict[str, tuple[int, ...]]:
    """Every order of every end of the chain, by an id that names the best record in it."""
    ends = [range(start, len(CHAIN)) for start in range(len(CHAIN))]
    return {f"{end[0]}-{'.'.join(map(str, order))}": order for end in ends for order in permutations(end)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The n-th file holds, for every order, the record that arrives n-th in it."""
    folder = tmp_path_factory.mktemp("orders")
    return [
        write_lines(
            folder / f"{position}.jsonl",
            [
                raw_call(name, tenant=str(order[position]), **CHAIN[order[position]])
                for name, order in orders().items()
                if position < len(order)
            ],
        )
        for position in range(len(CHAIN))
    ]


def assert_best_kept(store: Store) -> None:
    """Every call is stored as the best of its records."""
    found = {name: call["tenant"] for name, call in stored_calls(store).items()}
    assert found == {name: name.split("-")[0] for name in orders()}


def test_the_best_record_of_a_call_is_kept_in_whatever_order_files_arrive(files: list[Path], store: Store) -> None:
    """Terminal outcome, then provider usage, then the later update, then more output; each file's sum agrees."""
    results = ingest(store, *files)
    assert_best_kept(store)
    tallies = [equation(result) for result in results]
    assert sum(tally[1] for tally in tallies) == len(orders())
    assert all(tally[4:] == (0, 0) for tally in tallies)
    # What arrives as the n-th is replaced by nothing before it, if it is the best so far, and repeated otherwise.
    for position, (_, new, repeated, replaced, _, _) in enumerate(tallies):
        arrivals = [order[: position + 1] for order in orders().values() if position < len(order)]
        best_so_far = sum(arrival[-1] == min(arrival) for arrival in arrivals)
        assert (new, replaced) == ((len(arrivals), 0) if position == 0 else (0, best_so_far))
        assert repeated == len(arrivals) - new - replaced


@pytest.mark.proof
def test_files_in_the_other_order_give_the_same_store(files: list[Path]) -> None:
    """To the last column."""
    with store_of(*files) as store, store_of(*files[::-1]) as backwards:
        assert content(backwards) == content(store)


def test_the_best_record_of_a_call_is_kept_within_one_file(files: list[Path], store: Store, tmp_path: Path) -> None:
    """All records of all calls in one file, shuffled: one is new, the others repeated."""
    lines = [line for file in files for line in file.read_text().splitlines()]
    Random(1).shuffle(lines)
    (result,) = ingest(store, write_lines(tmp_path / "all.jsonl", lines))
    assert_best_kept(store)
    assert equation(result) == (len(lines), len(orders()), len(lines) - len(orders()), 0, 0, 0)


def test_records_that_tie_by_every_rule_are_told_apart_by_their_content(tmp_path: Path) -> None:
    """Whatever the order, the files and the store, the same one of them is kept."""
    ties = [langfuse_row("tied", metadata={"tenant": name}, input=f"say {name}") for name in "abc"]
    apart = [write_lines(tmp_path / f"{place}.jsonl", [record]) for place, record in enumerate(ties)]
    backwards = write_lines(tmp_path / "backwards.jsonl", ties[::-1])
    kept = set()
    for paths in (apart, [backwards]):
        with store_of(*paths) as store:
            kept.add(stored_calls(store)["tied"]["tenant"])
    assert len(kept) == 1


def test_a_correction_wins_over_a_larger_count_and_a_partial_record_does_not(tmp_path: Path) -> None:
    """Progress only raises a count, so among partial records the larger one is the later one."""
    early, late = "2026-11-16T09:00:00Z", "2026-11-16T12:00:00Z"
    records = [
        raw_call("corrected", output_tokens=3180, updated_at=early), raw_call("corrected", output_tokens=318,
            updated_at=late),
        raw_call("partial", output_tokens=90, usage_source="partial", updated_at=early),
        raw_call("partial", output_tokens=40, usage_source="partial", updated_at=late),
        raw_call("final", output_tokens=90, usage_source="provider", updated_at=early),
        raw_call("final", output_tokens=400, usage_source="partial", updated_at=late),
    ]  # fmt: skip
    backwards = [{**record, "request_id": f"{record['request_id']}, backwards"} for record in records[::-1]]
    with store_of(write_lines(tmp_path / "x.jsonl", [*records, *backwards])) as store:
        found = stored_calls(store)
    assert {name: call["output_tokens"] for name, call in found.items()} == {
        f"{name}{order}": tokens for order in ("", ", backwards")
        for name, tokens in (("corrected", 318), ("partial", 90), ("final", 90))
    }  # fmt: skip


@pytest.mark.parametrize("together", [True, False])
def test_a_span_that_has_ended_wins_over_the_same_one_while_it_was_open(together: bool, tmp_path: Path) -> None:
    """Calls and steps alike, in either order, whatever the hashes of their records are."""
    ended_first, open_first = ([f"{number:02}" for number in numbers] for numbers in (range(8), range(8, 16)))
    steps = dict.fromkeys(("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.usage.output_tokens"), ...)

    def spans(name: str, **fields: object) -> list[Record]:
        return [otel_span(name, **fields), otel_span(f"step{name}", steps, **fields)]

    batches = [
        otel_batch(*(span for name in ended for span in spans(name)),
            *(span for name in still_open for span in spans(name, endTimeUnixNano="0")))
        for ended, still_open in ((ended_first, open_first), (open_first, ended_first))
    ]  # fmt: skip
    files = [batches] if together else [[batch] for batch in batches]
    with store_of(*(write_lines(tmp_path / f"{place}.jsonl", file) for place, file in enumerate(files))) as store:
        assert {call["duration_ms"] for call in stored_calls(store).values()} == {5000.0}
        assert len(stored_calls(store)) == 16
        assert store.query("SELECT count(*), count(end_time) FROM store.spans") == [(16, 16)]
