#!/usr/bin/env bash
# The starting point of `ops/test newcomer`: an empty Debian, and the working tree as a repository to clone.
#
#   ops/lib/newcomer.sh SUITE     bookworm or trixie; prints the folders of the system, which is made once (a minute, 300 MB), and
#                                 of the repository, which is always new
#
# Environment: FLATNET_NEWCOMER       the folder of both (/var/cache/flatnet-test/newcomer)
#              FLATNET_DEBIAN_MIRROR  package mirror (http://deb.debian.org/debian)
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/install.sh
source "$ops_lib/install.sh"
# shellcheck source=ops/lib/debian.sh
source "$ops_lib/debian.sh"

folder=${FLATNET_NEWCOMER:-/var/cache/flatnet-test/newcomer}
suite=${1-}
tree=$folder/$suite

tree_is_made() { [[ -e $tree/etc/debian_version ]]; }

# With security updates, like Debian's installer.
finish_tree() { # FOLDER
    local security=${mirror%/debian}/debian-security
    printf 'deb %s main\n' "$mirror $suite" "$mirror $suite-updates" "$security $suite-security" >"$1/etc/apt/sources.list"
}

# A network with a TLS proxy requires its CA for downloads.
copy_authorities() {
    local authorities=/usr/local/share/ca-certificates
    mkdir -p "$tree$authorities"
    find "$authorities" -name '*.crt' -exec cp -t "$tree$authorities" {} +
}

# The working tree with uncommitted changes, without ignored files.
make_repository() {
    local repository=$folder/flatnet-$suite.git work=$folder/work-$suite
    rm -rf "$repository" "$work"
    mkdir -p "$work"
    git -C "$ops_lib" rev-parse --show-toplevel >/dev/null || fail "This is not a git repository." "Clone Flatnet with git."
    (
        cd "$ops_lib/../.."
        # A deleted file that is still listed does not matter.
        git ls-files --cached --others --exclude-standard -z | tar --null --files-from=- --ignore-failed-read -cf - 2>/dev/null |
            tar -xf - -C "$work"
    )
    git -C "$work" init --quiet --initial-branch main
    git -C "$work" add --all
    git -C "$work" -c user.name=newcomer -c user.email=newcomer@localhost commit --quiet --message 'The working tree'
    git clone --quiet --bare "$work" "$repository"
    rm -rf "$work"
    echo "$repository"
}

main() {
    [[ $suite == bookworm || $suite == trixie ]] || fail "newcomer.sh: unknown suite \"$suite\"." "Use: newcomer.sh bookworm, or trixie"
    require_root "newcomer.sh"
    tree_is_made || {
        install_debootstrap
        make_debian_once "$suite" "$tree"
    }
    copy_authorities
    echo "$tree"
    make_repository
}

main "$@"
