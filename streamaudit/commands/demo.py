"""``streamaudit demo``."""

from streamaudit.options import Color, Wide


def command(color: Color = "auto", wide: Wide = False) -> int:
    """Ingest made-up traces in three formats into memory and show the three main reports.

    Example: streamaudit demo
    """
    import sys
    from dataclasses import replace
    from pathlib import Path

    from streamaudit import log, narrate
    from streamaudit.audits import report, tax, ttft
    from streamaudit.errors import EXIT_OK
    from streamaudit.ingest import Ingest, Options, coverage
    from streamaudit.options import Writing
    from streamaudit.output import tops, write
    from streamaudit.reader import Reader
    from streamaudit.reporting import sample_traces
    from streamaudit.scope import Scope
    from streamaudit.store import Store

    output = Writing(color=color, wide=wide).checked()
    with sample_traces() as names, Reader() as reader, Store.in_memory() as store:
        job = Ingest(store, Options())
        results = [job.file(reader, name) for name in names]
        for outcome in results:
            narrate.result(replace(outcome, shown=Path(outcome.shown).name))
        narrate.equation(results)
        narrate.coverage(coverage(store, [outcome.load_id for outcome in results if outcome.load_id is not None]))
        log.note("these traces are made up; now try: streamaudit report YOUR-EXPORT.jsonl --by tenant")
        log.note()
        by_tenant = Scope(by=("tenant",))
        for audit, scope in ((report.run, by_tenant), (ttft.run, Scope(by=("model",))), (tax.run, by_tenant)):
            write({top: audit(store, replace(scope, top=top)) for top in tops(output)}, output)
            sys.stdout.write("\n")
    return EXIT_OK
