"""The contract of an engine, and how a portable text and its parameters reach it.

A portable text is SQL that DuckDB, Apache Spark and Sail answer alike; tests/engines/lint.py lists what it may not
contain. Its relation is ``calls``: the rows of an exported folder. Values are ``$parameters``, because a literal with a
quote or a backslash is read differently by each engine. They are bound by name: Spark binds positions in the order of
its own plan, which is not always that of the text.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from streamaudit.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ROWS = 100_000
"""Rows of an answer that an engine sends back at most: groups of a report, not calls."""
MOST_CELLS = 8_000_000
"""Rows of counts that are the input of statistics: up to 40 bytes each, 320 MB in all."""

Params = Mapping[str, Any]
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Tasks:
    """Progress of a query: its number among those of a session, tasks done, and tasks known so far."""

    query: int
    done: int
    known: int


OnTasks = Callable[[Tasks | None], None]
"""Shows the progress of a query, None at its end."""


class Engine(Protocol):
    """Answers portable texts over the calls of one exported folder."""

    name: str
    """Its name in messages, such as ``DuckDB`` or ``sc://spark:15002``."""

    def rows(self, text: str, params: Params | None = None) -> Rows:
        """Return the rows of a text; whole numbers are int, whatever type the engine sums them in.

        Raises UsageError for more than ``MOST_ROWS`` rows, InputError when the folder cannot be read, StreamauditError
        when the engine fails or is lost.
        """
        ...

    def arrays(self, text: str, params: Params | None = None) -> "dict[str, NDArray[Any]]":
        """Return the columns of a text as arrays of 64-bit numbers, for counts that are the input of statistics.

        The result holds numbers and no NULL. Raises UsageError for more than ``MOST_CELLS`` rows, else as ``rows``.
        """
        ...

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table about the export, such as ``export_layout.ABOUT``, empty where there is none."""
        ...

    def close(self) -> None:
        """Release the engine; safe to call twice."""
        ...


_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")


def bind(text: str, params: Params | None, sign: str = "$") -> tuple[str, dict[str, Any]]:
    """Return a text with its ``$parameters`` written after another sign, and the values of those that it names."""
    values = {name: (params or {})[name] for name in _PARAMETER.findall(text)}
    return _PARAMETER.sub(rf"{sign}\1", text), values


def plain_rows(rows: Iterable[Sequence[Any]]) -> Rows:
    """Return rows with whole numbers as int, which engines sum in types of their own; UsageError for more than
    ``MOST_ROWS``, of which an engine is asked for one more."""
    found = [tuple(int(value) if isinstance(value, Decimal) else value for value in row) for row in rows]
    if len(found) > MOST_ROWS:
        raise refuse_many()
    return found


def plain_arrays(columns: "Mapping[str, NDArray[Any]]") -> "dict[str, NDArray[Any]]":
    """Return columns as 64-bit numbers: whole ones as int, fractions and wider sums as float; UsageError for more than
    ``MOST_CELLS`` rows, of which an engine is asked for one more."""
    if max(map(len, columns.values())) > MOST_CELLS:
        raise _refuse_many_cells()
    return {name: values.astype("i8" if values.dtype.kind in "iub" else "f8") for name, values in columns.items()}


def _refuse_many_cells() -> UsageError:
    """Return the error for more counts than a comparison takes."""
    return UsageError(
        f"--data: the comparison has more than {MOST_CELLS:,} counts of groups, strata, blocks of time and values",
        "group by fewer dimensions, narrow it with --only, or hold fewer equal: --strata model, --strata none",
    )


def refuse_many() -> UsageError:
    """Return the error for an answer with too many rows."""
    return UsageError(
        f"--data: the answer has more than {MOST_ROWS:,} groups",
        "group by fewer dimensions, narrow it with --only, or list the first ones with --top",
    )
