#!/usr/bin/env bash
# Three pairs of hosts in one LAN, each with a container: n1 and n2 with Nebula, v1 and v2 with VXLAN, p1 and p2 with plain routes.
# Prints a line for each pair: its name, the namespaces of its containers, and the address of the second one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/hosts.sh
source "$here/../../hosts.sh"

readonly yaml='names: {enabled: false}'

# The same links and forwarding as Flatnet's, without its rules and without an overlay.
plain() { # NUMBER OTHER
    machine "p$1" "192.168.77.3$1"
    ip netns add "cp$1"
    ip -n "p$1" link add container type veth peer name eth0 netns "cp$1"
    ip -n "p$1" link set container up
    ip -n "cp$1" addr add "10.91.$1.2/24" dev eth0
    ip -n "cp$1" link set eth0 up
    ip -n "p$1" addr add "10.91.$1.1/24" dev container
    ip -n "cp$1" route add default via "10.91.$1.1"
    ip -n "p$1" route add "10.91.$2.0/24" via "192.168.77.3$2"
    ip netns exec "p$1" sysctl -qw net.ipv4.ip_forward=1
}

make_private_lan
machine l1 192.168.77.20
for number in 1 2; do
    host "v$number" "192.168.77.1$number" "$yaml"
    host "n$number" "192.168.77.2$number" "$yaml"
done
plain 1 2
plain 2 1

flatnet overlay ca --ca /ca --kind vxlan >/dev/null
for number in 1 2; do join_by_vxlan "v$number" >/dev/null; done
on v1 flatnet overlay peers /tmp/v2.invitation >/dev/null 2>&1
mv /ca /ca-vxlan

flatnet overlay ca --ca /ca --no-passphrase >/dev/null 2>&1
flatnet overlay lighthouse --ca /ca l1 --at 192.168.77.20:4242 /lights >/dev/null
lighthouse /lights l1
for number in 1 2; do
    join "n$number" >/dev/null
    nebula_on "n$number"
done

for kind in v n; do
    for number in 1 2; do cni "$kind$number" ADD "c$kind$number" >/dev/null; done
done
for pair in 'nebula cn' 'vxlan cv' 'plain cp'; do
    read -r name prefix <<<"$pair"
    address=$(ip -n "${prefix}2" -4 -o addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')
    until ip netns exec "${prefix}1" ping -q -c 1 -W 1 "$address" >/dev/null; do sleep 0.2; done
    echo "$name ${prefix}1 ${prefix}2 $address"
done
