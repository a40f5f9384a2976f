"""A few odd files of fixed seeds; ``make fuzz`` reads others for an hour."""

from pathlib import Path

from tests.fuzz.check import check
from tests.fuzz.files import make_file


def test_an_odd_file_breaks_no_promise(tmp_path: Path) -> None:
    """Exit codes, sums, lists, a store that opens and privacy hold; a file is the same on every machine."""
    for seed in range(3):
        file = make_file(seed)
        assert file == make_file(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        check(file, folder)
