#!/usr/bin/env bash
# The wheel as a user gets it: built, looked into, and installed alone into an environment in FOLDER.
# Called as ``wheel_build.sh FOLDER``; PYTHON names the interpreter, UV the installer.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD python=${PYTHON:-python3}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
work=$top/$1
quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "failed: $*" >&2; exit 1; }
}

rm -rf "$work"
mkdir "$work"
quietly "$python" -m pip wheel --disable-pip-version-check --no-deps --wheel-dir "$work/dist" .
wheel=$(echo "$work"/dist/*.whl)

"$python" - "$wheel" <<'CHECK'
import sys
import zipfile
from pathlib import Path

held = set(zipfile.ZipFile(sys.argv[1]).namelist())
kinds = (".py", ".sql", ".csv", ".css", ".js", ".mjs", ".j2", ".conf", ".cfg", ".yaml")
wanted = {path.as_posix() for path in Path("streamaudit").rglob("*") if path.suffix in kinds or path.name == "Caddyfile"}
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
"$python" -m venv --without-pip "$work/venv"
quietly tests/install.sh "${UV:-uv}" "$work/venv/bin/python" "$wheel"
mkdir "$work/empty"
# What lies in the folder of the user is data: modules there are never imported by the installed command.
for name in duckdb numpy typer streamaudit sitecustomize; do
    echo "raise SystemExit('imported $name from the current folder')" >"$work/empty/$name.py"
done
(cd "$work/empty" && env -i PATH=/usr/bin:/bin "$work/venv/bin/streamaudit" demo >"$work/demo" 2>"$work/narration")
grep -q '^streamaudit audit ' "$work/demo"
grep -q '^next: streamaudit report' "$work/narration"
code=0
(cd "$work/empty" && env -i PATH=/usr/bin:/bin "$work/venv/bin/streamaudit" weekly "$top"/sample_traces/raw.jsonl.gz \
    -o week.html 2>"$work/refused") || code=$?
[ "$code" = 2 ]
grep -q 'streamaudit\[html\]' "$work/refused"
echo "wheel: the demo runs with the wheel's own dependencies"
