"""The questions a session answers, one method each."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from streamaudit.api.connection import Audit, Connection
from streamaudit.audits.scope.filters import Filters, Moment, Names, moment_text, redacted_names, text_of
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.scope.window import parse_window
from streamaudit.config.units import parse_seconds
from streamaudit.errors import UsageError
from streamaudit.report.frames import Result
from streamaudit.report.model import Report
from streamaudit.report.redact import aliases
from streamaudit.store.store import Store

if TYPE_CHECKING:
    from streamaudit.audits.export.export import Exported, Target


class Session(Connection):
    """Queries on one store, or on files in memory, under one configuration.

    Threads may share a session; their queries run one after the other. It opens with its first query, and closes with
    its ``with`` block or ``close``.
    """

    def ask(
        self, audit: Audit, *, by: Names | None = None, top: int | None = None, **filters: Unpack[Filters]
    ) -> Result:
        """Run an audit of your own: ``audit`` takes the store and the scope and returns a Report."""
        return self._answer(audit, self._scope(by, top, filters), filters)

    def report(
        self,
        *,
        by: Names | None = None,
        top: int | None = None,
        goodput: str | None = None,
        itl: bool = False,
        trend: bool = False,
        **filters: Unpack[Filters],
    ) -> Result:
        """Report waits, cancels, the cancellation tax and cost per group and in total.

        ``goodput`` is a set of targets such as ``ttft=2s,tpot=200ms``, or a preset such as ``mlperf-llama2-70b``, and
        adds the share of streamed calls within all of them; ``itl`` adds the latencies between chunks,
        ``trend`` the median TTFT by day (by week or month over a long window).
        """
        from streamaudit.audits import overview
        from streamaudit.audits.targets import parse_targets

        targets = parse_targets(goodput) if goodput is not None else None
        return self._answer(
            lambda store, scope: overview.run(store, scope, targets=targets, gaps=itl, trend=trend),
            self._scope(by, top, filters), filters, {"--goodput": goodput, "--itl": itl},
        )  # fmt: skip

    def ttft(
        self,
        *,
        by: Names | None = None,
        top: int | None = None,
        slo: str | None = None,
        buckets: str | None = None,
        censored: bool = False,
        goodput: str | None = None,
        itl: bool = False,
        **filters: Unpack[Filters],
    ) -> Result:
        """Report time to first token: percentiles, histogram, and which calls are excluded and why.

        ``slo`` is a target such as ``800ms``; ``buckets`` is ``log``, ``otel`` or bounds such as ``100ms,1s``;
        ``censored`` adds Kaplan-Meier percentiles; ``goodput`` and ``itl`` add what they add to ``report``.
        """
        from streamaudit.audits import ttft
        from streamaudit.audits.targets import parse_duration_ms, parse_targets

        slo_ms, bounds = parse_duration_ms("--slo", slo) if slo else None, ttft.parse_buckets(buckets)
        targets = parse_targets(goodput) if goodput is not None else None
        return self._answer(
            lambda store, scope: ttft.run(
                store, scope, slo_ms=slo_ms, buckets_ms=bounds, censored=censored, targets=targets, gaps=itl
            ),
            self._scope(by, top, filters), filters, {"--goodput": goodput, "--itl": itl, "--censored": censored},
        )  # fmt: skip

    def tax(
        self,
        *,
        by: Names | None = None,
        top: int | None = None,
        split: bool = False,
        top_calls: int = 0,
        if_stopped: bool = False,
        **filters: Unpack[Filters],
    ) -> Result:
        """Report the cancellation tax: tokens billed minus tokens rendered, exact, estimated and unknown.

        ``split`` adds its parts, ``top_calls`` the most expensive calls, ``if_stopped`` the saving if every provider
        stopped at the cancel.
        """
        from streamaudit.audits import tax

        return self._answer(
            lambda store, scope: tax.run(store, scope, split=split, top_calls=top_calls, if_stopped=if_stopped),
            self._scope(by, top, filters), filters, {"--if-stopped": if_stopped},
        )  # fmt: skip

    def history(
        self, *, by: Names = "deploy", top: int | None = None, findings: bool = False, **filters: Unpack[Filters]
    ) -> Result:  # fmt: skip
        """Report the figures by deploy, day, week or month, and the points where they changed for good.

        ``findings`` counts the findings of the audits by period, and lists them.
        """
        from streamaudit.audits import history

        return self._answer(
            lambda store, scope: history.run(store, scope, findings=findings),
            self._scope(by, top, filters), filters, {"--findings": findings},
        )  # fmt: skip

    def coverage(self, *, by: Names | None = None, top: int | None = None, **filters: Unpack[Filters]) -> Result:
        """Report which fields the calls carry, which they lack, and what to record to fill the gaps."""
        from streamaudit.audits import coverage
        from streamaudit.ingest.sources.registry import discover

        remedies = {source.name: source.remedies for source in discover().values()}
        return self._answer(
            lambda store, scope: coverage.run(store, scope, remedies), self._scope(by, top, filters), filters
        )

    def reconcile(self, invoice: str | PathLike[str], **filters: Unpack[Filters]) -> Result:
        """Compare the calls' costs by month and provider with what was billed: a FOCUS file or a CSV file of one's own.

        Raises InputError when the file is not usable.
        """
        from streamaudit.audits.reconcile import report
        from streamaudit.audits.reconcile.bill import read_bill

        bill, prices = read_bill(Path(invoice)), self._settings.price_file()
        scope = self._scope(None, None, filters)
        return self._answer(lambda store, scope: report.run(store, scope, bill, prices), scope, filters)

    def audit(
        self,
        *names: str,
        by: Names | None = None,
        thresholds: Sequence[str] = (),
        fail_on: Sequence[str] = (),
        timelines: bool = False,
        **filters: Unpack[Filters],
    ) -> Result:
        """Look for streaming failures by the named audits, or by all.

        ``thresholds`` are texts such as ``buffering.burst_ratio=0.9``. ``fail_on`` makes a gate of it: findings such as
        ``burst`` or ``any:critical``, after which the result has a verdict. ``timelines`` adds a table ``examples``
        with the moments of an example call of each finding, which a page draws.
        """
        from streamaudit.audits.failures import base, report

        asked, limits, gates = base.parse_names(names), base.parse_thresholds(thresholds), base.parse_gates(fail_on)
        accepted = self._settings.suppressions
        return self._answer(
            lambda store, scope: report.run(
                store, scope, asked, limits=limits, gates=gates, suppressions=accepted, timelines=timelines
            ),
            self._scope(by, None, filters), filters,
        )  # fmt: skip

    def list_audits(self, *names: str, **filters: Unpack[Filters]) -> Result:
        """List what each audit finds, its needs and thresholds, and whether this data meets the needs."""
        from streamaudit.audits.failures import base, report

        asked = base.parse_names(names)
        return self._answer(
            lambda store, scope: report.list_audits(store, scope, asked), self._scope(None, None, filters), filters
        )

    def diff(
        self,
        base: str | None = None,
        head: str | None = None,
        *,
        by: Names | None = None,
        top: int | None = None,
        on: str | None = None,
        base_since: Moment | None = None,
        base_until: Moment | None = None,
        base_store: str | PathLike[str] | None = None,
        metric: Names | None = None,
        stat: Names | None = None,
        strata: Names | None = None,
        min_effect: str | None = None,
        skip_first: str | None = None,
        fail_on: Names | None = None,
        on_insufficient: str = "warn",
        **filters: Unpack[Filters],
    ) -> Result:
        """Compare two deploys, windows or values of the dimension ``on``; by default the last two deploys.

        ``base_store`` is a file written by ``save_baseline``, compared with ``head``. ``fail_on`` turns the comparison
        into a gate: ``regression`` or metrics, after which the result has a verdict. ``top`` limits the rows of groups
        that did not move; 0 leaves out all of them, and of the total all but one for each metric.
        """
        from streamaudit.audits.diff.baseline import load
        from streamaudit.audits.diff.question import METRICS, parse_names
        from streamaudit.audits.diff.report import apply_gate
        from streamaudit.audits.diff.request import parse_question, request
        from streamaudit.audits.diff.shown_rows import list_moved
        from streamaudit.audits.notes import diverse_note, narrowed_notes

        gate = parse_names("--fail-on", text_of(fail_on), ("regression", *METRICS))
        parse_on_insufficient(on_insufficient)
        ask = parse_question(
            on, text_of(metric), text_of(stat), text_of(strata), min_effect,
            parse_seconds("--skip-first", skip_first) if skip_first else 0.0,
        )  # fmt: skip
        scope = self._scope(by, top or None, filters)
        base_window = parse_window(
            moment_text(base_since), moment_text(base_until), None, None, scope.tz, flag="--base-since"
        )  # fmt: skip
        saved = load(Path(base_store)) if base_store is not None else None
        asked = request(ask, base, head, (scope.since, scope.until), base_window, baseline=saved)

        def compare(store: Store, scope: Scope) -> Report:
            found = asked.run(store, scope)
            found = list_moved(apply_gate(found, gate, on_insufficient) if gate else found, top)
            return replace(found, notes=(*found.notes, *diverse_note(store, scope), *narrowed_notes(store)))

        return self._answer(compare, asked.common_scope(scope), filters, {})

    def save_baseline(
        self,
        path: str | PathLike[str],
        side: str | None = None,
        *,
        by: Names | None = None,
        on: str | None = None,
        strata: Names | None = None,
        skip_first: str | None = None,
        **filters: Unpack[Filters],
    ) -> None:
        """Write the counts of one side to a file, for ``diff(base_store=...)``.

        Raises DeliveryError when the file cannot be written.
        """
        from streamaudit.audits.diff.report import save_base
        from streamaudit.audits.diff.request import parse_question, request

        scope = self._scope(by, None, filters)
        skipped_s = parse_seconds("--skip-first", skip_first) if skip_first else 0.0
        ask = parse_question(on, None, None, text_of(strata), None, skipped_s)
        asked = request(ask, side, None, (scope.since, scope.until), saves=True)
        self._refuse_unanswered(scope, filters, {})
        self._ask(lambda store, scope: save_base(store, scope, asked.ask, Path(path)), scope)

    def check(
        self, *, on_insufficient: str = "warn", everything: bool = True, **filters: Unpack[Filters]
    ) -> Result:  # fmt: skip
        """Check the thresholds of the configuration; the result has a verdict.

        ``on_insufficient`` decides how too little data counts: ``pass``, ``warn`` or ``fail``. Without ``everything``
        thresholds that pass have no rows. Raises UsageError when the configuration has no thresholds.
        """
        from streamaudit.audits.check import evaluate, report

        parse_on_insufficient(on_insufficient)
        checks = self._settings.checks
        if not checks:
            raise UsageError(
                f"{self._settings.path or 'there is no configuration file'}: no threshold to check",
                'add one to streamaudit.toml: [[check]] metric = "ttft_ms" expect = "p(95)<800"',
            )
        scope, hide = self._scope(None, None, filters), redacted_names(filters)
        now = (filters.get("now") or datetime.now(UTC)) if filters.get("last") else None
        before = evaluate.window_before(scope, checks, now)
        self._refuse_unanswered(scope, filters, {})

        def judge(store: Store, scope: Scope) -> Report:
            found = evaluate.run(store, scope, checks, before=before, on_insufficient=on_insufficient)
            return report.report(found, everything=everything, alias=aliases(hide, store.secret()) if hide else None)

        return Result(self._ask(judge, scope))

    def weekly(
        self, *, period: str = "week", by: Names | None = None, movers: int = 2, **filters: Unpack[Filters]
    ) -> Result:  # fmt: skip
        """Summarise the last complete day, week or month, or a window with both ends: figures, movers, thresholds.

        ``by`` names up to three dimensions to look for movers in, ``movers`` how many of each are listed.
        """
        from streamaudit.audits.check import evaluate
        from streamaudit.audits.weekly import report
        from streamaudit.audits.weekly.period import choose_period

        tz = filters.get("tz", self._settings.zone)
        asked = choose_period(
            period, since=moment_text(filters.get("since")), until=moment_text(filters.get("until")),
            last=filters.get("last"), week=filters.get("week"), tz=tz, now=filters.get("now"),
        )  # fmt: skip
        dimensions = report.parse_dimensions(text_of(by))
        checks, hide = self._settings.checks, redacted_names(filters)

        def summarise(store: Store, scope: Scope) -> Report:
            checked = None
            if checks:
                windowed = replace(scope, by=(), since=asked.since, until=asked.until)
                found = evaluate.run(store, windowed, checks, before=(asked.before, asked.since))
                checked = report.Checked(found, aliases(hide, store.secret()) if hide else None)
            accepted = self._settings.suppressions
            return report.run(store, scope, asked, movers=movers, checked=checked, suppressions=accepted)

        scope = replace(self._scope(None, None, filters), by=dimensions, since=None, until=None)
        return self._answer(summarise, scope, filters, {})

    def explain(self, call_id: str, *, source: str | None = None, redact: Names | None = None) -> Result:
        """Explain one call, found by its id, the beginning of it, or the id of its response or trace.

        Raises InputError when there is no such call, or several.
        """
        from streamaudit.audits.explain.report import run
        from streamaudit.ingest.sources.registry import discover

        formats, links = discover(), self._settings.links
        reads = {name: one.reads for name, one in formats.items()}

        def link(form: str, trace_id: str, found_id: str) -> str | None:
            known = form in links and form in formats
            return formats[form].link(links[form], trace_id, found_id) if known else None

        return self._answer(
            lambda store, scope: run(store, call_id, source, reads=reads, link=link), Scope(), {"redact": redact}
        )

    def sql(
        self, statement: str, *, limit: int | None = None, columnar: bool = True, timeout_s: float = 60.0
    ) -> Result:
        """Run one SELECT over the tables calls, spans, loads and rejects; the table is called ``result``.

        ``columnar`` fetches by Arrow, which is fast for any number of rows; without it rows come as Python values and
        pyarrow is not needed. ``limit`` keeps the first rows only. Raises UsageError for any statement that does not
        only read, or that runs longer than ``timeout_s`` seconds.
        """
        from streamaudit.audits import sql

        return Result(self._ask(
            lambda store, scope: sql.run(store, statement, limit, columnar=columnar, timeout_s=timeout_s), Scope()
        ))  # fmt: skip

    def sql_in_pieces(self, statement: str, *, timeout_s: float = 60.0) -> Iterator[Result]:
        """Run one SELECT as ``sql`` and yield its rows in results of some thousand each, however many there are."""
        from streamaudit.audits import sql

        return map(Result, self._ask(lambda store, scope: sql.run_in_pieces(store, statement, timeout_s), Scope()))

    def export(self, target: "Target", folder: Path, **filters: Unpack[Filters]) -> "Exported":
        """Write the calls into the staging folder of a target, which must be the session's ``writable`` folder."""
        from streamaudit.audits.export.export import write_calls

        return self._ask(
            lambda store, scope: write_calls(store, scope, target, folder), self._scope(None, None, filters)
        )



def parse_on_insufficient(text: str) -> str:
    """Return how too little data counts. Raises UsageError unless ``pass``, ``warn`` or ``fail``."""
    if text not in ("pass", "warn", "fail"):
        raise UsageError(f"--on-insufficient {text}: expected pass, warn or fail")
    return text
