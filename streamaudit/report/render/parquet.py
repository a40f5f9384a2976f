"""Parquet: the first table with typed columns; NULL is null."""

import io

from streamaudit.report.frames import Frame
from streamaudit.report.model import Report
from streamaudit.report.render.formats import Screen

SUFFIXES = (".parquet",)
ALL_GROUPS = True


def render(report: Report, screen: Screen) -> bytes:
    """Return the first table of the report as a Parquet file; empty for a report without one."""
    if not report.tables:
        return b""
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(Frame(report.tables[0]).to_arrow(), buffer, compression="zstd")
    return buffer.getvalue()
