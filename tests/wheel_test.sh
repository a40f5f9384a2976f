#!/usr/bin/env bash
# Tests of the wheel that wheel_build.sh installed, from a folder where the checkout's package cannot be imported.
# Called as ``wheel_test.sh FOLDER``; PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD python=${PYTHON:-python3}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
work=$top/$1

# What only the tests need comes from the interpreter's own environment, behind what the wheel brought with it.
"$python" -c 'import sys; print("\n".join(path for path in sys.path if path.endswith("-packages")))' \
    >"$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth"
rm -rf "$work/copy"
mkdir "$work/copy"
cp -r tests sample_traces pyproject.toml "$work/copy"
for extra in README.md docs; do
    if [ -e "$extra" ]; then cp -r "$extra" "$work/copy"; fi
done
find "$work/copy" -name __pycache__ -prune -exec rm -rf {} +

cd "$work/copy"
export PYTHONPATH=$work/copy
"$work/venv/bin/python" -c '
import pathlib, sys, streamaudit
found = pathlib.Path(streamaudit.__file__)
assert found.is_relative_to(sys.prefix), f"the tests would run against {found}"'
# What a wheel can lack is a file or an entry point: these tests use the samples, the reports and every format. The
# rest of the suite asks nothing more of how the package was installed and runs once, from the checkout; the demo has run
# as the installed command (wheel_build.sh) and is not run again for what it prints.
"$work/venv/bin/python" -m pytest -q -p no:cacheprovider tests/cli/test_demo.py tests/report/test_golden.py \
    -k "not the_demo and not audits_find"
echo "wheel: tested in $work/venv"
