# shellcheck shell=bash
# The systems that `ops/test boot` boots. To be sourced, after install.sh.
# shellcheck disable=SC2034 # what is set here is for those who source this, and debian.sh

boot=${FLATNET_BOOT:-/var/cache/flatnet-test/boot}
readonly suites=(bookworm trixie noble)

# The archive's key of Ubuntu, which Debian 12 does not package: F6EC B376 2474 EDA9 D21B 7022 8719 20D1 991B C93C is in it.
readonly ubuntu_keyring=pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb
readonly ubuntu_keyring_sum=36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8

check_suite() { # SUITE
    [[ " ${suites[*]} " == *" $1 "* ]] || fail "$0: there is no system \"$1\"." "There are: ${suites[*]}"
}

is_ubuntu() { [[ $1 == noble ]]; }

name_of() { # SUITE
    case $1 in
        bookworm) echo 'Debian 12' ;;
        trixie) echo 'Debian 13' ;;
        noble) echo 'Ubuntu 24.04' ;;
    esac
}

use_mirror_of() { # SUITE: sets what debian.sh makes it by
    is_ubuntu "$1" || return 0
    mirror=${FLATNET_UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu}
    keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
    # That of all Ubuntus: the debootstrap of Debian 12 does not know this one's name.
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
        fail "$mirror/$ubuntu_keyring is not what it was." "Use another mirror, by FLATNET_UBUNTU_MIRROR."
    dpkg-deb --extract "$package" "$boot/ubuntu-keyring"
}
