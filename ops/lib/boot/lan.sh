# shellcheck shell=bash
# The LAN of the machine, inside a sandbox: a router that gives addresses and names, and two hosts. To be sourced.
#
#   make_lan             192.168.50.1 is the router; `windows` (.20) may open containers, `stranger` (.30) may not
#   give_address ADDR    what the machine gets at its next renewal, which comes within a minute
#   from HOST COMMAND..  runs COMMAND on a host of the LAN
# shellcheck disable=SC2154 # $work is that of steps.sh

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
    # 120 s is its shortest lease; clients renew after half of it.
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

lead_to_containers() { # both hosts try: it is not the route that keeps a stranger out
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
