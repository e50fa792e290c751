#!/usr/bin/env bash
# Compiles the program for aarch64 in a Debian 13 tree (made once: 4 minutes, 2 GB), and prints its path. Started by
# `ops/package --arm64` and `ops/test anywhere`.
#
#   ops/lib/package/arm64.sh [--tests]    the release, or the build that the suite tests, with faults
#
# Environment: FLATNET_ARM64_TREE     the tree's folder (/var/cache/flatnet-test/arm64)
#              FLATNET_DEBIAN_MIRROR  package mirror (debian.sh)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
# shellcheck source=ops/lib/install.sh
source ops/lib/install.sh
# shellcheck source=ops/lib/compile_tree.sh
source ops/lib/compile_tree.sh

tree=${FLATNET_ARM64_TREE:-/var/cache/flatnet-test/arm64}
profile=release options=(--release)
[[ ${1-} != --tests ]] || profile=debug options=(--features faults)
readonly triple=aarch64-unknown-linux-gnu linker=aarch64-linux-gnu-gcc

tree_is_made() { compgen -G "$tree/usr/lib/rustlib/$triple/lib/libstd-*.rlib" >/dev/null; }

# Debian's standard library for aarch64 is a package of that architecture.
finish_tree() { # TREE
    inside_tree "$1" dpkg --add-architecture arm64
    inside_tree "$1" apt-get -qq update
    inside_tree "$1" env DEBIAN_FRONTEND=noninteractive apt-get -qq --no-install-recommends install libstd-rust-dev:arm64
}

{
    make_compile_tree "$tree" gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    say "compiling for $triple in $tree"
    inside_tree "$tree" env CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$linker \
        RUSTFLAGS='-C target-feature=+crt-static --remap-path-prefix=/source=/flatnet --remap-path-prefix=/root/.cargo=/cargo' \
        cargo build --manifest-path /source/Cargo.toml "${options[@]}" --locked --target $triple
} >&2
echo "$tree/target/$triple/$profile/flatnet"
