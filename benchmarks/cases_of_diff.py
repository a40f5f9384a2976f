"""Traffic in which a plain comparison goes wrong, reports of many groups, and rates, each with what is true of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.worlds import DAY_S, WORLDS, Array, Dice, Traffic, load, moments


@dataclass(frozen=True, slots=True)
class Case:
    """Two sides, and what a comparison of them should say."""

    name: str
    says: str
    stat: str
    truth: str
    n: int
    draw: Callable[[Dice, int], tuple[Traffic, Traffic]]


def _gamma(dice: Dice, n: int) -> Array:
    return 120 * dice.gamma(3.5, size=n)


def _two_models(slow_share: tuple[float, float], factor: float) -> Callable[[Dice, int], tuple[Traffic, Traffic]]:
    def draw(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
        def side(day: int, share: float, times: float) -> Traffic:
            slow = dice.random(n) < share
            ms = times * np.where(slow, 3.5, 1.0) * _gamma(dice, n)
            return Traffic.of(moments(dice, n, day), ms, slow.astype(np.int64))

        return side(0, slow_share[0], 1.0), side(1, slow_share[1], factor)

    return draw


def _leaving(
    patience: tuple[Callable[[Dice, int], Array], Callable[[Dice, int], Array]], factor: float, above: float
) -> Callable[[Dice, int], tuple[Traffic, Traffic]]:
    """Users who leave when a first token takes longer than they wait."""

    def draw(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
        def side(day: int) -> Traffic:
            ms = _gamma(dice, n)
            if day:
                ms = np.where(ms >= np.quantile(ms, above), ms * factor, ms)
            waits = patience[day](dice, n)
            return Traffic.of(moments(dice, n, day), ms, patience_ms=waits)

        return side(0), side(1)

    return draw


def _uniform(low: float, high: float) -> Callable[[Dice, int], Array]:
    return lambda dice, n: dice.uniform(low, high, n)


def _exponential(mean: float) -> Callable[[Dice, int], Array]:
    return lambda dice, n: dice.exponential(mean, n)


def _provider_down(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
    """Three hours of the head's day take twice as long."""
    base, head = (Traffic.of(moments(dice, n, day), _gamma(dice, n)) for day in (0, 1))
    begun = DAY_S + dice.uniform(8, 17) * 3600
    slow = (head.at_s >= begun) & (head.at_s < begun + 10_800)
    return base, replace(head, ms=np.where(slow, 2 * head.ms, head.ms))


def _unequal(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
    base = Traffic.of(moments(dice, 50 * n), _gamma(dice, 50 * n))
    return base, Traffic.of(moments(dice, n, 1), 1.1 * _gamma(dice, n))


CASES = [
    Case("mix", "slow model from 0.2 to 0.5 of the calls", "p50", "no change", 5000, _two_models((0.2, 0.5), 1.0)),
    Case(
        "simpson", "the same, and either model a tenth faster", "p50", "improvement", 5000, _two_models((0.2, 0.5), 0.9)
    ),
    Case(
        "reverse", "slow model from 0.5 to 0.2, either a tenth slower", "p50", "regression", 5000,
        _two_models((0.5, 0.2), 1.1),
    ),
    Case(
        "leaving p90", "slowest seventh 3 x as slow, users wait 0.9 to 4 s", "p90", "regression", 3000,
        _leaving((_uniform(900, 4000), _uniform(900, 4000)), 3.0, 0.85),
    ),
    Case(
        "leaving p50", "the same", "p50", "no change", 3000,
        _leaving((_uniform(900, 4000), _uniform(900, 4000)), 3.0, 0.85),
    ),
    Case(
        "impatient", "TTFT as before, but 0.05 of the users leave while waiting, at any moment, not 0.01",
        "p90", "no change", 3000, _leaving((_exponential(40_000), _exponential(8000)), 1.0, 0.0),
    ),
    Case("outage", "a provider slow for three hours of the head's day", "p50", "no change", 5000, _provider_down),
    Case("unequal", "a tenth slower, 50,000 calls against 1,000", "p50", "regression", 1000, _unequal),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls of a day with y and z, whose ratio is ``factor`` times what it usually is."""

    name: str
    says: str
    draw: Callable[[Dice, int, int, float], tuple[Array, Array, Array]]


def _alone(share: float) -> Callable[[Dice, int, int, float], tuple[Array, Array, Array]]:
    return lambda dice, n, day, factor: (
        moments(dice, n, day), (dice.random(n) < share * factor).astype(float), np.ones(n)
    )  # fmt: skip


def _in_waves(dice: Dice, n: int, day: int, factor: float) -> tuple[Array, Array, Array]:
    at_s = moments(dice, n, day)
    share = 0.05 * factor * np.exp(load(dice, at_s, 1800, 0.8) - 0.32)
    return at_s, (dice.random(n) < share).astype(float), np.ones(n)


def _tax(dice: Dice, n: int, day: int, factor: float) -> tuple[Array, Array, Array]:
    tokens = np.ceil(400 * np.exp(0.9 * dice.standard_normal(n)))
    cancelled = dice.random(n) < 0.05 * factor
    return moments(dice, n, day), np.where(cancelled, np.floor(tokens * dice.random(n)), 0.0), tokens


RATES = [
    Rate("rare", "0.005 of the calls", _alone(0.005)),
    Rate("some", "0.02 of the calls", _alone(0.02)),
    Rate("many", "0.2 of the calls", _alone(0.2)),
    Rate("waves", "0.05 of the calls, in waves of half an hour", _in_waves),
    Rate("tax", "tax: 0.05 of the calls, up to thousands of tokens each", _tax),
]

_KINDS = {world.name: world for world in WORLDS}
_ROTATION = ("gamma", "heavy tail", "AR(1) 0.8", "cache hits", "load swings", "by the clock")


def many_cells(world: str, dice: Dice, cells: int) -> Iterator[tuple[Traffic, Traffic, float]]:
    """Base, head and what the head's latency was multiplied by, of each group: 300 to 20,000 calls a side, of changing
    kinds."""
    changed = dict(zip(dice.permutation(cells)[:30].tolist(), [1.25] * 20 + [0.8] * 10, strict=True))
    minutes = 60.0 * np.arange(1441)
    loads = [load(dice, minutes) for _ in range(2)]
    for cell in range(cells):
        n = int(np.exp(dice.uniform(np.log(300), np.log(20_000))))
        factor = changed.get(cell, 1.0) if world == "30 groups changed" else 1.0
        kind = "gamma" if world == "one load for all groups" else _ROTATION[cell % len(_ROTATION)]
        base, head = _KINDS[kind].sides(dice, n, factor)
        if world == "one load for all groups":
            base, head = (
                replace(side, ms=side.ms * np.exp(np.interp(side.at_s % DAY_S, minutes, of_day)))
                for side, of_day in zip((base, head), loads, strict=True)
            )
        yield base, head, factor
