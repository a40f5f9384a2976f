"""Save one side's counts to a file, to compare with when its calls are no longer stored."""

import json
import os
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamaudit.audits.diff.counts import Period, Place, Scan
from streamaudit.audits.diff.histogram import CENSORED, EMPTY, Histogram
from streamaudit.audits.diff.question import Ask
from streamaudit.audits.diff.sessions import Sessions, add_up
from streamaudit.audits.metrics import LATENCIES
from streamaudit.audits.scope.scope import MAX_BY
from streamaudit.errors import DeliveryError, InputError, UsageError
from streamaudit.store.files import clear_left_over, fresh_file
from streamaudit.store.plain_files import is_lonely_pipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FORM, _WITHOUT_CUTS = "streamaudit.baseline/2", "streamaudit.baseline/1"
"""The first form counted waits that were cut short without the time of the cut, and no sessions."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Counts of one side as scanned, with their origin. ``dimensions`` name the values of each place."""

    value: str | None
    on: str | None
    dimensions: tuple[str, ...]
    places: list[Place]
    period: Period
    block_s: int
    ticks_ms: dict[str, float]
    latencies: dict[str, Histogram]
    rates: "dict[str, NDArray[Any]]"
    sessions: Sessions


def take_base(scan: Scan, ask: Ask, by: tuple[str, ...]) -> Baseline:
    """Return the base side of a scan. Raises InputError when it has no calls."""
    period = scan.periods[0]
    if period is None:
        raise InputError("no calls in this window, so there is no baseline")
    strata = tuple(name for name in ask.strata if name != ask.on)
    places = [(*place[: len(by)], *place[MAX_BY : MAX_BY + len(strata)]) for place in scan.places]
    return Baseline(
        ask.base.value, ask.on, (*by, *strata), places, period, scan.block_s, scan.ticks_ms,
        {metric: sides[0] for metric, sides in scan.latencies.items()}, scan.rates,
        scan.sessions,
    )  # fmt: skip


def save(baseline: Baseline, path: Path) -> None:
    """Write the file atomically. Raises DeliveryError when it cannot be written."""
    period = baseline.period
    about = {
        "form": _FORM, "value": baseline.value, "on": baseline.on, "dimensions": baseline.dimensions,
        "places": baseline.places, "first": period.first.isoformat(), "last": period.last.isoformat(),
        "calls": period.calls, "hours": period.hours, "block_s": baseline.block_s, "ticks_ms": baseline.ticks_ms,
        "censored": CENSORED,
    }  # fmt: skip
    arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}
    arrays |= {f"latency_{name}": values for name, values in _columns(baseline.latencies).items()}
    arrays |= {f"rate_{name}": values for name, values in baseline.rates.items()}
    arrays |= {f"session_{name}": values for name, values in baseline.sessions.items()}
    try:
        clear_left_over(path)
        with fresh_file(path) as fresh:
            with fresh.open("wb") as file:
                np.savez_compressed(file, **arrays)
            os.replace(fresh, path)
    except OSError as error:
        raise DeliveryError(f"cannot write {path}: {error.strerror}") from None


def load(path: Path) -> Baseline:
    """Read a baseline file. Raises InputError when it is not one, or was written with other buckets."""
    if is_lonely_pipe(path):
        raise InputError(f"{path} is a pipe, not a file")
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(bytes(file["about"]))
            arrays = {name: file[name] for name in file.files if name != "about"}
        cut = (arrays["latency_bucket"] >= CENSORED).any()
        if (
            about["form"] not in (_FORM, _WITHOUT_CUTS)
            or about["censored"] != CENSORED
            or (about["form"] == _WITHOUT_CUTS and cut)
        ):
            raise InputError(f"{path} is a baseline of another version", "save it again with this one")
        period = Period(
            datetime.fromisoformat(about["first"]), datetime.fromisoformat(about["last"]), about["calls"],
            about["hours"],
        )  # fmt: skip
        return Baseline(
            about["value"], about["on"], tuple(about["dimensions"]), [tuple(place) for place in about["places"]],
            period, about["block_s"], about["ticks_ms"], _histograms(_select_arrays(arrays, "latency_")),
            _select_arrays(arrays, "rate_"), _select_arrays(arrays, "session_") or add_up([]),
        )  # fmt: skip
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or 'not a baseline'}") from None
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile):
        raise InputError(f"{path} is no baseline", "write one with streamaudit diff --save-baseline FILE") from None


def join_baseline(baseline: Baseline, head: Scan, ask: Ask, by: tuple[str, ...]) -> Scan:
    """Return a scan with the baseline as its base, in blocks of the head's width.

    The scan has only a head before. Raises UsageError when the baseline was not saved by the requested dimensions.
    """
    strata = tuple(name for name in ask.strata if name != ask.on)
    missing = [name for name in (*by, *strata) if name not in baseline.dimensions]
    if missing:
        raise UsageError(
            f"the baseline was not saved by {', '.join(missing)}",
            f"it holds {', '.join(baseline.dimensions) or 'no dimension'}; save one with --by, or ask with --strata",
        )
    at = {name: index for index, name in enumerate(baseline.dimensions)}

    def place(values: Place) -> Place:
        own, held = (tuple(values[at[name]] for name in names) for names in (by, strata))
        return (*own, *(None,) * (MAX_BY - len(own)), *held, *(None,) * (len(head.places[0]) - MAX_BY - len(held)))

    theirs = [place(values) for values in baseline.places] if head.places else []
    every = sorted({*theirs, *head.places}, key=lambda one: tuple((value is None, value or "") for value in one))
    number = {one: index for index, one in enumerate(every)}
    base_map = np.array([number[one] for one in theirs], dtype=np.int64)
    head_map = np.array([number[one] for one in head.places], dtype=np.int64)
    factor = head.block_s // baseline.block_s
    return Scan(
        every, (baseline.period, head.periods[1]), head.block_s, {**baseline.ticks_ms, **head.ticks_ms},
        {
            metric: (
                _renumber(baseline.latencies.get(metric, EMPTY), base_map, factor),
                _renumber(sides[1], head_map, 1),
            )
            for metric, sides in head.latencies.items()
        },
        _concatenate(baseline.rates, head.rates, base_map, head_map, factor),
        _add_sessions(baseline.sessions, head.sessions, base_map, head_map),
    )  # fmt: skip


def _renumber(side: Histogram, place_of: "NDArray[Any]", factor: int) -> Histogram:
    """Return the same counts with other numbers of places, in blocks that are ``factor`` times as wide."""
    place, block = place_of[side.place], side.block // factor
    order = np.lexsort([block, place])
    return Histogram(place[order], block[order], side.bucket[order], side.n[order])


def _concatenate(
    base: "dict[str, NDArray[Any]]", head: "dict[str, NDArray[Any]]", base_map: "NDArray[Any]",
    head_map: "NDArray[Any]", factor: int,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    place, side = base_map[base["place"]], np.zeros_like(base["side"])
    ours = {**base, "place": place, "side": side, "block": base["block"] // factor}
    theirs = {**head, "place": head_map[head["place"]]} if len(head_map) else head
    for name in theirs.keys() - ours.keys():  # counted since the baseline was saved
        ours[name] = np.zeros(len(place), dtype=theirs[name].dtype)
    found = {name: np.concatenate([ours[name], theirs[name]]) for name in ours}
    sorting = np.lexsort([found["block"], found["side"], found["place"]])
    return {name: values[sorting] for name, values in found.items()}


def _add_sessions(base: Sessions, head: Sessions, base_map: "NDArray[Any]", head_map: "NDArray[Any]") -> Sessions:
    ours = {**base, "place": base_map[base["place"]]}
    theirs = {**head, "place": head_map[head["place"]]} if len(head_map) else head
    found = {name: np.concatenate([ours[name], theirs[name]]) for name in ours}
    sorting = np.lexsort([found["bin"], found["side"], found["place"]])
    return {name: values[sorting] for name, values in found.items()}


def _columns(latencies: dict[str, Histogram]) -> "dict[str, NDArray[Any]]":
    """Concatenate histograms as a file holds them: the column ``metric`` is the number of the latency."""
    sides = [(number, latencies[metric]) for number, metric in enumerate(LATENCIES) if metric in latencies]
    sides = sides or [(0, EMPTY)]
    number = [np.full(len(side.n), metric, dtype=np.uint8) for metric, side in sides]
    zeros = [np.zeros(len(side.n), dtype=np.uint8) for _, side in sides]
    parts = {
        "metric": number, "place": [side.place for _, side in sides], "side": zeros,
        "block": [side.block for _, side in sides], "bucket": [side.bucket for _, side in sides],
        "n": [side.n for _, side in sides],
    }  # fmt: skip
    return {name: np.concatenate(columns) for name, columns in parts.items()}


def _histograms(found: "dict[str, NDArray[Any]]") -> dict[str, Histogram]:
    made = {}
    for number, metric in enumerate(LATENCIES):
        taken = found["metric"] == number
        made[metric] = Histogram(*(found[name][taken] for name in ("place", "block", "bucket", "n")))
    return made


def _select_arrays(arrays: "dict[str, NDArray[Any]]", prefix: str) -> "dict[str, NDArray[Any]]":
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
