# shellcheck shell=bash
# The systems of `ops/test boot`. To be sourced, after install.sh.
# shellcheck disable=SC2034 # used by the scripts that source this, and debian.sh

boot=${FLATNET_BOOT:-/var/cache/flatnet-test/boot}
readonly suites=(bookworm trixie noble)

# Ubuntu's archive key, which Debian 12 does not package. It contains F6EC B376 2474 EDA9 D21B 7022 8719 20D1 991B C93C.
readonly ubuntu_keyring=pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb
readonly ubuntu_keyring_sum=36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8

check_suite() { # SUITE
    [[ " ${suites[*]} " == *" $1 "* ]] || fail "$0: unknown system \"$1\"." "Known systems: ${suites[*]}"
}

is_ubuntu() { [[ $1 == noble ]]; }

name_of() { # SUITE
    case $1 in
        bookworm) echo 'Debian 12' ;;
        trixie) echo 'Debian 13' ;;
        noble) echo 'Ubuntu 24.04' ;;
    esac
}

use_mirror_of() { # SUITE: sets the variables of debian.sh
    is_ubuntu "$1" || return 0
    mirror=${FLATNET_UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu}
    keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
    # The script of all Ubuntus: the debootstrap of Debian 12 does not know noble.
    script=/usr/share/debootstrap/scripts/gutsy
    [[ -e $keyring ]] || download_ubuntu_keyring
}

download_ubuntu_keyring() {
    local package=$boot/ubuntu-keyring.deb
    keyring=$boot/ubuntu-keyring/usr/share/keyrings/ubuntu-archive-keyring.gpg
    [[ ! -e $keyring ]] || return 0
    mkdir -p "$boot"
    curl -sSf -o "$package" "$mirror/$ubuntu_keyring" ||
        fail "$mirror cannot be reached (see above)." "Set FLATNET_UBUNTU_MIRROR to a mirror that can."
    sha256sum --quiet --check <<<"$ubuntu_keyring_sum  $package" ||
        fail "$mirror/$ubuntu_keyring has another checksum." "Set FLATNET_UBUNTU_MIRROR to another mirror."
    dpkg-deb --extract "$package" "$boot/ubuntu-keyring"
}
