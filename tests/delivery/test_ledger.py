"""Several targets and the ledger: each for itself, nothing twice, and what cannot be known is said."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamaudit.cli import console
from streamaudit.delivery.deliver import deliver
from streamaudit.delivery.ledger import Ledger, lock_folder
from streamaudit.delivery.message import Letter
from streamaudit.delivery.targets import Target, parse
from streamaudit.errors import DeliveryError, StoreError
from streamaudit.store.store import Store
from tests.delivery import servers
from tests.delivery.conftest import QUICK
from tests.delivery.servers import Answer, Hook

Ledgers = Callable[..., Ledger]


@pytest.fixture
def target(hook: Hook) -> Target:
    return parse(f"json://127.0.0.1:{hook.port}/one", "here")


def rows(store: Path) -> list[tuple[Any, ...]]:
    with Store.open(store, write=False) as opened:
        return opened.query("SELECT period, kind, state, attempts FROM store.deliveries ORDER BY started_at")


def test_a_second_run_posts_nothing(
    hook: Hook, letter: Letter, target: Target, ledger: Ledgers, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says since when the target has it; another period, another target and --resend are other posts."""
    deliver(letter, [target], ledger(), QUICK)
    assert rows(store) == [("2026-W47", "json", "sent", 1)]
    capsys.readouterr()
    deliver(letter, [target], ledger(), QUICK)
    said = capsys.readouterr().err
    assert f"{target.name} received it at 20" in said and said.count("\n") == 1
    assert len(hook.requests) == 1
    deliver(letter, [target], ledger("2026-W48"), QUICK)
    deliver(letter, [parse(f"json://127.0.0.1:{hook.port}/two", "here")], ledger(), QUICK)
    deliver(letter, [target], ledger(), QUICK, resend=True)
    assert [one.path for one in hook.requests] == ["/one", "/one", "/two", "/one"]


def test_one_target_that_fails_does_not_stop_the_others(
    hook: Hook, letter: Letter, target: Target, ledger: Ledgers, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names it; the next run posts to it alone."""
    dead = parse(f"json://127.0.0.1:{servers.free_port()}/x", "here")
    with pytest.raises(DeliveryError) as caught:
        deliver(letter, [dead, target], ledger(), QUICK)
    assert caught.value.message == f"not delivered: {dead.name}: connection refused (4 attempts)"
    assert f"posted 2026-W47 to {target.name} (1 attempt)" in capsys.readouterr().err
    assert sorted(rows(store)) == [("2026-W47", "json", "failed", 4), ("2026-W47", "json", "sent", 1)]
    with pytest.raises(DeliveryError):
        deliver(letter, [dead, target], ledger(), QUICK)
    assert len(hook.requests) == 1


def test_a_failed_post_is_tried_by_the_next_run(hook: Hook, letter: Letter, target: Target, ledger: Ledgers) -> None:
    hook.script = [Answer(404)]
    with pytest.raises(DeliveryError, match="404 Not Found"):
        deliver(letter, [target], ledger(), QUICK)
    deliver(letter, [target], ledger(), QUICK)
    assert len(hook.requests) == 2


def test_a_failed_resend_does_not_forget_what_was_sent(
    hook: Hook, letter: Letter, target: Target, ledger: Ledgers
) -> None:
    deliver(letter, [target], ledger(), QUICK)
    hook.script = [Answer(400)]
    with pytest.raises(DeliveryError):
        deliver(letter, [target], ledger(), QUICK, resend=True)
    deliver(letter, [target], ledger(), QUICK)
    assert len(hook.requests) == 2


def test_what_was_begun_and_not_ended_is_maybe_sent(
    hook: Hook, letter: Letter, target: Target, ledger: Ledgers, store: Path
) -> None:
    """As a crash leaves it: nothing is posted until someone has looked and says --resend; then it is sent."""
    ledger().begin(target.digest, target.kind, lambda _: "same")
    for _ in range(2):
        with pytest.raises(DeliveryError, match="delivery unknown: the run of 20") as caught:
            deliver(letter, [target], ledger(), QUICK)
        assert "--resend" in str(caught.value.hint)
    assert hook.requests == []
    deliver(letter, [target], ledger(), QUICK, resend=True)
    deliver(letter, [target], ledger(), QUICK)
    assert len(hook.requests) == 1
    assert [state for _, _, state, _ in rows(store)] == ["pending", "sent"]


def test_only_on_change_posts_what_is_news(
    hook: Hook, letter: Letter, target: Target, ledger: Ledgers, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compared with the last message that this target got, of whatever period; one that failed was none."""
    for period, content in (("W1", "a"), ("W2", "a"), ("W3", "b"), ("W4", "b"), ("W5", "a")):
        deliver(letter, [target], ledger(period, content), QUICK, only_on_change=True)
    assert len(hook.requests) == 3
    assert f"W4: {target.name} has the same message for W3, nothing posted" in capsys.readouterr().err
    hook.script = [Answer(400)]
    with pytest.raises(DeliveryError):
        deliver(letter, [target], ledger("W6", "c"), QUICK, only_on_change=True)
    deliver(letter, [target], ledger("W7", "c"), QUICK, only_on_change=True)
    assert len(hook.requests) == 5


def test_a_busy_store_stops_everything_before_a_post(
    hook: Hook, letter: Letter, target: Target, ledger: Ledgers, store: Path
) -> None:
    """A store that cannot be written, here because its folder holds a newer one, is no reason to post without a
    ledger."""
    with Store.open(store, write=True) as opened:
        opened.run("UPDATE store.meta SET value = '99' WHERE key = 'schema_version'")
    with pytest.raises(StoreError):
        deliver(letter, [target], ledger(), QUICK)
    assert hook.requests == []


def test_the_store_is_free_while_something_is_posted(
    hook: Hook, letter: Letter, target: Target, ledger: Ledgers, store: Path
) -> None:
    """The row is there before the request, and others may read and write meanwhile."""
    hook.script = [Answer(late_s=0.5)]
    posting = threading.Thread(target=deliver, args=(letter, [target], ledger(), QUICK))
    posting.start()
    while not hook.requests:
        pass
    assert [state for _, _, state, _ in rows(store)] == ["pending"]
    posting.join()
    assert [state for _, _, state, _ in rows(store)] == ["sent"]


def test_one_at_a_time_posts_from_a_store(store: Path) -> None:
    """A second waits for as long as it may, and gets its turn when the first is done."""
    busy = pytest.raises(StoreError, match="another streamaudit is posting")
    with lock_folder(store, 0.0), busy, lock_folder(store, 0.3):
        pass
    with lock_folder(store, 0.0):
        pass


def test_the_line_in_a_log_of_objects_has_the_targets_apart(
    hook: Hook, letter: Letter, target: Target, ledger: Ledgers, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    console.configure(form="json")
    try:
        deliver(letter, [target], ledger(), QUICK)
    finally:
        console.configure()
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said["posted"] == [f"{target.name} (1 attempt)"] and said["level"] == "info" and "time" in said
