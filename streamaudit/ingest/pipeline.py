"""Read exports into a store: reader, source and merge combined, one transaction a file.

A file is first parsed into a scratch database, which takes long and locks nothing, and then merged into the store,
which is short. A file that fails leaves the store unchanged; the other files stay.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import streamaudit
from streamaudit.errors import InputError, StoreError
from streamaudit.ingest.additions import note_additions
from streamaudit.ingest.batch import Small, Together, count_unknown, fits, take_small
from streamaudit.ingest.claim import claim
from streamaudit.ingest.faults import contain
from streamaudit.ingest.incremental import (
    Part,
    copy_part,
    find_rest,
    fold_continued_load,
    has_changed,
    is_in_place,
    note_rename,
    place_part,
    take_whole,
)
from streamaudit.ingest.keys import Forgotten, choose_keys, count_left_empty, record_keys
from streamaudit.ingest.mapping import KEYED, Mapping, near_path
from streamaudit.ingest.merge import UNPRICED, Counts, define_merge_macros, merge, replace_loads, set_variables
from streamaudit.ingest.privacy import refuse_texts
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.gzip_check import check_gzip
from streamaudit.ingest.readers.reader import Reader, Reject
from streamaudit.ingest.readers.remote import is_remote, mask_address, read_stamp
from streamaudit.ingest.readers.surrogates import mend_surrogates
from streamaudit.ingest.results import KEPT_REJECTS, FileResult, Options, keep_rejects, record_rejects
from streamaudit.ingest.scratch import IN_MEMORY_BYTES, scratch
from streamaudit.ingest.sources.registry import Match, Source, discover
from streamaudit.ingest.staging import count_partial_parts, explain_failure, find_rejects, stage
from streamaudit.ingest.stock import Stock, take_stock
from streamaudit.ingest.traces import recompute
from streamaudit.ingest.warnings import count_shared_ends, find_doubts, find_unfilled
from streamaudit.store.connection import LEAN_MEMORY
from streamaudit.store.duckdb_errors import NO_MEMORY, ReadFailure
from streamaudit.store.pricing.kept import KeptPrices
from streamaudit.store.store import FOR_DIVERSITY, Store

_FEW_BYTES = 1 << 20
"""Up to this size a file takes longer to plan for than to read."""


Progress = Callable[[InputFile], Callable[[float], None] | None]


class Ingest:
    """A run over many files into one store."""

    def __init__(self, store: Store, options: Options) -> None:
        self._store = store
        self._options = options
        self._sources = discover()
        self._claimed: tuple[InputFile, tuple[Source, Match]] | None = None
        self._read_bytes = 0
        self._salt = store.secret()
        self._prices = KeptPrices(store, options.prices)
        define_merge_macros(store)
        store.run("SET VARIABLE file_ends = NULL::BIGINT[]")

    def files(self, reader: Reader, names: dict[str, bool], progress: Progress | None = None) -> Iterator[FileResult]:
        """Ingest files in the order given, small ones of one format together, and yield their results in that order.
        The value of each name is whether it was only found; see ``file``."""
        batch: list[Small] = []
        for name, sought in names.items():
            if is_remote(name) or name == "-":
                yield from self._load_batch(reader, batch, progress)
                yield self.file(reader, name, progress, sought=sought)
                continue
            opened = contain(name, sought, partial(self._open, reader, name, sought))
            small = opened if isinstance(opened, Small) else None
            if small is None or not fits(batch, small):
                yield from self._load_batch(reader, batch, progress)
            if small is not None:
                batch.append(small)
            elif isinstance(opened, InputFile):
                yield self._ingest_opened(reader, opened, progress, sought)
            else:
                assert isinstance(opened, FileResult)
                yield opened
        yield from self._load_batch(reader, batch, progress)
        if not self._store.is_small():
            self._store.plan_fully()

    def _open(self, reader: Reader, name: str, sought: bool) -> FileResult | InputFile | Small:
        """Open a file: the reason why it cannot be, a file that may be loaded with others, or any other."""
        file = reader.open(name)
        if self._options.force:
            return file
        try:
            source, match = self._claim(file)
        except InputError as error:
            return FileResult(name, problem=error.message, hint=error.hint, passed_over=sought)
        return take_small(file, source, match, self._mapping(source)) or file

    def _load_batch(self, reader: Reader, batch: list[Small], progress: Progress | None) -> Iterator[FileResult]:
        """Load the files of a batch, and empty it. A file that cannot be loaded with others ends what is loaded
        together, and is loaded alone; as long as it is so for every file, ever more are loaded alone before the next
        try."""
        alone = 1
        while batch:
            done = self._load_together(reader, batch) if len(batch) > 1 else []
            yield from done
            del batch[: len(done)]
            for _ in range(min(len(batch), 1 if done else alone)):
                yield self._ingest_opened(reader, batch.pop(0).file, progress, sought=False)
            alone = 1 if done else 2 * alone

    def _load_together(self, reader: Reader, batch: list[Small]) -> list[FileResult]:
        """Load the first files of a batch together, as many as can be."""
        source = batch[0].source
        together = Together(
            self._store, self._name(source), self._digest(source), self._salt, self._options, self._prices
        )
        batch = batch[: count_unknown(self._store, batch, together.name, together.digest)]
        if len(batch) < 2:
            return []
        try:
            size = sum(len(one.data) for one in batch)
            self._plan(batch[0].file)
            with scratch(self._store, reader.folder, batch[0].file), self._lean(size, reader.folder):
                return together.load(batch, reader.folder)
        except (StoreError, MemoryError) as error:
            # Alone, each file takes less memory, and may have more.
            if getattr(error, "message", "") != NO_MEMORY:
                raise
            return []
        except Exception:
            return []  # the file that causes it is found when each is loaded alone
        finally:
            set_variables(self._store, {"file_ends": None})

    def file(self, reader: Reader, shown: str, progress: Progress | None = None, *, sought: bool = False) -> FileResult:
        """Ingest one file; a problem with the file is in the result, a problem with the store is raised. A ``sought``
        file was only found, so that one of no known format is passed over."""
        shown, address = mask_address(shown), shown
        file = contain(shown, sought, partial(self._open_alone, reader, shown, address))
        if isinstance(file, FileResult):
            return file
        try:
            return self._ingest_opened(reader, file, progress, sought)
        finally:
            reader.done(file)

    def _open_alone(self, reader: Reader, shown: str, address: str) -> InputFile | FileResult:
        if is_remote(address) and self._is_known(shown, address):
            return FileResult(shown, unchanged=True)
        # A pipe or a network may take its time; meanwhile the store is free for others.
        with self._store.release() if shown == "-" or is_remote(shown) else nullcontext():
            return reader.open(address, check=self._claim)

    def _ingest_opened(self, reader: Reader, file: InputFile, progress: Progress | None, sought: bool) -> FileResult:
        return contain(file.shown, sought, partial(self._read_opened, reader, file, progress, sought))

    def _read_opened(self, reader: Reader, file: InputFile, progress: Progress | None, sought: bool) -> FileResult:
        shown = file.shown
        try:
            source, match = self._claim(file)
        except InputError as error:
            return FileResult(shown, problem=error.message, hint=error.hint, passed_over=sought)
        if not self._options.force and self._is_unchanged(file, source):
            return FileResult(shown, source, match, unchanged=True)
        try:
            part = self._find_part(file, source)
            if not part.nothing_new:
                return self._load(reader, part, source, match, progress)
        except ReadFailure as failure:
            return FileResult(shown, source, match, problem=explain_failure(file, failure))
        note_rename(self._store, part, file.stored_name)
        return FileResult(shown, source, match, unchanged=True, unfinished=part.unfinished)

    def _find_part(self, file: InputFile, source: Source) -> Part:
        """Return the part of a file to be read. A call without an id of its own is identified by its position in the
        whole file."""
        if self._options.force or source.id_field is None:
            return take_whole(file)
        return find_rest(self._store, file, self._name(source), self._digest(source)) or take_whole(file)

    def _claim(self, file: InputFile) -> tuple[Source, Match]:
        # Asked once when a file is opened, and once when it is read.
        if self._claimed is None or self._claimed[0] is not file:
            self._claimed = file, claim(file, self._options.mapping)
        return self._claimed[1]

    def _name(self, source: Source) -> str:
        return self._options.source_name or source.name

    def _digest(self, source: Source) -> str:
        return source.digest(self._mapping(source))

    def _mapping(self, source: Source) -> Mapping:
        return source.mapping(self._options.mapping)

    def _is_known(self, path: str, address: str) -> bool:
        """Whether an object of a bucket was read in its present version and under the present mapping: then it is not
        fetched again."""
        fingerprint = None if self._options.force else read_stamp(address)
        if fingerprint is None:
            return False
        found = self._store.query(
            "SELECT source, digest FROM store.loads WHERE path = $path AND fingerprint = $fingerprint",
            {"path": path, "fingerprint": fingerprint},
        )
        known = {(self._name(source), self._digest(source)) for source in self._sources.values()}
        return any(row in known for row in found)

    def _is_unchanged(self, file: InputFile, source: Source) -> bool:
        return bool(self._store.one(
            "SELECT count(*) FROM store.loads WHERE source = $source AND path = $path AND digest = $digest "
            "AND fingerprint = $fingerprint AND path <> '-'",
            self._about(file, source),
        )[0])  # fmt: skip

    def _load(self, reader: Reader, part: Part, source: Source, match: Match, progress: Progress | None) -> FileResult:
        """Load a part of a file with little memory, and with all that the database may use where that is not enough."""
        try:
            self._plan(part.file)
            with self._lean(part.file.plain_size, reader.folder):
                return self._load_part(reader, part, source, match, progress)
        except StoreError as error:
            if error.message != NO_MEMORY:
                raise
        self._store.plan_fully()
        return self._load_part(reader, part, source, match, progress)

    def _lean(self, size: int, folder: Path) -> AbstractContextManager[None]:
        """Return a context with little memory for this many bytes more; not for few, nor a store in memory, which holds
        the calls too. With many, the calls go to a file in the folder."""
        self._read_bytes += size
        if not self._store.is_on_disk and self._read_bytes > IN_MEMORY_BYTES:
            self._store.move_to_disk(folder)
        needs_more = size <= _FEW_BYTES or not self._store.is_on_disk
        return nullcontext() if needs_more else self._store.less_memory(LEAN_MEMORY)

    def _plan(self, file: InputFile) -> None:
        """Plan briefly for a small file and a small store, where planning is what takes time. It stays so: what follows
        is another small file, or a question to that store."""
        if file.plain_size <= _FEW_BYTES and self._store.is_small():
            self._store.plan_briefly_for_now()
        else:
            self._store.plan_fully()

    def _load_part(
        self, reader: Reader, part: Part, source: Source, match: Match, progress: Progress | None
    ) -> FileResult:
        store, file = self._store, part.file
        with scratch(store, reader.folder, file):
            with store.release():
                part, stock, rejects = self._parse(reader, part, source, progress)
                partial = count_partial_parts(store, part.file)
                texts = refuse_texts(store, self._options.mapping, source.implied)
                if texts:
                    return FileResult(file.shown, source, match, problem=texts[0], hint=texts[1])
                too_many = self._options.refuse_bad(stock.read, stock.rejected - part.unfinished)
                if too_many:
                    rejected = stock.rejected
                    return FileResult(file.shown, source, match, None, rejects, rejected=rejected, problem=too_many)
                doubtful, same_end = find_doubts(store, stock), count_shared_ends(store, stock)
                self._prices.look_up(UNPRICED)
            remapped = bool(store.one(_READ_OTHERWISE, self._about(file, source))[0])
            with store.transaction():
                variant = match.variant + FOR_DIVERSITY if stock.for_diversity else match.variant
                counts, load_id, keys, emptied = self._merge(part, stock, source, variant, rejects)
            paths = self._options.mapping.paths
            absent = {
                column: near_path(paths[column][0], file.head) for column in find_unfilled(store, self._options.mapping)
            }
        return FileResult(
            file.shown, source, match, counts, rejects, keys, load_id, rejected=stock.rejected, absent=absent,
            emptied=emptied, remapped=remapped, partial_pages=partial, begin=part.begin, unfinished=part.unfinished,
            for_diversity=stock.for_diversity, shared_ends=same_end, ends_before_start=stock.ends_before_start,
            doubts=doubtful,
        )  # fmt: skip

    def _parse(
        self, reader: Reader, part: Part, source: Source, progress: Progress | None
    ) -> tuple[Part, Stock, tuple[Reject, ...]]:
        """Parse a part into the scratch database; from a copy if the file is being written to."""
        original = part.file
        if not is_in_place(part):
            part = copy_part(part, reader.folder)
        file, stock = self._stage(part.file, source, reader.folder, progress)
        if part.mark and is_in_place(part) and has_changed(original):
            part = copy_part(part, reader.folder)
            file, stock = self._stage(part.file, source, reader.folder, progress)
        part, place = place_part(replace(part, file=file), original.path, stock.rejected)
        if not stock.rejected:
            return part, stock, ()
        listed = self._options.list_reject
        most = KEPT_REJECTS if listed is None else None
        found = find_rejects(self._store, file, source, self._mapping(source), self._salt, most)
        return part, stock, keep_rejects(map(place, found), original.shown, listed)

    def _stage(
        self, file: InputFile, source: Source, folder: Path, progress: Progress | None
    ) -> tuple[InputFile, Stock]:
        """Stage a file, from a mended copy if the database refuses half of a surrogate pair in it. Return the file that
        was read, and what is in it."""
        store, mapping, salt = self._store, self._mapping(source), self._salt
        with store.progress(progress(file) if progress else None):
            try:
                with check_gzip(file) as intact:
                    stage(store, file, source, mapping, salt, folder)
                    intact()
                stock = take_stock(store)
                copy = mend_surrogates(file, folder) if stock.unreadable else None
            except ReadFailure as failure:
                copy = mend_surrogates(file, folder) if failure.kind == "malformed" else None
                if copy is None:
                    raise
            if copy is not None:
                file = copy
                stage(store, file, source, mapping, salt, folder)
                stock = take_stock(store)
        return file, stock

    def _about(self, file: InputFile, source: Source) -> dict[str, str]:
        return {
            "source": self._name(source), "path": file.stored_name, "digest": self._digest(source),
            "fingerprint": file.fingerprint,
        }  # fmt: skip

    def _merge(
        self, part: Part, stock: Stock, source: Source, variant: str, rejects: Sequence[Reject]
    ) -> tuple[Counts, int, dict[str, str], dict[str, int]]:
        """Make every change to the store for one file, inside the caller's transaction."""
        store, file, mark = self._store, part.file, part.mark
        name = self._name(source)
        about = self._about(file, source)
        load_id: int = store.one(_NEXT_LOAD)[0]
        continues = fold_continued_load(store, part, file.stored_name)
        outdated = store.query(
            "SELECT load_id, fingerprint = $fingerprint FROM store.loads "
            "WHERE source = $source AND path = $path AND digest <> $digest AND path <> '-'",
            about,
        )
        is_reread = replace_loads(store, [row[0] for row in outdated], [row[0] for row in outdated if row[1]])
        set_variables(store, {"source": name, "load_id": load_id})
        keys, chosen, forgotten = self._settle_keys(source, stock, load_id)
        counts = merge(store, stock, source.id_names, is_reread=is_reread)
        by_ancestor = keys.get("route") == "ancestor"
        recompute(
            store, stock, source.nested_rule, route_by_ancestor=by_ancestor, is_forgotten=bool(forgotten),
            prices=self._options.prices,
        )
        note_additions(store, counts, replaced=is_reread or bool(forgotten))
        emptied = count_left_empty(store, stock.worst, chosen, forgotten)
        rate = stock.sample_rate if self._options.sample_rate is None else self._options.sample_rate
        store.run(_RECORD_LOAD, {
            **about, "load_id": load_id, "format": source.name, "variant": variant,
            "tool": streamaudit.__version__,
            "read": counts.read, "new": counts.new, "repeated": counts.repeated, "replaced": counts.replaced,
            "rejected": counts.rejected, "not_calls": counts.not_calls, "sample_rate": rate,
            "continues": continues, "end_byte": mark.end if mark else None, "end_line": mark.lines if mark else None,
            "end_record": mark.records if mark else None, "content_before": mark.before if mark else None,
        })  # fmt: skip
        record_rejects(store, load_id, file.stored_name, rejects)
        self._prices.keep()
        return counts, load_id, keys, emptied

    def _settle_keys(
        self, source: Source, stock: Stock, load_id: int
    ) -> tuple[dict[str, str], dict[str, int | None], Forgotten]:
        """Record which candidate keys this file has, and fill each column from the source's best one: its name and its
        rank. Also return what calls of earlier loads had from another key."""
        store = self._store
        name, digest = self._name(source), self._digest(source)
        record_keys(store, [
            {"load_id": load_id, "source": name, "digest": digest, "field": column, "rank": rank,
             "key": source.key_name(column, rank, self._mapping(source))}
            for column, rank in stock.best.items() if rank is not None
        ])  # fmt: skip
        chosen, forgotten = choose_keys(store, name, digest)
        keys = {
            column: source.key_name(column, rank, self._mapping(source))
            for column, rank in chosen.items()
            if rank is not None
        }
        set_variables(store, {f"rank_{column}": chosen[column] for column in KEYED})
        set_variables(store, {"key_rendered_tokens": keys.get("rendered_tokens")})
        return keys, chosen, forgotten


_NEXT_LOAD = "SELECT coalesce(max(load_id), 0) + 1 FROM store.loads"  # before loads are folded: no number comes twice
_READ_OTHERWISE = """
SELECT count(*) FROM store.loads WHERE source = $source AND path = $path AND digest <> $digest AND path <> '-'
"""
_RECORD_LOAD = """
INSERT INTO store.loads VALUES ($load_id, $source, $path, $fingerprint, $format, $variant, $digest,
    now()::TIMESTAMP, $tool, $read, $new, $repeated, $replaced, $rejected, $not_calls, $sample_rate,
    $continues, $end_byte, $end_line, $end_record, $content_before)
"""
