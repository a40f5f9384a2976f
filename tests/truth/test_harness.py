"""The harness itself: it knows nothing of streamaudit, and every party's count of a call agrees with the others'."""

import ast
import sys
from pathlib import Path

import pytest

from tests.truth.world import Call, share

FOLDER = Path(__file__).parent
HARNESS = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith(("test_", "conftest")))


@pytest.mark.parametrize("path", HARNESS, ids=lambda path: path.name)
def test_the_harness_imports_the_standard_library_and_itself(path: Path) -> None:
    """What it says of a call must not come from what it judges."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names or name.startswith("tests.truth."), name


def test_each_party_counts_at_most_what_the_one_before_it_counted(world: list[Call]) -> None:
    """Generated, received by the gateway, delivered to the client's socket, painted."""
    for call in world:
        counts = (
            call.account.visible, sum(call.seen.tokens), call.seen.delivered_tokens, call.screen.delivered,
            call.screen.painted,
        )  # fmt: skip
        assert list(counts) == sorted(counts, reverse=True), (call.request_id, counts)
        assert call.screen.painted >= 0


def test_whatever_was_generated_is_billed(world: list[Call]) -> None:
    """Whether the provider stopped or ran on, reasoning included, and never more than the cap."""
    for call in world:
        assert call.billed == call.account.hidden + call.account.visible <= call.plan.cap
        if call.seen.final_usage is not None:
            assert call.seen.final_usage == (call.billed, call.account.hidden)


def test_a_provider_that_stops_generates_less_than_one_that_runs_on(world: list[Call]) -> None:
    """Of the calls whose client left and whose gateway passed it on: after them one goes on for a while, the other to
    the end."""
    after: dict[bool, list[int]] = {True: [], False: []}
    for call in world:
        if call.seen.left_ms is not None and call.plan.setting.on_leave == "close":
            after[call.account.stops].append(call.account.visible - sum(call.seen.tokens))
    assert min(map(len, after.values())) >= share(world, 20)
    stopping, running = (sum(each) / len(each) for each in after.values())
    assert 0 < stopping < running / 2


def test_a_call_that_nobody_left_is_painted_whole(world: list[Call]) -> None:
    """Whatever the provider billed and showed stands on the screen."""
    whole = [call for call in world if call.screen.left_ms is None and not call.account.failed]
    assert len(whole) >= share(world, 50)
    for call in whole:
        assert call.screen.painted == call.account.visible
        assert call.tax == call.account.hidden


def test_the_world_holds_every_kind_of_call(world: list[Call]) -> None:
    """Most ended early; of each fate, house, behaviour of the gateway and level of detail there are some."""
    early = [call for call in world if call.ended_early]
    assert len(early) >= share(world, 500)
    assert sum(call.seen.left_ms is not None and not call.seen.offsets_ms for call in early) >= share(world, 20)
    assert sum(call.account.failed for call in early) >= share(world, 10)
    assert sum(call.plan.setting.buffers for call in early) >= share(world, 20)
    assert sum(call.screen.painted < call.screen.delivered for call in early) >= share(world, 50)
    assert {call.plan.setting.on_leave for call in early} == {"close", "wait", "drain"}
    assert len({call.plan.level.usage for call in early}) == 6
    assert len({call.plan.level.shown for call in early}) == 10
    assert any(call.account.hidden and call.plan.house.reasoning == "secret" for call in early)


def test_the_clock_stands_still_while_the_machine_does(world: list[Call]) -> None:
    """A stream takes at least as long as its tokens at the fastest pace there is, and seconds, not the microseconds
    that its bytes took."""
    for call in world:
        times = call.seen.offsets_ms
        assert times == sorted(times)
        if len(times) > 1:
            assert times[-1] - times[0] >= 0.79 * 14 * sum(call.seen.tokens[1:])
