"""Records of one call that are of different traces, or of none: the steps of every trace that the call was ever in are
those that they would be in any other order."""

from itertools import permutations
from pathlib import Path

import pytest

from tests.support import Record, content, ingest, raw_call, store_of, stored_calls, write_lines

STEP: Record = raw_call("step", trace_id="t", input_tokens=1_000, output_tokens=2_000, duration_ms=5_000)
"""A framework's step, whose usage belongs to the call inside it."""
CALL: Record = raw_call(
    "call", trace_id="t", parent_id="step", input_tokens=None, output_tokens=None, duration_ms=4_000
)
WORSE: Record = {"outcome": None, "finish_reason": None}
BETTER: Record = {"output_tokens": 70}


ORDERS = list(permutations(("step", "call", "version")))
SPREAD = [
    (WORSE, None, [ORDERS[1], ORDERS[4]]), (BETTER, "t2", [ORDERS[2], ORDERS[5]]), (BETTER, None, [ORDERS[3]]),
    *(
        pytest.param(known, trace, ORDERS[1:], marks=pytest.mark.proof)
        for known in (WORSE, BETTER) for trace in (None, "t2")
    ),
]  # fmt: skip
"""Every order but the first, each with one version of the call; ``make proof`` tries every order with each."""


@pytest.mark.parametrize(("known", "trace", "orders"), SPREAD)
def test_a_version_of_another_trace_may_come_first_or_last(
    known: Record, trace: str | None, orders: list[tuple[str, ...]], tmp_path: Path
) -> None:
    """Whatever is known of it, and whether or not it is of a trace."""
    records = {"step": STEP, "call": CALL, "version": {**CALL, "trace_id": trace, "parent_id": None, **known}}
    paths = {name: write_lines(tmp_path / f"{name}.jsonl", [record]) for name, record in records.items()}
    with store_of(*paths.values()) as store:
        expected, found = content(store), stored_calls(store)
    assert found["call"]["output_tokens"] == (70 if known is BETTER else 2_000)
    assert found["step"]["counted"] == (known is BETTER)
    for order in orders:
        with store_of(*(paths[name] for name in order)) as store:
            assert content(store) == expected


def test_a_mapped_trace_leaves_the_one_before_as_it_would_be(tmp_path: Path) -> None:
    """A file that is read again under a path for its traces takes its calls out of those they were in."""
    step, call = (write_lines(tmp_path / f"{one['request_id']}.jsonl", [{**one, "run": "r"}]) for one in (STEP, CALL))
    with store_of(step, call) as store:
        assert not stored_calls(store)["step"]["counted"]
        ingest(store, call, mapping=["trace_id=run"])
        assert stored_calls(store)["step"]["counted"]
