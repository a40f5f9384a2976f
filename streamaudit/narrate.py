"""What ingest says on standard error: the format and why, the equation that holds, and what is known of the calls."""

import sys
from collections.abc import Callable

from streamaudit.ingest import Coverage, FileResult
from streamaudit.merge import Counts
from streamaudit.reader import InputFile
from streamaudit.render._escape import terminal

_LONG_BYTES = 32 << 20


def say(text: str = "") -> None:
    """One line for a person; whatever came from a file is made harmless."""
    print(terminal(text), file=sys.stderr)


def result(outcome: FileResult) -> None:
    """One file: what it was recognised as, and what was wrong with it."""
    if outcome.problem:
        say(f"{outcome.shown}: {outcome.problem}")
        if outcome.hint:
            say(f"  try: {outcome.hint}")
        return
    if outcome.source is None or outcome.match is None:
        return
    about = f"{outcome.shown}: {outcome.source.name}, {outcome.match.variant} (has {outcome.match.because})"
    say(about + (": unchanged since it was read, skipped" if outcome.unchanged else ""))
    for reject in outcome.rejects[:3]:
        place = f"line {reject.line:,}" if reject.line else f"record {reject.record:,}"
        say(f"  rejected {place}: {reject.reason}")
    if len(outcome.rejects) > 3:
        say(f"  ... and {len(outcome.rejects) - 3:,} more (--rejects FILE lists them)")
    for column, key in sorted(outcome.keys.items()):
        say(f"  {column.replace('_', ' ')} from {key}")


def equation(results: list[FileResult]) -> None:
    """``read = new + repeated + replaced + rejected + not calls`` over all files of the run."""
    total = add([outcome.counts for outcome in results if outcome.counts])
    rows = (
        ("read", total.read, ""),
        ("= new", total.new, ""),
        ("+ repeated", total.repeated, "already there in an equal or better version"),
        ("+ replaced", total.replaced, "already there, now better or under a new mapping"),
        ("+ rejected", total.rejected, "could not be used"),
        ("+ not calls", total.not_calls, "spans, scores and other steps"),
    )
    width = max(len(f"{count:,}") for _, count, _ in rows)
    for label, count, meaning in rows:
        say(f"  {label:<12} {count:>{width},}" + (f"  {meaning}" if meaning and count else ""))


def add(counts: list[Counts]) -> Counts:
    """The sum of several files' counts."""
    return Counts(*(sum(getattr(one, name) for one in counts) for name in Counts.__slots__))


def coverage(found: Coverage) -> None:
    """How much is known of the calls of this run; a share is of the line it names."""
    if not found.calls:
        return
    say(f"  llm calls    {found.calls:,}")
    _share("streamed", found.streamed, found.calls, "calls")
    _share("TTFT", found.with_ttft, found.streamed, "streamed")
    _share("usage", found.with_usage, found.calls, "calls")
    _share("rendered", found.with_rendered, found.calls, "calls")
    _share("tenant", found.with_tenant, found.calls, "calls")
    _share("cancelled", found.cancelled, found.calls, "calls")
    if found.cancelled:
        _share("  usage", found.cancelled_with_usage, found.cancelled, "cancelled")
        _share("  rendered", found.cancelled_with_rendered, found.cancelled, "cancelled")
    for count, text in (
        (found.nested, "outer LLM steps repeat a nested call: not counted"),
        (found.same_response, "calls are in another source under the same response id: counted once"),
        (found.embeddings, "embedding calls are kept apart"),
        (found.without_start, "calls have no start time: they are in no time window"),
    ):
        if count:
            say(f"  {count:,} {text}")
    if not found.with_tenant:
        say("  no call has a tenant: name its field with --map tenant=PATH, such as --map tenant=metadata.customer")
    if not found.with_usage:
        say("  no call has token usage: export the usage fields too, or tokens and cost stay unknown")


def _share(label: str, part: int, whole: int, of: str) -> None:
    share = f"{100 * part / whole:.1f} % of {of}" if whole else "-"
    say(f"  {label:<12} {part:,}  {share}")


def progress(file: InputFile) -> Callable[[float], None] | None:
    """A bar on a terminal for a long file, redrawn in place; nothing off a terminal or for a short one."""
    if not sys.stderr.isatty() or file.size < _LONG_BYTES:
        return None

    def show(percent: float) -> None:
        filled = int(min(percent, 100) / 2.5)
        end = "\r" if percent < 100 else "\r\x1b[K"
        print(
            f"\r  {'#' * filled}{'.' * (40 - filled)} {min(percent, 100):3.0f} %", end=end, file=sys.stderr, flush=True
        )

    return show
