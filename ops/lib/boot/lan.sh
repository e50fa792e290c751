# shellcheck shell=bash
# The machine's LAN in a sandbox: a router with DHCP and DNS, and two hosts. To be sourced.
#
#   make_lan             router 192.168.50.1; `windows` (.20) may connect to containers, `stranger` (.30) may not
#   give_address ADDR    set the address that the machine gets at its next renewal, within a minute
#   from HOST COMMAND..  run COMMAND on a host of the LAN
# shellcheck disable=SC2154 # $work is set by steps.sh

readonly router=192.168.50.1 machine_mac=52:54:00:87:00:01

machine_address() { cut -d , -f 2 /run/machine.dhcp; }

make_lan() {
    ip link add lan type bridge
    ip link set lan type bridge forward_delay 0
    ip addr add $router/24 dev lan
    ip link set lan up
    ip tuntap add dev tap0 mode tap
    ip link set tap0 master lan
    ip link set tap0 up
    make_host windows 192.168.50.20
    make_host stranger 192.168.50.30
    echo "$machine_mac,192.168.50.10" >/run/machine.dhcp
    # 120 s is dnsmasq's shortest lease; clients renew after half of it.
    dnsmasq --conf-file=/dev/null --keep-in-foreground --user=root --bind-interfaces --interface=lan --except-interface=lo \
        --no-resolv --no-hosts --host-record=windows.lan,192.168.50.20 --local=/lan/ --dhcp-range=192.168.50.100,192.168.50.199,120 \
        --dhcp-hostsfile=/run/machine.dhcp --dhcp-leasefile=/run/leases --dhcp-option=option:router,$router --log-facility=- --log-dhcp \
        </dev/null >>"$work/dnsmasq.log" 2>&1 &
    dnsmasq=$!
}

make_host() { # NAME ADDRESS
    ip netns add "$1"
    ip link add "$1" type veth peer name eth0 netns "$1"
    ip link set "$1" master lan
    ip link set "$1" up
    ip -n "$1" link set lo up
    ip -n "$1" addr add "$2/24" dev eth0
    ip -n "$1" link set eth0 up
    ip -n "$1" route add default via $router
}

lead_to_containers() { # both hosts get a route, so that only the ruleset stops the stranger
    ip -n windows route replace 10.87.1.0/24 via "$(machine_address)"
    ip -n stranger route replace 10.87.1.0/24 via "$(machine_address)"
}

give_address() { # ADDRESS
    echo "$machine_mac,$1" >/run/machine.dhcp
    kill -HUP "$dnsmasq"
}

from() { # HOST COMMAND..
    ip netns exec "$@"
}
