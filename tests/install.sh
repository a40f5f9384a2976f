#!/usr/bin/env bash
# Install packages into the environment of an interpreter: by uv, and by the pip of uv's environment where there is no uv
# or it fails. Called as ``install.sh UV PYTHON ARGUMENT...`` with the arguments of ``pip install``.
set -euo pipefail
uv=$1 python=$2
shift 2
[ -x "$uv" ] && "$uv" pip install -q --python "$python" "$@" || "$(dirname "$uv")/python" -m pip --python "$python" install -q --no-compile "$@"
