"""CSV files: how one is written, told from its first line, and what is wrong with one that cannot be read.

The database is told the separator and the columns, so that it guesses nothing from the first rows.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from streamaudit.ingest.readers.reader import DAMAGED, Compression, Refused, compression_of, open_binary

SUFFIXES = ("csv", "tsv")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV file as its header says it is; every column is text."""

    path: Path
    compression: Compression
    delimiter: str
    names: tuple[str, ...]

    def parameters(self) -> dict[str, object]:
        """What a statement binds to read it."""
        return {
            "path": str(self.path), "compression": self.compression, "delimiter": self.delimiter,
            "columns": dict.fromkeys(self.names, "VARCHAR"),
        }  # fmt: skip


def open_sheet(path: Path) -> Sheet:
    """Look at the header. Refused when the file is no CSV of UTF-8 text, or leaves a quote open."""
    compression = compression_of(path)
    quotes = 0
    try:
        with open_binary(path, compression) as file:
            header = file.readline(_CHUNK)
            if b"\0" in header:
                raise Refused("UTF-16 text: save it as CSV UTF-8")
            text = header.decode("utf-8-sig")
            quotes = header.count(b'"')
            while chunk := file.read(_CHUNK):
                quotes += chunk.count(b'"')
    except UnicodeDecodeError:
        raise Refused("not UTF-8 text: save it as CSV UTF-8") from None
    except DAMAGED:
        raise Refused("damaged compressed file: copy or download it again") from None
    delimiter = max(",;\t", key=text.count)
    names = [name.strip() for name in next(csv.reader([text.rstrip("\r\n")], delimiter=delimiter), [])]
    twice = next((name for name in names if sum(name.lower() == other.lower() for other in names) > 1), None)
    if twice is not None:
        raise Refused("two columns have the same name, or none")
    sheet = Sheet(path, compression, delimiter, tuple(names))
    # The database takes a quote that is never closed for one long cell and says nothing.
    fault = first_fault(sheet) if quotes % 2 else None
    if fault:
        raise Refused(fault)
    return sheet


def first_fault(sheet: Sheet) -> str | None:
    """The first line that does not fit the header, and why; None when every one does. Read cell by cell."""
    width, before = len(sheet.names), 0
    with io.TextIOWrapper(open_binary(sheet.path, sheet.compression), "utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter=sheet.delimiter, strict=True)
        try:
            for cells in lines:
                if cells and len(cells) != width:
                    return f"line {before + 1:,}: {len(cells)} cells where the header has {width}"
                before = lines.line_num
        except UnicodeDecodeError:
            return "not UTF-8 text: save it as CSV UTF-8"
        except csv.Error:
            return f"line {before + 1:,}: a quote that is not closed, or text behind one"
    return None
