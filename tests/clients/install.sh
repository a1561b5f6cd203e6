#!/usr/bin/env bash
# Installs the clients that the system tests drive, at the versions of package-lock.json and requirements.txt:
# npm's into node_modules, PyPI's into venv, both in this folder. What is there already is left as it is.
set -euo pipefail
cd "$(dirname "$0")"

# outdated FOLDER LIST: whether the folder was installed from something else than this list.
outdated() {
    ! cmp --silent "$1/installed" "$2"
}

if outdated node_modules package-lock.json; then
    npm ci --engine-strict --no-audit --no-fund
    cp package-lock.json node_modules/installed
fi
if outdated venv requirements.txt; then
    rm -rf venv
    python3 -m venv venv
    venv/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement requirements.txt
    venv/bin/pip check
    cp requirements.txt venv/installed
fi
