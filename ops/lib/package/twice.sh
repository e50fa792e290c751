#!/usr/bin/env bash
# Makes the packages twice, from archives of this commit in two folders, and compares them.
# Started by `ops/test reproducible`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
# shellcheck source=ops/lib/install.sh
source ops/lib/install.sh

folder=$(mktemp -d /var/tmp/flatnet-reproducible.XXXXXX)
trap 'rm -rf "$folder"' EXIT
cargo_deb=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}/cargo-deb/bin")
SOURCE_DATE_EPOCH=$(git -c safe.directory='*' log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# Varies the folder, file times, umask, language, time zone and jobs.
make_in() { # NAME UMASK TZ JOBS
    local source=$folder/$1
    mkdir -p "$source"
    git -c safe.directory='*' archive HEAD | tar -x --touch --directory "$source"
    (
        umask "$2"
        env --unset=CARGO_TARGET_DIR PATH="$cargo_deb:$PATH" TZ="$3" LC_ALL=C.UTF-8 CARGO_BUILD_JOBS="$4" "$source/ops/package"
    )
}

make_in a 022 UTC 2
make_in another/and-longer 077 Asia/Tokyo 1
cmp "$folder/a/target/package/SHA256SUMS" "$folder/another/and-longer/target/package/SHA256SUMS" ||
    fail "The two builds differ." "Run ops/package in two folders and compare the results with diffoscope."
program=$(compgen -G "$folder/a/target/package-build/*/release/flatnet")
"$program" --version
! grep -aoE "${folder}[^[:space:]]{0,80}" "$program" ||
    fail "The program contains the name of its build folder (above)."
echo 'the two builds are identical'
