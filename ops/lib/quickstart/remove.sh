#!/usr/bin/env bash
# Undoes ops/quickstart --host: removes the network, and the package with its configuration and state. Fails if a container is on
# one of Flatnet's networks. Started by ops/quickstart --remove.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/quickstart/words.sh
source "$here/words.sh"

networks=()

check_unused() {
    local name names=''
    step "Check that no container uses Flatnet" "remove those containers (\`podman rm -f NAME\`), or run them on another network; then run this again"
    try podman network ls --filter driver=flatnet --format '{{.Name}}'
    mapfile -t networks < <(sed '/^$/d' <<<"$output")
    for name in "${networks[@]}"; do
        try podman ps --all --filter "network=$name" --format '{{.Names}}'
        names+=" $(tr '\n' ' ' <<<"$output")"
    done
    read -ra names <<<"$names"
    output="containers on it: ${names[*]}"
    ((${#names[@]} == 0)) || failed "podman ps --all --filter network=${networks[0]}" 0
    note "no container is on ${networks[*]:-any network of Flatnet}"
}

# Podman 5's networks. With CNI they are files, which the package removes.
forget_networks() {
    local name backend
    try podman info --format '{{.Host.NetworkBackend}}'
    backend=$output
    [[ $backend == netavark && ${#networks[@]} -gt 0 ]] || return 0
    step "Remove Podman's network" "fix the error of \`podman network rm\`"
    for name in "${networks[@]}"; do show podman network rm "$name"; done
}

remove_package() {
    step "Remove the package, configuration, state and logs" "fix the error of apt-get, then run this again"
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
    step "Check that nothing is left" "remove it by hand: it does not belong to Flatnet's package"
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
    [[ -z $left ]] || failed "find Flatnet's links, tables and files" 0
    good "no links, rules or files are left"
}

check_unused
forget_networks
remove_package
verify
printf '\nFlatnet is removed. Podman and other dependencies stay: remove unused ones with apt-get autoremove.\n'
