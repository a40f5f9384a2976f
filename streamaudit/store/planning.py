"""Brief planning by DuckDB: for a query over few rows, planning takes longer than running it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from streamaudit.store.connection import Database

FEW_CALLS = 5_000
"""A store with at most this many calls is small: planning a statement that writes to it takes longer than running it.
"""
FEW_TO_READ = 20_000
"""Up to this many calls the questions that are asked of a store are planned briefly, and its outcomes kept as rows."""

# Without these even few rows are slow: all columns of wide views would be computed, joins that are written as
# conditions would pair every row with every other, and a record would be taken apart once for each of its fields,
# which takes a gigabyte for a page of 2 MB. And every part of a query that has a name would be kept as a table.
_OPTIMISERS_OF_FEW_ROWS = (
    "filter_pushdown", "join_order", "unused_columns", "common_subexpressions", "cte_inlining"
)  # fmt: skip
_FOR_MORE_ROWS = ("join_order", "common_subexpressions")
_SKIPPED = "SELECT string_agg(name, ',') FROM duckdb_optimizers() WHERE NOT list_contains($kept, name)"


class Planner(Database):
    """A connection whose queries can be planned briefly."""

    _skipped: ClassVar[str] = ""
    """Optimisers that brief planning leaves out; empty until it is asked for."""
    _plans_briefly = _is_brief_for_now = False
    _threads = 1
    """Threads while planning is full; set when it becomes brief."""

    def plan_briefly(self) -> None:
        """Leave out the optimisers that only pay off on many rows, for the rest of this connection's life.

        Planning then takes about a third less time. Results are the same, a join of many rows may be slower. One thread
        does the rest: each would set up memory of its own for every column that it writes.
        """
        self._is_brief_for_now = False
        if self._plans_briefly:
            return
        self._skip(self._list_skipped())
        self._threads = self.one("SELECT current_setting('threads')")[0]
        self.run("SET threads = 1")
        self._plans_briefly = True

    def plan_briefly_for_now(self) -> None:
        """Plan briefly until ``plan_fully`` is called, unless the connection does so for the rest of its life."""
        if not self._plans_briefly:
            self.plan_briefly()
            self._is_brief_for_now = True

    def plan_fully(self) -> None:
        """Plan for many rows again, after ``plan_briefly_for_now``: to do so takes longer than many a query, since its
        threads have to begin again."""
        if self._is_brief_for_now:
            self._skip("")
            self.run("SET threads = $threads", {"threads": self._threads})
            self._plans_briefly = self._is_brief_for_now = False

    @contextmanager
    def brief_planning(self) -> Iterator[None]:
        """Plan briefly inside the block."""
        if self._plans_briefly:
            yield
            return
        self.plan_briefly_for_now()
        try:
            yield
        finally:
            self.plan_fully()

    @contextmanager
    def planning_least(self) -> Iterator[None]:
        """Leave out, inside the block, all optimisers that one can do without for a few kilobytes and a statement
        without joins that reads nothing else, however large the store is."""
        self._skip(f"{self._list_skipped()},{','.join(_FOR_MORE_ROWS)}")
        try:
            yield
        finally:
            self._skip(self._list_skipped() if self._plans_briefly else "")

    def _list_skipped(self) -> str:
        if not Planner._skipped:
            Planner._skipped = self.one(_SKIPPED, {"kept": list(_OPTIMISERS_OF_FEW_ROWS)})[0]
        return Planner._skipped

    def _skip(self, optimisers: str) -> None:
        self.run("SET disabled_optimizers = $optimisers", {"optimisers": optimisers})
