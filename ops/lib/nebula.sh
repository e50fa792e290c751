#!/usr/bin/env bash
# Fetches Nebula 1.11 or later, once, from Debian's package of a later suite: Debian 12 and 13 and Ubuntu 24.04 have older ones. Installs
# nothing. Prints its folder on stdout, with usr/bin/nebula and usr/bin/nebula-cert, which need only the C library.
#
#   ops/lib/nebula.sh
#
# Environment: FLATNET_NEBULA         the folder (/var/cache/flatnet-test/nebula)
#              FLATNET_NEBULA_SUITE   the suite of Debian (forky)
#              FLATNET_DEBIAN_MIRROR  package mirror (http://deb.debian.org/debian)
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/install.sh
source "$ops_lib/install.sh"

folder=${FLATNET_NEBULA:-/var/cache/flatnet-test/nebula}
suite=${FLATNET_NEBULA_SUITE:-forky}
mirror=${FLATNET_DEBIAN_MIRROR:-http://deb.debian.org/debian}

# apt checks the signature of the archive; it works in a folder of its own.
fetch() { # FOLDER
    local apt=$1/apt options
    mkdir -p "$apt"/{lists/partial,cache/archives/partial}
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
    options=(-qq -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$apt/lists"
        -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
    apt-get "${options[@]}" update
    (cd "$1" && apt-get "${options[@]}" download nebula)
    dpkg-deb -x "$1"/nebula_*.deb "$1/tree"
}

main() {
    local work
    (($# == 0)) || fail "nebula.sh: it takes no argument."
    if [[ ! -x $folder/usr/bin/nebula ]]; then
        install_missing "fetching Nebula" /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
        work=$(mktemp -d)
        # shellcheck disable=SC2064 # now
        trap "rm -rf '$work'" EXIT
        fetch "$work" >&2 || fail "nebula.sh: Nebula cannot be fetched from $mirror, suite $suite." \
            "Set FLATNET_DEBIAN_MIRROR, or FLATNET_NEBULA to a folder with usr/bin/nebula and usr/bin/nebula-cert."
        mkdir -p "${folder%/*}"
        rm -rf "$folder"
        mv "$work/tree" "$folder"
    fi
    echo "$folder"
}

main "$@"
