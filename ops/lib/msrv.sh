#!/usr/bin/env bash
# Compiles Flatnet and its tests with the oldest supported Rust, Debian 13's, in a tree that is made once (3 minutes, 1.3 GB).
# Started by `ops/test msrv`.
#
# Environment: FLATNET_MSRV_TREE      the tree's folder (/var/cache/flatnet-test/msrv)
#              FLATNET_DEBIAN_MIRROR  package mirror (debian.sh)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=ops/lib/install.sh
source ops/lib/install.sh
# shellcheck source=ops/lib/compile_tree.sh
source ops/lib/compile_tree.sh

tree=${FLATNET_MSRV_TREE:-/var/cache/flatnet-test/msrv}
readonly expected=1.$rust_minimum

tree_is_made() { [[ -x $tree/usr/bin/cargo ]]; }

finish_tree() { :; }

grep -q "^rust-version = \"$expected\"" Cargo.toml || fail "Cargo.toml and ops/lib/install.sh have different versions of Rust."
make_compile_tree "$tree" git
version=$(inside_tree "$tree" rustc --version)
[[ $version == "rustc $expected."* ]] || fail "$tree has $version, not $expected."
echo "$version"
inside_tree "$tree" cargo check --manifest-path /source/Cargo.toml --locked --all-targets --features faults
inside_tree "$tree" cargo install --path /source --locked --debug --root /target/installed
inside_tree "$tree" /target/installed/bin/flatnet --version
