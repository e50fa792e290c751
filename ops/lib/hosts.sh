# shellcheck shell=bash
# Several hosts in one sandbox, to be sourced. Each has its own network, and its own files of Flatnet; containers are namespaces, whose
# names are unique among all hosts. A bridge connects the hosts, and the machines l1, stranger and gateway.
set -euo pipefail

folders=(/etc/flatnet /var/lib/flatnet /var/log/flatnet /run/flatnet /run/flatnet-dns)

machine() { # NAME ADDRESS [ROUTER]: in the LAN, or behind ROUTER alone
    ip netns add "$1"
    if [[ -z ${3-} ]]; then
        ip link add "up-$1" type veth peer name eth0 netns "$1"
        ip link set "up-$1" master lan up
    else
        ip -n "$3" link add "up-$1" type veth peer name eth0 netns "$1"
        ip -n "$3" addr add "${2%.*}.1/24" dev "up-$1"
        ip -n "$3" link set "up-$1" up
    fi
    ip -n "$1" link set lo up
    ip -n "$1" addr add "$2/24" dev eth0
    ip -n "$1" link set eth0 up
}

make_lan() {
    ip link add lan type bridge
    ip link set lan up
    machine l1 192.0.2.20
    machine stranger 192.0.2.66
    machine gateway 192.0.2.30
    # Where packets go that leave a host by its default route.
    ip -n stranger addr add 192.0.2.1/24 dev eth0
}

# A router with NAT, such as Windows is for WSL2: what is behind it opens connections, and nothing else comes in. Each connection keeps its
# port if that is free; with `fully-random` each gets another, so that nobody but the called one can answer.
router() { # NAME ADDRESS [ROUTER [fully-random]]
    machine "$1" "$2" "${3-}"
    ip -n "$1" route add default via "${2%.*}.1"
    ip netns exec "$1" sysctl -qw net.ipv4.ip_forward=1
    ip netns exec "$1" nft -f - <<NFT
table ip nat {
    chain at_departure {
        type nat hook postrouting priority srcnat;
        oifname "eth0" counter masquerade ${4-}
    }
    chain at_arrival {
        type filter hook input priority filter;
        iifname "eth0" ct state new drop
    }
    chain at_forwarding {
        type filter hook forward priority filter;
        iifname "eth0" ct state new drop
    }
}
NFT
}

# A host with a mount namespace that stays, in which `on` runs commands.
host() { # NAME ADDRESS YAML [ROUTER]
    local folder
    machine "$1" "$2" "${4-}"
    ip -n "$1" route add default via "${2%.*}.1"
    for folder in "${folders[@]}"; do mkdir -p "$folder" "/hosts/$1$folder" && chmod 700 "/hosts/$1$folder"; done
    # The resolver reads it without root.
    chmod 755 "/hosts/$1/run/flatnet-dns"
    ip netns exec "$1" unshare --mount --propagation slave bash -c '
        for folder in "${@:2}"; do mount --bind "/hosts/$1$folder" "$folder"; done
        echo $$ >"/hosts/$1/pid"; exec sleep infinity' bash "$1" "${folders[@]}" >/dev/null 2>&1 &
    until [[ -s /hosts/$1/pid ]]; do sleep 0.01; done
    printf '%s\n' "$3" >"/hosts/$1/etc/flatnet/flatnet.yaml"
}

on() { # HOST COMMAND..
    nsenter --target "$(cat "/hosts/$1/pid")" --mount --net -- "${@:2}"
}

# ADD or DEL of the container NAME on HOST.
cni() { # HOST COMMAND NAME [PORT_MAPPINGS]
    local conf='{"cniVersion":"1.0.0","name":"flatnet","type":"flatnet","runtimeConfig":{"portMappings":'${4:-[]}'}}'
    [[ $2 != ADD ]] || { ip netns add "$3" && ip -n "$3" link set lo up; }
    on "$1" env CNI_COMMAND="$2" CNI_CONTAINERID="$3-id" CNI_NETNS="/run/netns/$3" CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin \
        CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAME=$3" flatnet <<<"$conf"
}

lighthouse() { # FOLDER MACHINE: starts it without any right
    local folder=$1
    chown -R 65534 "$folder"
    (cd "$folder" && ip netns exec "$2" setsid setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --no-new-privs \
        nebula -config nebula.yml >"/tmp/nebula-$2.log" 2>&1 </dev/null &)
}

# A second lighthouse, an authority for both, and both running.
two_lighthouses() {
    local number
    machine l2 192.0.2.21
    flatnet overlay ca --ca /ca --no-passphrase 2>/dev/null
    for number in 1 2; do
        flatnet overlay lighthouse --ca /ca "l$number" --at "192.0.2.$((19 + number)):4242" "/lights$number" >/dev/null
    done
    for number in 1 2; do lighthouse "/lights$number" "l$number"; done
}

stop_lighthouse() { # MACHINE
    local id
    for id in $(ip netns pids "$1"); do kill "$id"; done
    until [[ -z $(ip netns pids "$1") ]]; do sleep 0.02; done
}

# Nebula on HOST with the rights of its unit, and then what the unit's ExecStartPost does; COMMAND runs it.
nebula_on() { # HOST [COMMAND..]
    on "$1" "${@:2}" setsid setpriv --bounding-set=-all,+net_admin --inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin --no-new-privs \
        nebula -config /etc/flatnet/overlay/nebula.yml >"/tmp/nebula-$1.log" 2>&1 </dev/null &
    until on "$1" ip link show flatnet-ov0 >/dev/null 2>&1; do sleep 0.02; done
    on "$1" pgrep -f 'nebul[a] -config /etc/flatnet' -n >"/hosts/$1/nebula.pid"
    on "$1" flatnet up >/dev/null
}

# Another address for MACHINE: ADDRESS if it has OTHER, otherwise OTHER.
readdress() { # MACHINE ADDRESS OTHER
    local old=$2 new=$3
    ip -n "$1" -4 -o addr show dev eth0 | grep -qF " $old/" || { old=$3 new=$2; }
    ip -n "$1" addr del "$old/24" dev eth0
    ip -n "$1" addr add "$new/24" dev eth0
    ip -n "$1" route replace default via "${2%.*}.1"
}

stop_nebula() { # HOST [SIGNAL]
    kill -"${2:-TERM}" "$(cat "/hosts/$1/nebula.pid")"
    until ! on "$1" ip link show flatnet-ov0 >/dev/null 2>&1; do sleep 0.02; done
}

# Hosts by how they reach others: h1 directly, h2 behind a NAT as WSL2 is, h3 behind two, and h4 behind one that gives each connection another
# port.
hosts_behind_nat() { # YAML
    router n2 192.0.2.52
    router n3 192.0.2.53
    router n3b 172.20.3.2 n3
    router n4 192.0.2.54 '' fully-random
    host h1 192.0.2.11 "$1"
    host h2 172.20.2.2 "$1" n2
    host h3 172.21.3.2 "$1" n3b
    host h4 172.20.4.2 "$1" n4
}

join() { # HOST
    on "$1" flatnet overlay request --name "$1" >"/tmp/$1.request"
    flatnet overlay sign --ca /ca "/tmp/$1.request" >"/tmp/$1.invitation" 2>/dev/null
    on "$1" flatnet overlay join "/tmp/$1.invitation"
}

# The same with private addresses, for VXLAN.
make_private_lan() {
    ip link add lan type bridge
    ip link set lan up
    machine stranger 192.168.77.66
    ip -n stranger addr add 192.168.77.1/24 dev eth0
}

join_by_vxlan() { # HOST
    on "$1" flatnet overlay request --kind vxlan --name "$1" >"/tmp/$1.request"
    flatnet overlay sign --ca /ca "/tmp/$1.request" >"/tmp/$1.invitation" 2>/dev/null
    on "$1" flatnet overlay join "/tmp/$1.invitation" 2>/dev/null
}

# An interface of VXLAN in the namespace NETNS that sends from LOCAL to the host at AT, from SOURCE to TO inside.
forge() { # NETNS LOCAL AT SOURCE TO TO_MAC [VNI]
    ip -n "$1" link del forged 2>/dev/null || true
    ip -n "$1" link add forged type vxlan id "${7:-677376}" local "$2" dstport 4789 nolearning
    ip -n "$1" addr add "$4/32" dev forged
    ip -n "$1" link set forged up
    bridge -n "$1" fdb add "$6" dev forged dst "$3"
    ip -n "$1" neigh replace "$5" lladdr "$6" dev forged nud permanent
    ip -n "$1" route replace "$5" dev forged src "$4"
}

# A Podman of HOST's own, with the sandbox's images.
podman_on() { # HOST
    on "$1" bash -c 'set -e
        mkdir -p /run/libpod /run/containers /hosts/images
        mount --bind /var/lib/containers /hosts/images
        mount -t tmpfs tmpfs /var/lib/containers
        cp -a /hosts/images/storage /var/lib/containers/
        mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup
        for folder in /run/libpod /run/containers /dev/shm; do mount -t tmpfs tmpfs "$folder"; done'
}

# The gateway of HOST, which nginx runs.
gateway_on() { # HOST
    mkdir -p "/hosts/$1/gateway" /var/lib/flatnet-gateway
    on "$1" mount --bind "/hosts/$1/gateway" /var/lib/flatnet-gateway
    on "$1" flatnet gateway install >/dev/null
    on "$1" nginx -p /var/lib/flatnet-gateway -c conf/nginx.conf
    on "$1" flatnet up >/dev/null
}

watch_on() { # HOST
    on "$1" setsid bash -c 'echo $$ >"/hosts/$1/watch.pid"; exec flatnet gateway watch' bash "$1" >"/tmp/watch-$1" 2>&1 </dev/null &
}
