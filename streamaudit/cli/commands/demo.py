"""``streamaudit demo``."""

from streamaudit.cli.options import Color, Wide


def command(color: Color = "auto", wide: Wide = False) -> int:
    """Ingest synthetic traces in three formats into memory, show the main reports and the three costliest failures.

    Example: streamaudit demo
    """
    import sys
    from dataclasses import replace
    from pathlib import Path

    from streamaudit.audits import overview, tax, ttft
    from streamaudit.audits.failures.report import report_costliest
    from streamaudit.audits.scope.scope import Scope
    from streamaudit.cli import console, ingest_summary
    from streamaudit.cli.options import Writing
    from streamaudit.cli.samples import sample_traces
    from streamaudit.errors import EXIT_OK
    from streamaudit.ingest.pipeline import Ingest
    from streamaudit.ingest.readers.reader import Reader
    from streamaudit.ingest.results import Options, measure_coverage
    from streamaudit.report.frames import Result
    from streamaudit.store.store import Store

    output = Writing(color=color, wide=wide).parse()
    with sample_traces() as names, Reader() as reader, Store.in_memory() as store:
        job = Ingest(store, Options())
        results = [job.file(reader, name) for name in names]
        for outcome in results:
            ingest_summary.log_result(replace(outcome, shown=Path(outcome.shown).name))
        ingest_summary.log_equation(results)
        loads = [outcome.load_id for outcome in results if outcome.load_id is not None]
        ingest_summary.log_coverage(measure_coverage(store, loads))
        console.note("these traces are synthetic")
        console.note("next: streamaudit report YOUR-EXPORT.jsonl --by tenant")
        console.note()
        by_tenant = Scope(by=("tenant",))
        reports = (
            (overview.run, by_tenant), (ttft.run, Scope(by=("model",))), (tax.run, by_tenant),
            (report_costliest, Scope()),
        )  # fmt: skip
        for audit, scope in reports:
            output.write({top: Result(audit(store, replace(scope, top=top))) for top in output.tops})
            sys.stdout.write("\n")
    return EXIT_OK
