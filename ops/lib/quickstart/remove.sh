#!/usr/bin/env bash
# The way back from ops/quickstart --host: the network, this host's part, the package with its configuration and state. Refuses
# while a container is on one of Flatnet's networks. Started by ops/quickstart --remove.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/quickstart/words.sh
source "$here/words.sh"

networks=()

look() {
    local name names=''
    step "Look at who uses Flatnet" "remove those containers (\`podman rm -f NAME\`), or run them on another network; then run this again"
    try podman network ls --filter driver=flatnet --format '{{.Name}}'
    mapfile -t networks < <(sed '/^$/d' <<<"$output")
    for name in "${networks[@]}"; do
        try podman ps --all --filter "network=$name" --format '{{.Names}}'
        names+=" $(tr '\n' ' ' <<<"$output")"
    done
    read -ra names <<<"$names"
    output="they are on it: ${names[*]}"
    ((${#names[@]} == 0)) || failed "podman ps --all --filter network=${networks[0]}" 0
    note "no container is on ${networks[*]:-any network of Flatnet}"
}

# Podman 5's networks; with CNI they are files, which the package takes with it.
forget_networks() {
    local name backend
    try podman info --format '{{.Host.NetworkBackend}}'
    backend=$output
    [[ $backend == netavark && ${#networks[@]} -gt 0 ]] || return 0
    step "Take the network from Podman" "\`podman network rm\` says what is in the way"
    for name in "${networks[@]}"; do show podman network rm "$name"; done
}

remove_package() {
    step "Remove the package, configuration, state and logs" "mend what apt-get complains of, and run this again"
    if ! dpkg-query --show flatnet >/dev/null 2>&1; then
        note "it is not installed"
        return
    fi
    printf '    $ apt-get purge flatnet\n'
    try env DEBIAN_FRONTEND=noninteractive apt-get -q -y purge flatnet
    sed -n 's/^flatnet: /    /p' <<<"$output"
}

verify() {
    local left
    step "See that nothing is left" "remove it by hand: it was not Flatnet's package that put it there"
    left=$(
        grep -lsE '^flatnet/' /sys/class/net/*/ifalias || true
        nft list tables 2>/dev/null | grep -E ' flatnet$' || true
        compgen -G '/etc/flatnet' || true
        compgen -G '/var/lib/flatnet*' || true
        compgen -G '/etc/systemd/system/flatnet*' || true
        compgen -G '/etc/systemd/network/05-flatnet*' || true
        compgen -G '/etc/NetworkManager/conf.d/90-flatnet*' || true
        compgen -G '/opt/cni/bin/flatnet' || true
        compgen -G '/usr/local/libexec/netavark/flatnet' || true
        compgen -G '/usr/local/bin/flatnet' || true
    )
    output=$left
    [[ -z $left ]] || failed "look for links, tables and files of Flatnet's" 0
    good "neither links, rules nor files"
}

look
forget_networks
remove_package
verify
printf '\nFlatnet is removed. Podman and the other packages that it needs stay: apt-get autoremove, where nobody else needs them.\n'
