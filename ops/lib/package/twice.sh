#!/usr/bin/env bash
# Makes the packages twice, from archives of this commit in two folders of other names, and compares each byte.
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

# With what may differ from one builder to another: folder, time of files, umask, language, time zone, jobs.
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
    fail "The two builds differ." "diffoscope shows where, on what ops/package leaves in two folders."
"$folder/a/target/package-build/release/flatnet" --version
! grep -aoE "${folder}[^[:space:]]{0,80}" "$folder/a/target/package-build/release/flatnet" ||
    fail "The program names the folder in which it was built (above)."
echo 'the same bytes, twice'
