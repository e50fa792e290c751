#!/usr/bin/env bash
# Compiles Flatnet and its tests with the oldest supported Rust, Debian 13's, in a tree that is made once (3 minutes, 1.3 GB).
# Started by `ops/test msrv`.
#
# Environment: FLATNET_MSRV_TREE      the tree's folder (/var/cache/flatnet-test/msrv)
#              FLATNET_DEBIAN_MIRROR  package mirror (http://deb.debian.org/debian)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=ops/lib/install.sh
source ops/lib/install.sh

readonly tree=${FLATNET_MSRV_TREE:-/var/cache/flatnet-test/msrv} mirror=${FLATNET_DEBIAN_MIRROR:-http://deb.debian.org/debian}
readonly expected=1.$rust_minimum

# The tree gets its final name when it is complete. debootstrap's mounts end with its namespace.
make_tree() {
    [[ ! -x $tree/usr/bin/cargo ]] || return 0
    rm -rf --one-file-system "$tree.partial"
    unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
        debootstrap --variant=minbase --include=cargo,rustc,gcc,libc6-dev,git,ca-certificates \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg trixie "$tree.partial" "$mirror"
    mkdir -p "$tree.partial/source" "$tree.partial/target"
    mv -T "$tree.partial" "$tree"
}

# The source is mounted read-only. Crates are downloaded again, because this machine's registry may have another format.
inside() { # COMMAND..
    cp --dereference /etc/resolv.conf "$tree/etc/resolv.conf"
    # shellcheck disable=SC2016 # arguments of the inner shell
    unshare --mount --pid --fork --kill-child --propagation private bash -euo pipefail -c '
        mount --bind "$2" "$1/source" && mount -o remount,bind,ro "$1/source"
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        # Certificates, for a TLS proxy that this machine trusts.
        mount --bind /etc/ssl/certs "$1/etc/ssl/certs"
        exec chroot "$1" env --ignore-environment PATH=/usr/bin:/bin HOME=/root CARGO_TARGET_DIR=/target \
            https_proxy="${https_proxy-}" "${@:3}"' \
        inside "$tree" "$PWD" "$@"
}

grep -q "^rust-version = \"$expected\"" Cargo.toml || fail "Cargo.toml and ops/lib/install.sh have different versions of Rust."
install_debootstrap
make_tree
version=$(inside rustc --version)
[[ $version == "rustc $expected."* ]] || fail "$tree has $version, not $expected."
echo "$version"
inside cargo check --manifest-path /source/Cargo.toml --locked --all-targets --features faults
inside cargo install --path /source --locked --debug --root /target/installed
inside /target/installed/bin/flatnet --version
