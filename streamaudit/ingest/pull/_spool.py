"""Temporary files of a pull: the records of many pages as JSON lines, for the reader that opens any export."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.reader import Check, Look, Reader
from streamaudit.ingest.readers.temporary import write_temporary
from streamaudit.store.pulls import Interval


class Fetched(NamedTuple):
    """Records, the interval that is complete with them, and the instant before which everything is; None while it is
    not."""

    records: Sequence[Any]
    covered: Interval | None = None
    until: datetime | None = None


class Part(NamedTuple):
    """A number of records in the file that was written last, and what is complete with them as in ``Fetched``."""

    records: int
    covered: Sequence[Interval]
    until: datetime | None


class Spool(Reader):
    """A reader of files that it writes itself; they are shown and stored under the address of their records."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._path = Path()

    def open(self, shown: str, look: Look | None = None, check: Check | None = None) -> InputFile:
        """Open the file that was written last, whatever the name."""
        return replace(super().open(str(self._path), look, check), shown=self._address)

    def write(self, fetched: Iterator[Fetched], most_bytes: int, most_s: float) -> Iterator[Part]:
        """Write what is fetched, and yield the file whenever it is long enough or late enough, and at the end. Each
        file is deleted before the next one is written."""
        self._path = self.folder / "pulled.jsonl"
        is_more = True
        while is_more:
            records = size = 0
            covered: list[Interval] = []
            until: datetime | None = None
            deadline = time.monotonic() + most_s
            try:
                with write_temporary(self._path) as out:
                    while is_more and size < most_bytes and time.monotonic() < deadline:
                        one = next(fetched, None)
                        is_more = one is not None
                        for record in one.records if one else ():
                            line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
                            out.write(line)
                            records, size = records + 1, size + len(line)
                        covered += [one.covered] if one and one.covered else []
                        until = one.until if one and one.until else until
                yield Part(records, covered, until)
            finally:
                self._path.unlink(missing_ok=True)
