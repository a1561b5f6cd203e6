#!/usr/bin/env bash
# Breaks the hub in each of the ways of `mutants`, and says after how long the simulator notices. The tree has to be clean.
# mutants.sh [NAME...]: these, or all. SIM_SECONDS says for how long it looks (60).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
[ -z "$(git status --porcelain --untracked-files=no)" ] || { echo "commit first"; exit 1; }
export RUSTC_WORKSPACE_WRAPPER=$PWD/tests/simulator/rustc.sh SIM_SECONDS=${SIM_SECONDS:-60} RUST_BACKTRACE=0
test=(cargo test --workspace --all-features --test simulator)
lived=0
for patch in ${@:-$(cd tests/simulator/mutants && ls -- *.patch)}; do
    patch=tests/simulator/mutants/${patch%.patch}.patch
    git apply "$patch" || exit 1
    trap 'git apply -R "$patch"' EXIT
    "${test[@]}" --no-run 2>&1 | grep -E '^(error|warning: unused)'
    SECONDS=0
    out=$("${test[@]}" -- --exact fresh_seeds --nocapture 2>&1) && { lived=1; echo "$patch: LIVED"; }
    printf '%s: %d s, %s\n' "$(basename "$patch" .patch)" "$SECONDS" \
        "$(grep -E '^(SIM_SEED=|client|assertion|it never|a stream|a task|the log|[0-9]+ of|measured)' <<<"$out" | tr '\n' ' ' | cut -c1-230)"
    git apply -R "$patch"
    trap - EXIT
done
exit $lived
