#!/usr/bin/env bash
# Makes the virtual environment $1 with Fairlead (editable) and its development tools, as locked in
# constraints.txt. Uses uv where it can be had, since it is faster, else pip. Can be run again.
set -euo pipefail
venv=$1
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Fairlead needs Python 3.11 or newer; $python is $("$python" -V 2>&1 || echo missing)." >&2
  echo "Name another one: make PYTHON=/path/to/python3.12 …" >&2
  exit 1
fi
if [ ! -x "$venv/bin/python" ] && ! "$python" -m venv "$venv"; then
  echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2
  exit 1
fi
echo "Setting up $venv …" >&2
if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv 2>/dev/null; then
  install=("$venv/bin/uv" pip install --quiet --python "$venv/bin/python")
else
  install=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" --constraint constraints.txt --editable . --requirement requirements-dev.txt
