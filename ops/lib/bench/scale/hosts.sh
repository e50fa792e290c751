#!/usr/bin/env bash
# An overlay that grows. Each call does one of these:
#   begin        a lighthouse for Nebula, and the host v1, which is alone in an overlay of kind vxlan
#   grow A B     hosts A to B, each with real Nebula and its resolver
#   peers N      tells v1 of N hosts
#   on HOST ..   runs a command on HOST
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/hosts.sh
source "$here/../../hosts.sh"

readonly yaml='gateway: {directory: /var/lib/flatnet/gateway}'

begin() {
    ip link add lan type bridge
    ip link set lan up
    host v1 192.168.76.11 'names: {enabled: false}'
    flatnet overlay ca --ca /ca --kind vxlan
    join_by_vxlan v1
    mv /ca /ca-vxlan
    machine l1 192.168.76.20
    ip -n l1 route add 192.168.0.0/16 dev eth0
    flatnet overlay ca --ca /ca --no-passphrase
    flatnet overlay lighthouse --ca /ca l1 --at 192.168.76.20:4242 /lights
    lighthouse /lights l1
}

grow() { # FIRST LAST
    local number
    for ((number = $1; number <= $2; number++)); do
        host "h$number" "192.168.$((80 + number / 100)).$((10 + number % 100))" "$yaml"
        ip -n "h$number" route add 192.168.0.0/16 dev eth0
        join "h$number"
        nebula_on "h$number"
        # Host 1 has a gateway: its table of routes is that of all hosts.
        ((number > 1)) || on h1 flatnet gateway install
    done
}

peers() { # COUNT
    local number
    {
        echo hosts:
        for ((number = 1; number <= $1; number++)); do
            printf '%s\n' "- number: $number" "  host: v$number" "  address: 192.168.76.$number"
        done
    } | sed 's/76\.1$/76.host/; s/76\.11$/76.1/; s/76\.host$/76.11/' >/tmp/peers.yaml
    on v1 flatnet overlay peers /tmp/peers.yaml
}

"$@"
