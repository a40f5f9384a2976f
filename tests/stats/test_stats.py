"""The statistics of ``diff``: error rates on small simulations, the properties that any comparison must have, and cases
worked by hand. The larger simulations are ``benchmarks/simulate.py``.

``scipy.stats`` takes a second to load: the tests that need it import it, so that no other worker does.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import inf, isclose, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import trials
from benchmarks.cases_of_diff import CASES, RATES, Case, Rate
from benchmarks.worlds import DAY_S, IMPATIENT, WORLDS, Array, Traffic, moments
from streamaudit.audits.diff.compare import bucket_scale
from streamaudit.audits.metrics import PERCENTILES
from streamaudit.stats import (
    Comparison,
    Rows,
    Scale,
    Sums,
    adjust,
    compare_quantiles,
    compare_ratio,
    decide,
    effective_sessions,
)
from streamaudit.stats.block_variance import Side, drift_variance, spread_of
from streamaudit.stats.distribution import Distribution
from streamaudit.stats.inputs import Mix
from tests.sampling import keep

WORLD = {world.name: world for world in WORLDS}
LEAST = (0.05, 20.0)


def latencies(seed: int, n: int, median_ms: float = 400.0, day: int = 0) -> Traffic:
    """Independent calls of one day."""
    dice = np.random.default_rng(seed)
    return Traffic.of(moments(dice, n, day), median_ms * np.exp(0.5 * dice.standard_normal(n)))


def compared(base: Rows, head: Rows, strata: int = 1, quantiles: dict[str, float] = PERCENTILES) -> list[Comparison]:
    """In blocks of an hour, with verdicts."""
    found = compare_quantiles(base, head, strata, bucket_scale(), quantiles, LEAST, 24)
    decide(found)
    return found


def verdicts(world: str, n: int, times: int, factor: float = 1.0) -> Counter[str]:
    """On the median, of that many trials in a world."""
    found: Counter[str] = Counter()
    for repetition in range(times):
        made = trials.compared(*trials.sides_of(WORLD[world], n, repetition, factor), {"p50": 0.5})
        decide(made)
        found[made[0].verdict] += 1
    return found


@pytest.mark.parametrize(
    ("world", "most"),
    [
        ("gamma", 8), ("mix shift", 8), ("dominant tenant", 12),
        *(
            pytest.param(*case, marks=pytest.mark.proof)
            for case in (
                ("heavy tail", 8), ("16 ms clock", 8), ("AR(1) 0.8", 10), ("bursts", 8), ("load swings", 14),
                ("by the clock", 6), ("canary", 8),
            )
        ),
    ],
)  # fmt: skip
def test_no_difference_is_rarely_called_one(world: str, most: int) -> None:
    """Of 100 trials without any, by p50 or by p95, about 5, and few more where calls depend on one another."""
    different: Counter[str] = Counter()
    for repetition in range(100):
        made = trials.compared(*trials.sides_of(WORLD[world], 1000, repetition), {"p50": 0.5, "p95": 0.95})
        different.update(one.stat for one in made if trials.differs(one))
    assert max(different["p50"], different["p95"]) <= most


@pytest.mark.parametrize(
    ("world", "n", "least"),
    [
        ("gamma", 1000, 35), ("mix shift", 2000, 40), ("week by the clock", 5000, 45),
        pytest.param("canary", 4000, 40, marks=pytest.mark.proof),
        pytest.param("by the clock", 5000, 45, marks=pytest.mark.proof),
    ],
)  # fmt: skip
def test_a_tenth_slower_is_found(world: str, n: int, least: int) -> None:
    """Of 50 trials, also where the mix, the load or the hour moves latency much more than that."""
    assert verdicts(world, n, 50, 1.1)["regression"] >= least


@pytest.mark.parametrize("world", keep(["gamma", "mix shift", "by the clock", "canary"], ["gamma", "by the clock"]))
def test_much_data_without_a_difference_says_so(world: str) -> None:
    """``no change`` is an answer of its own, not a lack of one."""
    assert verdicts(world, 20_000, 10)["no change"] >= 9


FOOLS = [case for case in CASES if case.name in ("simpson", "reverse", "leaving p90", "unequal")]


@pytest.mark.parametrize("case", FOOLS, ids=lambda case: case.name)
def test_what_fools_a_plain_percentile(case: Case) -> None:
    """Simpson's paradox either way, users who leave before a slow first token, and fifty calls against one."""
    found: Counter[str] = Counter()
    for repetition in range(20):
        sides = case.draw(trials.dice_of(case.name, case.n, repetition), case.n)
        made = trials.compared(*sides, {case.stat: PERCENTILES[case.stat]})
        decide(made)
        found[made[0].verdict] += 1
    assert found[case.truth] >= 16, found


@pytest.mark.parametrize("rate", RATES, ids=lambda one: one.name)
def test_rates_are_rarely_called_different(rate: Rate) -> None:
    """Also rare ones, of which those that pass the gate are not chosen by their difference."""
    tested = different = 0
    for repetition in range(200):
        dice = trials.dice_of(rate.name, 1000, repetition)
        one = trials.rate_compared(rate.draw(dice, 1000, 0, 1.0), rate.draw(dice, 1000, 1, 1.0))
        tested += not one.gate
        different += trials.differs(one)
    assert different <= 8 + 0.05 * tested


def test_of_many_comparisons_few_calls_are_false() -> None:
    """Of 60 groups 15 are a third slower: most are found, and nearly nothing else is."""
    made = [
        trials.compared(*WORLD["gamma"].sides(trials.dice_of("many", 2000, cell), 2000, 1.33 if cell < 15 else 1.0))
        for cell in range(60)
    ]
    decide([one for cell in made for one in cell])
    called = [{one.verdict for one in cell} & {"regression", "improvement"} for cell in made]
    assert sum(bool(one) for one in called[:15]) >= 14
    assert sum(bool(one) for one in called[15:]) <= 1


def shuffled(rows: Rows, seed: int) -> Rows:
    """The same counts in another order, one call at a time."""
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(rows.n)), rows.n.astype(np.int64)))
    return Rows(rows.stratum[order], rows.block[order], rows.bucket[order], np.ones(len(order)))


def test_order_and_pieces_of_the_counts_change_nothing() -> None:
    """The same figures but for the last digits, and the same words."""
    base, head = (trials.rows_of(side, 3600) for side in trials.sides_of(WORLD["mix shift"], 3000, 1, 1.1))
    whole, parts = compared(base, head, 3), compared(shuffled(base, 1), shuffled(head, 2), 3)
    for one, other in zip(whole, parts, strict=True):
        assert (one.verdict, one.reason, one.base_n) == (other.verdict, other.reason, other.base_n)
        for name in ("base_value", "head_value_at_base_mix", "change_ratio", "ci_low_ratio", "ci_high_ratio", "p"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-6), name
    assert compared(base, head, 3) == whole


@given(seed=st.integers(0, 1000), factor=st.floats(0.7, 1.4), n=st.sampled_from([300, 1500]))
@settings(max_examples=25)
def test_sides_the_other_way_round(seed: int, factor: float, n: int) -> None:
    """The change and its interval turn round, and p stays."""
    base, head = latencies(seed, n), latencies(seed + 5000, n, 400 * factor, 1)
    there = compared(trials.rows_of(base, 3600), trials.rows_of(head, 3600))
    back = compared(trials.rows_of(head, 3600), trials.rows_of(base, 3600))
    for one, other in zip(there, back, strict=True):
        assert one.gate == other.gate
        assert one.change_ratio is not None and other.change_ratio is not None
        assert isclose((1 + one.change_ratio) * (1 + other.change_ratio), 1)
        if one.gate or None in (one.ci_low_ratio, one.ci_high_ratio):
            continue
        assert one.p is not None and one.ci_low_ratio is not None and other.ci_high_ratio is not None
        assert one.p == pytest.approx(other.p, rel=1e-6)
        assert isclose((1 + one.ci_low_ratio) * (1 + other.ci_high_ratio), 1, rel_tol=1e-9)


@given(seed=st.integers(0, 1000), factor=st.floats(0.8, 1.25), n=st.sampled_from([150, 700, 3000]))
@settings(max_examples=40)
def test_p_is_small_just_when_the_interval_leaves_out_no_change(seed: int, factor: float, n: int) -> None:
    """The two are one statement."""
    for one in compared(
        trials.rows_of(latencies(seed, n), 3600), trials.rows_of(latencies(seed + 5000, n, 400 * factor, 1), 3600)
    ):
        if not one.gate:
            assert one.p is not None
            low, high = one.ci_low_ratio, one.ci_high_ratio
            assert (one.p <= 0.05) == ((low is not None and low > 0) or (high is not None and high < 0))


@given(seed=st.integers(0, 1000), steps=st.integers(1, 300))
@settings(max_examples=20)
def test_the_unit_does_not_matter(seed: int, steps: int) -> None:
    """All waits longer by the same factor: the same change, interval and p, as far as whole microseconds allow."""
    base, head = trials.rows_of(latencies(seed, 800), 3600), trials.rows_of(latencies(seed + 1, 800, 440, 1), 3600)
    longer = [replace(side, bucket=side.bucket + steps) for side in (base, head)]
    for one, other in zip(compared(base, head), compared(longer[0], longer[1]), strict=True):
        assert one.gate == other.gate
        assert other.base_value == pytest.approx((one.base_value or 0) * 1.01**steps, rel=1e-4)
        assert one.change_ratio == pytest.approx(other.change_ratio, abs=1e-4)
        if not one.gate:
            assert one.p == pytest.approx(other.p, rel=1e-2, abs=1e-6)


@given(values=st.lists(st.floats(0.2, 600_000), min_size=1, max_size=300), p=st.sampled_from([*PERCENTILES.values()]))
def test_a_quantile_is_within_a_bucket_of_the_exact_one(values: list[float], p: float) -> None:
    """Of the order statistics it lies between, at most 1 % off."""
    ms = np.array(values)
    rows = trials.rows_of(Traffic.of(np.arange(len(ms)), ms), 3600)
    (found,) = compare_quantiles(rows, rows, 1, bucket_scale(), {"p": p}, LEAST)
    low, high = (np.quantile(ms, p, method=method) for method in ("inverted_cdf", "higher"))
    assert found.base_value is not None
    assert low / 1.0101 <= found.base_value <= high * 1.0101


def test_all_values_alike_are_no_change() -> None:
    """A clock without a tick between two calls."""
    at_s = [moments(np.random.default_rng(day), 400, day) for day in (0, 1)]
    base, head = (trials.rows_of(Traffic.of(one, np.full(400, 250.0)), 3600) for one in at_s)
    for one in compared(base, head, quantiles={"p50": 0.5, "p95": 0.95}):
        assert (one.change_ratio, one.p, one.verdict) == (0.0, 1.0, "no change")
        assert one.ci_low_ratio is not None and -0.01 < one.ci_low_ratio <= 0


NOTHING = Rows(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))


@pytest.mark.parametrize(
    ("base", "head", "says"),
    [
        (NOTHING, NOTHING, "no calls on one side"),
        (trials.rows_of(latencies(1, 500), 3600), NOTHING, "no calls on one side"),
        (NOTHING, trials.rows_of(latencies(1, 500), 3600), "no calls on one side"),
        (trials.rows_of(latencies(1, 25), 3600), trials.rows_of(latencies(2, 25, day=1), 3600), "calls a side"),
        (trials.rows_of(latencies(1, 500), 3600), trials.rows_of(latencies(2, 25, day=1), 3600), "calls a side"),
    ],
    ids=["none", "no head", "no base", "25 a side", "25 of the head"],
)  # fmt: skip
def test_too_few_calls_are_no_verdict(base: Rows, head: Rows, says: str) -> None:
    """And never a failure."""
    for one in compared(base, head):
        assert one.verdict == "too little data"
        assert says in one.reason
        assert one.p_adjusted is None


def of_strata(n: dict[int, int], seed: int, day: int, ms: Callable[[int], float]) -> Rows:
    """So many calls of each stratum, each with its own median."""
    parts = [replace(latencies(seed + k, count, ms(k), day), stratum=np.full(count, k)) for k, count in n.items()]
    whole = Traffic.of(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("at_s", "ms", "stratum")))
    return trials.rows_of(whole, 3600)


def test_strata_without_a_counterpart_are_left_out_and_said() -> None:
    """A model that went and one that came, each much slower than the one on both sides."""
    base = of_strata({0: 2000, 1: 1000}, 1, 0, lambda k: (400.0, 4000.0)[k])
    head = of_strata({0: 2000, 2: 500}, 9, 1, lambda k: (400.0, 0.0, 9000.0)[k])
    (found,) = compared(base, head, 3, {"p50": 0.5})
    assert found.verdict == "no change"
    assert found.coverage == pytest.approx((2 / 3, 0.8))
    assert found.head_value_at_base_mix == pytest.approx(400, rel=0.05)
    assert found.head_value is not None and found.head_value > 420
    one, other = (of_strata({1: 3000, 3: day * 5}, 1, day, lambda k: 400.0) for day in (0, 1))
    for head in (replace(other, stratum=other.stratum + 1), replace(one, stratum=one.stratum + 1)):
        (apart,) = compared(one, head, 5, {"p50": 0.5})
        assert (apart.verdict, apart.reason) == ("too little data", "no group of calls is on both sides")


def test_small_strata_are_compared_together() -> None:
    """A hundred tenants with ten calls each are a thousand calls."""
    many = dict.fromkeys(range(100), 10)
    base, head = of_strata(many, 1, 0, lambda k: 400.0), of_strata(many, 300, 1, lambda k: 600.0)
    (found,) = compared(base, head, 100, {"p50": 0.5})
    assert (found.verdict, found.coverage) == ("regression", (1.0, 1.0))


def test_the_stratum_that_makes_the_change_is_named() -> None:
    """One of four twice as slow."""
    base = of_strata(dict.fromkeys(range(4), 800), 1, 0, lambda k: 400.0)
    head = of_strata(dict.fromkeys(range(4), 800), 50, 1, lambda k: 800.0 if k == 2 else 400.0)
    (found,) = compared(base, head, 4, {"p50": 0.5})
    assert found.driver == 2
    assert found.driver_share == pytest.approx(1.0, abs=0.2)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_the_correction_is_that_of_benjamini_and_hochberg(values: list[float]) -> None:
    """As scipy has it."""
    from scipy.stats import false_discovery_control

    assert adjust(np.array(values)) == pytest.approx(false_discovery_control(values), rel=1e-9)


def test_the_interval_of_a_quantile_by_hand() -> None:
    """Ten buckets, each a unit of logarithm wide, with a hundred calls each, alike in 20 blocks: the median's standard
    error in shares is the binomial one, a share of 0.1 is a unit, and the head is one unit later."""
    from scipy.stats import t as student

    scale = Scale(np.arange(12.0), np.arange(1.0, 13.0))
    blocks, buckets = (part.ravel() for part in np.meshgrid(np.arange(20), np.arange(10)))

    def side(first_block: int, first_bucket: int) -> Rows:
        return Rows(np.zeros(200, dtype=np.int64), blocks + first_block, buckets + first_bucket, np.full(200, 5.0))

    (found,) = compare_quantiles(side(0, 0), side(1000, 1), 1, scale, {"p50": 0.5}, (0.05, 0.0))
    error, freedom = sqrt(2) * 10 * sqrt(0.25 / 1000), 38
    half = student.ppf(0.975, freedom) * error
    assert [found.base_n_eff, found.base_value] == pytest.approx([1000, np.exp(5)])
    ends = [found.change_ratio, found.ci_low_ratio, found.ci_high_ratio]
    assert np.log1p(np.array(ends, dtype=float)) == pytest.approx([1, 1 - half, 1 + half])
    assert found.p == pytest.approx(2 * student.sf(1 / error, freedom), rel=1e-3)


def test_the_variance_between_blocks_by_hand() -> None:
    """Eight blocks a hundredth off, up and down in turn: V = 8/7 x 8 x 0.0001, no likeness of neighbours, and a third
    of seven degrees of freedom on each side. Four by four in the same direction they are alike and are joined two by
    two, after which the likeness of neighbours is 1/16 of products left over and 1/16 for the mean."""
    up_and_down = 0.01 * np.array([1.0, -1] * 4)
    found = spread_of([Side(up_and_down, np.arange(8) + start, np.full(8, 10.0), 1e-4, 80.0) for start in (0, 100)])
    v = 8 / 7 * 8e-4
    assert found.s == pytest.approx((sqrt(v), sqrt(v)))
    assert found.n_eff == pytest.approx((80 * 1e-4 / v, 80 * 1e-4 / v))
    assert (found.df, found.blocks) == pytest.approx((2 * 7 / 3, 8))
    assert not found.paired
    fours = 0.01 * np.repeat([1.0, -1] * 4, 4)
    joined = spread_of([Side(fours, np.arange(32) + start, np.full(32, 10.0), 1e-4, 320.0) for start in (0, 1000)])
    assert (joined.blocks, joined.likeness) == pytest.approx((16, 2 / 16))
    assert joined.s[0] ** 2 == pytest.approx(16 / 15 * 16 * 4e-4 * (1 + 2 * 2 / 16))


def test_blocks_are_paired_by_the_clock_when_both_days_have_its_curve() -> None:
    """The same curve on the next day is no noise; another curve, or another hour, is."""
    curve, n = 0.01 * np.cos(np.arange(24) / 24 * 2 * np.pi), np.full(24, 10.0)
    other = 0.01 * np.sin(np.arange(24) / 24 * 2 * np.pi)

    def error(head: Array, start: int, day: int = 24) -> float:
        sides = [Side(curve, np.arange(24), n, 1e-5, 240.0), Side(head, np.arange(24) + start, n, 1e-5, 240.0)]
        return spread_of(sides, day).s[1] ** 2

    assert error(curve, 24) == error(curve, 240) == error(curve, 0) == pytest.approx(1e-5)
    assert error(other, 24) > 1e-4
    assert error(curve, 36) > 1e-4
    assert error(curve, 24, day=0) > 1e-4


def test_the_variance_of_a_ratio_by_hand() -> None:
    """Tokens wasted over tokens: the sum of y - R z over z by block, by the delta method."""
    from scipy.stats import t as student

    dice = np.random.default_rng(7)
    z = dice.integers(50, 800, (2, 600)).astype(float)
    y = np.where(dice.random((2, 600)) < 0.3, np.floor(z * dice.random((2, 600))), 0.0)
    blocks = np.repeat(np.arange(20), 30)
    y[0] += np.where(blocks % 4 == 0, 0.3 * z[0], 0)  # blocks that differ more than their calls

    base, head = (trials.sums_of(blocks * 3600.0 + day * 1e7, y[day], z[day], 3600) for day in (0, 1))
    found = compare_ratio("rate", base, head, 1, (0.05, 0.005))
    ratio = y.sum(axis=1) / z.sum(axis=1)
    by_block = (y - ratio[:, None] * z).reshape(2, 20, 30).sum(axis=2) / z.sum(axis=1)[:, None]
    between = 20 / 19 * (by_block**2).sum(axis=1)
    pooled = ((y - ratio[:, None] * z) ** 2).sum() / 1200 * 600 / z.sum(axis=1) ** 2
    assert between[0] > 1.25 * pooled[0] and between[1] < pooled[1]
    variance = np.array([between[0], pooled[1]])
    freedom = variance.sum() ** 2 / (variance**2 / np.array([19 / 3, 19])).sum()
    half = student.ppf(0.975, freedom) * sqrt(variance.sum())
    assert found.change_abs == pytest.approx(ratio[1] - ratio[0])
    assert found.ci_high_abs == pytest.approx(ratio[1] - ratio[0] + half)
    assert found.p == pytest.approx(2 * student.sf(abs(ratio[1] - ratio[0]) / sqrt(variance.sum()), freedom))


UNITS = Scale(np.arange(12.0), np.arange(1.0, 13.0))


def cut_waits(seed: int, n: int = 400, share: float = 0.3) -> Rows:
    """Waits of three strata and twenty blocks in eleven buckets, a call an entry, of which some were cut short."""
    dice = np.random.default_rng(seed)
    bucket, cut = dice.integers(0, 11, n), dice.random(n) < share
    bucket = np.where(cut, UNITS.censored + 1 + bucket // 2, bucket)
    bucket[::50] = UNITS.censored
    return Rows(dice.integers(0, 3, n), dice.integers(0, 20, n), bucket, np.ones(n))


def by_hand(rows: Rows, stratum: int) -> list[float]:
    """The product-limit estimate at the end of each bucket, a cut between the two buckets of its pair."""
    bucket = rows.bucket[rows.stratum == stratum].astype(int)
    until = np.where(bucket == 12, 99, np.where(bucket > 12, 2 * (bucket - 13), bucket))
    survival, found = 1.0, []
    for moment in range(12):
        survival *= 1 - (bucket == moment).sum() / max((until >= moment).sum(), 1)
        found.append(1 - survival)
    return found


MIX = Mix(np.arange(3), np.array([0.5, 0.2, 0.3]), (1.0, 1.0))


@pytest.mark.parametrize("seed", range(3))
def test_waits_cut_short_follow_the_product_limit(seed: int) -> None:
    """Of each stratum, weighed by the mix; where a stratum's last wait was cut, the curve ends below 1."""
    rows = cut_waits(seed)
    expected = sum(weight * np.array(by_hand(rows, k)) for k, weight in enumerate(MIX.weights))
    assert Distribution.of(rows, MIX, UNITS).curve.cumulative == pytest.approx(expected, abs=1e-12)
    assert expected[-1] < 1


@pytest.mark.parametrize("ln", [0.4, 3.4, 6.0, 9.2])
def test_the_deviation_of_a_block_is_what_its_calls_weigh(ln: float) -> None:
    """The derivative of the share below a value with respect to the weight of the block's calls, by differences."""
    rows, small = cut_waits(1), 1e-6

    def share(n: Array) -> float:
        return float(MIX.weights @ Distribution.of(replace(rows, n=n), MIX, UNITS).at(ln).shares)

    cut = Distribution.of(rows, MIX, UNITS).at(ln)
    turned = [(share(rows.n + small * (rows.block == block)) - share(rows.n)) / small for block in range(20)]
    assert cut.e == pytest.approx(turned, abs=1e-7)
    assert cut.e.sum() == pytest.approx(0, abs=1e-12)


@given(seed=st.integers(0, 1000), ln=st.floats(0.1, 11.9))
@settings(max_examples=30)
def test_without_cuts_the_product_limit_is_the_share(seed: int, ln: float) -> None:
    """One wait that was cut before any other ended changes the estimate by no more than itself."""
    rows = cut_waits(seed, 300, 0.0)
    first = replace(rows, **{
        name: np.concatenate([getattr(rows, name), [value]])
        for name, value in (("stratum", 0), ("block", 0), ("bucket", UNITS.censored + 1), ("n", 1e-9))
    })  # fmt: skip
    plain, limit = (Distribution.of(one, MIX, UNITS).at(ln) for one in (rows, first))
    for name in ("shares", "e", "v0", "beyond"):
        assert getattr(limit, name) == pytest.approx(getattr(plain, name), abs=1e-8), name


def impatience(name: str, n: int, times: int, stat: str, factor: float = 1.0) -> Counter[bool]:
    """How often two sides whose users differ in patience are called different."""
    world = next(one for one in IMPATIENT if one.name == name)
    made = (
        trials.compared(*trials.sides_of(world, n, one, factor), {stat: PERCENTILES[stat]})[0] for one in range(times)
    )
    return Counter(map(trials.differs, made))


@pytest.mark.parametrize("world", ["very impatient", "impatient when slow"])
@pytest.mark.parametrize("stat", ["p50", "p90"])
def test_impatience_is_no_slowness(world: str, stat: str) -> None:
    """Of 60 trials about 3 are called different by chance; when cut waits counted as longest, 50 were."""
    assert impatience(world, 3000, 60, stat)[True] <= 8


def test_slowness_is_found_among_impatient_users() -> None:
    """A sixth slower, where users leave at any moment or calls are never answered."""
    for world in ("very impatient", "never answered"):
        assert impatience(world, 3000, 20, "p90", 1.15)[True] >= 17


def test_a_slow_drift_is_judged_by_its_cosines() -> None:
    """Most of a day that drifts is judged; few of those without a difference are called one, and large ones are found.
    Before, more than half were refused."""
    made = {
        factor: [
            trials.compared(*trials.sides_of(WORLD["slow drift"], 5000, one, factor), {"p50": 0.5})[0]
            for one in range(60)
        ]
        for factor in (1.0, 1.4)
    }  # fmt: skip
    assert sum(bool(one.gate) for one in made[1.0]) <= 3
    assert sum(map(trials.differs, made[1.0])) <= 12
    assert sum(map(trials.differs, made[1.4])) >= 48


def test_the_variance_of_a_drift_by_hand() -> None:
    """Blocks that follow the slowest cosine: its square alone, and no more than two degrees of freedom."""
    blocks = 24
    e = 0.01 * np.cos(np.pi * (np.arange(blocks) + 0.5) / blocks)
    assert drift_variance(e) == pytest.approx(blocks / 2 * (sqrt(2 / blocks) * 0.01 * blocks / 2) ** 2)
    sides = [Side(e, np.arange(blocks) + start, np.full(blocks, 10.0), 1e-5, 240.0) for start in (0, 1000)]
    found = spread_of(sides)
    assert found.s[0] ** 2 >= drift_variance(e)
    assert found.df == 2
    steady = spread_of([replace(side, e=0.01 * np.array([1.0, -1] * 12)) for side in sides])
    assert steady.df > 2


@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=30), alone=st.integers(0, 50))
def test_sessions_are_counted_by_their_size(sizes: list[int], alone: int) -> None:
    """As many as of equal size would say as much; hashing them into bins costs little."""
    bins = np.zeros(256)
    places = np.random.default_rng(1).permutation(256)[: len(sizes)]
    bins[places] = sizes
    exact = (sum(sizes) + alone) ** 2 / (sum(size**2 for size in sizes) + alone)
    assert effective_sessions(bins, alone) == pytest.approx(exact, rel=0.15)
    assert effective_sessions(np.zeros(256), 0) == inf


@pytest.mark.parametrize("n", [200, 1000])
def test_few_sessions_are_refused(n: int) -> None:
    """Two hundred calls of sixty in a row are three sessions: that they differ says nothing."""
    made = [
        trials.compared(*trials.sides_of(WORLD["longer sessions"], n, one), {"p50": 0.5})[0] for one in range(40)
    ]  # fmt: skip
    refused = sum("few sessions" in one.gate for one in made)
    assert refused >= 38 if n == 200 else refused <= 30
    assert sum(map(trials.differs, made)) <= 6


def test_a_rate_needs_events_to_be_expected_not_to_be_seen() -> None:
    """None before and fifty after is a change; few on a small side are not enough, however many the large side has."""

    def side(calls: int, events: int, day: int) -> Sums:
        happened = (np.arange(calls) % (calls // events or 1) == 0) if events else np.zeros(calls, dtype=bool)
        return trials.sums_of(DAY_S * (day + np.arange(calls) / calls), happened.astype(float), np.ones(calls), 3600)

    def verdict(base: Sums, head: Sums) -> tuple[str, str]:
        one = compare_ratio("rate", base, head, 1, (0.05, 0.005), 24)
        decide([one])
        return one.verdict, one.reason

    assert verdict(side(1000, 0, 0), side(1000, 50, 1)) == ("regression", "")
    assert verdict(side(1000, 50, 0), side(1000, 0, 1)) == ("improvement", "")
    assert verdict(side(100_000, 500, 0), side(500, 1, 1))[1] == "needs about 10 such calls a side"
    assert verdict(side(1000, 0, 0), side(1000, 0, 1))[0] == "too little data"
