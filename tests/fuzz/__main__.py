"""Read odd files until the time is over: ``python -m tests.fuzz --seconds 3600``, or one again by its seed."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.check import Broken, check
from tests.fuzz.files import make_file


def main() -> int:
    """Run the cases, keep the files that break a promise, and return 1 when there is one."""
    words = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    words.add_argument("--seconds", type=float, default=3600)
    words.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_000, help="of the first case")
    words.add_argument("--cases", type=int, default=sys.maxsize)
    words.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for files that break a promise")
    chosen = words.parse_args()
    deadline, seed, broken = time.monotonic() + chosen.seconds, chosen.seed, 0
    while time.monotonic() < deadline and seed - chosen.seed < chosen.cases:
        file = make_file(seed)
        try:
            with tempfile.TemporaryDirectory() as folder:
                check(file, Path(folder))
        except Broken as promise:
            broken += 1
            chosen.keep.mkdir(exist_ok=True)
            (chosen.keep / f"{seed}-{file.name}").write_bytes(file.data)
            print(f"seed {seed} ({file.story}): {promise}", file=sys.stderr)
        seed += 1
    print(f"{seed - chosen.seed:,} files from seed {chosen.seed}, {broken} of them broke a promise")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
