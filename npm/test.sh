#!/usr/bin/env bash
# Runs every check of the npm package: that the files which the Rust crate embeds are built from these sources, the
# linters, the types, and the packed package in pages of Vite, webpack and esbuild in Chromium.
set -euo pipefail
cd "$(dirname "$0")"

if ! cmp --silent node_modules/installed package-lock.json; then
    npm ci --engine-strict --ignore-scripts --no-audit --no-fund
    cp package-lock.json node_modules/installed
fi
export PATH="$PWD/node_modules/.bin:$PATH"

prettier --check .
node build.mjs --check

# Tests and pages use the packed package, as a user does.
unpacked=tests/apps/node_modules/sse-actix
packed=$(mktemp -d)
trap 'rm -rf "$packed"' EXIT
npm pack --silent --pack-destination "$packed"
rm -rf "$unpacked"
mkdir -p "$unpacked"
tar --extract --gzip --file "$packed"/*.tgz --directory "$unpacked" --strip-components 1

publint --strict
attw --profile esm-only "$packed"/*.tgz

# Checks the package's declarations, and those that the crate serves. wrong.txt pins the compiler's messages.
tsc -p tests/types/embedded.json
(tsc -p tests/types --pretty false || true) | diff tests/types/wrong.txt - || {
    echo "npm/tests/types: the compiler says something else (>) than wrong.txt (<)"
    exit 1
}

node --test --test-reporter spec tests/*.test.mjs
