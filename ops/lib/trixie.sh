#!/usr/bin/env bash
# Makes a Debian 13 (trixie) tree with Podman 5 and a browser in a folder, once. Prints the folder's name on stdout.
#
#   ops/lib/trixie.sh                make the tree if it is not there (2 to 4 minutes, about 1.2 GB)
#   ops/lib/trixie.sh --check        exit 0 if it is there, 1 if not; changes nothing
#
# Environment: FLATNET_TRIXIE         where the tree is (/var/cache/flatnet-test/trixie)
#              FLATNET_DEBIAN_MIRROR  where packages come from (http://deb.debian.org/debian)
#
# Commands run in it by `ops/lib/sandbox.sh --trixie COMMAND`, which never changes the tree.
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/install.sh
source "$ops_lib/install.sh"

tree=${FLATNET_TRIXIE:-/var/cache/flatnet-test/trixie}
mirror=${FLATNET_DEBIAN_MIRROR:-http://deb.debian.org/debian}
partial=$tree.partial
log=$tree.log

packages=(
    podman netavark aardvark-dns crun conmon buildah
    nftables iproute2 procps iputils-ping curl ca-certificates busybox-static
    conntrack jq ncat
    nginx-light libnginx-mod-http-lua lua-cjson
    # debootstrap takes no alternatives: dbus-x11 is the session bus that a dependency of Chromium wants.
    chromium chromium-driver dbus-x11 python3-selenium fonts-liberation fonts-ipafont-gothic git
)

# The tree gets its final name only when it is whole, so the name alone says that it is.
# One that was made before the gateway needed nginx, and its tests a browser, is made anew.
tree_is_made() { [[ -x $tree/usr/bin/podman && -x $tree/usr/sbin/nginx && -x $tree/usr/bin/chromedriver ]]; }

# debootstrap mounts /proc inside the tree. In a mount and pid namespace of its own nothing of that
# outlives it, however it ends, and `rm -rf` of a leftover can never reach through a mount.
debootstrap_alone() {
    unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
        debootstrap --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
        trixie "$partial" "$mirror"
}

# debootstrap says what it does in hundreds of lines: all of them go to the log, a few to the person.
show_progress() {
    local line configuring=0
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        case $line in
            'I: Retrieving InRelease'*) say "  reading the package lists" ;;
            'I: Resolving dependencies of required'*) say "  downloading packages" ;;
            'I: Extracting base-files'* | 'I: Chosen extractor'*) say "  extracting the core of the system" ;;
            'I: Unpacking the base system'*) say "  unpacking the rest" ;;
            'I: Configuring '*)
                if ((configuring == 0)); then say "  configuring"; fi
                configuring=1
                ;;
            'W: '* | 'E: '*) say "  $line" ;;
        esac
    done
}

# What only serves installing and reading is half of the tree's small files.
slim() {
    rm -rf "$partial"/var/cache/apt/* "$partial"/var/lib/apt/lists/* \
        "$partial"/usr/share/{doc,man,locale,info}/*
    # sandbox.sh binds the machine's own over these: they must be there.
    mkdir -p "$partial"/{proc,sys,dev,run,tmp} "$partial/usr/local/libexec/netavark"
    rm -f "$partial/etc/resolv.conf"
    : >"$partial/etc/resolv.conf"
}

make_tree() {
    say "making a Debian 13 tree with Podman 5 in $tree (once, 2 to 4 minutes; log: $log)"
    : >"$log"
    rm -rf --one-file-system "$partial" "$tree.old"
    if ! debootstrap_alone 2>&1 | show_progress; then
        fail "debootstrap could not make the Debian 13 tree." \
            "Its last words are above, all of them in $log and $partial/debootstrap/debootstrap.log." \
            "It downloads from $mirror: if that cannot be reached, set FLATNET_DEBIAN_MIRROR (or http_proxy)." \
            "Then run $0 again: it starts over."
    fi
    slim
    if [[ -e $tree ]]; then mv -T "$tree" "$tree.old"; fi
    mv -T "$partial" "$tree"
    rm -rf --one-file-system "$tree.old"
    say "the Debian 13 tree is ready: $tree ($(du -sh "$tree" | cut -f1))"
}

# Two callers must not build twice: the second waits for the first and then finds the tree. debootstrap
# inherits the lock (9), so one that outlives its killed caller is waited for, and not written over.
make_tree_once() {
    mkdir -p "$(dirname "$tree")"
    exec 9>"$tree.lock"
    if ! flock --nonblock 9; then
        say "another process is making $tree; waiting for it"
        flock 9
    fi
    tree_is_made || make_tree
    exec 9>&-
}

main() {
    case ${1-} in
        --check) tree_is_made; return ;;
        '') ;;
        *) fail "trixie.sh: unknown argument \"$1\"." "Use: trixie.sh [--check]" ;;
    esac
    if ! tree_is_made; then
        require_root "trixie.sh"
        install_debootstrap
        make_tree_once
    fi
    echo "$tree"
}

main "$@"
