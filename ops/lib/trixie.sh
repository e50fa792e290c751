#!/usr/bin/env bash
# Makes a Debian 13 (trixie), or a newer one, with Podman 5 and a browser in a folder, once. Prints the folder's name on stdout.
#
#   ops/lib/trixie.sh                make the tree if it is not there (2 to 4 minutes, about 1.2 GB)
#   ops/lib/trixie.sh --check        exit 0 if it is there, 1 if not; changes nothing
#
# Environment: FLATNET_TRIXIE_SUITE   which Debian it is instead of trixie, such as forky, whose Podman and nft are the newest
#              FLATNET_TRIXIE         where the tree is (/var/cache/flatnet-test/SUITE)
#              FLATNET_DEBIAN_MIRROR  where packages come from (http://deb.debian.org/debian)
#
# Commands run in it by `ops/lib/sandbox.sh --trixie COMMAND`, which never changes the tree.
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
    nftables iproute2 procps conntrack iputils-ping curl ca-certificates busybox-static
    jq ncat
    nginx-light libnginx-mod-http-lua lua-cjson
    # What manages links and rules on other people's hosts: only a test starts them.
    systemd udev network-manager firewalld ufw
    # debootstrap takes no alternatives: dbus and libpam-systemd are polkit's bus and logind, dbus-x11 the session bus that a
    # dependency of Chromium wants.
    dbus libpam-systemd
    chromium chromium-driver dbus-x11 python3-selenium fonts-liberation fonts-ipafont-gothic git
)

# One that was made before a test, or Flatnet, needed one of these is made anew.
tree_is_made() {
    local program
    for program in bin/podman sbin/nginx bin/chromedriver sbin/conntrack sbin/firewalld sbin/ufw; do
        [[ -x $tree/usr/$program ]] || return 1
    done
}

# What only serves installing and reading is half of the tree's small files.
finish_tree() { # FOLDER
    rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/{doc,man,locale,info}/*
    # sandbox.sh binds the machine's own over these: they must be there.
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
        fail "trixie.sh: FLATNET_TRIXIE_SUITE=$suite is not the name of a Debian." "Use trixie, forky or sid."
    if ! tree_is_made; then
        require_root "trixie.sh"
        install_debootstrap
        # A Debian that is newer than this machine's debootstrap is made as sid is.
        # shellcheck disable=SC2034 # debian.sh reads it
        [[ -e /usr/share/debootstrap/scripts/$suite ]] || script=/usr/share/debootstrap/scripts/sid
        make_debian_once "$suite" "$tree" "${packages[@]}"
    fi
    echo "$tree"
}

main "$@"
