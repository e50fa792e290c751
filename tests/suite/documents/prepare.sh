# shellcheck shell=bash
# Functions that prepare a document's sandbox: `<!-- session: ..; begin: lan installed containers -->`. To be sourced.
set -euo pipefail

# curl prints what it prints on a terminal.
echo no-progress-meter >/root/.curlrc

# nft prints protocols by this file, which a minimal Debian 13 lacks. On a newcomer's system a package installs it.
[[ ! -x /usr/bin/podman || -e /etc/protocols ]] || printf 'tcp 6 TCP\nudp 17 UDP\n' >/etc/protocols

# As on WSL2: Windows is the next hop of the default route, and routes the range to this host. A stranger has such a route too.
begin_lan() {
    add_host windows 172.27.0.1 172.27.0.2
    add_host stranger 192.168.7.9 192.168.7.1
    ip route add default via 172.27.0.1
    serve_names 192.0.2.53
}

# Windows runs the name server of this host's resolv.conf, which containers use too.
serve_names() { # ADDRESS
    ip -n windows addr add "$1/32" dev lo
    setsid ip netns exec windows perl /usr/local/lib/flatnet-test/name_server.pl "$1" </dev/null >/dev/null 2>&1 &
}

# A network namespace stands for a host: connected by a veth pair, with a route to containers through this host.
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

# For the setup: Windows as on WSL2, without a route to containers, and a PC in the LAN. Flatnet is at the package's path.
begin_setup() {
    join windows 172.27.0.1 eth0 172.27.0.2
    join pc 192.168.50.23 eth1 192.168.50.2
    ip route add default via 172.27.0.1
    # The second is the newcomer's name server, which is available only during installation.
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

# Access to package mirrors during installation (tests/suite/documents/newcomer.rs). It is on at first, when `ip` is not
# installed yet. The two /1 routes take precedence over any default route.
online() {
    command -v ip >/dev/null || return
    ip link set tap0 up
    ip route add 0.0.0.0/1 via 10.0.2.2 dev tap0
    ip route add 128.0.0.0/1 via 10.0.2.2 dev tap0
}
offline() { ! command -v ip >/dev/null || ip link set tap0 down; }

# Flatnet after the setup. A sandbox does not look like WSL2, so the configuration names Windows.
begin_installed() {
    flatnet init >/dev/null
    sed -i 's/^ingress_gateways: auto$/ingress_gateways: [172.27.0.1]/' /etc/flatnet/flatnet.yaml
    [[ $(podman --version) != *' 5.'* ]] || podman network create -d flatnet flatnet >/dev/null
    flatnet up >/dev/null
}

# Three containers; waits until the servers answer.
begin_containers() {
    podman run -d --name web --network flatnet docker.io/library/nginx >/dev/null
    podman run -d --name db --network flatnet docker.io/library/redis >/dev/null
    podman run -d --name client --network flatnet docker.io/library/busybox sleep 3600 >/dev/null
    eventually curl -s -o /dev/null http://10.87.1.2/
    eventually podman exec db redis-cli ping >/dev/null
}

# Replaces a registry: tags the test images with the names that documents use.
tag() { # IMAGE..
    local image
    for image in "$@"; do
        case $image in
            web) podman tag flatnet-test/web docker.io/library/nginx ;;
            *) podman tag "flatnet-test/$image" "docker.io/library/$image" ;;
        esac
    done
}

# Waits half a second more, because the gateway's workers read changes up to 250 ms apart.
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

# Runs the script on stdin in the network namespace or container of that name.
at() { # NAME
    if [[ -e /run/netns/$1 ]]; then ip netns exec "$1" bash -s; else podman exec -i "$1" sh -s; fi
}

# Removes what a power cut and the next boot remove.
reboot() {
    bash -euo pipefail "$(dirname "${BASH_SOURCE[0]}")/reboot.sh"
    rm -f /dev/shm/libpod*
}

# Makes this host look like WSL2 in NAT mode: kernel name, a Microsoft program, Windows' files (tests/suite/doctor_wsl.rs).
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

# A colleague in the LAN behind Windows, who resolves the containers' names to Windows' address.
begin_colleague() {
    /usr/local/lib/flatnet-test/lan.sh flatnet.internal web.flatnet.internal nobody.flatnet.internal
}

# containerd of Debian's package, with the busybox image. Overlay storage does not work on an overlay, and containers run without
# cgroups. The image of a pod is the web server instead of one from a registry, whose only process sleeps.
begin_containerd() {
    local cri='[plugins."io.containerd.grpc.v1.cri"]' namespace
    mkdir -p /var/lib/containerd
    mount -t tmpfs tmpfs /var/lib/containerd
    printf '#!/bin/sh\nexec /usr/local/lib/flatnet-runtime/crun "$@"\n' >/usr/local/sbin/runc
    chmod 755 /usr/local/sbin/runc
    sed -i "/^ *${cri//[][]/.}$/a sandbox_image = \"docker.io/library/busybox:latest\"\ndisable_cgroup = true\ndisable_apparmor = true\nrestrict_oom_score_adj = true" \
        /etc/containerd/config.toml
    setsid containerd </dev/null >/root/containerd.log 2>&1 &
    tag busybox
    podman save --quiet --output /root/busybox.tar docker.io/library/busybox
    eventually ctr version >/dev/null 2>&1
    for namespace in default k8s.io; do ctr --namespace "$namespace" image import /root/busybox.tar >/dev/null; done
}
