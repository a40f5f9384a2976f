"""Incremental reading of files that grow, such as a log: how far one was read, and which part of it is new.

Reading resumes only in plain files of lines, and only where the part that was read is unchanged: a hash of its first
and its last bytes proves it. Every other file is read whole, which brings no record twice.
"""

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.reader import MAX_OBJECT_BYTES, Reject
from streamaudit.ingest.readers.sniff import is_object
from streamaudit.ingest.readers.temporary import write_temporary
from streamaudit.store.duckdb_errors import ReadFailure
from streamaudit.store.store import Store

_EDGE = 1 << 16
_CHUNK = 1 << 20
_LINE_END = re.compile(rb"[\r\n]")
# The part of a name that rotation changes: numbers and dates, with their separators.
_TURN = re.compile(rb"[-._]?\d[\d\-_T:]*")


@dataclass(frozen=True, slots=True)
class Mark:
    """The point up to which a load read its file: ``end`` is the byte after the last record, ``lines`` and ``records``
    count those before it (None: not counted), ``before`` is a hash of the bytes before it."""

    end: int
    before: str
    lines: int | None = None
    records: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a file to be read: ``file`` (its path is a copy of the part, unless it is read in place) from byte
    ``begin``. ``mark`` is None for a file in which reading cannot resume later."""

    file: InputFile
    begin: int = 0
    mark: Mark | None = None
    unfinished: bool = False
    """The last line has no end yet and is no record. It is rejected as cut off, and read again with its rest."""
    continues: int | None = None
    """The load that this part continues; the part was appended after it."""
    lines: int | None = 0
    records: int | None = 0
    """Number before the part; None: not counted yet."""

    @property
    def nothing_new(self) -> bool:
        """Whether every complete line of the file has been read before."""
        return self.mark is not None and self.continues is not None and self.begin == self.mark.end


_FOUND = """
SELECT load_id, path, end_byte, content_before, end_line, end_record, fingerprint
FROM store.loads AS loads
WHERE source = $source AND digest = $digest AND end_byte BETWEEN 1 AND $size
    AND (path = $path OR starts_with(path, $folder))
    AND (continues IS NULL OR continues IN (SELECT load_id FROM store.loads))
ORDER BY path = $path DESC, end_byte DESC, load_id DESC
"""
# A line that was cut off when it was read, and is now read again in full, is no reject any more.
_CUT = """
DELETE FROM store.rejects WHERE load_id = $last
    AND record > (SELECT end_record FROM store.loads WHERE load_id = $last)
"""
_UNCUT = """
UPDATE store.loads SET read_records = read_records - $cut, rejected_records = rejected_records - $cut
WHERE load_id = $last
"""
# Every load of a growing file folds into its first one, together with all earlier continuations.
_FOLD = (
    """
UPDATE store.loads AS first SET
    fingerprint = last.fingerprint, loaded_at = last.loaded_at, tool_version = last.tool_version,
    read_records = first.read_records + last.read_records, new_calls = first.new_calls + last.new_calls,
    repeated_calls = first.repeated_calls + last.repeated_calls,
    replaced_calls = first.replaced_calls + last.replaced_calls,
    rejected_records = first.rejected_records + last.rejected_records, not_calls = first.not_calls + last.not_calls,
    sample_rate = coalesce(last.sample_rate, first.sample_rate), end_byte = last.end_byte,
    end_line = last.end_line, end_record = last.end_record, content_before = last.content_before
FROM (FROM store.loads WHERE load_id = $last) AS last
WHERE first.load_id = $first
""",
    "UPDATE store.calls SET load_id = $first WHERE load_id = $last",
    "UPDATE store.spans SET load_id = $first WHERE load_id = $last",
    "UPDATE store.rejects SET load_id = $first WHERE load_id = $last",
    """
DELETE FROM store.load_keys WHERE load_id = $last AND (source, digest, field, rank) IN (
    SELECT (source, digest, field, rank) FROM store.load_keys WHERE load_id = $first)
""",
    "UPDATE store.load_keys SET load_id = $first WHERE load_id = $last",
    "DELETE FROM store.loads WHERE load_id = $last",
)


def can_grow(file: InputFile) -> bool:
    """Whether a file is of the kind that is appended to: plain lines, read in place."""
    if file.container.name != "lines" or file.compression != "none" or file.shown == "-":
        return False
    try:
        return os.path.samefile(file.path, file.shown)
    except OSError:
        return False


def take_whole(file: InputFile) -> Part:
    """Take a file from its start, as far as its lines are finished."""
    if not can_grow(file):
        return Part(file)
    with _open_plain(file) as stream:
        end = _last_end(stream, file.size)
        return Part(file, 0, Mark(end, _hash_before(stream, end)), unfinished=end < file.size)


def take_mark(data: bytes) -> Mark:
    """Return the point up to which a file of that content is read."""
    stream = io.BytesIO(data)
    end = _last_end(stream, len(data))
    return Mark(end, _hash_before(stream, end))


def find_ends(data: bytes, ends: dict[int, set[str]]) -> bool:
    """Whether another file of complete lines may be the beginning of a file of that content: ``ends`` holds the hashes
    of such files by their length."""
    if not ends:
        return False
    places = {len(data), *(found.start() + more for found in _LINE_END.finditer(data) for more in (0, 1))}
    stream = io.BytesIO(data)
    return any(_hash_before(stream, end) in ends[end] for end in places & ends.keys() if end)


def find_rest(store: Store, file: InputFile, source: str, digest: str) -> Part | None:
    """Find what was added to a file since it was last read under this source and digest, perhaps under another name in
    the same folder; None when it has to be read whole."""
    if not can_grow(file):
        return None
    folder = file.stored_name[: len(file.stored_name) - len(Path(file.stored_name).name)]
    asked = {"source": source, "digest": digest, "size": file.size, "path": file.stored_name, "folder": folder}
    with _open_plain(file) as stream:
        for load_id, path, end, before, lines, records, fingerprint in store.query(_FOUND, asked):
            moved = path != file.stored_name
            if moved and not _same_family(path, file.stored_name):
                continue
            # Of the same size but not the same file: something in the middle may have changed.
            if end == file.size and not (moved and fingerprint == file.fingerprint):
                continue
            if _hash_before(stream, end) != before or not _is_line_start(stream, end):
                continue
            now = _last_end(stream, file.size, end)
            mark = Mark(now, _hash_before(stream, now))
            return Part(file, end, mark, now < file.size, load_id, lines, records)
    return None


def copy_part(part: Part, folder: Path) -> Part:
    """Copy the part into a file of its own, so that writes in the meantime change nothing. Raises ReadFailure when the
    file was replaced or shortened since it was examined."""
    mark = part.mark
    assert mark is not None, "only a file that grows is copied"
    target = folder / "part.json"
    with _open_plain(part.file) as stream, write_temporary(target) as out:
        stream.seek(part.begin)
        left = part.file.size - part.begin
        while left:
            data = stream.read(min(left, _CHUNK))
            if not data:
                break
            out.write(data)
            left -= len(data)
        if left or _hash_before(stream, mark.end) != mark.before:
            raise ReadFailure("changed")
    return replace(part, file=replace(part.file, path=target, size=part.file.size - part.begin))


def is_in_place(part: Part) -> bool:
    """Whether the part can be read in place, because it is the whole file."""
    return part.begin == 0


def has_changed(file: InputFile) -> bool:
    """Whether a file was written to, or replaced, since it was examined."""
    try:
        return file.path.stat().st_size != file.size
    except OSError:
        return True


def place_part(part: Part, original: Path, rejects: int) -> tuple[Part, Callable[[Reject], Reject]]:
    """Return the part with its lines counted, where it has rejects or what came before it was counted, and the function
    that gives a reject its line and record numbers in the whole file."""
    mark = part.mark
    if mark is None or (not rejects and (part.begin == 0 or part.lines is None)):
        return part, lambda reject: reject
    lines, records = part.lines, part.records
    if lines is None or records is None:
        lines, records = _count_lines(original, part.begin)

    def place(reject: Reject) -> Reject:
        line = None if reject.line is None else reject.line + lines
        return replace(reject, record=reject.record + records, line=line)

    more_lines, more_records = _count_lines(part.file.path, mark.end - part.begin)
    mark = replace(mark, lines=lines + more_lines, records=records + more_records)
    return replace(part, mark=mark), place if part.begin else lambda reject: reject


def fold_continued_load(store: Store, part: Part, path: str) -> int | None:
    """Prepare the store for a load that continues another: fold earlier continuations into the first load, under the
    file's present name. Return the load that this one continues; None when it continues none."""
    if part.continues is None:
        return None
    about = {"id": part.continues, "path": path}
    cut = store.run(_CUT, {"last": part.continues})
    if cut:
        store.run(_UNCUT, {"last": part.continues, "cut": cut})
    (first,) = store.one("SELECT coalesce(continues, load_id) FROM store.loads WHERE load_id = $id", about)
    if first != part.continues:
        fold(store, first, part.continues)
    store.run("UPDATE store.loads SET path = $path WHERE load_id = $first AND path <> $path", {**about, "first": first})
    return int(first)


def fold(store: Store, first: int, last: int, *, counted: bool = False) -> None:
    """Make one load of two. ``counted`` is whether the first one has the tally of both already."""
    for statement in _FOLD[1:] if counted else _FOLD:
        store.run(statement, {"first": first, "last": last})


def note_rename(store: Store, part: Part, path: str) -> None:
    """Store the present name of a file that has no new lines."""
    store.run(
        "UPDATE store.loads SET path = $path WHERE path <> $path AND (load_id = $id OR load_id IN "
        "(SELECT continues FROM store.loads WHERE load_id = $id))", {"path": path, "id": part.continues},
    )  # fmt: skip


def _same_family(one: str, other: str) -> bool:
    """Whether two names differ only by what rotation adds or counts up."""
    names = [os.fsencode(Path(path).name) for path in (one, other)]
    return Path(one).parent == Path(other).parent and len({_TURN.sub(b"", name) for name in names}) == 1


def _open_plain(file: InputFile) -> BinaryIO:
    try:
        return file.path.open("rb")
    except OSError:
        raise ReadFailure("missing") from None


def _hash_before(stream: BinaryIO, end: int) -> str:
    """Return a hash of the bytes before ``end``: of their beginning and of their end."""
    digest = hashlib.blake2b(digest_size=16)
    stream.seek(0)
    digest.update(stream.read(min(end, _EDGE)))
    if end > _EDGE:
        stream.seek(max(end - _EDGE, _EDGE))
        digest.update(stream.read(min(end - _EDGE, _EDGE)))
    return digest.hexdigest()


def _is_line_start(stream: BinaryIO, end: int) -> bool:
    """Whether a new line begins at a byte, or the line before ends there."""
    stream.seek(end - 1)
    last, following = stream.read(1), stream.read(1)
    return last == b"\n" or following in (b"\n", b"\r", b"")


def _last_end(stream: BinaryIO, size: int, begin: int = 0) -> int:
    """Return where the last finished line of a file of that size ends. A line without its line feed is finished when it
    is a JSON object: a truncated record is none."""
    tail, position = b"", size
    while position > begin and b"\n" not in tail and len(tail) <= MAX_OBJECT_BYTES:
        step = min(_EDGE if not tail else len(tail), position - begin)
        position -= step
        stream.seek(position)
        tail = stream.read(step) + tail
    last = tail.rpartition(b"\n")[2]
    if not last.strip() or len(last) > MAX_OBJECT_BYTES:
        return size
    return size if is_object(last) else size - len(last)


def _count_lines(path: Path, end: int) -> tuple[int, int]:
    """Count the line feeds, and the lines that are not blank, in the first ``end`` bytes of a file."""
    feeds, records = 0, 0
    is_filled = False  # the line in which the last piece ended
    for piece in _pieces(path, end):
        first, *lines = piece.split(b"\n")
        is_filled = is_filled or bool(first.strip())
        if lines:
            feeds += len(lines)
            last = lines.pop()
            # Without a loop of its own: a file may have millions of lines and nothing else.
            records += is_filled + sum(map(bool, map(bytes.strip, lines)))
            is_filled = bool(last.strip())
    return feeds, records + is_filled


def _pieces(path: Path, end: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while end > 0 and (piece := stream.read(min(end, _CHUNK))):
            end -= len(piece)
            yield piece
