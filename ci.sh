#!/usr/bin/env bash
# Runs every check there is, on a Debian machine with Rust that has never seen this project, as root or
# with sudo. What is missing is installed; what has to be skipped is named, and is a failure with CI=true.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

# Proxies are where only root looks.
export PATH="$HOME/.cargo/bin:$PATH:/usr/sbin" CARGO_TERM_COLOR=never
# What is built once need not be built again in parts.
[ "${CI:-}" = true ] && export CARGO_INCREMENTAL=0
# How long each fuzz target runs; bolero reads it.
export BOLERO_RANDOM_TEST_TIME_MS=10000

readonly NEXTEST=0.9.143
readonly GECKODRIVER=0.37.1
readonly NODE=20.20.2
readonly PUBLISHED=(-p sse-actix-core -p sse-actix-macros -p sse-actix -p sse-actix-redis -p sse-actix-sqlite)

passed=0 failed=0 skipped=0 report=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# note RESULT NAME: remembers how a step went.
note() {
    report+=("$(printf '%-8s %5d s  %s' "$1" "$SECONDS" "$2")")
    printf '== %s: %s, %d s\n' "$2" "$1" "$SECONDS"
}

# step NAME COMMAND...: runs a step. One whose output counts tests counts as these, any other as one.
step() {
    local name=$1 tests tests_failed
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    SECONDS=0
    "$@" 2>&1 | tee "$log"
    local status=${PIPESTATUS[0]}
    tests=$(count passed)
    tests_failed=$(count failed)
    if [ "$status" -eq 0 ]; then
        passed=$((passed + (tests > 0 ? tests : 1)))
        note passed "$name"
    else
        passed=$((passed + tests))
        failed=$((failed + (tests_failed > 0 ? tests_failed : 1)))
        note FAILED "$name"
    fi
    return "$status"
}

# count WORD: how many tests passed or failed, by the summaries of nextest and of cargo test in the log.
count() {
    sed -nE "/^ *Summary \[|^test result: /s/.*[^0-9]([0-9]+) $1.*/\1/p" "$log" |
        awk '{ sum += $1 } END { print sum + 0 }'
}

# skip NAME: something that should have run does not.
skip() {
    SECONDS=0
    skipped=$((skipped + 1))
    if [ "${CI:-}" = true ]; then
        failed=$((failed + 1))
    fi
    note skipped "$1"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_packages() {
    as_root apt-get update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# The clients that others wrote need Node.js 20; Debian 12 has 18. npm's package of that name brings another.
have_node() {
    [ "$(node --print 'process.versions.node.split(".")[0]')" -ge 20 ] && return
    npm install --no-audit --no-fund --no-save --prefix target/tools "node@$NODE" || return
    PATH="$PWD/target/tools/node_modules/node/bin:$PATH"
    node --version
}

have_tools() {
    local missing=()
    command -v cc || missing+=(gcc libc6-dev)
    pkg-config --exists openssl || missing+=(libssl-dev pkg-config)
    command -v chromium || missing+=(chromium)
    command -v chromedriver || missing+=(chromium-driver)
    command -v redis-server || missing+=(redis-server)
    command -v nginx || missing+=(nginx)
    command -v curl || missing+=(curl)
    command -v haproxy || missing+=(haproxy)
    command -v firefox-esr || missing+=(firefox-esr)
    command -v npm || missing+=(nodejs npm)
    # Some tests need a Redis whose clock is wrong.
    ls /usr/lib/*/faketime/libfaketime.so.1 || missing+=(libfaketime)
    command -v promtool || missing+=(prometheus)
    python3 -c 'import ensurepip, venv' || missing+=(python3 python3-venv)
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}" || true
    have_node || return

    rustc --version || return
    cargo fmt --version || rustup component add rustfmt || return
    cargo clippy --version || rustup component add clippy || return
    cargo nextest --version || cargo install cargo-nextest --locked --version "$NEXTEST"
}

# Debian has no driver of Firefox. Built without optimisations, which would take twice as long.
have_geckodriver() {
    target/tools/bin/geckodriver --version | grep -qF "$GECKODRIVER" ||
        cargo install geckodriver --debug --locked --version "$GECKODRIVER" --root target/tools --target-dir target/tools
}

# The soak test measures a server's memory under load, so nothing runs beside it.
tests=(cargo nextest run --workspace --all-features --no-fail-fast)
without=('not binary(soak)')
soak=(cargo nextest run --workspace --all-features --test soak --no-capture)
package=(cargo package "${PUBLISHED[@]}")
# Outside of CI the tree may well hold changes that are not committed yet.
[ "${CI:-}" = true ] || package+=(--allow-dirty)

# Verifying unpacks the packages into cargo's home, by version: what an earlier commit left there would be
# taken for them.
check_packages() {
    rm -rf "${CARGO_HOME:-$HOME/.cargo}"/registry/src/-*/sse-actix*
    "${package[@]}"
}

# finish: the last words, and the exit status.
finish() {
    printf '\n'
    printf '%s\n' "${report[@]}"
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
    exit
}

SECONDS=0
if have_tools; then
    note ready tools
else
    failed=1
    note FAILED tools
    finish
fi
step "a driver of Firefox" have_geckodriver
step "clients that others wrote" tests/clients/install.sh
if ! { command -v chromium && command -v chromedriver; } >/dev/null; then
    skip "browser tests and the npm package: Chromium could not be installed"
    without+=('and not test(/^browser::|^clients::page/)')
else
    step "the npm package" npm/test.sh
fi
step "the page of the market is what its sources give" examples/src/bin/market/page/check.sh
step "format" cargo fmt --all --check
step "lints" cargo clippy --workspace --all-targets --all-features -- -D warnings
step "tests, fuzz targets for 10 s each" "${tests[@]}" -E "${without[*]}"
step "a minute of everything at once" "${soak[@]}"
step "every interleaving of the wake queue" env RUSTFLAGS="--cfg sse_loom" CARGO_TARGET_DIR=target/loom \
    cargo test -p sse-actix-core --lib --release wake_queue
step "a minute in virtual time" env RUSTC_WORKSPACE_WRAPPER="$PWD/tests/simulator/rustc.sh" SIM_SECONDS=60 \
    cargo test --workspace --all-features --test simulator -- --nocapture
step "examples in the documentation" cargo test --workspace --all-features --doc
step "documentation" env RUSTDOCFLAGS=-Dwarnings cargo doc "${PUBLISHED[@]}" --all-features --no-deps
step "packages" check_packages
# No test of this code, and minutes to install, so it runs only where it is at hand. Advisories are left out:
# they come from the network, and change while this project does not.
if cargo deny --version >/dev/null 2>&1; then
    step "dependencies" cargo deny --all-features check bans licenses sources
fi

finish
