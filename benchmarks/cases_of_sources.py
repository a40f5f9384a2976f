"""How fast each source reads, beside lean raw lines of the same size."""

from benchmarks.forms import FORMS, write_form
from benchmarks.measure import interleaved, warm
from benchmarks.results import Findings, Goal, Row
from benchmarks.settings import Settings

_MB = 400.0
"""Of each file at scale 1, but never more than the next: Python writes them."""
_MOST_MB = 40.0
_LEAN_MB = 2_610.0
"""Of the lean file at scale 1."""
_LEAST = 0.5


def sources(settings: Settings) -> Findings:
    """Each form in a file of its own, in turn with lean raw lines of as many bytes."""
    wanted_mb = min(_MOST_MB, _MB * settings.scale)
    lean, lean_mb = settings.input("lean", wanted_mb / (_LEAN_MB * settings.scale))
    goals, rows = [], []
    for name in FORMS:
        path, calls = write_form(name, settings.folder, wanted_mb)
        warm(path)
        found = interleaved({
            "form": settings.ingest(str(path), settings.folder / "form.duckdb"),
            "lean": settings.ingest(lean, settings.folder / "lean.duckdb"),
        }, settings.runs)  # fmt: skip
        own_mb = path.stat().st_size / 1e6
        path.unlink()
        rate = (own_mb / found["form"].cpu_s) / (lean_mb / found["lean"].cpu_s)
        target = f"≥ {_LEAST} x the bytes a CPU second of lean raw lines"
        goals.append(Goal(f"ingest, {name}", target, f"{rate:.2f} x", rate >= _LEAST))
        note = f"{calls:,} calls, {own_mb / found['form'].cpu_s:.0f} MB a CPU second"
        rows.append(Row("sources", name, found["form"], own_mb, "lean raw lines", found["lean"], note))
    return Findings(tuple(goals), tuple(rows))
