"""The world happens once for all tests of the folder."""

import pytest

from tests.truth.world import Call, happen

CALLS = 900
SEED = 20261120


@pytest.fixture(scope="session")
def world() -> list[Call]:
    """Every call, with the truth about it and the logs of it."""
    return happen(CALLS, SEED)
