#!/usr/bin/env bash
# The quickstart's tour of two hosts: real Nebula, Podman and nginx, in a sandbox of ops/quickstart --hosts 2.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/quickstart/words.sh
source "$here/words.sh"
# shellcheck source=ops/lib/hosts.sh
source "$here/../hosts.sh"

# A command on a host, as its user types it.
show_on() { # HOST COMMAND..
    printf '    %s$ %s\n' "$1" "${*:2}"
    try on "$@"
    [[ -z $output ]] || indented <<<"$output"
}

address_of() { # HOST CONTAINER
    on "$1" podman inspect --format '{{.NetworkSettings.Networks.flatnet.IPAddress}}' "$2"
}

make_hosts() {
    step "Two hosts in one LAN, each with its own network, files and Podman; beside them a lighthouse and a stranger" \
        "the kernel must support network namespaces, veth and bridges: see \`dmesg | tail\`"
    make_lan
    local host
    for host in h1 h2; do
        host "$host" "192.0.2.1${host#h}" ''
        podman_on "$host"
        try on "$host" flatnet init
    done
    note "h1  192.0.2.11      h2  192.0.2.12      l1  192.0.2.20, the lighthouse      stranger  192.0.2.66"
}

make_authority() {
    step "Once: an authority, which gives out numbers and certificates, and a lighthouse, by which hosts find one another" \
        "Nebula 1.11 or later is needed; ops/lib/nebula.sh fetches it"
    show flatnet overlay ca --ca /ca --no-passphrase
    show flatnet overlay lighthouse --ca /ca l1 --at 192.0.2.20:4242 /lights
    lighthouse /lights l1
}

join_hosts() {
    step "Each host joins: a request, an invitation, three commands and nothing to edit" \
        "\`flatnet overlay join --dry-run\` prints the commands; run the one that failed alone"
    local host
    for host in h1 h2; do
        printf '    %s$ flatnet overlay request > %s.request\n' "$host" "$host"
        on "$host" flatnet overlay request --name "$host" >"/tmp/$host.request" || failed "flatnet overlay request" "$?"
        printf '        $ flatnet overlay sign %s.request > %s.invitation\n' "$host" "$host"
        flatnet overlay sign --ca /ca "/tmp/$host.request" >"/tmp/$host.invitation" 2>/dev/null || failed "flatnet overlay sign" "$?"
        printf '    %s$ flatnet overlay join %s.invitation\n' "$host" "$host"
        try on "$host" flatnet overlay join "/tmp/$host.invitation"
        sed -n 1p <<<"$output" | indented
        nebula_on "$host"
    done
    good "Nebula runs on both, with one capability and no other right"
}

run_containers() {
    step "A container on each" "/var/log/flatnet/flatnet.log of the host has the commands that ran"
    show_on h1 podman run -d --name client --network flatnet flatnet-test/busybox sleep 3600
    show_on h2 podman run -d --name web --network flatnet flatnet-test/web
    web=$(address_of h2 web)
}

reach() {
    step "They reach one another by address and by name, and see one another as they are" \
        "\`flatnet doctor\` on each host; /tmp/nebula-h1.log has what Nebula says"
    printf '    client$ wget -qO- http://%s/who\n' "$web"
    eventually on h1 podman exec client timeout 5 wget -qO- "http://$web/who"
    indented <<<"$output"
    printf '    client$ wget -qO- http://web.h2/who\n'
    eventually on h1 podman exec client timeout 5 wget -qO- http://web.h2/who
    indented <<<"$output"
    expect "${output##* }" "$(address_of h1 client)" "the address that the web server saw"
    good "web.h2 is the container web on host 2, and it sees the client's own address"
    show_on h1 flatnet names --all-hosts
    show_on h1 flatnet overlay status
}

open_by_name() {
    step "One gateway serves the containers of both hosts" "\`flatnet gateway routes\` on h1 says what each host has"
    gateway_on h1 2>/dev/null
    watch_on h1
    watch_on h2
    printf '    h1$ curl http://web.flatnet.internal/who\n'
    eventually on h1 curl -s -f -m 5 --resolve web.flatnet.internal:80:127.0.0.1 http://web.flatnet.internal/who
    indented <<<"$output"
    good "the gateway on host 1 found the route to host 2 by itself"
    show_on h1 flatnet gateway routes
}

refuse_others() {
    step "Nobody else: the stranger has routes to both hosts, and a listener between them" \
        "\`flatnet rules --live\` on h1: the rule whose counter increases decided"
    try ip -n stranger route add 10.87.2.0/24 via 192.0.2.12
    if ip netns exec stranger curl --silent --max-time 2 "http://$web/who" >/dev/null 2>&1; then
        output="the stranger got an answer from $web" && failed "curl http://$web/who" 0
    fi
    good "the stranger is refused"
    ip netns exec h1 timeout 3 tcpdump -nn -A -i eth0 -c 10 udp >/tmp/wire 2>/dev/null &
    local wire=$!
    sleep 0.5
    try on h1 podman exec client timeout 5 wget -qO- http://web.h2/who
    wait "$wire" || true
    expect "$(grep -c -a 'GET /who' /tmp/wire || true)" 0 "requests that can be read between the hosts"
    good "between the hosts there is UDP that nobody can read: $(grep -c -a UDP /tmp/wire) packets"
}

leave() {
    step "A host leaves: everything that joining did is taken back" "\`flatnet overlay leave --dry-run\` prints the commands"
    try kill "$(cat /hosts/h2/watch.pid)"
    try on h2 podman rm -f -t 0 web
    try kill "$(cat /hosts/h2/nebula.pid)"
    eventually on h2 bash -c '! ip link show flatnet-ov0'
    show_on h2 flatnet overlay leave
    expect "$(on h2 ls -A /etc/flatnet/overlay)" "" "files of the overlay"
    expect "$(on h2 nft list ruleset | grep -c flatnet-ov0 || true)" 0 "rules of the overlay"
    good "host 2 is by itself again"
}

web=
make_hosts
make_authority
join_hosts
run_containers
reach
open_by_name
refuse_others
leave
