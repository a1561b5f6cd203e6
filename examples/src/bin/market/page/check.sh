#!/usr/bin/env bash
# Checks that the embedded files are built from the page's present sources and the npm package.
set -euo pipefail
cd "$(dirname "$0")"

for package in ../../../../../npm .; do
    if ! cmp --silent "$package/node_modules/installed" "$package/package-lock.json"; then
        npm ci --prefix "$package" --engine-strict --ignore-scripts --no-audit --no-fund
        cp "$package/package-lock.json" "$package/node_modules/installed"
    fi
done

node_modules/.bin/prettier --check .
node ../../../../../npm/build.mjs --check
node build.mjs --check
