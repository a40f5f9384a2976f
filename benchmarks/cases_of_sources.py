"""How fast each source reads, beside lean raw lines of the same size."""

from benchmarks.forms import FORMS
from benchmarks.measure import interleaved, once, warm
from benchmarks.results import Findings, Goal, Row
from benchmarks.settings import Settings

_MB = 200.0
"""Of each file at scale 1, but never more than the next: Python writes them."""
_MOST_MB = 20.0
_LEAN_MB = 2_610.0
"""Of the lean file at scale 1."""
_LEAST = 0.5


def sources(settings: Settings) -> Findings:
    """Each form in a file of its own, in turn with lean raw lines of as many bytes."""
    wanted_mb = min(_MOST_MB, _MB * settings.scale)
    lean, lean_mb = settings.input("lean", wanted_mb / (_LEAN_MB * settings.scale))
    goals, rows = [], []
    for name in FORMS:
        # By a process of its own: what is measured never seems smaller than the process that starts it.
        path, count = settings.folder / "form.data", settings.folder / "form.calls"
        once(settings.script("forms.py", name, str(settings.folder), str(wanted_mb), output=count))
        calls = int(count.read_text())
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
