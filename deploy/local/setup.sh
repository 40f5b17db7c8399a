#!/bin/bash
# Makes .venv: a virtual environment, the pinned uv from PyPI in it, and then everything that uv.lock names.
set -euo pipefail
python=$1 uv=$2

fail() { printf 'Setup: %s\n' "$@" >&2; exit 1; }

[ -n "$python" ] || fail 'Python 3.11 or newer is needed and none was found.' 'On Debian: apt install python3 python3-venv'
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed; $python is $version." 'Name another one: make PYTHON=/path/to/python3.11 …'
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments." "On Debian: apt install python$version-venv"

if ! [ -x .venv/bin/python ] || ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Making .venv with Python $version"
    "$python" -m venv --clear .venv
fi
if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$uv" ]; then
    echo "Installing uv $uv from PyPI"
    .venv/bin/python -m pip install --quiet --no-cache-dir "uv==$uv"
fi
echo 'Installing what uv.lock names (about 200 MB the first time)'
# --inexact: uv itself lies in the environment and is not in the lock.
UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --inexact --python .venv/bin/python
