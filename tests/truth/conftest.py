"""The world happens once for all tests of the folder."""

import pytest

from tests.once import once
from tests.truth.world import Call, happen

CALLS = 900
SEED = 20261120


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """Every call, with the truth about it and the logs of it."""
    return once(tmp_path_factory, "world", lambda _: happen(CALLS, SEED))
