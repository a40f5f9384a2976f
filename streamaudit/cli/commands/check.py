"""``streamaudit check``."""

from streamaudit.cli.options import Inputs, OnInsufficient, Window, Writing
from streamaudit.errors import EXIT_GATE_FAILED


def command(*, on_insufficient: OnInsufficient = "warn", window: Window, writing: Writing, inputs: Inputs) -> int:
    """Check the thresholds in streamaudit.toml: exit code 1 when one fails.

    Example: streamaudit check --week last
    """
    from streamaudit.cli.follow_up import after_check, say_follow_up

    output, filters = writing.parse(), window.filters(writing.redact)
    with inputs.session() as session:
        results = {
            top: session.check(
                on_insufficient=on_insufficient, everything=top is None or inputs.verbose > 0, **filters
            )
            for top in output.tops
        }  # fmt: skip
    done = output.write(results)
    say_follow_up(after_check, results, output, inputs, window)
    return EXIT_GATE_FAILED if any(result.verdict == "fail" for result in results.values()) else done
