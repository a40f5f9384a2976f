"""Arrow: the first table with typed columns as an IPC stream; NULL is null."""

from streamaudit.report.frames import Frame
from streamaudit.report.model import Report
from streamaudit.report.render.formats import Screen

SUFFIXES = (".arrow", ".arrows")
ALL_GROUPS = True


def render(report: Report, screen: Screen) -> bytes:
    """Return the first table of the report as an Arrow IPC stream; empty for a report without one."""
    if not report.tables:
        return b""
    import pyarrow as pa

    table = Frame(report.tables[0]).to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
