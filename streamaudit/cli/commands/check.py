"""``streamaudit check``."""

from streamaudit.cli.options import Inputs, OnInsufficient, Window, Writing, parse_on_insufficient
from streamaudit.errors import UsageError


def command(*, on_insufficient: OnInsufficient = "warn", window: Window, writing: Writing, inputs: Inputs) -> int:
    """Hold the thresholds of the configuration against the figures: 1 when one fails.

    Example: streamaudit check --week last
    """
    from datetime import UTC, datetime

    from streamaudit.audits.check import evaluate, report
    from streamaudit.cli.output import tops
    from streamaudit.cli.runner import asked, opened, written
    from streamaudit.errors import EXIT_GATE_FAILED
    from streamaudit.report.redact import alias

    parse_on_insufficient(on_insufficient)
    checks = inputs.settings.checks
    if not checks:
        raise UsageError(
            f"{inputs.settings.path or 'there is no configuration file'}: no threshold to check",
            'add one to streamaudit.toml: [[check]] metric = "ttft_ms" expect = "p(95)<800"',
        )
    scope, output, hide = window.scope(), writing.checked(), writing.redacted()
    before = evaluate.window_before(scope, checks, datetime.now(UTC) if window.last else None)
    with opened(inputs) as store:
        found = asked(
            store,
            lambda store, scope: evaluate.run(store, scope, checks, before=before, on_insufficient=on_insufficient),
            scope,
        )
        key = store.secret() if hide else ""

    def hidden(name: str, value: str) -> str:
        # A group is called what its members may be called, so it is hidden with any of them.
        return str(alias(name, value, key)) if name in hide or name.startswith("group:") else value

    reports = {
        top: report.report(found, everything=top is None or inputs.verbose > 0, alias=hidden if hide else None)
        for top in tops(output)
    }
    done = written(reports, output, writing)
    return EXIT_GATE_FAILED if found.verdict == "fail" else done
