# shellcheck shell=bash
# What the sandbox of a document may begin with: `<!-- session: ..; begin: lan installed containers -->`. To be sourced.
set -euo pipefail

# As on a terminal. With a backtrace each error of a debug build takes a second.
echo no-progress-meter >/root/.curlrc
unset RUST_BACKTRACE

# What a minimal Debian 13 lacks, and nft prints protocols by. Where packages are still to come, one brings it along.
[[ ! -x /usr/bin/podman || -e /etc/protocols ]] || printf 'tcp 6 TCP\nudp 17 UDP\n' >/etc/protocols

# As on WSL2: Windows is the next hop of the default route, and routes the flat range here. A stranger has such a route, too.
begin_lan() {
    add_host windows 172.27.0.1 172.27.0.2
    add_host stranger 192.168.7.9 192.168.7.1
    ip route add default via 172.27.0.1
    serve_names 192.0.2.53
}

# Windows has what this host's resolv.conf names, and so do containers'.
serve_names() { # ADDRESS
    ip -n windows addr add "$1/32" dev lo
    setsid ip netns exec windows perl /usr/local/lib/flatnet-test/name_server.pl "$1" </dev/null >/dev/null 2>&1 &
}

# A network namespace is a host: joined by a veth pair, with a route to containers by way of this one.
add_host() { # NAME ADDRESS OUR-ADDRESS
    ip netns add "$1"
    ip link add "to-$1" type veth peer name eth0 netns "$1"
    ip addr add "$3/24" dev "to-$1"
    ip link set "to-$1" up
    ip -n "$1" addr add "$2/24" dev eth0
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 up
    ip -n "$1" route add 10.87.0.0/16 via "$3"
}

# For the setup: Windows as on WSL2, to which no route leads yet, and a PC in the LAN. Flatnet lies where the package puts it.
begin_setup() {
    join windows 172.27.0.1 eth0 172.27.0.2
    join pc 192.168.50.23 eth1 192.168.50.2
    ip route add default via 172.27.0.1
    # The second is the newcomer's, which is not there while nothing is installed.
    serve_names 192.0.2.53
    serve_names 10.0.2.3
    mkdir -p /etc/netns/pc && echo '127.0.0.1 localhost' >/etc/netns/pc/hosts
    if [[ -e /usr/local/bin/flatnet ]]; then mv /usr/local/bin/flatnet /usr/bin/flatnet; fi
}

join() { # NAME ADDRESS OUR-LINK OUR-ADDRESS
    ip netns add "$1"
    ip link add "$3" type veth peer name eth0 netns "$1"
    ip addr add "$4/24" dev "$3"
    ip link set "$3" up
    ip -n "$1" addr add "$2/24" dev eth0
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 up
}

# The way to the world's packages (tests/suite/documents/newcomer.rs), for as long as one installs. It is there at first, when
# there is no `ip` yet. Two halves go before any default route.
online() {
    command -v ip >/dev/null || return
    ip link set tap0 up
    ip route add 0.0.0.0/1 via 10.0.2.2 dev tap0
    ip route add 128.0.0.0/1 via 10.0.2.2 dev tap0
}
offline() { ! command -v ip >/dev/null || ip link set tap0 down; }

# Flatnet as the setup leaves it. A sandbox does not look like WSL2, so Windows is named.
begin_installed() {
    flatnet init >/dev/null
    sed -i 's/^ingress_gateways: auto$/ingress_gateways: [172.27.0.1]/' /etc/flatnet/flatnet.yaml
    [[ $(podman --version) != *' 5.'* ]] || podman network create -d flatnet flatnet >/dev/null
    flatnet up >/dev/null
}

# Three containers, of which all answer.
begin_containers() {
    podman run -d --name web --network flatnet docker.io/library/nginx >/dev/null
    podman run -d --name db --network flatnet docker.io/library/redis >/dev/null
    podman run -d --name client --network flatnet docker.io/library/busybox sleep 3600 >/dev/null
    eventually curl -s -o /dev/null http://10.87.1.2/
    eventually podman exec db redis-cli ping >/dev/null
}

# What a registry would have: our images under the names that documents use.
tag() { # IMAGE..
    local image
    for image in "$@"; do
        case $image in
            web) podman tag flatnet-test/web docker.io/library/nginx ;;
            *) podman tag "flatnet-test/$image" "docker.io/library/$image" ;;
        esac
    done
}

# One worker of the gateway may know what the others know within 250 ms: half a second more, and all do.
eventually() { # COMMAND..
    local attempts
    for ((attempts = 0; attempts < 100; attempts++)); do
        if "$@"; then
            sleep 0.5
            return
        fi
        sleep 0.1
    done
    return 1
}

# Runs what it reads in the network namespace or container of that name.
at() { # NAME
    if [[ -e /run/netns/$1 ]]; then ip netns exec "$1" bash -s; else podman exec -i "$1" sh -s; fi
}

# Takes what a power cut and the next boot take.
reboot() {
    bash -euo pipefail "$(dirname "${BASH_SOURCE[0]}")/reboot.sh"
    rm -f /dev/shm/libpod*
}

# A host that is taken for WSL2 in NAT mode: the kernel's name, a program of Microsoft's, Windows' files. (tests/suite/doctor_wsl.rs)
begin_wsl() {
    echo 6.6.114.1-microsoft-standard-WSL2 >/root/osrelease
    mount --bind /root/osrelease /proc/sys/kernel/osrelease
    echo systemd >/root/comm && mount --bind /root/comm /proc/1/comm
    printf '#!/bin/sh\necho nat\n' >/usr/bin/wslinfo && chmod 755 /usr/bin/wslinfo
    mkdir -p /mnt/c/Users/me && printf '[wsl2]\r\nvmIdleTimeout=-1\r\n' >/mnt/c/Users/me/.wslconfig
    mkdir -p /root/rtc && mount -t tmpfs tmpfs /sys/class
    sed -i 's/^ingress_gateways: .*/ingress_gateways: auto/' /etc/flatnet/flatnet.yaml
    flatnet up >/dev/null
}

# The gateway on this host, as the unit flatnet-gateway runs it.
begin_gateway() {
    flatnet gateway install >/dev/null
    flatnet gateway sync >/dev/null
    nginx -p /var/lib/flatnet-gateway -c conf/nginx.conf
    eventually curl -s -f -o /dev/null http://127.0.0.1/_flatnet/healthz
}

# A colleague in the LAN behind Windows, to whom the LAN's DNS leads the containers' names.
begin_colleague() {
    /usr/local/lib/flatnet-test/lan.sh flatnet.internal web.flatnet.internal nobody.flatnet.internal
}
