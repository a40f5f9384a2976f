"""Which cases of a long list each run of the tests has, and which ``make proof`` adds."""

from collections.abc import Collection, Iterable
from typing import TypeVar

import pytest
from _pytest.mark.structures import ParameterSet

Case = TypeVar("Case")


def keep(cases: Iterable[Case], kept: Collection[Case]) -> list[ParameterSet]:
    """All cases as parameters; those that are not ``kept`` are proofs. A kept case that is none fails."""
    listed = list(cases)
    assert set(kept) <= set(listed), f"no cases: {set(kept) - set(listed)}"
    return [pytest.param(case, marks=() if case in kept else pytest.mark.proof) for case in listed]
