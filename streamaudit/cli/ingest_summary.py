"""Log the summary of an ingest: formats, counts that add up, and the coverage of the calls."""

from collections.abc import Iterator
from dataclasses import asdict

from streamaudit.cli import console
from streamaudit.ingest.edge.registry import Server
from streamaudit.ingest.edge_log import Remarks
from streamaudit.ingest.evidence import Joined
from streamaudit.ingest.mapping import KINDS, Mapping
from streamaudit.ingest.merge import Counts
from streamaudit.ingest.results import Coverage, FileResult
from streamaudit.report.numbers import count


def log_result(outcome: FileResult, *, keys: bool = True) -> None:
    """Log one file: its format, and its errors."""
    if outcome.problem:
        console.say(
            f"{outcome.shown}: {outcome.problem}" + (", skipped" if outcome.passed_over else ""),
            level="warning" if outcome.passed_over else "error", file=outcome.shown, hint=outcome.hint,
        )  # fmt: skip
        if outcome.hint and console.plain() and not outcome.passed_over:
            console.say(f"hint: {outcome.hint}")
        for line in outcome.bug.splitlines() if outcome.bug else ():
            console.detail(f"  {line}")
        return
    if outcome.source is None or outcome.match is None:
        if outcome.unchanged:
            console.note(f"{outcome.shown}: unchanged since it was read, skipped", file=outcome.shown)
        return
    about = f"{outcome.shown}: {outcome.source.name}, {outcome.match.variant} (has {outcome.match.because})"
    console.note(about + (": unchanged since it was read, skipped" if outcome.unchanged else ""), file=outcome.shown)
    if outcome.begin:
        console.note(f"  resumed at byte {outcome.begin:,}", file=outcome.shown)
    if outcome.unfinished:
        console.note("  the last line is incomplete: it is read once the rest has arrived", file=outcome.shown)
    if outcome.remapped:
        console.note("  read again because the mapping changed; one under [fields] in streamaudit.toml always applies")
    if outcome.partial_pages:
        pages = "1 page says" if outcome.partial_pages == 1 else f"{outcome.partial_pages:,} pages say"
        console.say(
            f"  {pages} that the search timed out: calls are missing, so export shorter windows",
            level="warning", file=outcome.shown,
        )  # fmt: skip
    if outcome.for_diversity:
        console.say(
            f"  {count(outcome.for_diversity, 'call')} kept by diversity sampling for being rare: "
            "latencies are not those of the traffic",
            level="warning", file=outcome.shown,
        )  # fmt: skip
    if outcome.shared_ends:
        console.say(
            f"  all spans end at the same moment in {count(outcome.shared_ends, 'trace')}: durations are doubtful, "
            "because the exporter may have stamped whole batches",
            level="warning", file=outcome.shown,
        )  # fmt: skip
    if outcome.ends_before_start:
        them = "1 call ends" if outcome.ends_before_start == 1 else f"{outcome.ends_before_start:,} calls end"
        console.say(
            f"  {them} before the start (two clocks?): end and duration are dropped, tokens and cost are kept",
            level="warning", file=outcome.shown,
        )  # fmt: skip
    for text in _doubts(outcome):
        console.say(f"  {text}", level="warning", file=outcome.shown)
    for text in outcome.match.unread.values() if outcome.counts else ():
        console.say(f"  {text}", level="warning", file=outcome.shown)
    for text in outcome.match.notes if outcome.counts else ():
        console.note(f"  {text}", file=outcome.shown)
    for reject in outcome.rejects[:3]:
        place = f"line {reject.line:,}" if reject.line else f"record {reject.record:,}"
        console.note(f"  rejected {place}: {reject.reason}", file=outcome.shown)
    if outcome.rejected > 3:
        console.note(f"  ... and {outcome.rejected - 3:,} more (--rejects FILE lists them)")
    for column, key in sorted(outcome.keys.items()) if keys else ():
        console.note(f"  {column.replace('_', ' ')} from {key}")
    for column, number in sorted(outcome.emptied.items()):
        calls = "1 call has its" if number == 1 else f"{number:,} calls have their"
        console.note(
            f"  {calls} {column.replace('_', ' ')} only under a key other than {outcome.keys[column]}, which "
            f"is not used: --map {column}=PATH chooses the key"
        )


def _doubts(outcome: FileResult) -> Iterator[str]:
    """Yield one sentence for each kind of value of a file that was dropped or looks wrong."""
    found = outcome.doubts
    for column, (low, high) in found.mixed.items():
        yield (
            f"{column} looks like seconds in {low:,} calls and milliseconds in {high:,}, a thousand times apart: "
            "latencies are wrong until the log has one unit"
        )
    if found.with_unexplained:
        yield (
            f"{_calls(found.with_unexplained)} a total above input plus output: {found.unexplained_tokens:,} tokens "
            "are neither (reasoning counted separately?), and no figure counts them"
        )
    for column, number in found.misfits.items():
        kind = {"count": "a count", "flag": "true or false", "instant": "an instant"}.get(KINDS[column], "a number")
        yield f"{_calls(number)} no {column}: what is in its place is not {kind}"


def _calls(number: int) -> str:
    return f"{count(number, 'call')} {'has' if number == 1 else 'have'}"


def log_problems(results: list[FileResult], mapping: Mapping) -> None:
    """Log errors in the files that a report reads, and mapped paths found in no record."""
    for outcome in results:
        if outcome.problem or outcome.rejects or outcome.emptied or outcome.is_doubtful:
            log_result(outcome, keys=False)
    log_absent_paths(results, mapping)


def log_absent_paths(results: list[FileResult], mapping: Mapping) -> None:
    """Log the mapped paths found in no record of any file of this run."""
    read = [outcome.absent for outcome in results if outcome.counts]
    for column in sorted(set(read[0]).intersection(*read)) if read else ():
        meant = next((one[column] for one in read if one[column]), None)
        console.note(
            f"no record has {' or '.join(mapping.paths[column])}: --map {column} filled nothing"
            + (f", did you mean {column}={meant}?" if meant else "")
        )


def log_equation(results: list[FileResult], *, dry_run: bool = False) -> None:
    """Log ``read = new + repeated + replaced + rejected + not calls`` over all files of the run.

    After a ``dry_run`` nothing has been replaced: the counts are those that a run would have.
    """
    total = add([outcome.counts for outcome in results if outcome.counts])
    if not console.plain():
        console.note("ingested", **asdict(total))
        return
    rows = (
        ("read", total.read, ""),
        ("= new", total.new, ""),
        ("+ repeated", total.repeated, "already stored in an equal or better version"),
        ("+ would replace" if dry_run else "+ replaced", total.replaced,
            "already stored, now better or under a new mapping"),
        ("+ rejected", total.rejected, "could not be used"),
        ("+ not calls", total.not_calls, "spans, scores and other steps"),
    )  # fmt: skip
    named = max(12, *(len(label) for label, _, _ in rows))
    width = max(len(f"{number:,}") for _, number, _ in rows)
    for label, number, meaning in rows:
        console.note(f"  {label:<{named}} {number:>{width},}" + (f"  {meaning}" if meaning and number else ""))


def add(counts: list[Counts]) -> Counts:
    """Return the sum of several files' counts."""
    return Counts(*(sum(getattr(one, name) for one in counts) for name in Counts.__slots__))


def log_coverage(found: Coverage) -> None:
    """Log how much is known of the calls of this run; a share is of the line it names."""
    if not found.calls:
        return
    if not console.plain():
        console.note("coverage", **asdict(found))
        return
    console.note(f"  llm calls    {found.calls:,}")
    _share("streamed", found.streamed, found.calls, "calls")
    _share("TTFT", found.with_ttft, found.streamed, "streamed")
    _share("usage", found.with_usage, found.calls, "calls")
    _share("rendered", found.with_rendered, found.calls, "calls")
    _share("tenant", found.with_tenant, found.calls, "calls")
    _share("cancelled", found.cancelled, found.calls, "calls")
    if found.cancelled:
        _share("  usage", found.cancelled_with_usage, found.cancelled, "cancelled")
        _share("  rendered", found.cancelled_with_rendered, found.cancelled, "cancelled")
    for number, noun, text in (
        (found.nested, "LLM step", "around or inside a counted call, recorded once more: not counted"),
        (found.same_response, "call", "also in another export under the same response id: counted once"),
        (found.embeddings, "embedding call", "in reports by operation only"),
        (found.without_start, "call", "without a start time: in no time window"),
        (found.outcome_words, "call", "with an unrecognised outcome word: the outcome is unknown"),
    ):
        if number:
            console.note(f"  {count(number, noun)} {text}")
    if not found.with_tenant:
        console.note(
            "  no call has a tenant: streamaudit fields FILE --for tenant finds the key, --map tenant=PATH names it"
        )
    if not found.with_usage:
        console.note("  no call has token usage: export the usage fields too, or tokens and cost stay unknown")


def _share(label: str, part: int, whole: int, of: str) -> None:
    share = f"{100 * part / whole:.1f} % of {of}" if whole else "-"
    console.note(f"  {label:<12} {part:,}  {share}")


def log_evidence(found: Joined) -> None:
    """Log one file of evidence: how its records were used, and what its server's lines tell."""
    if found.problem:
        console.say(f"{found.shown}: {found.problem}", file=found.shown)
    else:
        of = f" ({found.id_field})" if found.id_field not in ("", found.kind) else ""
        origin = f"{found.server.words}, " if found.server else ""
        console.note(f"{found.shown}: {origin}evidence by {found.kind}{of}", file=found.shown)
        console.note(f"  read         {found.read:,}")
        console.note(f"  rejected     {found.rejected:,}")
    for reason, number in found.reasons:
        console.note(f"    {number:,} {reason}")
    if found.problem:
        return
    console.note(f"  matched      {found.matched:,}  ids of stored calls")
    console.note(f"  no call      {found.unmatched:,}  kept until their calls arrive")
    if found.ambiguous:
        console.note(f"  ambiguous    {found.ambiguous:,}  ids that several calls share: joined to none of them")
    if found.server:
        _log_remarks(found.server, found.remarks)


def _log_remarks(server: Server, remarks: Remarks) -> None:
    by = f"  by {server.cut}" if server.cut else ""
    console.note(f"  client left  {remarks.cut:,}{by}")
    console.note(f"  complete     {remarks.complete:,}")
    if remarks.silent:
        console.note(f"  cannot tell  {remarks.silent:,}  whether the client left: the line does not say")
    if remarks.compressed:
        console.note(f"  compressed   {remarks.compressed:,}  whose bytes say nothing of tokens")
    if remarks.retried:
        console.note(f"  retried      {remarks.retried:,}  sent to several upstreams in turn")
