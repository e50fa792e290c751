# shellcheck shell=bash
# Compiles in a Debian 13 tree. To be sourced, after install.sh.
#
#   make_compile_tree TREE PACKAGE..    makes TREE with Rust, a C compiler and PACKAGE, as make_debian_once does (debian.sh)
#   inside_tree TREE COMMAND..    runs COMMAND in TREE, with this project read-only in /source, the folder /target, and an
#                                 otherwise empty environment. Mounts end with it.

# shellcheck source=ops/lib/debian.sh
source ops/lib/debian.sh

make_compile_tree() { # TREE PACKAGE..
    install_debootstrap
    make_debian_once trixie "$1" cargo rustc gcc libc6-dev ca-certificates "${@:2}"
}

inside_tree() { # TREE COMMAND..
    mkdir -p "$1/source" "$1/target"
    cp --dereference /etc/resolv.conf "$1/etc/resolv.conf"
    # Crates are downloaded again, because this machine's registry may have another format.
    # shellcheck disable=SC2016 # arguments of the inner shell
    unshare --mount --pid --fork --kill-child --propagation private bash -euo pipefail -c '
        mount --bind "$2" "$1/source" && mount -o remount,bind,ro "$1/source"
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        # Certificates, for a TLS proxy that this machine trusts.
        mount --bind /etc/ssl/certs "$1/etc/ssl/certs"
        exec chroot "$1" env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CARGO_TARGET_DIR=/target \
            https_proxy="${https_proxy-}" "${@:3}"' \
        inside "$1" "$PWD" "${@:2}"
}
