#!/usr/bin/env bash
# In a sandbox with the namespace `windows`: adds a LAN behind it with a colleague's PC.
#
#   lan.sh NAME..    `windows` has 192.168.50.1 in the LAN. The namespace `colleague`, 192.168.50.23, resolves these NAMEs to
#                    that address, by the hosts file that `ip netns exec` mounts. It has no other route.
set -euo pipefail

ip netns add colleague
ip -n colleague link set lo up
ip link add lan netns windows type veth peer name eth0 netns colleague
ip -n windows addr add 192.168.50.1/24 dev lan
ip -n windows link set lan up
ip -n colleague addr add 192.168.50.23/24 dev eth0
ip -n colleague link set eth0 up

mkdir -p /etc/netns/colleague
printf '%s\n' '127.0.0.1 localhost' "192.168.50.1 $*" >/etc/netns/colleague/hosts
