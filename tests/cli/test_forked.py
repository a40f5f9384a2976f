"""The forked processes that tests run commands in do not mix up their answers."""

import pytest

from tests.cli import forked
from tests.cli.running import PATIENCE_S, Cli


@pytest.mark.proof
def test_a_command_that_hangs_leaves_no_reply_to_the_next(cli: Cli) -> None:
    """It watches a folder, which has no end."""
    surroundings = cli.environment()
    with pytest.raises(TimeoutError):
        forked.run(["ingest", "--watch", "."], cli.folder, surroundings, None, 1)
    code, out, err = forked.run(["--version"], cli.folder, surroundings, None, PATIENCE_S)
    assert (code, out.split()[0], err) == (0, "streamaudit", "")
    code, _, err = forked.run(["report", "missing.jsonl"], cli.folder, surroundings, None, PATIENCE_S)
    assert code == 3 and "missing.jsonl" in err
