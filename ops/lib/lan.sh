#!/usr/bin/env bash
# Inside a sandbox that has the namespace `windows`: puts the LAN behind it, and a colleague's PC in it.
#
#   lan.sh NAME..    windows has 192.168.50.1 in the LAN; the namespace `colleague`, 192.168.50.23, knows these NAMEs as
#                    that address by its hosts file, which is what `ip netns exec` shows there. It knows no way to
#                    anywhere else.
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
