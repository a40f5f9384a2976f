"""Made-up traffic whose truth is known, to try the statistics of ``streamaudit diff`` on: no two sides differ but by
chance, unless a caller makes them.

None of these is what the method's constants were tuned on: other distributions, days, sessions and memories.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Dice = np.random.Generator

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """One side's calls: when they began, how long the first token takes, and which stratum they are of. ``patience_ms``
    is how long the user waits for it; ``session`` numbers the session of each call, alone where it has none."""

    at_s: Array
    ms: Array
    stratum: Array
    patience_ms: Array
    session: Array

    @staticmethod
    def of(
        at_s: Array, ms: Array, stratum: Array | None = None, patience_ms: Array | None = None,
        session: Array | None = None,
    ) -> "Traffic":  # fmt: skip
        """All of one stratum, with users who wait and calls without sessions, unless given."""
        return Traffic(
            at_s, ms, np.zeros(len(ms), dtype=np.int64) if stratum is None else stratum,
            np.full(len(ms), np.inf) if patience_ms is None else patience_ms,
            np.arange(len(ms)) if session is None else session,
        )  # fmt: skip

    @property
    def left(self) -> Array:
        """Whether the user left before the first token came."""
        return np.asarray(self.ms > self.patience_ms)

    @property
    def seen_ms(self) -> Array:
        """The waits that ended: all that a plain percentile knows of."""
        return np.asarray(self.ms[~self.left])


Draw = Callable[[Dice, int], tuple[Traffic, Traffic]]


@dataclass(frozen=True, slots=True)
class World:
    """Two sides that do not differ. ``says`` is for the reader of a table; ``tick_ms`` is how coarse the clock is."""

    name: str
    says: str
    draw: Draw
    tick_ms: float = 0.0

    def sides(self, dice: Dice, n: int, factor: float = 1.0, above: float = 0.0) -> tuple[Traffic, Traffic]:
        """A base and a head of n calls; those of the head from the share ``above`` upwards take ``factor`` times as
        long."""
        base, head = self.draw(dice, n)
        if factor != 1:
            slow = head.ms >= np.quantile(head.ms, above)
            head = replace(head, ms=np.where(slow, head.ms * factor, head.ms))
        return self._clocked(base), self._clocked(head)

    def _clocked(self, side: Traffic) -> Traffic:
        if not self.tick_ms:
            return side
        return replace(side, ms=np.maximum(np.round(side.ms / self.tick_ms), 1) * self.tick_ms)


def moments(dice: Dice, n: int, day: int = 0, days: int = 1) -> Array:
    """When calls come in: two peaks a day, quiet nights, in order."""
    peak = np.where(dice.random(n) < 0.6, 10.5, 16.0)
    hours = np.where(dice.random(n) < 0.25, dice.uniform(0, 24, n), dice.normal(peak, 2.5)) % 24
    return np.sort((day + dice.integers(0, days, n)) * DAY_S + hours * 3600)


def alike(latency: Callable[[Dice, int], Array]) -> Draw:
    """Two days of independent calls."""

    def draw(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
        base, head = (Traffic.of(moments(dice, n, day), latency(dice, n)) for day in (0, 1))
        return base, head

    return draw


def _gamma(dice: Dice, n: int) -> Array:
    return 120 * dice.gamma(3.5, size=n)


def _weibull(dice: Dice, n: int) -> Array:
    return 60 + 700 * dice.weibull(0.8, size=n)


def _cached(dice: Dice, n: int) -> Array:
    hit = dice.random(n) < 0.4
    return np.where(hit, 25 + 15 * dice.gamma(2.0, size=n), 1100 * np.exp(0.35 * dice.standard_normal(n)))


def _heavy(dice: Dice, n: int) -> Array:
    usual = 300 * np.exp(0.7 * dice.standard_normal(n))
    return np.where(dice.random(n) < 0.03, 2000 * (1 + dice.pareto(1.5, size=n)), usual)


def _fast(dice: Dice, n: int) -> Array:
    return 55 * np.exp(0.6 * dice.standard_normal(n))


def _remembering(dice: Dice, n: int) -> Array:
    """Each call's logarithm remembers 0.8 of the one before."""
    from scipy.signal import lfilter  # takes a second to load, in each worker that only collects tests

    start = dice.standard_normal()
    noise = np.sqrt(1 - 0.64) * dice.standard_normal(n)
    level: Array = lfilter([1.0], [1.0, -0.8], noise, zi=[0.8 * start])[0]
    return np.asarray(500 * np.exp(0.6 * level))


def load(dice: Dice, at_s: Array, memory_s: float = 2700.0, sd: float = 0.15) -> Array:
    """The logarithm of a load at these moments of a day, in order, that forgets with that time constant."""
    from scipy.signal import lfilter  # takes a second to load, in each worker that only collects tests

    step_s = 60.0
    keep = np.exp(-step_s / memory_s)
    noise = np.sqrt(1 - keep**2) * dice.standard_normal(round(DAY_S / step_s) + 1)
    level = lfilter([1.0], [1.0, -keep], noise, zi=[keep * dice.standard_normal()])[0]
    return np.asarray(sd * np.interp(at_s % DAY_S, step_s * np.arange(len(level)), level))


def _swinging(memory_s: float, sd: float) -> Draw:
    """Each day has a load of its own."""

    def draw(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
        def side(day: int) -> Traffic:
            at_s = moments(dice, n, day)
            return Traffic.of(at_s, _gamma(dice, n) * np.exp(load(dice, at_s, memory_s, sd)))

        return side(0), side(1)

    return draw


def _side_by_side(share: float) -> Draw:
    """One stream under one load, of which a share goes to the head; n is the head's when it is the smaller side."""

    def draw(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
        whole = round(n / share)
        at_s = moments(dice, whole)
        ms = _gamma(dice, whole) * np.exp(load(dice, at_s))
        head = np.zeros(whole, dtype=bool)
        head[dice.permutation(whole)[:n]] = True
        return Traffic.of(at_s[~head], ms[~head]), Traffic.of(at_s[head], ms[head])

    return draw


def _ramped(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
    """The head's share grows from nothing to all within the day, under one load."""
    at_s = moments(dice, 2 * n)
    ms = _gamma(dice, 2 * n) * np.exp(load(dice, at_s))
    head = dice.random(2 * n) < np.arange(2 * n) / (2 * n)
    return Traffic.of(at_s[~head], ms[~head]), Traffic.of(at_s[head], ms[head])


def _incidents(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
    """About three times a day everything takes up to twice as long, and recovers within the hour."""

    def side(day: int) -> Traffic:
        at_s = moments(dice, n, day)
        slow = np.zeros(n)
        for begun in day * DAY_S + dice.uniform(0, DAY_S, dice.poisson(3)):
            since = at_s - begun
            slow += np.where(since >= 0, dice.uniform(0.2, 0.7) * np.exp(-np.maximum(since, 0) / 1200), 0)
        return Traffic.of(at_s, _gamma(dice, n) * np.exp(slow))

    return side(0), side(1)


def _by_the_clock(days: int) -> Draw:
    """Latency follows the hour: a fifth above its mean at 15:00, a fifth below at 3:00, the same every day."""

    def draw(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
        def side(day: int) -> Traffic:
            at_s = moments(dice, n, day, days)
            return Traffic.of(at_s, _gamma(dice, n) * np.exp(0.2 * np.cos((at_s / DAY_S - 15 / 24) * 2 * np.pi)))

        return side(0), side(days)

    return draw


def sessions(dice: Dice, n: int, share: float, length: float, sd: float) -> tuple[Array, Array]:
    """The logarithm that the calls of a session have in common, and the session of each call.

    A share of the calls is in sessions, of that mean length, one after the other; the others are alone.
    """
    busy = np.flatnonzero(dice.random(n) < share)
    lengths = dice.geometric(1 / length, size=len(busy) + 1)
    number = np.repeat(np.arange(len(lengths)), lengths)[: len(busy)]
    common, session = sd * dice.standard_normal(n), len(lengths) + np.arange(n)
    common[busy], session[busy] = (sd * dice.standard_normal(len(lengths)))[number], number
    return common, session


def _dominated(share: float, length: float) -> Draw:
    def draw(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
        def side(day: int) -> Traffic:
            at_s, ms = moments(dice, n, day), _gamma(dice, n)
            common, session = sessions(dice, n, share, length, 0.5)
            return Traffic.of(at_s, ms * np.exp(common), session=session)

        return side(0), side(1)

    return draw


def _in_bursts(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
    """Calls come in batches of twenty within a minute, each as fast as any other."""

    def side(day: int) -> Traffic:
        begun = np.repeat(moments(dice, n // 20 + 1, day), 20)[:n]
        return Traffic.of(np.sort(begun + dice.uniform(0, 60, n)), _gamma(dice, n))

    return side(0), side(1)


def _remixed(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
    """Three models of 250, 600 and 1,500 ms; the slowest goes from a tenth of the calls to 0.35."""

    def side(day: int, mix: list[float]) -> Traffic:
        kind = dice.choice(3, size=n, p=mix)
        return Traffic.of(moments(dice, n, day), np.array([250.0, 600, 1500])[kind] * dice.gamma(5.0, size=n) / 5, kind)

    return side(0, [0.6, 0.3, 0.1]), side(1, [0.35, 0.3, 0.35])


def leaving(base: Callable[[Dice, Array], Array], head: Callable[[Dice, Array], Array]) -> Draw:
    """Independent calls whose users leave; each side's patience is drawn for its waits."""

    def draw(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
        def side(day: int, patience: Callable[[Dice, Array], Array]) -> Traffic:
            at_s, ms = moments(dice, n, day), _gamma(dice, n)
            return Traffic.of(at_s, ms, patience_ms=patience(dice, ms))

        return side(0, base), side(1, head)

    return draw


def at_any_moment(mean_ms: float) -> Callable[[Dice, Array], Array]:
    """Users who leave for reasons of their own, however long the wait."""
    return lambda dice, ms: dice.exponential(mean_ms, len(ms))


def _when_slow(share: float) -> Callable[[Dice, Array], Array]:
    """That share of the users leaves, the likelier the longer the wait has lasted: the hazard grows with the time."""
    return lambda dice, ms: 420 * np.sqrt(dice.exponential(1 / share, len(ms)))


def _hanging(dice: Dice, n: int) -> tuple[Traffic, Traffic]:
    """A twentieth of the calls is never answered, and its users leave after two to ten seconds."""

    def side(day: int) -> Traffic:
        at_s, ms, hangs = moments(dice, n, day), _gamma(dice, n), dice.random(n) < 0.05
        patience = np.where(hangs, dice.uniform(2000, 10_000, n), np.inf)
        return Traffic.of(at_s, np.where(hangs, 1e9, ms), patience_ms=patience)

    return side(0), side(1)


IMPATIENT = [
    World(
        "impatient", "0.01 of the users, then 0.05, leave at any moment",
        leaving(at_any_moment(40_000), at_any_moment(8000)),
    ),
    World(
        "very impatient", "0.01 of the users, then 0.15, leave at any moment",
        leaving(at_any_moment(40_000), at_any_moment(2500)),
    ),
    World(
        "impatient when slow", "0.08, then 0.15 leave, the likelier the longer they wait",
        leaving(_when_slow(0.07), _when_slow(0.14)),
    ),
    World("never answered", "0.05 of the calls on both sides; their users leave after 2 to 10 s", _hanging),
]  # fmt: skip
"""Nothing changes but how long users wait."""

WORLDS = [
    World("gamma", "independent, gamma of shape 3.5, mean 420 ms", alike(_gamma)),
    World("Weibull", "independent, Weibull of shape 0.8 above 60 ms", alike(_weibull)),
    World("cache hits", "0.4 of the calls at 55 ms, the others at 1.1 s", alike(_cached)),
    World("heavy tail", "0.03 of the calls Pareto 1.5 from 2 s on", alike(_heavy)),
    World("16 ms clock", "median 55 ms, in steps of 16 ms", alike(_fast), tick_ms=16),
    World("mix shift", "slowest of three models from 0.1 to 0.35 of the calls", _remixed),
    World("AR(1) 0.8", "each call remembers 0.8 of the one before", alike(_remembering)),
    World("dominant tenant", "0.6 of the calls in sessions of 25 that are alike", _dominated(0.6, 25)),
    World("longer sessions", "0.8 of the calls in sessions of 60 that are alike", _dominated(0.8, 60)),
    World("bursts", "calls in batches of 20 within a minute", _in_bursts),
    World("load swings", "a load with a memory of 45 min, sd 0.15, another on each day", _swinging(2700, 0.15)),
    World("slow drift", "a load with a memory of 3 h, sd 0.1, another on each day", _swinging(10_800, 0.1)),
    World("incidents", "three a day, each up to twice as slow, half an hour", _incidents),
    World("by the clock", "±20 % with the hour, the same on both days", _by_the_clock(1)),
    World("week by the clock", "the same, a week on each side", _by_the_clock(7)),
    World("canary", "one load, half of the calls each", _side_by_side(0.5)),
    World("canary 10 %", "one load, a tenth of the calls", _side_by_side(0.1)),
    World("canary ramp", "one load, the head from none to all of the calls", _ramped),
]
"""In the order of the tables: independent calls, calls that depend, both sides at the same time."""
