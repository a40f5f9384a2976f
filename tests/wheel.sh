#!/usr/bin/env bash
# The wheel as a user gets it: built, looked into, installed into an environment of its own, and tested from a folder
# where the checkout's package cannot be imported. PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD python=${PYTHON:-python3}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac

work=$(mktemp -d "${TMPDIR:-/tmp}/streamaudit-wheel.XXXXXX")
trap 'rm -rf "$work"' EXIT
quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "failed: $*" >&2; exit 1; }
}

if "$python" -c 'import build' 2>/dev/null; then
    quietly "$python" -m build --wheel --outdir "$work/dist" .
else
    quietly "$python" -m pip wheel --disable-pip-version-check --no-deps --wheel-dir "$work/dist" .
fi
wheel=$(echo "$work"/dist/*.whl)

"$python" - "$wheel" <<'CHECK'
import sys
import zipfile
from pathlib import Path

held = set(zipfile.ZipFile(sys.argv[1]).namelist())
wanted = {path.as_posix() for path in Path("streamaudit").rglob("*") if path.suffix in (".py", ".sql", ".css", ".js", ".j2")}
wanted |= {f"streamaudit/sample_traces/{path.name}" for path in Path("sample_traces").glob("*.gz")}
wanted.add("streamaudit/py.typed")
missing = sorted(wanted - held)
missing += [] if any(name.endswith(".dist-info/licenses/LICENSE") for name in held) else ["the licence"]
foreign = sorted(name for name in held if not name.startswith("streamaudit"))
if missing or foreign:
    sys.exit(f"the wheel lacks {missing} and should not have {foreign}")
print(f"wheel: {len(held)} files, nothing missing")
CHECK

# First with nothing but its own dependencies: the demo must need no more.
"$python" -m venv "$work/venv"
quietly "$work/venv/bin/pip" install --disable-pip-version-check --no-compile "$wheel"
mkdir "$work/empty"
(cd "$work/empty" && env -i PATH=/usr/bin:/bin "$work/venv/bin/streamaudit" demo >"$work/demo" 2>"$work/narration")
grep -q '^cancellation tax ' "$work/demo"
grep -q '^  = new ' "$work/narration"
code=0
(cd "$work/empty" && env -i PATH=/usr/bin:/bin "$work/venv/bin/streamaudit" weekly "$top"/sample_traces/raw.jsonl.gz \
    -o week.html 2>"$work/refused") || code=$?
[ "$code" = 2 ]
grep -q 'streamaudit\[html\]' "$work/refused"
echo "wheel: the demo runs with the wheel's own dependencies"

# What only the tests need comes from the interpreter's own environment, behind what the wheel brought with it.
"$python" -c 'import sys; print("\n".join(path for path in sys.path if path.endswith("-packages")))' \
    >"$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth"
mkdir "$work/copy"
cp -r tests sample_traces pyproject.toml "$work/copy"
for extra in README.md docs; do
    if [ -e "$extra" ]; then cp -r "$extra" "$work/copy"; fi
done
find "$work/copy" -name __pycache__ -prune -exec rm -rf {} +

cd "$work/copy"
export PYTHONPATH=$work/copy PYTHONDONTWRITEBYTECODE=1
"$work/venv/bin/python" -c '
import pathlib, sys, streamaudit
found = pathlib.Path(streamaudit.__file__)
assert found.is_relative_to(sys.prefix), f"the tests would run against {found}"'
# What a wheel can lack is a file or an entry point: these tests use every command, every format and the samples. The
# rest of the suite asks nothing more of how the package was installed and runs once, from the checkout.
"$work/venv/bin/python" -m pytest -q -p no:cacheprovider tests/cli/test_demo.py tests/cli/test_golden.py
"$work/venv/bin/streamaudit" demo >/dev/null 2>&1
echo "wheel: tested in $work/venv"
