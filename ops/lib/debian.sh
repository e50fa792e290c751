# shellcheck shell=bash
# Makes a Debian tree in a folder, once. To be sourced, after install.sh.
#
#   make_debian_once SUITE TREE PACKAGE..   makes TREE unless the caller's function tree_is_made succeeds; calls the caller's
#                                           function finish_tree with the folder before it is renamed to TREE
#
# Environment: FLATNET_DEBIAN_MIRROR  package mirror (http://deb.debian.org/debian)
#
# For Ubuntu, the caller sets mirror, keyring and script (debootstrap's script for the suite) after sourcing this.

mirror=${FLATNET_DEBIAN_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
script=

# debootstrap mounts /proc inside the tree. In its own mount and PID namespace the mounts end with it, so `rm -rf`
# of a partial tree cannot delete files through a mount.
debootstrap_alone() { # SUITE FOLDER PACKAGE..
    local suite=$1 folder=$2 include=()
    shift 2
    (($# == 0)) || include=(--include="$(IFS=,; echo "$*")")
    unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
        debootstrap --variant=minbase "${include[@]}" \
        --keyring="$keyring" "$suite" "$folder" "$mirror" ${script:+"$script"}
}

# debootstrap prints hundreds of lines: all of them are logged, and a few shown.
show_progress() { # LOG
    local line configuring=0
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$1"
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

# The tree gets its final name when it is complete.
make_debian() { # SUITE TREE PACKAGE..
    local suite=$1 tree=$2 partial=$2.partial log=$2.log
    shift 2
    say "making a Debian tree in $tree (once, some minutes; log: $log)"
    : >"$log"
    rm -rf --one-file-system "$partial" "$tree.old"
    if ! debootstrap_alone "$suite" "$partial" "$@" 2>&1 | show_progress "$log"; then
        fail "debootstrap could not make the Debian tree." \
            "The end of its output is above; all of it is in $log and $partial/debootstrap/debootstrap.log." \
            "It downloads from $mirror: if that is unreachable, set FLATNET_DEBIAN_MIRROR (for Ubuntu" \
            "FLATNET_UBUNTU_MIRROR), or http_proxy." \
            "Then run $0 again: it starts over."
    fi
    finish_tree "$partial"
    if [[ -e $tree ]]; then mv -T "$tree" "$tree.old"; fi
    mv -T "$partial" "$tree"
    rm -rf --one-file-system "$tree.old"
    say "the Debian tree is ready: $tree ($(du -sh "$tree" | cut -f1))"
}

# A second caller waits for the first and then uses its tree. debootstrap inherits the lock (9), so a new caller also
# waits for one whose caller was killed.
make_debian_once() { # SUITE TREE PACKAGE..
    mkdir -p "$(dirname "$2")"
    exec 9>"$2.lock"
    if ! flock --nonblock 9; then
        say "another process is making $2; waiting for it"
        flock 9
    fi
    tree_is_made || make_debian "$@"
    exec 9>&-
}
