"""``streamaudit check``."""

from streamaudit.cli.inputs import ExportedInputs
from streamaudit.cli.options import OnInsufficient, Window, Writing
from streamaudit.cli.post import NewsPosting, find_targets
from streamaudit.errors import EXIT_GATE_FAILED


def command(
    *, on_insufficient: OnInsufficient = "warn", window: Window, posting: NewsPosting, writing: Writing,
    inputs: ExportedInputs,
) -> int:  # fmt: skip
    """Check the thresholds in streamaudit.toml: exit code 1 when one fails.

    Example: streamaudit check --week last
    """
    from streamaudit.cli.follow_up import after_check, say_follow_up

    output, filters = writing.parse(), window.filters(writing.redact)
    targets = find_targets(posting, inputs) if posting.wanted else []
    everything = {top: top is None or inputs.verbose > 0 for top in output.tops}
    with inputs.session() as session:
        made = {
            one: session.check(on_insufficient=on_insufficient, everything=one, **filters)
            for one in {*everything.values(), *([True] if posting.wanted else [])}
        }
    results = {top: made[one] for top, one in everything.items()}
    if posting.wanted:
        from streamaudit.cli.post_changes import post_changes

        post_changes(
            posting, made[True], lambda: output.render(results), targets, inputs, window, writing, on_insufficient
        )
        done = output.exit_code(results)
    else:
        done = output.write(results)
        say_follow_up(after_check, results, output, inputs, window)
    return EXIT_GATE_FAILED if any(result.verdict == "fail" for result in results.values()) else done
