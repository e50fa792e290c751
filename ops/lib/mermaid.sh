#!/usr/bin/env bash
# Fetches Mermaid, with which GitHub renders the diagrams in docs/, once. Prints the file's path on stdout.
#
# A crate contains it, so only cargo is needed; npm would install hundreds of packages. The crate is not compiled.
#
# Environment: FLATNET_MERMAID   the file's path (/var/cache/flatnet-test/mermaid-VERSION.min.js)
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/install.sh
source "$ops_lib/install.sh"

readonly crate=mdbook-mermaid crate_version=0.17.1 version=11.6.0
readonly sum=eefea253bed9655e838eb874ff955c46872f982a8e26290c1dd2982ddc0a4703
file=${FLATNET_MERMAID:-/var/cache/flatnet-test/mermaid-$version.min.js}

is_right() { sha256sum --check --status <<<"$sum  $1"; }

fetch() {
    local found
    say "fetching Mermaid $version"
    # Outside the workspace, because cargo would search its dependencies first.
    (cd / && cargo info --quiet --registry crates-io "$crate@$crate_version" >/dev/null) ||
        fail "cargo could not fetch the crate $crate $crate_version (see above)." \
            "Without access to crates.io, copy mermaid.min.js $version to $file by hand."
    for found in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate-$crate_version"/src/bin/assets/mermaid.min.js; do
        if [[ ! -e $found ]] || ! is_right "$found"; then continue; fi
        mkdir -p "$(dirname "$file")"
        install -m 644 "$found" "$file.new.$$"
        mv -T "$file.new.$$" "$file"
        return
    done
    fail "The crate $crate $crate_version contains no mermaid.min.js with the expected checksum." \
        "Delete it in ${CARGO_HOME:-$HOME/.cargo}/registry and run this again."
}

main() {
    if [[ ! -e $file ]] || ! is_right "$file"; then
        install_build
        fetch
    fi
    echo "$file"
}

main
