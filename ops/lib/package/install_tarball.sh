#!/bin/sh
# Installs Flatnet from this folder into /usr/local, or removes what it installed. Needs root.
#
#   ./install.sh            install or upgrade; containers and their connections are not affected
#   ./install.sh --remove   remove; refused while containers are attached. Configuration, state and logs stay
set -eu

cd "$(dirname "$0")"

fail() { # LINE..: the last one is the remedy
    printf '%s\n' "install.sh: $1" >&2
    shift
    printf '%s\n' "$@" >&2
    exit 1
}

# The files of bin and share, which go to /usr/local, and those of etc.
files() { find bin share etc -type f; }

target() { # FILE
    case $1 in
        etc/*) echo "/$1" ;;
        *) echo "/usr/local/$1" ;;
    esac
}

install_all() {
    # The architecture of the tarball may be another one.
    version=$(bin/flatnet --version) || fail "bin/flatnet does not run here: this machine is $(uname -m)" "Take the tarball for it."
    files | while read -r file; do
        mode=644
        case $file in bin/*) mode=755 ;; esac
        # Not in place: the program may be running.
        install -D -m "$mode" "$file" "$(target "$file").new"
        mv "$(target "$file").new" "$(target "$file")"
    done
    for program in ip:iproute2:iproute nft:nftables:nftables sysctl:procps:procps-ng nsenter:util-linux:util-linux \
        conntrack:conntrack:conntrack-tools podman:podman:podman; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${program%%:*}" >/dev/null || tell_missing "$program"
    done
    printf '%s is installed in /usr/local.\nNext: flatnet init && flatnet up\n' "$version"
}

tell_missing() { # PROGRAM:DEBIAN'S PACKAGE:FEDORA'S
    install="apt-get install $(echo "$1" | cut -d : -f 2)"
    if grep -q '^ID.*\<fedora\>' /etc/os-release; then install="dnf install ${1##*:}"; fi
    printf 'missing: %s, which Flatnet needs: %s\n' "${1%%:*}" "$install" >&2
}

remove_all() {
    if [ -x /usr/local/bin/flatnet ] && [ -e /etc/flatnet/flatnet.yaml ]; then
        /usr/local/bin/flatnet down || fail "\`flatnet down\` failed, so nothing was removed" "Stop the containers on its network first."
    fi
    files | while read -r file; do rm -f "$(target "$file")"; done
    printf 'Removed. These stay: /etc/flatnet, /var/lib/flatnet, /var/log/flatnet, and what "flatnet init" listed.\n'
}

[ "$(id -u)" = 0 ] || fail "it must run as root." "Run: sudo ./install.sh $*"
case ${1-} in
    '') install_all ;;
    --remove) remove_all ;;
    *) fail "unknown argument \"$1\"." "Use: ./install.sh [--remove]" ;;
esac
