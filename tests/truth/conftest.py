"""The world happens once for all tests of the folder: a small one in every run, the whole one for ``make proof``."""

import pytest

from tests.once import once
from tests.truth.world import WHOLE, Call, happen

FEW = 180
SEED = 20261120


@pytest.fixture(scope="session", params=[FEW, pytest.param(WHOLE, marks=pytest.mark.proof)])
def world(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> list[Call]:
    """Every call, with the truth about it and the logs of it."""
    count: int = request.param
    return once(tmp_path_factory, f"world-{count}", lambda _: happen(count, SEED))
