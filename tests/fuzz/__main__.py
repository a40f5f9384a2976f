"""Attack until the time is over, one kind after the other: ``python -m tests.fuzz --seconds 3600``, or one case
again by its kind and seed."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import canaries, disks, escapes, kills
from tests.fuzz.check import Broken, check
from tests.fuzz.files import make_file


def _check_file(seed: int, folder: Path) -> str:
    file = make_file(seed)
    check([file], folder)
    return file.story


KINDS: dict[str, Callable[[int, Path], str]] = {
    "files": _check_file, "kills": kills.check, "disks": disks.check, "canaries": canaries.check,
    "escapes": escapes.check,
}  # fmt: skip
"""What an attack of each kind does with a seed and an empty folder; it returns its story, or raises Broken."""


def main() -> int:
    """Run the cases, keep the files that break a promise, and return 1 when one of any kind is broken."""
    words = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    words.add_argument("--seconds", type=float, default=3600, help="shared by the kinds")
    words.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_000, help="of the first case of each")
    words.add_argument("--cases", type=int, default=sys.maxsize, help="at most this many of each kind")
    words.add_argument("--kind", choices=sorted(KINDS), action="append", help="only this kind; repeatable")
    words.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for files that break a promise")
    chosen = words.parse_args()
    kinds = chosen.kind or list(KINDS)
    return max([_attack(kind, chosen.seconds / len(kinds), chosen) for kind in kinds])


def _attack(kind: str, seconds: float, chosen: argparse.Namespace) -> int:
    begun, seed, broken = time.monotonic(), chosen.seed, 0
    while time.monotonic() < begun + seconds and seed - chosen.seed < chosen.cases:
        try:
            with tempfile.TemporaryDirectory() as folder:
                KINDS[kind](seed, Path(folder))
        except Exception as promise:
            broken += 1
            if kind == "files":
                file = make_file(seed)
                chosen.keep.mkdir(exist_ok=True)
                (chosen.keep / f"{seed}-{file.name}").write_bytes(file.data)
            name = "" if isinstance(promise, Broken) else f"{type(promise).__name__}: "
            print(f"{kind}, seed {seed}: {name}{promise}", file=sys.stderr, flush=True)
        seed += 1
    took = time.monotonic() - begun
    cases = f"{seed - chosen.seed:,} from seed {chosen.seed} in {took:.0f} s"
    print(f"{kind}: {cases}, {broken} broke a promise", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
