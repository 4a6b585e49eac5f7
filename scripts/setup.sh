#!/usr/bin/env bash
# Makes the virtual environment $1 with Fairlead (editable) and its development tools, as locked in
# constraints.txt. Takes $PYTHON, else the first Python 3.11 or newer that it finds. Installs with
# uv where it can be had, since it is faster, else with pip. Can be run again.
set -euo pipefail
venv=$1

runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
makes_environments() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

without_venv=
python=
candidates=(python3 python python3.14 python3.13 python3.12 python3.11)
[ -z "${PYTHON-}" ] || candidates=("$PYTHON")
for candidate in "${candidates[@]}"; do
  runs "$candidate" || continue
  if makes_environments "$candidate"; then
    python=$candidate
    break
  fi
  without_venv=${without_venv:-$candidate}
done

if [ -z "$python" ]; then
  if [ -n "$without_venv" ]; then
    echo "$without_venv lacks the venv module; on Debian: apt-get install python3-venv" >&2
  else
    found=$("${candidates[0]}" -V 2>&1) || found="not there"
    echo "Fairlead needs Python 3.11 or newer; ${candidates[0]} is $found." >&2
    echo "Name another one: make PYTHON=/path/to/python3.12 …" >&2
  fi
  exit 1
fi

if ! runs "$venv/bin/python"; then
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi
echo "Setting up $venv with $("$venv/bin/python" -V) …" >&2

export PIP_DISABLE_PIP_VERSION_CHECK=1
what=(--quiet --constraint constraints.txt --editable ".[all]" --requirement requirements-dev.txt)
"$venv/bin/python" -m pip install --quiet uv 2>/dev/null &&
  "$venv/bin/uv" pip install --python "$venv/bin/python" "${what[@]}" ||
  "$venv/bin/python" -m pip install "${what[@]}"
