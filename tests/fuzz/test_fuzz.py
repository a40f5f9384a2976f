"""A few odd files of fixed seeds; ``make fuzz`` reads others for an hour."""

from pathlib import Path

import pytest

from tests.fuzz.check import check
from tests.fuzz.files import make_file


@pytest.mark.parametrize("first", range(0, 16, 4))
def test_an_odd_file_breaks_no_promise(first: int, tmp_path: Path) -> None:
    """Exit codes, sums, lists, a store that opens and privacy hold; a file is the same on every machine."""
    for seed in range(first, first + 4):
        file = make_file(seed)
        assert file == make_file(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        check(file, folder)
