"""A folder into which more than one export was put."""

import shutil
from pathlib import Path

from streamaudit.api import Session
from streamaudit.config.settings import Settings
from tests.cli.running import Cli


def test_several_exports_in_a_folder_are_refused(sample_export: Path, tmp_path: Path) -> None:
    """A call may be in two of them: before they are made one, no figure is right."""
    cli = Cli(tmp_path)
    folder = cli.folder / "fed"
    shutil.copytree(sample_export, folder)
    for path in [*folder.rglob("*.parquet")]:
        shutil.copy(path, path.with_stem(f"{path.stem}-b"))
    refused = cli.run("report", "--data", "fed")
    assert (refused.code, refused.out) == (3, "")
    assert "2 exports were put into it" in refused.err and "export FOLDER --compact" in refused.err
    assert cli.run("export", "fed", "--compact").code == 0
    with Session(Settings(), data=str(folder)) as one, Session(Settings(), data=str(sample_export)) as other:
        assert one.report().report.tables[0].rows == other.report().report.tables[0].rows
