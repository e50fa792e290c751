# shellcheck shell=bash
# Writes the content of the packages to a folder. To be sourced. The program writes its own manual pages and completions. Times,
# modes and orders are fixed, so that the result is reproducible.
# shellcheck disable=SC2154 # ops/package sets $version, $maintainer and $work

here=ops/lib/package

put() { # MODE SOURCE DESTINATION
    install -D -m "$1" "$2" "$3"
}

# The files of both package and tarball, below SHARE.
stage_share() { # FLATNET SHARE ZSH
    local flatnet=$1 share=$2 page
    rm -rf "$share/man" && mkdir -p "$share/man/man1"
    "$flatnet" man "$share/man/man1"
    for page in "$share"/man/man1/*.1; do gzip -9 --no-name "$page"; done
    chmod 644 "$share"/man/man1/*
    mkdir -p "$share/bash-completion/completions" "$share/zsh/$3" "$share/fish/vendor_completions.d"
    "$flatnet" completions bash >"$share/bash-completion/completions/flatnet"
    "$flatnet" completions zsh >"$share/zsh/$3/_flatnet"
    "$flatnet" completions fish >"$share/fish/vendor_completions.d/flatnet.fish"
    put 644 templates/flatnet.yaml "$share/doc/flatnet/examples/flatnet.yaml"
    put 644 templates/flatnet.conflist "$share/doc/flatnet/examples/flatnet.conflist"
    put 644 templates/flatnet.rules.yaml "$share/doc/flatnet/examples/flatnet.rules.yaml"
    put 644 "$work/third-party.gz" "$share/doc/flatnet/third-party.gz"
}

stage_debian() { # FLATNET ROOT
    local root=$2 unit folder
    put 755 "$1" "$root/usr/bin/flatnet"
    for folder in usr/lib/cni usr/libexec/netavark; do
        mkdir -p "$root/$folder"
        ln -sf ../../bin/flatnet "$root/$folder/flatnet"
    done
    stage_share "$1" "$root/usr/share" vendor-completions
    # The files that `flatnet init` would write for a program in /usr/bin.
    for unit in templates/*.service templates/*.socket templates/*.timer; do
        mkdir -p "$root/usr/lib/systemd/system"
        sed 's,/usr/local/bin/flatnet,/usr/bin/flatnet,' "$unit" >"$root/usr/lib/systemd/system/${unit##*/}"
    done
    put 644 templates/networkd.network "$root/usr/lib/systemd/network/05-flatnet.network"
    put 644 templates/network-manager.conf "$root/usr/lib/NetworkManager/conf.d/90-flatnet.conf"
    put 644 $here/logrotate "$root/etc/logrotate.d/flatnet"
    put 644 $here/lintian-overrides "$root/usr/share/lintian/overrides/flatnet"
    gzip -9 --no-name --stdout CHANGELOG.md >"$root/usr/share/doc/flatnet/changelog.gz"
    changelog | gzip -9 --no-name >"$root/usr/share/doc/flatnet/changelog.Debian.gz"
}

changelog() {
    printf 'flatnet (%s-1) unstable; urgency=medium\n\n  * See changelog.gz in the same folder.\n\n' "$version"
    printf ' -- %s  %s\n' "$maintainer" \
        "$(LC_ALL=C date --utc --date="@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')"
}

stage_tarball() { # FLATNET FOLDER [WRITER]: the program, and one of this machine's architecture that writes pages
    put 755 "$1" "$2/bin/flatnet"
    stage_share "${3:-$1}" "$2/share" site-functions
    put 644 $here/logrotate "$2/etc/logrotate.d/flatnet"
    put 644 $here/INSTALL.txt "$2/INSTALL.txt"
    put 755 $here/install_tarball.sh "$2/install.sh"
    put 644 LICENSE "$2/LICENSE"
    put 644 CHANGELOG.md "$2/CHANGELOG.md"
}

# Names, licences and notices of the program's crates.
third_party() { # METADATA SBOM
    local name version licence folder notice
    echo 'Flatnet contains or is compiled with these crates. Of alternative licences, Apache-2.0 was chosen.'
    jq -r --slurpfile sbom "$2" '($sbom[0].components | map({key: .purl, value: .licenses[0].expression}) | from_entries) as $of
        | .packages | sort_by([.name, .version])[]
        | "pkg:cargo/\(.name)@\(.version)" as $purl | select($of[$purl])
        | [.name, .version, $of[$purl], (.manifest_path | rtrimstr("/Cargo.toml"))] | @tsv' "$1" |
        while IFS=$'\t' read -r name version licence folder; do
            printf '\n======== %s %s: %s ========\n' "$name" "$version" "$licence"
            for notice in "$folder"/LICENSE-MIT* "$folder"/LICENSE "$folder"/LICENSE.* "$folder"/NOTICE* "$folder"/COPYING; do
                if [[ -f $notice ]]; then printf '\n' && cat "$notice"; fi
            done
        done
}
