#!/usr/bin/env bash
# Makes a tree of Debian 13 (trixie) or newer with Podman 5 and a browser, once. Prints its folder on stdout.
#
#   ops/lib/trixie.sh                make the tree if it is missing (2 to 4 minutes, about 1.2 GB)
#   ops/lib/trixie.sh --check        exit with 0 if it exists, 1 if not; changes nothing
#
# Environment: FLATNET_TRIXIE_SUITE   another suite than trixie, such as forky, for newer Podman and nft
#              FLATNET_TRIXIE         the tree's folder (/var/cache/flatnet-test/SUITE)
#              FLATNET_DEBIAN_MIRROR  package mirror (http://deb.debian.org/debian)
#
# `ops/lib/sandbox.sh --trixie COMMAND` runs commands in it, and does not change the tree.
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/install.sh
source "$ops_lib/install.sh"
# shellcheck source=ops/lib/debian.sh
source "$ops_lib/debian.sh"

suite=${FLATNET_TRIXIE_SUITE:-trixie}
tree=${FLATNET_TRIXIE:-/var/cache/flatnet-test/$suite}

packages=(
    podman netavark aardvark-dns crun conmon buildah
    # For rootless Podman.
    passt uidmap
    nftables iproute2 procps conntrack iputils-ping curl ca-certificates busybox-static
    jq ncat podman-compose
    # Another runtime, and the plugin `loopback` that its CRI calls.
    containerd runc containernetworking-plugins
    nginx-light libnginx-mod-http-lua lua-cjson
    # Managers of links and rules, which only tests start.
    systemd udev network-manager firewalld ufw
    # debootstrap does not resolve alternatives: polkit needs dbus and libpam-systemd, a dependency of Chromium needs dbus-x11.
    dbus libpam-systemd
    chromium chromium-driver dbus-x11 python3-selenium fonts-liberation fonts-ipafont-gothic git
)

# A tree without one of these programs is outdated and is made again.
tree_is_made() {
    local program
    for program in bin/podman bin/pasta sbin/nginx bin/chromedriver sbin/conntrack sbin/firewalld sbin/ufw bin/podman-compose \
        bin/containerd; do
        [[ -x $tree/usr/$program ]] || return 1
    done
}

# Documentation and package lists are half of the tree's small files.
finish_tree() { # FOLDER
    rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/{doc,man,locale,info}/*
    # Mount points for sandbox.sh.
    mkdir -p "$1"/{proc,sys,dev,run,tmp} "$1/usr/local/libexec/netavark"
    rm -f "$1/etc/resolv.conf"
    : >"$1/etc/resolv.conf"
}

main() {
    case ${1-} in
        --check) tree_is_made; return ;;
        '') ;;
        *) fail "trixie.sh: unknown argument \"$1\"." "Use: trixie.sh [--check]" ;;
    esac
    [[ $suite =~ ^[a-z]+$ ]] ||
        fail "trixie.sh: FLATNET_TRIXIE_SUITE=$suite is not a Debian suite." "Use trixie, forky or sid."
    if ! tree_is_made; then
        require_root "trixie.sh"
        install_debootstrap
        # For a suite that this machine's debootstrap does not know, use the script of sid.
        # shellcheck disable=SC2034 # debian.sh reads it
        [[ -e /usr/share/debootstrap/scripts/$suite ]] || script=/usr/share/debootstrap/scripts/sid
        make_debian_once "$suite" "$tree" "${packages[@]}"
    fi
    echo "$tree"
}

main "$@"
