"""Following a busy folder while it is rotated and the follower is killed: in the end as if it had been read once."""

from pathlib import Path

import pytest

from tests.soak import soak


@pytest.mark.proof
def test_a_minute_of_a_busy_folder_ends_as_one_clean_reading(tmp_path: Path) -> None:
    """Logs grow in half lines, three kills, reports beside; every report that ran could be given."""
    found = soak(tmp_path, minutes=1, files=40, kill_every_s=20)
    assert found["kills"] == 3 and found["calls"] > 500
    assert (found["calls_that_differ"], found["exit_codes"], found["flat"]) == (0, [0, 0], True), found
    assert set(found["reports_by_exit_code"]) <= {0, 3}, found  # 3: before the first file was read
